//! Checks, releases and deployments: what they remember, and how they tell it.

use super::bot::Bot;
use super::shop;
use lockkeeper::sandbox::DeploymentReport;
use serde_json::json;

#[tokio::test]
async fn a_check_run_lives_from_queued_to_success() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    let sha = shop.resolve("main").unwrap();
    let path = "/repos/acme/shop/check-runs";
    let made =
        bot.post(path, json!({ "name": "lockkeeper/release", "head_sha": sha, "external_id": "run-1" })).await.expect(201);
    let id = made["id"].as_u64().unwrap();
    assert!(id > u64::from(u32::MAX));
    assert_eq!((made["status"].as_str(), made["app"]["id"].as_u64()), (Some("queued"), Some(sandbox.app_id())));
    let no_word = bot.patch(&format!("{path}/{id}"), json!({ "status": "completed" })).await;
    assert_eq!((no_word.status, no_word.message().contains("conclusion")), (422, true));
    let output = json!({ "title": "t", "summary": "s" });
    let done = bot.patch(&format!("{path}/{id}"), json!({ "conclusion": "success", "output": output })).await.expect(200);
    assert_eq!(done["status"], "completed");
    let build = shop.check("github-actions", &sha, "build", "failure").unwrap();
    let foreign = bot.patch(&format!("{path}/{build}"), json!({ "conclusion": "success" })).await;
    assert_eq!(foreign.status, 403);
    let rerun = shop.check("github-actions", &sha, "build", "success").unwrap();
    let list = bot.get(&format!("/repos/acme/shop/commits/{sha}/check-runs?check_name=build")).await.expect(200);
    assert_eq!((list["total_count"].as_u64(), list["check_runs"][0]["id"].as_u64()), (Some(1), Some(rerun)));
    let all = bot.get(&format!("/repos/acme/shop/commits/{sha}/check-runs?filter=all&app_id=15368")).await.expect(200);
    assert_eq!(all["total_count"], 2);
    assert_eq!(sandbox.violations().len(), 2, "{:?}", sandbox.violations());
}

#[tokio::test]
async fn a_release_is_drafted_published_once_and_latest() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    let sha = shop.resolve("main").unwrap();
    shop.tag("v1.0.0", &sha).unwrap();
    let draft = json!({ "tag_name": "v1.0.0", "name": "v1.0.0", "body": "notes", "draft": true });
    let made = bot.post("/repos/acme/shop/releases", draft.clone()).await.expect(201);
    let url = format!("/repos/acme/shop/releases/{}", made["id"]);
    assert_eq!(bot.get("/repos/acme/shop/releases/tags/v1.0.0").await.status, 404, "a draft has no tag");
    let second = bot.post("/repos/acme/shop/releases", draft).await.expect(201);
    let published = bot.patch(&url, json!({ "draft": false, "make_latest": "true" })).await.expect(200);
    assert_eq!((published["draft"].as_bool(), published["prerelease"].as_bool()), (Some(false), Some(false)));
    let twice = bot.patch(&format!("/repos/acme/shop/releases/{}", second["id"]), json!({ "draft": false })).await;
    assert_eq!((twice.status, twice.body["errors"][0]["code"].as_str()), (422, Some("already_exists")));
    let again = bot.post("/repos/acme/shop/releases", json!({ "tag_name": "v1.0.0" })).await;
    assert_eq!((again.status, again.body["errors"][0]["field"].as_str()), (422, Some("tag_name")));
    let long =
        bot.post("/repos/acme/shop/releases", json!({ "tag_name": "v2", "body": "x".repeat(125_001), "draft": true })).await;
    assert_eq!(long.status, 422);
    assert_eq!(shop.latest_release().unwrap().tag, "v1.0.0");
    assert_eq!(shop.releases().iter().filter(|r| !r.draft).count(), 1);
    assert_eq!(Bot::send(bot.request("DELETE", &format!("/repos/acme/shop/releases/{}", second["id"]))).await.status, 204);
    let untagged = bot.post("/repos/acme/shop/releases", json!({ "tag_name": "v3.0.0", "prerelease": true })).await.expect(201);
    assert_eq!(untagged["target_commitish"], "main");
    assert_eq!(shop.resolve("refs/tags/v3.0.0"), Some(sha), "publishing makes the tag");
    assert_eq!(shop.latest_release().unwrap().tag, "v1.0.0", "a prerelease is never the latest");
}

#[tokio::test]
async fn a_deployment_is_followed_by_anybodys_reports() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    let sha = shop.resolve("v0.1.0").unwrap();
    let path = "/repos/acme/shop/deployments";
    let behind = bot.post(path, json!({ "ref": sha })).await;
    assert_eq!(behind.status, 409, "auto_merge is on unless switched off");
    shop.start_check("github-actions", &sha, "build").unwrap();
    let unchecked = bot.post(path, json!({ "ref": sha, "auto_merge": false })).await;
    assert_eq!((unchecked.status, unchecked.body["errors"][0]["field"].as_str()), (409, Some("required_contexts")));
    let ask = json!({ "ref": sha, "auto_merge": false, "required_contexts": [], "environment": "staging",
        "production_environment": false, "payload": { "lockkeeper_run": "r1" } });
    let first = bot.post(path, ask.clone()).await.expect(201);
    assert_eq!((first["sha"].as_str(), first["payload"]["lockkeeper_run"].as_str()), (Some(sha.as_str()), Some("r1")));
    let statuses = format!("{path}/{}/statuses", first["id"]);
    assert_eq!(bot.post(&statuses, json!({ "state": "success", "description": "x".repeat(141) })).await.status, 422);
    assert_eq!(bot.post(&statuses, json!({ "state": "done" })).await.status, 422);
    bot.post(&statuses, json!({ "state": "success", "environment_url": "https://staging.example.com" })).await.expect(201);
    let second = bot.post(path, ask).await.expect(201)["id"].as_u64().unwrap();
    shop.report_deployment(second, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let list = bot.get(&format!("{path}/{second}/statuses")).await.expect(200);
    assert_eq!(
        (list[0]["creator"]["login"].as_str(), list[0]["creator"]["type"].as_str()),
        (Some("deployer[bot]"), Some("Bot"))
    );
    assert_eq!(shop.deployments()[0].state(), "inactive", "the one before");
    let found = bot.get(&format!("{path}?sha={sha}&environment=staging")).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 2);
}
