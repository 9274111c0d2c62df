//! Webhooks: signed, in order, true to GitHub, and in whatever trouble a test wants.

use super::bot::Bot;
use super::shop;
use axum::http::{HeaderMap, StatusCode};
use hmac::{Hmac, KeyInit, Mac};
use lockkeeper::sandbox::{CommitSeed, HookAction, HookRule, Order, RefPush, Sandbox};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug)]
struct Got {
    event: String,
    guid: String,
    body: Value,
}

/// Something that listens, checks every signature and remembers.
struct Ear {
    got: Arc<Mutex<Vec<Got>>>,
    answer: Arc<Mutex<StatusCode>>,
}

impl Ear {
    async fn of(sandbox: &Sandbox) -> Self {
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let answer = Arc::new(Mutex::new(StatusCode::ACCEPTED));
        let (heard, says) = (got.clone(), answer.clone());
        let app = axum::Router::new().fallback(move |headers: HeaderMap, body: axum::body::Bytes| {
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").unwrap();
            mac.update(&body);
            let wanted = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>();
            let of = |name: &str| headers[name].to_str().unwrap().to_owned();
            let status = if of("x-hub-signature-256") == format!("sha256={wanted}") {
                *says.lock().unwrap()
            } else {
                StatusCode::UNAUTHORIZED
            };
            assert!(of("user-agent").starts_with("GitHub-Hookshot/"));
            heard.lock().unwrap().push(Got {
                event: of("x-github-event"),
                guid: of("x-github-delivery"),
                body: serde_json::from_slice(&body).unwrap(),
            });
            async move { status }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        sandbox.set_webhook(&url, "secret");
        let ear = Self { got, answer };
        ear.heard(sandbox).await;
        ear
    }

    /// What came since the last time.
    async fn heard(&self, sandbox: &Sandbox) -> Vec<Got> {
        for _ in 0..2_000 {
            if sandbox.settle(Duration::ZERO) {
                return std::mem::take(&mut *self.got.lock().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("webhooks are still on their way");
    }
    async fn events(&self, sandbox: &Sandbox) -> Vec<String> {
        let name = |g: Got| g.body["action"].as_str().map_or(g.event.clone(), |action| format!("{}.{action}", g.event));
        self.heard(sandbox).await.into_iter().map(name).collect()
    }
}

#[tokio::test]
async fn pushes_tell_what_github_tells() {
    let (sandbox, shop) = shop();
    let ear = Ear::of(&sandbox).await;
    let before = shop.resolve("main").unwrap();
    let sha = shop.commit("main", CommitSeed::new("fix: x").author("ann")).unwrap();
    let heard = ear.heard(&sandbox).await;
    let push = &heard[0].body;
    assert_eq!(heard.iter().map(|g| g.event.as_str()).collect::<Vec<_>>(), ["push", "check_suite"]);
    assert_eq!((push["before"].as_str(), push["after"].as_str()), (Some(before.as_str()), Some(sha.as_str())));
    assert_eq!(
        (push["created"].as_bool(), push["forced"].as_bool(), push["commits"].as_array().unwrap().len()),
        (Some(false), Some(false), 1)
    );
    assert_eq!(
        (push["pusher"]["name"].as_str(), push["commits"][0]["author"]["username"].as_str()),
        (Some("ann"), Some("ann"))
    );
    assert!(push["repository"]["pushed_at"].is_u64() && push["installation"]["id"].is_u64() && push["sender"]["id"].is_u64());
    shop.annotated_tag("v1.0.0", &sha, "m").unwrap();
    let heard = ear.heard(&sandbox).await;
    let (push, create) = (&heard[0].body, &heard[1].body);
    assert_eq!(
        (push["ref"].as_str(), push["created"].as_bool(), push["base_ref"].as_str()),
        (Some("refs/tags/v1.0.0"), Some(true), Some("refs/heads/main"))
    );
    assert_ne!(push["after"], sha.as_str(), "an annotated tag's own object");
    assert_eq!(
        (push["head_commit"]["id"].as_str(), create["ref_type"].as_str(), create["ref"].as_str()),
        (Some(sha.as_str()), Some("tag"), Some("v1.0.0"))
    );
    shop.move_tag("v1.0.0", &before).unwrap();
    let moved = &ear.heard(&sandbox).await[0].body;
    assert_eq!(
        (moved["created"].as_bool(), moved["forced"].as_bool(), moved["after"].as_str()),
        (Some(false), Some(true), Some(before.as_str()))
    );
    shop.delete_tag("v1.0.0").unwrap();
    assert_eq!(ear.events(&sandbox).await, ["push", "delete"]);
    let tags = |n: usize| (0..n).map(|i| RefPush::tag(&format!("n{n}-{i}"), &sha)).collect();
    shop.push("ann", tags(3)).unwrap();
    assert_eq!(ear.events(&sandbox).await.len(), 6);
    shop.push("ann", tags(4)).unwrap();
    assert_eq!(ear.events(&sandbox).await.len(), 0, "nothing for more than three tags at once");
}

#[tokio::test]
async fn the_app_hears_its_own_echo() {
    let (sandbox, shop) = shop();
    let ear = Ear::of(&sandbox).await;
    let bot = Bot::of(&sandbox).await;
    let sha = shop.resolve("main").unwrap();
    bot.post("/repos/acme/shop/check-runs", json!({ "name": "x", "head_sha": sha, "conclusion": "success" })).await.expect(201);
    assert_eq!(ear.events(&sandbox).await, ["check_run.created", "check_run.completed", "check_suite.completed"]);
    let made = bot.post("/repos/acme/shop/releases", json!({ "tag_name": "v2.0.0", "draft": true })).await.expect(201);
    bot.patch(&format!("/repos/acme/shop/releases/{}", made["id"]), json!({ "draft": false })).await.expect(200);
    let events = ear.events(&sandbox).await;
    assert_eq!(events, ["release.created", "push", "create", "release.published", "release.released"]);
    let ask = json!({ "ref": sha, "auto_merge": false, "required_contexts": [], "environment": "dev" });
    let made = bot.post("/repos/acme/shop/deployments", ask).await.expect(201);
    bot.post(&format!("/repos/acme/shop/deployments/{}/statuses", made["id"]), json!({ "state": "queued" })).await.expect(201);
    let heard = ear.heard(&sandbox).await;
    assert_eq!(heard.iter().map(|g| g.event.as_str()).collect::<Vec<_>>(), ["deployment", "deployment_status"]);
    assert!(heard.iter().all(|g| g.body["sender"]["login"] == "lockkeeper[bot]"));
    assert_eq!(heard[1].body["deployment_status"]["performed_via_github_app"]["id"], sandbox.app_id());
}

#[tokio::test]
async fn failed_deliveries_are_listed_and_sent_again() {
    let (sandbox, shop) = shop();
    let ear = Ear::of(&sandbox).await;
    let sha = shop.resolve("main").unwrap();
    sandbox.hook_rule(HookRule::new("push", HookAction::Drop).times(1));
    *ear.answer.lock().unwrap() = StatusCode::INTERNAL_SERVER_ERROR;
    shop.tag("v1.0.0", &sha).unwrap();
    assert_eq!(ear.events(&sandbox).await, ["create"]);
    *ear.answer.lock().unwrap() = StatusCode::ACCEPTED;
    let app = Bot::app(&sandbox);
    let first = app.get("/app/hook/deliveries?per_page=1").await;
    assert_eq!((first.body[0]["event"].as_str(), first.body[0]["status_code"].as_u64()), (Some("create"), Some(500)));
    let next = first.header("link").split('<').nth(1).unwrap().split('>').next().unwrap().to_owned();
    let dropped = app.get(&next).await.expect(200)[0].clone();
    assert_eq!((dropped["event"].as_str(), dropped["status"].as_str()), (Some("push"), Some("failed to connect to host")));
    let path = format!("/app/hook/deliveries/{}", dropped["id"]);
    assert_eq!(app.get(&path).await.expect(200)["request"]["payload"]["ref"], "refs/tags/v1.0.0");
    app.post(&format!("{path}/attempts"), json!({})).await.expect(202);
    let again = ear.heard(&sandbox).await;
    assert_eq!((again[0].event.as_str(), again[0].guid.as_str()), ("push", dropped["guid"].as_str().unwrap()));
    assert!(sandbox.deliveries().last().unwrap().redelivery);
    assert!(app.get("/app/hook/config").await.expect(200)["url"].as_str().unwrap().ends_with("/webhook"));
}

#[tokio::test]
async fn webhooks_can_be_doubled_held_turned_around_and_forged() {
    let (sandbox, shop) = shop();
    let ear = Ear::of(&sandbox).await;
    let sha = shop.resolve("main").unwrap();
    sandbox.hook_rule(HookRule::new("push", HookAction::Duplicate));
    shop.tag("a", &sha).unwrap();
    let twice = ear.heard(&sandbox).await;
    assert_eq!((twice.len(), twice[0].guid == twice[1].guid), (3, true));
    sandbox.clear_hook_rules();
    sandbox.hook_rule(HookRule::new("*", HookAction::Hold));
    shop.tag("b", &sha).unwrap();
    assert_eq!(ear.heard(&sandbox).await.len(), 0);
    assert_eq!(sandbox.release_hooks(Order::Reversed), 2);
    assert_eq!(ear.events(&sandbox).await, ["create", "push"]);
    sandbox.clear_hook_rules();
    sandbox.send_webhook("push", "{\"ref\":\"x\"}", Some("guid-1"), true);
    assert_eq!(ear.heard(&sandbox).await[0].guid, "guid-1");
    assert_eq!(sandbox.deliveries().last().unwrap().status_code, 401);
    sandbox.ping();
    sandbox.suspend("acme", true).unwrap();
    shop.tag("c", &sha).unwrap();
    assert_eq!(ear.events(&sandbox).await, ["ping", "installation.suspend"], "a suspended installation hears nothing more");
}
