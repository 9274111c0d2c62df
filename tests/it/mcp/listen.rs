//! Being told instead of asking.

use super::{Agent, MODERN, key};
use crate::keys::brought_up;
use crate::world::{Setup, World};
use lockkeeper::domain::Role;
use serde_json::{Value, json};
use std::time::Duration;

const CONFIG: &str = "[environments.staging]\non = [\"manual\"]\ntarget = \"cluster\"\nagents = \"allow\"\n\n\
                      [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
const STATUS: &str = "lockkeeper://repos/acme/shop/status";

/// What a client hears.
struct Ear(reqwest::Response, String);

impl Ear {
    async fn open(agent: &Agent, uris: &[&str]) -> Self {
        let params = json!({ "notifications": { "resourceSubscriptions": uris } });
        let response = agent.request(MODERN, "subscriptions/listen", params).send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self(response, String::new())
    }
    /// The next message; nothing at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.1.clone().split_once('\n') {
                self.1 = rest.to_owned();
                if let Some(message) = line.strip_prefix("data:").and_then(|text| serde_json::from_str(text.trim()).ok()) {
                    return Some(message);
                }
                continue;
            }
            let bytes =
                tokio::time::timeout(Duration::from_secs(20), self.0.chunk()).await.expect("nothing is said").ok()??;
            self.1.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    async fn hears_of(&mut self, uri: &str) {
        loop {
            let said = self.next().await.expect("it goes on");
            if said["method"] == "notifications/resources/updated" && said["params"]["uri"] == uri {
                return;
            }
        }
    }
}

async fn deploy(world: &World, agent: &Agent) -> String {
    let sha = world.head();
    let plan = json!({ "repo": "acme/shop", "environment": "staging", "ref": sha.as_str() });
    let digest = agent.call("plan_deployment", plan).await.told()["plan"]["digest"].clone();
    let apply = json!({ "plan_digest": digest, "idempotency_key": "one", "reason": "the tests say so" });
    agent.call("deploy_to_environment", apply).await.told()["deployment"]["id"].as_str().unwrap().to_owned()
}

/// With a token for it, a call that waits tells each step, and answers at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_tells_how_far_it_is() {
    let world = Setup::new().config(CONFIG).start().await;
    let (_, good) = key(&world, "read,plan,deploy", "staging").await;
    let agent = Agent::at(&world, &good);
    let run = deploy(&world, &agent).await;
    let params = json!({ "name": "get_deployment", "arguments": { "deployment_id": run, "wait_s": 25 } });
    let request = agent.request(MODERN, "tools/call", params).build().unwrap();
    let text = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
    let mut body: Value = serde_json::from_str(&text).unwrap();
    body["params"]["_meta"]["progressToken"] = json!("p1");
    let mut request = request;
    *request.body_mut() = Some(body.to_string().into());
    request.headers_mut().remove("content-length");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut ear = Ear(http.execute(request).await.unwrap(), String::new());
    brought_up(&world, &world.head(), "deploy").await;
    let (mut steps, mut last) = (0, 0.0);
    let end = loop {
        let said = ear.next().await.expect("it has an end");
        if said["method"] != "notifications/progress" {
            break said;
        }
        assert_eq!(said["params"]["progressToken"], "p1", "{said}");
        let progress = said["params"]["progress"].as_f64().unwrap();
        assert!(progress > last && said["params"]["message"].as_str().unwrap().contains(": "), "{said}");
        (steps, last) = (steps + 1, progress);
    };
    assert!(steps > 2, "{steps}");
    assert_eq!(end["result"]["structuredContent"]["outcome"], "succeeded", "{end}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_hears_of_what_they_may_read_until_their_key_ends() {
    let world = Setup::new().config(CONFIG).start().await;
    let (id, good) = key(&world, "read,plan,deploy", "staging").await;
    let (_, other) = key(&world, "read", "production").await;
    let (agent, other) = (Agent::at(&world, &good), Agent::at(&world, &other));
    let mut ear = Ear::open(&agent, &[STATUS, "file:///etc/passwd"]).await;
    let first = ear.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    assert!(first.to_string().contains(STATUS) && !first.to_string().contains("passwd"), "{first}");
    let run = deploy(&world, &agent).await;
    ear.hears_of(STATUS).await;
    let address = format!("lockkeeper://deployments/{run}");
    let (mut follower, mut stranger) = (Ear::open(&agent, &[&address]).await, Ear::open(&other, &[&address]).await);
    stranger.next().await.unwrap();
    brought_up(&world, &world.head(), "deploy").await;
    follower.hears_of(&address).await;
    world.quiet().await;
    assert!(tokio::time::timeout(Duration::from_secs(1), stranger.next()).await.is_err(), "of what is not theirs nobody hears");
    // A lock is no run, and is told all the same.
    while tokio::time::timeout(Duration::from_secs(1), ear.next()).await.is_ok() {}
    assert_eq!(world.command_told(&["lock", "staging", "--repo", "acme/shop", "--reason", "hands off"]).await.0, 0);
    ear.hears_of(STATUS).await;
    assert_eq!(world.command_told(&["keys", "revoke", &id]).await.0, 0);
    while let Some(said) = ear.next().await {
        assert!(said["method"] != "notifications/resources/updated" || said["params"]["uri"] == STATUS, "{said}");
    }
    world.finish().await;
}

/// GitHub's word about a person's token is good for a while (a minute, and less here), also for one that only listens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_listens_while_their_token_is_good_and_one_that_was_taken_back_opens_nothing() {
    let good_for = Duration::from_secs(4);
    let mut world = Setup::new().config(CONFIG).people().tune(|tuning| tuning.people = good_for).start().await;
    world.expect_refusal("/applications/");
    world.shop.set_role("mia", Role::Read);
    let (mia, stranger) = (world.github.user_token("mia", None, 3_600), world.github.user_token("sam", None, 3_600));
    let (mia, stranger) = (Agent::at(&world, &mia), Agent::at(&world, &stranger));
    let (mut ear, mut deaf) = (Ear::open(&mia, &[STATUS]).await, Ear::open(&stranger, &[STATUS]).await);
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    ear.hears_of(STATUS).await;
    world.github.revoke_user_token(&mia.key);
    let ends = async { while ear.next().await.is_some() {} };
    tokio::time::timeout(good_for * 3, ends).await.expect("it hears no more");
    let status = mia.call("get_status", json!({ "repo": "acme/shop" })).await;
    assert_eq!((status.status, status.body["code"].as_str()), (401, Some("key_invalid")), "{}", status.body);
    let again = mia.request(MODERN, "subscriptions/listen", json!({ "notifications": {} })).send().await.unwrap();
    assert_eq!(again.status(), 401);
    // Who may read nothing there hears of nothing.
    while let Some(said) = deaf.next().await {
        assert_ne!(said["method"], "notifications/resources/updated", "{said}");
    }
    world.released("v1.1.0", &world.head()).await;
    world.finish().await;
}
