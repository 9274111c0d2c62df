//! Our own adapter against the stand-in: each finds the other's mistakes. Nothing it asks may be a violation.

use super::shop;
use lockkeeper::domain::{Ancestry, CheckState, EnvName, InstallationId, Millis, RepoName, Role, Tag, UserId};
use lockkeeper::github::{
    CheckRunBody, DispatchedAsk, GitHub, GitHubConfig, Installation, MakeLatest, NewDeployment, NewDeploymentStatus,
    NewRelease, RangeBase, RecheckAsk, Secret, TagOrSha,
};
use lockkeeper::sandbox::{CommentSeed, CommitSeed, HookAction, HookRule, Merge, PullSeed, RepoHandle, Sandbox};
use std::collections::BTreeMap;

fn adapter(sandbox: &Sandbox) -> (GitHub, Installation, RepoName) {
    let github = GitHub::new(GitHubConfig {
        api_url: sandbox.base_url().to_owned(),
        app_id: sandbox.app_id().to_string(),
        private_key: Secret::new(sandbox.private_key_pem()),
        ..GitHubConfig::default()
    });
    let github = github.unwrap();
    let installation = github.installation(InstallationId(sandbox.installation("acme").unwrap()));
    (github, installation, RepoName::parse("acme/shop").unwrap())
}

fn clean(sandbox: &Sandbox) {
    let violations = sandbox.violations();
    assert!(violations.is_empty(), "{violations:#?}");
}

fn merged(shop: &RepoHandle) {
    shop.branch("topic", &shop.resolve("main").unwrap()).unwrap();
    shop.commit("topic", CommitSeed::new("feat: one").author("cleo").file("one", "1")).unwrap();
    let number = shop.open_pull(PullSeed::new("feat: one", "topic").author("cleo").label("big")).unwrap();
    shop.merge_pull(number, Merge::Squash, "ann").unwrap();
}

#[tokio::test]
async fn the_main_reads_agree() {
    let (sandbox, shop) = shop();
    merged(&shop);
    let (_, github, repo) = adapter(&sandbox);
    let (sha, tag) = (shop.resolve("main").unwrap(), Tag::parse("v1.0.0").unwrap());
    shop.annotated_tag("v1.0.0", &sha, "the first").unwrap();
    let build = shop.start_check("github-actions", &sha, "build").unwrap();
    shop.status("ann", &sha, "lint", "success").unwrap();
    let facts = github.commit_facts(&repo, &TagOrSha::Tag(tag.clone())).await.unwrap();
    assert_eq!((facts.sha.as_ref(), facts.on_default_branch), (Some(&sha), Some(Ancestry::Contained)));
    let seen = facts.tag.unwrap();
    assert_eq!((seen.annotated, seen.message.as_deref().map(str::trim), facts.tags.len()), (true, Some("the first"), 2));
    let checks = facts.checks.unwrap();
    assert_eq!(
        checks.iter().map(|c| (c.name.as_str(), c.state)).collect::<Vec<_>>(),
        [("build", CheckState::Pending), ("lint", CheckState::Success)]
    );
    assert_eq!(facts.manifests[0].path, "Cargo.toml");
    let pull = facts.history[0].pull_request.clone().unwrap();
    assert_eq!((facts.history.len(), pull.author.as_deref(), pull.labels), (4, Some("cleo"), vec!["big".to_owned()]));
    shop.complete_check(build, "failure").unwrap();
    let base = shop.resolve("v0.1.0").unwrap();
    let authors = ["ann".to_owned(), "cleo".to_owned(), "dev".to_owned()];
    let ask = RecheckAsk { tag: Some(&tag), sha: &sha, base: Some(&base), authors: &authors, folder: None };
    let again = github.recheck(&repo, ask).await.unwrap();
    assert_eq!((again.ahead, again.behind, again.first_time), (Some(3), Some(0), vec!["ann".to_owned(), "cleo".to_owned()]));
    assert!(again.checks.unwrap().iter().any(|c| c.state == CheckState::Failure));
    let range =
        github.range(&repo, &[RangeBase { tag: Tag::parse("v0.1.0").unwrap(), commit: Some(base) }], &sha).await.unwrap();
    assert_eq!((range.commits.len(), range.commits[2].sha == sha, range.incomplete), (3, true, None));
    assert_eq!(github.tag_names(&repo).await.unwrap().len(), 2);
    clean(&sandbox);
}

#[tokio::test]
async fn the_main_writes_agree() {
    let (sandbox, shop) = shop();
    let (_, github, repo) = adapter(&sandbox);
    let (sha, tag) = (shop.resolve("main").unwrap(), Tag::parse("v1.0.0").unwrap());
    shop.tag("v1.0.0", &sha).unwrap();
    let pending =
        CheckRunBody { status: Some("in_progress"), title: "t".into(), summary: "s".into(), ..CheckRunBody::default() };
    let run = github.create_check_run(&repo, &sha, "lockkeeper/release", "run-1", &pending).await.unwrap();
    let done = CheckRunBody { conclusion: Some("success"), ..pending };
    assert_eq!(github.update_check_run(&repo, run.id, &done).await.unwrap().conclusion.as_deref(), Some("success"));
    assert_eq!(github.find_check_run(&repo, &sha, "lockkeeper/release", "run-1").await.unwrap().unwrap().id, run.id);
    let new = NewRelease { tag: &tag, sha: &sha, name: "v1.0.0", body: "<!-- lockkeeper:run=r1 -->", prerelease: false };
    let draft = github.create_draft(&repo, &new).await.unwrap();
    assert!(draft.draft && github.find_releases(&repo, &tag).await.unwrap().len() == 1);
    assert!(!github.publish_release(&repo, draft.id, false, MakeLatest::True).await.unwrap().draft);
    assert_eq!(shop.latest_release().unwrap().id, draft.id);
    let environment = EnvName::parse("staging").unwrap();
    let new = NewDeployment {
        spare: false,
        sha: &sha,
        environment: &environment,
        production: false,
        description: "d",
        run: "r1",
        task: "deploy",
        payload: serde_json::Map::new(),
    };
    let deployment = github.create_deployment(&repo, &new).await.unwrap();
    let status = NewDeploymentStatus {
        spare: false,
        state: "queued",
        description: "waits",
        environment_url: None,
        log_url: None,
        auto_inactive: true,
    };
    github.create_deployment_status(&repo, deployment.id, &status).await.unwrap();
    assert_eq!(github.find_deployment(&repo, &sha, &environment, "r1").await.unwrap().unwrap().id, deployment.id);
    assert_eq!(github.deployment_statuses(&repo, deployment.id).await.unwrap()[0].app_id, Some(sandbox.app_id()));
    let text =
        "run-name: Deploy ${{ inputs.run }}\non:\n  workflow_dispatch:\n    inputs:\n      run:\n        required: true\n";
    shop.commit("main", CommitSeed::new("ci: deploy").file(".github/workflows/deploy.yml", text)).unwrap();
    let inputs = BTreeMap::from([("run".to_owned(), "r1".to_owned())]);
    let id = github.dispatch_workflow(&repo, "deploy.yml", "main", &inputs).await.unwrap().unwrap();
    shop.move_run(id, Some("success")).unwrap();
    let ask = DispatchedAsk { workflow: "deploy.yml", run: "r1", branch: "main", since: Millis(0) };
    assert_eq!(github.find_dispatched(&repo, &ask).await.unwrap()[0].info.id, id);
    assert_eq!(github.workflow_run(&repo, id).await.unwrap().unwrap().conclusion.as_deref(), Some("success"));
    let id = github.dispatch_workflow(&repo, "deploy.yml", "main", &inputs).await.unwrap().unwrap();
    assert!(github.cancel_workflow_run(&repo, id).await.unwrap());
    assert_eq!(github.workflow_run(&repo, id).await.unwrap().unwrap().conclusion.as_deref(), Some("cancelled"));
    clean(&sandbox);
    assert!(!github.cancel_workflow_run(&repo, id).await.unwrap(), "it is over");
}

#[tokio::test]
async fn the_app_and_people_agree() {
    let (sandbox, shop) = shop();
    sandbox.team("acme", "sre", &["ann"]);
    shop.set_role("ann", Role::Maintain);
    merged(&shop);
    let (app, github, repo) = adapter(&sandbox);
    assert_eq!(app.own_app_id().await.unwrap(), sandbox.app_id());
    assert_eq!(app.installations().await.unwrap().len(), 1);
    assert_eq!(app.installation_of(&repo).await.unwrap(), InstallationId(sandbox.installation("acme").unwrap()));
    assert_eq!(github.repositories().await.unwrap().len(), 1);
    assert!(github.is_team_member("acme", "sre", "ann").await.unwrap());
    let ann = UserId(sandbox.user("ann", "ann@example.com").id);
    assert_eq!(github.role(&repo, "ann", ann).await.unwrap(), Role::Maintain);
    assert_eq!(github.role(&repo, "ann", UserId(ann.0 + 1)).await.unwrap(), Role::None, "another account");
    let facts = github.pull_request(&repo, 1).await.unwrap();
    assert!(github.changes_path(&repo, &facts, "one").await.unwrap());
    assert!(!github.changes_path(&repo, &facts, "two").await.unwrap());
    let file = github.file(&repo, "Cargo.toml", "main").await.unwrap().unwrap();
    assert!(file.text.contains("0.1.0"));
    assert_eq!(github.branches(&repo, &shop.resolve("v0.1.0").unwrap()).await.unwrap().len(), 2);
    sandbox.set_webhook("http://127.0.0.1:9/webhook", "s");
    sandbox.hook_rule(HookRule::new("push", HookAction::Drop));
    shop.tag("v1.0.0", &shop.resolve("main").unwrap()).unwrap();
    while !sandbox.settle(std::time::Duration::ZERO) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let failed = app.failed_deliveries(Millis(0)).await.unwrap();
    assert!(failed.iter().any(|d| d.event == "push"), "{failed:?}");
    app.redeliver(failed[0].id).await.unwrap();
    clean(&sandbox);
}

#[tokio::test]
async fn comments_and_reactions_agree() {
    let (sandbox, shop) = shop();
    shop.branch("topic", &shop.resolve("main").unwrap()).unwrap();
    shop.commit("topic", CommitSeed::new("feat: one")).unwrap();
    let pull = shop.open_pull(PullSeed::new("feat: one", "topic")).unwrap();
    let (_, github, repo) = adapter(&sandbox);
    let asked = shop.comment(pull, CommentSeed::new("ann", "/status <!-- lockkeeper:run:1 -->")).unwrap();
    github.react(&repo, asked, "eyes").await.unwrap();
    github.react(&repo, asked, "eyes").await.unwrap();
    assert_eq!(shop.find_comment(asked).unwrap().reactions.len(), 1);
    let find = || github.find_comment(&repo, pull, "<!-- lockkeeper:run:1 -->", Millis(0));
    assert_eq!(find().await.unwrap(), None, "a person can write our marker");
    let ours = github.create_comment(&repo, pull, "one\n\n<!-- lockkeeper:run:1 -->", false).await.unwrap();
    assert_eq!(find().await.unwrap(), Some(ours.clone()));
    assert!(ours.url.ends_with(&format!("#issuecomment-{}", ours.id)), "{}", ours.url);
    clean(&sandbox);
    assert!(github.create_comment(&repo, pull, " ", false).await.is_err_and(|why| why.status == Some(422)));
    assert!(github.create_comment(&repo, pull, &"x".repeat(65_537), false).await.is_err_and(|why| why.status == Some(422)));
    shop.delete_comment(asked, "ann").unwrap();
    assert!(github.react(&repo, asked, "eyes").await.is_err_and(|why| why.is_gone()));
}
