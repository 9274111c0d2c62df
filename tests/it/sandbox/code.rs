//! References, comparisons, files, workflows, people, git over HTTP.

use super::bot::{Answer, Bot};
use super::shop;
use lockkeeper::domain::Role;
use lockkeeper::sandbox::{CommitSeed, Merge, PullSeed, RepoSeed};
use serde_json::json;

#[tokio::test]
async fn tags_are_listed_unpeeled_and_pages_join_up() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    let sha = shop.resolve("main").unwrap();
    shop.annotated_tag("v1.0.0", &sha, "the first").unwrap();
    let one = bot.get("/repos/acme/shop/git/ref/tags/v1.0.0").await.expect(200);
    assert_eq!(one["object"]["type"], "tag");
    let tag = bot.get(&format!("/repos/acme/shop/git/tags/{}", one["object"]["sha"].as_str().unwrap())).await.expect(200);
    assert_eq!((tag["object"]["sha"].as_str(), tag["message"].as_str()), (Some(sha.as_str()), Some("the first")));
    let first = bot.get("/repos/acme/shop/git/matching-refs/tags/v?per_page=1").await;
    let next = first.header("link").split('<').nth(1).unwrap().split('>').next().unwrap().to_owned();
    assert!(first.header("link").contains("rel=\"last\""));
    let second = bot.get(&next).await.expect(200);
    assert_eq!(
        (first.body[0]["ref"].as_str(), second[0]["ref"].as_str()),
        (Some("refs/tags/v0.1.0"), Some("refs/tags/v1.0.0"))
    );
    assert_eq!(bot.get("/repos/acme/shop/git/ref/tags/v9").await.status, 404);
    shop.move_tag("v1.0.0", &shop.resolve("v0.1.0").unwrap()).unwrap();
    assert_eq!(bot.get("/repos/acme/shop/git/ref/tags/v1.0.0").await.expect(200)["object"]["type"], "commit");
    shop.delete_tag("v1.0.0").unwrap();
    assert_eq!(bot.get("/repos/acme/shop/git/ref/tags/v1.0.0").await.status, 404);
}

#[tokio::test]
async fn a_comparison_lists_the_newest_250_oldest_first() {
    let (sandbox, shop) = shop();
    let many = (0..300).map(|n| CommitSeed::new(&format!("fix: number {n}"))).collect();
    shop.commits("main", many, "ann").unwrap();
    let bot = Bot::of(&sandbox).await;
    let got = bot.get("/repos/acme/shop/compare/v0.1.0...main").await.expect(200);
    let message = |n: usize| got["commits"][n]["commit"]["message"].as_str().unwrap().to_owned();
    assert_eq!((got["ahead_by"].as_u64(), got["total_commits"].as_u64()), (Some(302), Some(302)));
    assert_eq!(
        (got["commits"].as_array().unwrap().len(), message(0), message(249)),
        (250, "fix: number 50".into(), "fix: number 299".into())
    );
    let page = bot.get("/repos/acme/shop/compare/v0.1.0...main?per_page=100&page=4").await.expect(200);
    assert_eq!(page["commits"].as_array().unwrap().len(), 2);
    let back = bot.get("/repos/acme/shop/compare/main...v0.1.0").await.expect(200);
    assert_eq!((back["status"].as_str(), back["behind_by"].as_u64()), (Some("behind"), Some(302)));
    assert_eq!(bot.get("/repos/acme/shop/compare/main...nope").await.status, 404);
}

#[tokio::test]
async fn files_are_read_at_a_ref_and_unchanged_ones_answer_304() {
    let (sandbox, _shop) = shop();
    let bot = Bot::of(&sandbox).await;
    let got = bot.get("/repos/acme/shop/contents/Cargo.toml?ref=v0.1.0").await;
    let etag = got.header("etag").to_owned();
    assert!(got.expect(200)["content"].as_str().unwrap().starts_with("W3BhY2thZ2Vd"));
    let again = bot.request("GET", "/repos/acme/shop/contents/Cargo.toml?ref=v0.1.0").header("if-none-match", &etag);
    assert_eq!(Bot::send(again).await.status, 304);
    assert_eq!(bot.get("/repos/acme/shop/contents/src/lib.rs?ref=v0.1.0").await.status, 404);
    let dir = bot.get("/repos/acme/shop/contents/src").await.expect(200);
    assert_eq!((dir[0]["type"].as_str(), dir[1]["path"].as_str()), (Some("dir"), Some("src/lib.rs")));
}

#[tokio::test]
async fn a_workflow_is_dispatched_and_followed() {
    let (sandbox, shop) = shop();
    let text = "on:\n  workflow_dispatch:\n    inputs:\n      sha:\n        required: true\n";
    let seed =
        CommitSeed::new("ci: deploy").file(".github/workflows/deploy.yml", text).file(".github/workflows/ci.yml", "on: push\n");
    shop.commit("main", seed).unwrap();
    let bot = Bot::of(&sandbox).await;
    let path = |file: &str| format!("/repos/acme/shop/actions/workflows/{file}/dispatches");
    let ask = json!({ "ref": "main", "inputs": { "sha": "x" }, "return_run_details": true });
    let told = bot.post(&path("deploy.yml"), ask.clone()).await.expect(200);
    let quiet = bot.post(&path("deploy.yml"), json!({ "ref": "main", "inputs": { "sha": "y" } })).await;
    assert_eq!(quiet.status, 204);
    let missing = bot.post(&path("deploy.yml"), json!({ "ref": "main" })).await;
    assert_eq!(missing.message(), "Required input 'sha' not provided");
    let refused = |a: Answer| (a.status, a.message());
    assert_eq!(
        refused(bot.post(&path("ci.yml"), json!({ "ref": "main" })).await).1,
        "Workflow does not have 'workflow_dispatch' trigger"
    );
    assert_eq!(bot.post(&path("nope.yml"), json!({ "ref": "main" })).await.status, 404);
    let unknown = json!({ "ref": "main", "inputs": { "env": "x" } });
    assert_eq!(refused(bot.post(&path("deploy.yml"), unknown).await), (422, "Unexpected inputs provided: [\"env\"]".into()));
    let id = told["workflow_run_id"].as_u64().unwrap();
    shop.move_run(id, Some("success")).unwrap();
    let run = bot.get(told["run_url"].as_str().unwrap()).await.expect(200);
    assert_eq!((run["status"].as_str(), run["conclusion"].as_str()), (Some("completed"), Some("success")));
    let list =
        bot.get("/repos/acme/shop/actions/workflows/deploy.yml/runs?event=workflow_dispatch&status=queued").await.expect(200);
    assert_eq!(list["total_count"], 1);
    assert_eq!(shop.runs()[0].inputs, json!({ "sha": "x" }));
    let cancel = |id: u64| format!("/repos/acme/shop/actions/runs/{id}/cancel");
    let over = refused(bot.post(&cancel(id), json!({})).await);
    assert_eq!(over, (409, "Cannot cancel a workflow run that is completed.".into()));
    let other = list["workflow_runs"][0]["id"].as_u64().unwrap();
    assert_eq!(bot.post(&cancel(other), json!({})).await.status, 202);
    assert_eq!(shop.runs()[1].conclusion.as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn pull_requests_are_squashed_and_merged() {
    let (sandbox, shop) = shop();
    let base = shop.resolve("main").unwrap();
    shop.branch("topic", &base).unwrap();
    shop.commit("topic", CommitSeed::new("feat: one").author("cleo").file("one", "1")).unwrap();
    shop.commit("topic", CommitSeed::new("fix: two").author("cleo").file("two", "2")).unwrap();
    let number = shop.open_pull(PullSeed::new("feat: both", "topic").author("cleo").label("big")).unwrap();
    let bot = Bot::of(&sandbox).await;
    assert_eq!(bot.get(&format!("/repos/acme/shop/pulls/{number}")).await.expect(200)["head"]["ref"], "topic");
    let sha = shop.merge_pull(number, Merge::Squash, "ann").unwrap();
    let commit = bot.get(&format!("/repos/acme/shop/commits/{sha}")).await.expect(200);
    assert_eq!(commit["commit"]["message"], format!("feat: both (#{number})\n\n* feat: one\n\n* fix: two"));
    assert_eq!((commit["author"]["login"].as_str(), shop.resolve("main")), (Some("cleo"), Some(sha.clone())));
    assert_eq!(bot.get(&format!("/repos/acme/shop/commits/{sha}/pulls")).await.expect(200)[0]["number"], number);
    shop.branch("other", &sha).unwrap();
    shop.commit("other", CommitSeed::new("docs: three").file("three", "3")).unwrap();
    let other = shop.open_pull(PullSeed::new("docs: three", "other")).unwrap();
    let merge = shop.merge_pull(other, Merge::Commit, "ann").unwrap();
    let commit = bot.get(&format!("/repos/acme/shop/commits/{merge}")).await.expect(200);
    assert_eq!((commit["parents"].as_array().unwrap().len(), commit["parents"][0]["sha"].as_str()), (2, Some(sha.as_str())));
    shop.branch("clash", &base).unwrap();
    shop.commit("clash", CommitSeed::new("fix: clash").file("one", "other")).unwrap();
    let clash = shop.open_pull(PullSeed::new("fix: clash", "clash")).unwrap();
    assert!(shop.merge_pull(clash, Merge::Squash, "ann").unwrap_err().to_string().contains("conflicts"));
}

#[tokio::test]
async fn people_have_roles_and_teams() {
    let (sandbox, shop) = shop();
    sandbox.team("acme", "sre", &["ann"]);
    shop.set_role("ann", Role::Maintain);
    let bot = Bot::of(&sandbox).await;
    let ann = bot.get("/repos/acme/shop/collaborators/ann/permission").await.expect(200);
    assert_eq!((ann["permission"].as_str(), ann["role_name"].as_str()), (Some("write"), Some("maintain")));
    assert_eq!(bot.get("/repos/acme/shop/collaborators/dev/permission").await.expect(200)["permission"], "none");
    assert_eq!(bot.get("/orgs/acme/teams/sre/memberships/ann").await.expect(200)["state"], "active");
    assert_eq!(bot.get("/orgs/acme/teams/sre/memberships/dev").await.status, 404);
}

#[tokio::test]
async fn git_fetches_with_the_token_only() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    let folder = tempfile::tempdir().unwrap();
    let clone = |user: &str, name: &str| {
        let url = sandbox.base_url().replace("http://", &format!("http://{user}"));
        let mut git = tokio::process::Command::new("git");
        git.args(["-c", "credential.helper=", "clone", "-q", "--bare", "--filter=blob:none", &format!("{url}/acme/shop.git")]);
        git.arg(folder.path().join(name)).env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "true");
        git.output()
    };
    let done = clone(&format!("x-access-token:{}@", bot.token), "a").await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!clone("", "b").await.unwrap().status.success());
    assert!(!clone("x-access-token:ghs_wrong@", "c").await.unwrap().status.success());
    let copy = sandbox.import_repo("acme/copy", &folder.path().join("a")).unwrap();
    assert_eq!((copy.resolve("main"), copy.refs().len()), (shop.resolve("main"), shop.refs().len()));
}

#[tokio::test]
async fn an_import_guesses_pull_requests() {
    let (sandbox, _) = shop();
    let seed = RepoSeed::new("acme/old")
        .commit(CommitSeed::new("feat: a (#7)").author("A <12+ada@users.noreply.github.com>"))
        .commit(CommitSeed::new("fix: b").author("B <b@example.org>").tagged("v1.0.0"));
    sandbox.create_repo(seed).unwrap();
    let bot = Bot::of(&sandbox).await;
    let folder = tempfile::tempdir().unwrap();
    let url = sandbox.base_url().replace("http://", &format!("http://x-access-token:{}@", bot.token));
    let mut git = tokio::process::Command::new("git");
    let cloned =
        git.args(["clone", "-q", &format!("{url}/acme/old.git")]).arg(folder.path().join("old")).output().await.unwrap();
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    let copy = sandbox.import_repo("acme/copy", &folder.path().join("old")).unwrap();
    let pulls = copy.pulls();
    assert_eq!((pulls.len(), pulls[0].number, pulls[0].author.as_str(), pulls[0].title.as_str()), (1, 7, "ada", "feat: a"));
    assert!(copy.refs().contains_key("refs/tags/v1.0.0"));
}

#[tokio::test]
async fn people_push_with_git_itself() {
    let (sandbox, shop) = shop();
    shop.set_role("ann", Role::Write);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("clone");
    let url = |user: &str| format!("{}/acme/shop.git", sandbox.base_url().replace("http://", &format!("http://{user}@")));
    let git = async |arguments: &[&str]| {
        let mut git = tokio::process::Command::new("git");
        let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "credential.helper="];
        git.args(who).args(arguments).env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "true").output().await.unwrap()
    };
    let path = at.to_str().unwrap();
    assert!(git(&["clone", "-q", &url("ann:ghp_ann"), path]).await.status.success());
    assert!(git(&["-C", path, "commit", "-q", "--allow-empty", "-m", "fix: pushed"]).await.status.success());
    assert!(git(&["-C", path, "tag", "-a", "v2.0.0", "-m", "two"]).await.status.success());
    let pushed = git(&["-C", path, "push", "-q", "origin", "main", "v2.0.0"]).await;
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let head = shop.resolve("main").unwrap();
    assert_eq!(shop.resolve("refs/tags/v2.0.0"), Some(head));
    let refused = git(&["-C", path, "push", "-q", &url("bob:ghp_bob"), "main:other"]).await;
    assert!(!refused.status.success() && shop.resolve("refs/heads/other").is_none());
    assert!(git(&["-C", path, "push", "-q", "origin", ":v2.0.0"]).await.status.success());
    assert_eq!(shop.resolve("refs/tags/v2.0.0"), None);
}
