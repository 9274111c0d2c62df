//! What GitHub refuses is refused here, in its words.

use super::bot::{Bot, jwt};
use super::shop;
use serde_json::json;

#[tokio::test]
async fn only_a_good_jwt_is_the_app() {
    let (sandbox, _) = shop();
    let say = async |token: &str| {
        let answer = Bot::with(&sandbox, token).get("/app").await;
        (answer.status, answer.message())
    };
    assert_eq!(say(&jwt(&sandbox, 60, 540)).await.0, 200);
    assert!(say(&jwt(&sandbox, 60, 700)).await.1.contains("too far in the future"));
    assert!(say(&jwt(&sandbox, 60, -1)).await.1.contains("'Expiration time' claim"));
    assert!(say(&jwt(&sandbox, -60, 100)).await.1.contains("'Issued at' claim"));
    let good = jwt(&sandbox, 60, 100);
    let (head, _) = good.rsplit_once('.').unwrap();
    assert_eq!(say(&format!("{head}.AAAA")).await, (401, "A JSON web token could not be decoded".into()));
    let other = lockkeeper::sandbox::Sandbox::start(Default::default()).unwrap();
    assert_eq!(say(&jwt(&other, 60, 100)).await.0, 401, "signed with another key");
    let bot = Bot::of(&sandbox).await;
    assert_eq!(bot.get("/app").await.status, 401, "an installation token is not the App");
    assert_eq!(Bot::with(&sandbox, &good).get("/repos/acme/shop").await.status, 401, "the App is not an installation");
}

#[tokio::test]
async fn the_wire_is_held_to_the_contract() {
    let (sandbox, _) = shop();
    let bot = Bot::of(&sandbox).await;
    assert!(bot.token.len() > 400);
    let plain = reqwest::Client::new().get(format!("{}/repos/acme/shop", sandbox.base_url())).bearer_auth(&bot.token);
    assert_eq!(Bot::send(plain).await.status, 403, "no User-Agent");
    let old =
        reqwest::Client::builder().user_agent("x").build().unwrap().get(format!("{}/repos/acme/shop", sandbox.base_url()));
    assert_eq!(Bot::send(old.bearer_auth(&bot.token).header("x-github-api-version", "2020-01-01")).await.status, 400);
    for path in
        ["/repos/acme/shop/", "/nowhere", "/repos/acme/nope", "/repos/acme/shop/releases/abc", "/repos/acme/shop/pulls/99"]
    {
        assert_eq!(bot.get(path).await.status, 404, "{path}");
    }
    let broken = bot.request("POST", "/repos/acme/shop/releases").body("{");
    assert_eq!(Bot::send(broken).await.message(), "Problems parsing JSON");
    let missing = bot.post("/repos/acme/shop/releases", json!({ "name": "x" })).await;
    assert_eq!(missing.message(), "Invalid request.\n\n\"tag_name\" wasn't supplied.");
    assert_eq!((missing.body["status"].as_str(), missing.body["documentation_url"].is_string()), (Some("422"), true));
    let typo = bot.get("/repos/acme/shop/releases?perpage=5").await;
    assert_eq!(typo.status, 200);
    let violations = sandbox.violations();
    assert!(violations.iter().any(|v| v.status == 200 && v.message == "unknown query perpage"), "{violations:?}");
    assert_eq!(sandbox.counts()["GET /repos/{owner}/{repo}/releases"], 1);
}

#[tokio::test]
async fn a_permission_that_is_missing_is_403_and_a_foreign_repository_404() {
    let (sandbox, _) = shop();
    let seed = lockkeeper::sandbox::RepoSeed::new("other/hidden");
    sandbox.create_repo(seed).unwrap();
    let bot = Bot::of(&sandbox).await;
    assert_eq!(bot.get("/repos/other/hidden").await.status, 404);
    sandbox.set_permission("acme", "deployments", None).unwrap();
    assert_eq!(bot.get("/repos/acme/shop/deployments").await.message(), "Resource not accessible by integration");
    sandbox.suspend("acme", true).unwrap();
    assert_eq!(bot.get("/repos/acme/shop").await.status, 403);
    sandbox.suspend("acme", false).unwrap();
    assert_eq!(bot.get("/repos/acme/shop").await.status, 200);
    sandbox.remove_from_installation("acme/shop").unwrap();
    assert_eq!(bot.get("/repos/acme/shop").await.status, 404);
    sandbox.uninstall("acme").unwrap();
    assert_eq!(bot.get("/installation/repositories").await.status, 401);
}

#[tokio::test]
async fn tokens_can_be_narrowed_but_not_widened() {
    let (sandbox, shop) = shop();
    let install = sandbox.installation("acme").unwrap();
    let path = format!("/app/installations/{install}/access_tokens");
    let app = Bot::app(&sandbox);
    let narrow = json!({ "repository_ids": [shop.id()], "permissions": { "contents": "read" } });
    let token = app.post(&path, narrow).await.expect(201);
    assert_eq!(token["permissions"], json!({ "contents": "read", "metadata": "read" }));
    let bot = Bot::with(&sandbox, token["token"].as_str().unwrap());
    assert_eq!(bot.get("/repos/acme/shop/git/matching-refs/tags/").await.status, 200);
    assert_eq!(bot.post("/repos/acme/shop/releases", json!({ "tag_name": "v1" })).await.status, 403);
    assert_eq!(app.post(&path, json!({ "permissions": { "administration": "write" } })).await.status, 422);
    assert_eq!(app.post(&path, json!({ "repository_ids": [1] })).await.status, 422);
    assert_eq!(app.post("/app/installations/1/access_tokens", json!({})).await.status, 404);
}

#[tokio::test]
async fn the_rate_is_counted_and_ends() {
    let (sandbox, _) = shop();
    let bot = Bot::of(&sandbox).await;
    sandbox.set_rate_limit(3);
    let first = bot.get("/repos/acme/shop").await;
    assert_eq!((first.header("x-ratelimit-remaining"), first.header("x-ratelimit-resource")), ("2", "core"));
    bot.get("/repos/acme/shop").await.expect(200);
    bot.get("/repos/acme/shop").await.expect(200);
    let over = bot.get("/repos/acme/shop").await;
    assert_eq!((over.status, over.header("x-ratelimit-remaining")), (403, "0"));
    assert!(over.message().starts_with("API rate limit exceeded"));
}
