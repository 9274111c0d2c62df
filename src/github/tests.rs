//! The client against a server that misbehaves in every way that GitHub does.

use super::testing::{Said, say, server};
use super::*;
use crate::domain::{Ancestry, CheckState, RepoName, Sha, Tag};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

fn repo() -> RepoName {
    RepoName::parse("acme/web").unwrap()
}

fn sha(digit: &str) -> Sha {
    Sha::parse(&digit.repeat(40)).unwrap()
}

fn repository() -> Value {
    json!({"id": 1, "full_name": "acme/web", "default_branch": "main"})
}

#[tokio::test]
async fn every_request_says_who_and_which_version() {
    let server = server(|_, _| say(200, repository())).await;
    let installation = server.installation();
    installation.repository(&repo()).await.unwrap();
    let call = &server.calls()[0];
    assert_eq!(call.path, "/repos/acme/web");
    assert_eq!(call.header("authorization"), "Bearer token-1");
    assert_eq!(call.header("x-github-api-version"), "2022-11-28");
    assert_eq!(call.header("accept"), "application/vnd.github+json");
    let agents: Vec<_> = call.headers.get_all("user-agent").iter().collect();
    assert_eq!(agents, [concat!("lockkeeper/", env!("CARGO_PKG_VERSION"))], "one, and ours");
    assert!(!format!("{installation:?} {:?}", server.config()).contains("BEGIN"));
}

#[tokio::test]
async fn one_token_for_many_and_a_new_one_once_after_a_401() {
    let server = server(|seen, _| match seen.header("authorization") {
        "Bearer token-1" => say(401, json!({"message": "Bad credentials"})),
        _ => say(200, repository()),
    })
    .await;
    let installation = server.installation();
    let name = repo();
    let all = futures::future::join_all((0..20).map(|_| installation.repository(&name))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(server.tokens(), 2);
    let never = super::testing::server(|_, _| say(401, json!({"message": "Bad credentials"}))).await;
    let trouble = never.installation().repository(&name).await.unwrap_err();
    assert_eq!((trouble.code, trouble.class), ("github_unauthorized", Class::Misconfigured));
    assert_eq!((never.calls().len(), never.tokens()), (2, 2), "once, not for ever");
}

#[tokio::test]
async fn nothing_is_repeated_behind_our_back() {
    for status in [500, 502, 503, 429, 403, 404, 422] {
        let server = server(move |_, _| say(status, json!({"message": "no"}))).await;
        let body = CheckRunBody::default();
        let trouble = server.installation().create_check_run(&repo(), &sha("a"), "n", "e", &body).await.unwrap_err();
        assert_eq!(trouble.status, Some(status));
        assert_eq!(server.calls().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn what_is_slow_long_broken_or_no_json_has_a_code() {
    let slow = server(|_, _| Said { delay: Duration::from_secs(5), ..say(200, repository()) }).await;
    let long = server(|_, _| say(200, json!("x".repeat(5000)))).await;
    let page = server(|_, _| Said { body: "<html>ghs_secret</html>".into(), ..say(200, Value::Null) }).await;
    for (server, code, retry) in
        [(slow, "github_timeout", true), (long, "github_answer_too_long", false), (page, "github_answer_unreadable", true)]
    {
        let config = GitHubConfig { max_answer: 1000, ..server.config() };
        let installation = GitHub::new(config).unwrap().installation(crate::domain::InstallationId(7));
        let trouble = installation.repository(&repo()).await.unwrap_err();
        assert_eq!((trouble.code, trouble.is_retryable()), (code, retry), "{trouble:?}");
        assert!(!format!("{trouble:?}").contains("ghs_"));
    }
    let config = GitHubConfig {
        api_url: "http://127.0.0.1:9".into(),
        ..super::testing::server(|_, _| say(200, Value::Null)).await.config()
    };
    let trouble = GitHub::new(config).unwrap().app().await.unwrap_err();
    assert_eq!(trouble.code, "github_unreachable");
}

#[tokio::test]
async fn an_unchanged_answer_is_reused() {
    let server = server(|seen, _| match seen.header("if-none-match") {
        "\"v1\"" => say(304, Value::Null),
        _ => say(200, repository()).with("etag", "\"v1\""),
    })
    .await;
    let installation = server.installation();
    let first = installation.repository(&repo()).await.unwrap();
    assert_eq!(installation.repository(&repo()).await.unwrap(), first);
    let other = installation.github.installation(crate::domain::InstallationId(8));
    other.repository(&repo()).await.unwrap();
    let asked: Vec<_> = server.calls().iter().map(|c| c.header("if-none-match").to_owned()).collect();
    assert_eq!(asked, ["", "\"v1\"", ""], "and never for another installation");
    let counts = installation.github.calls();
    assert!(counts.iter().any(|c| c.operation == Operation::RepositoryInfo && c.status == 304 && c.count == 1));
}

#[tokio::test]
async fn a_renamed_repository_is_followed_but_never_to_another_host() {
    let server = server(|seen, _| match seen.path.as_str() {
        "/repos/acme/web" => say(301, json!({})).with("location", "/repositories/1"),
        "/repositories/1" => say(200, json!({"id": 1, "full_name": "acme/new", "default_branch": "main"})),
        _ => say(301, json!({})).with("location", "http://127.0.0.1:9/steal"),
    })
    .await;
    let installation = server.installation();
    assert_eq!(installation.repository(&repo()).await.unwrap().repo.name.as_str(), "acme/new");
    let foreign = installation.repository(&RepoName::parse("acme/foreign").unwrap()).await.unwrap_err();
    assert_eq!(foreign.code, "github_foreign_address");
}

#[tokio::test]
async fn a_limit_holds_the_whole_installation_back_and_no_other() {
    let limit = json!({"message": "You have exceeded a secondary rate limit."});
    let server = server(move |_, n| match n {
        0 => say(403, limit.clone()).with("retry-after", "30"),
        _ => say(200, repository()),
    })
    .await;
    let installation = server.installation();
    let first = installation.repository(&repo()).await.unwrap_err();
    assert_eq!(first.after(), Some(Duration::from_secs(30)));
    let second = installation.repository(&repo()).await.unwrap_err();
    assert_eq!(second.code, "github_paced");
    assert!(second.after().unwrap() > Duration::from_secs(25));
    assert_eq!(server.calls().len(), 1);
    installation.github.installation(crate::domain::InstallationId(8)).repository(&repo()).await.unwrap();
}

/// Makes, or edits, something that people read.
async fn write(installation: &Installation, edit: bool) -> Result<(), Trouble> {
    let body = CheckRunBody::default();
    match edit {
        true => installation.update_comment(&repo(), 1, "more").await.map(drop),
        false => installation.create_check_run(&repo(), &sha("a"), "n", "e", &body).await.map(drop),
    }
}

#[tokio::test]
async fn an_edit_is_content_and_what_waits_for_its_pace_steps_aside_or_comes_again() {
    let server = server(|_, _| say(200, json!({"id": 1}))).await;
    let minute = Duration::from_millis(600);
    let pacing = Pacing { content_per_minute: 2, minute, longest_wait: minute * 2, ..Pacing::default() };
    let installation =
        GitHub::new(GitHubConfig { pacing, ..server.config() }).unwrap().installation(crate::domain::InstallationId(7));
    for edit in [false, true] {
        // What the answers hold does not matter here.
        drop(write(&installation, edit).await);
    }
    assert_eq!(server.calls().len(), 2);
    for edit in [false, true] {
        let full = stepping_aside(Arc::new(|| false), write(&installation, edit)).await.unwrap_err();
        assert_eq!((full.code, server.calls().len()), ("github_paced", 2), "it keeps no place");
        assert!(full.after().is_some_and(|wait| !wait.is_zero() && wait <= minute * 2));
    }
    let (asked, begun) = (Arc::new(AtomicU32::new(0)), Instant::now());
    let count = asked.clone();
    drop(stepping_aside(Arc::new(move || count.fetch_add(1, Ordering::SeqCst) < 9), write(&installation, true)).await);
    assert!(server.calls().len() == 3 && begun.elapsed() >= minute / 2, "{:?}", begun.elapsed());
    assert!(asked.load(Ordering::SeqCst) > 0);
    // What goes at once asks nobody.
    let read = stepping_aside(Arc::new(|| panic!("it need not wait")), installation.repository(&repo())).await;
    drop(read);
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn the_quota_is_shown_and_kept() {
    let server = server(|_, _| {
        let reset = jiff::Timestamp::now().as_second() + 600;
        let said = say(200, repository()).with("x-ratelimit-limit", "5000").with("x-ratelimit-resource", "core");
        said.with("x-ratelimit-remaining", "40").with("x-ratelimit-reset", &reset.to_string())
    })
    .await;
    let installation = server.installation();
    installation.repository(&repo()).await.unwrap();
    assert_eq!(installation.github.quotas().iter().map(|q| q.remaining).collect::<Vec<_>>(), [40]);
    let trouble = installation.repository(&repo()).await.unwrap_err();
    assert_eq!(trouble.code, "github_quota");
    assert!(trouble.after().unwrap() > Duration::from_secs(590));
    assert_eq!(server.calls().len(), 1);
}

fn commit_parts() -> Value {
    json!({"__typename": "Commit", "oid": "a".repeat(40),
        "settingsHere": null, "npm": null, "python": null,
        "cargo": {"path": "Cargo.toml", "object": {"text": "[package]", "isBinary": false, "isTruncated": false}},
        "statusCheckRollup": {"contexts": {"pageInfo": {"hasNextPage": false, "endCursor": null}, "nodes": [
            {"__typename": "StatusContext", "context": "ci", "state": "PENDING", "createdAt": "2026-01-01T00:00:00Z",
             "targetUrl": null, "creator": {"login": "bot"}}]}},
        "history": {"pageInfo": {"hasNextPage": false}, "nodes": [{"oid": "a".repeat(40), "repository": {"databaseId": 1}, "message": "feat: x (#3)",
            "parents": {"nodes": []}, "author": {"name": "A", "email": "a@x", "date": "2026-01-01T00:00:00Z", "user": {"login": "ann"}},
            "associatedPullRequests": {"nodes": [{"repository": {"databaseId": 1}, "number": 3, "title": "feat: x", "state": "MERGED", "author": null,
                "labels": {"nodes": [{"name": "bug"}]}}]}}]}})
}

fn facts_data() -> Value {
    json!({"repository": {
        "defaultBranchRef": {"name": "main", "compare": {"status": "BEHIND"}, "target": {"oid": "b".repeat(40),
            "settings": null, "cliff": null, "dotCliff": null, "configCliff": null}},
        "asked": {"__typename": "Tag", "oid": "c".repeat(40), "message": "one", "target": commit_parts()},
        "refs": {"pageInfo": {"hasNextPage": false}, "nodes": []},
        "releases": {"totalCount": 1, "nodes": [{"databaseId": 9, "tagName": "v1", "isDraft": true, "isPrerelease": false,
            "url": "u", "author": null}]},
        "newest": {"nodes": [{"databaseId": 9, "description": "text"}]}}})
}

fn v1() -> TagOrSha {
    TagOrSha::Tag(Tag::parse("v1").unwrap())
}

#[tokio::test]
async fn facts_of_a_tag_are_one_call() {
    let server = server(|_, _| say(200, json!({"data": facts_data()}))).await;
    let facts = server.installation().commit_facts(&repo(), &v1()).await.unwrap();
    assert_eq!(server.calls().len(), 1, "the budget of a release is six");
    assert_eq!(server.calls()[0].path, "/graphql");
    let tag = facts.tag.unwrap();
    assert_eq!((tag.commit, tag.object, tag.annotated), (sha("a"), Some(sha("c")), true));
    assert_eq!(facts.on_default_branch, Some(Ancestry::Contained));
    assert_eq!(facts.checks.unwrap()[0].state, CheckState::Pending);
    assert_eq!((facts.releases[0].draft, facts.releases[0].body.as_str()), (true, "text"));
    assert_eq!(facts.manifests[0].text, "[package]");
    assert_eq!(facts.history[0].pull_request.as_ref().unwrap().labels, ["bug"]);
}

#[tokio::test]
async fn what_is_hidden_is_never_none() {
    let mut data = facts_data();
    data["repository"]["asked"]["target"]["statusCheckRollup"] = Value::Null;
    let hidden =
        |path: Value| json!([{"type": "FORBIDDEN", "message": "Resource not accessible by integration", "path": path}]);
    let checks = json!({"data": data, "errors": hidden(json!(["repository", "asked", "target", "statusCheckRollup"]))});
    let none = json!({"data": data});
    let history = json!({"data": data, "errors": hidden(json!(["repository", "asked", "target", "history"]))});
    let server = server(move |_, n| say(200, [&checks, &none, &history][n].clone())).await;
    let installation = server.installation();
    let unreadable = installation.commit_facts(&repo(), &v1()).await.unwrap().checks.unwrap_err();
    assert!(unreadable.reason.contains("Checks: read"), "{unreadable:?}");
    assert_eq!(installation.commit_facts(&repo(), &v1()).await.unwrap().checks.unwrap(), []);
    let trouble = installation.commit_facts(&repo(), &v1()).await.unwrap_err();
    assert_eq!((trouble.code, trouble.class), ("github_permission_missing", Class::Misconfigured));
}

#[tokio::test]
async fn what_does_not_exist_may_be_said_in_two_ways() {
    let mut data = facts_data();
    data["repository"]["asked"] = Value::Null;
    let absent = |field: &str| json!({"type": "NOT_FOUND", "message": "no", "path": ["repository", field]});
    let mut file = absent("defaultBranchRef");
    file["path"] = json!(["repository", "defaultBranchRef", "target", "settings"]);
    let body = json!({"data": data, "errors": [absent("asked"), absent("release"), file]});
    let server = server(move |_, _| say(200, body.clone())).await;
    let facts = server.installation().commit_facts(&repo(), &v1()).await.unwrap();
    assert_eq!((facts.sha, facts.tag, facts.config), (None, None, Ok(None)));
}

#[tokio::test]
async fn errors_inside_a_200_are_told_apart() {
    let now = jiff::Timestamp::now().as_second();
    for (kind, message, code) in [
        ("RATE_LIMITED", "API rate limit exceeded", "github_rate_limit"),
        ("RATE_LIMIT", "API rate limit already exceeded for installation ID 7.", "github_rate_limit"),
        ("RATE_LIMITED", "You have exceeded a secondary rate limit.", "github_secondary_limit"),
        ("NOT_FOUND", "Could not resolve to a Repository", "github_not_found"),
        ("FORBIDDEN", "Resource not accessible by integration", "github_permission_missing"),
        ("MAX_NODE_LIMIT_EXCEEDED", "too many nodes", "github_query_refused"),
    ] {
        let body =
            json!({"data": {"repository": null}, "errors": [{"type": kind, "message": message, "path": ["repository"]}]});
        let server = server(move |_, _| say(200, body.clone()).with("x-ratelimit-reset", &(now + 100).to_string())).await;
        let trouble = server.installation().commit_facts(&repo(), &v1()).await.unwrap_err();
        assert_eq!(trouble.code, code, "{message}");
    }
}

#[tokio::test]
async fn pages_are_halved_until_github_answers() {
    let server = server(|seen, _| match seen.body["variables"]["items"].as_u64() {
        Some(items) if items > 25 => say(502, json!({"message": "Server Error"})),
        _ => say(200, json!({"data": facts_data()})),
    })
    .await;
    server.installation().commit_facts(&repo(), &v1()).await.unwrap();
    let asked: Vec<_> = server.calls().iter().map(|c| c.body["variables"]["items"].clone()).collect();
    assert_eq!(asked, [100, 50, 25]);
    let never = super::testing::server(|_, _| say(504, json!({}))).await;
    assert!(never.installation().commit_facts(&repo(), &v1()).await.unwrap_err().is_retryable());
    assert_eq!(never.calls().len(), 7, "100, 50, 25, 12, 6, 3, 1");
}

#[tokio::test]
async fn a_deployment_of_another_commit_is_refused() {
    let server =
        server(|_, _| say(201, json!({"id": 1, "sha": "b".repeat(40), "environment": "staging", "payload": {}}))).await;
    let environment = crate::domain::EnvName::parse("staging").unwrap();
    let asked = sha("a");
    let new = NewDeployment {
        sha: &asked,
        environment: &environment,
        production: false,
        description: "d",
        run: "r1",
        task: "deploy",
        spare: false,
        payload: serde_json::Map::new(),
    };
    let trouble = server.installation().create_deployment(&repo(), &new).await.unwrap_err();
    assert_eq!(trouble.code, "deployment_of_another_commit");
    let sent = &server.calls()[0].body;
    assert_eq!((&sent["auto_merge"], &sent["required_contexts"]), (&json!(false), &json!([])));
    assert_eq!((&sent["ref"], &sent["payload"][PAYLOAD_RUN]), (&json!(asked), &json!("r1")));
}

#[tokio::test]
async fn a_published_release_is_never_deleted() {
    let release = |draft: bool| json!({"id": 9, "tag_name": "v1", "draft": draft, "prerelease": false, "body": null, "html_url": "u", "author": null});
    let server = server(move |seen, _| match seen.path.as_str() {
        _ if seen.method == "DELETE" => say(204, Value::Null),
        "/repos/acme/web/releases/1" => say(200, release(true)),
        "/repos/acme/web/releases/2" => say(200, release(false)),
        _ => say(404, json!({"message": "Not Found"})),
    })
    .await;
    let installation = server.installation();
    assert!(installation.delete_draft(&repo(), 1).await.unwrap());
    assert!(!installation.delete_draft(&repo(), 2).await.unwrap());
    assert!(installation.delete_draft(&repo(), 3).await.unwrap(), "gone is gone");
    let deleted: Vec<_> = server.calls().into_iter().filter(|c| c.method == "DELETE").map(|c| c.path).collect();
    assert_eq!(deleted, ["/repos/acme/web/releases/1"]);
}
