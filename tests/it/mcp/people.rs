//! People at the agents' door, by the tokens that GitHub makes for them and for our App.

use super::{Agent, MODERN, key};
use crate::approvals::{identifier, press};
use crate::keys::brought_up;
use crate::world::{Setup, World};
use lockkeeper::domain::Role;
use serde_json::{Value, json};

const CONFIG: &str = r#"
[environments.staging]
on = ["manual"]
target = "cluster"
agents = "allow"
who = ["maintain"]

[environments.production]
on = ["manual"]
target = "cluster"
approvals = { count = 1 }

[targets.cluster]
kind = "deployment"
reporters = ["deployer[bot]"]
"#;
const CHECK: &str = "POST /applications/{client_id}/token";
const ROLE: &str = "GET /repos/{owner}/{repo}/collaborators/{user}/permission";

async fn world() -> World {
    let world = Setup::new().config(CONFIG).people().start().await;
    for (login, role) in [("mia", Role::Maintain), ("ann", Role::Write), ("eve", Role::Read)] {
        world.shop.set_role(login, role);
    }
    world
}

fn of(world: &World, login: &str) -> Agent {
    Agent::at(world, &world.github.user_token(login, None, 3_600))
}

fn at(environment: &str, sha: &str) -> Value {
    json!({ "repo": "acme/shop", "environment": environment, "ref": sha })
}

fn apply(digest: &Value, key: &str) -> Value {
    json!({ "plan_digest": digest, "idempotency_key": key, "reason": "the tests say so" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_deploys_what_their_role_and_the_environment_let_them() {
    let mut world = world().await;
    let sha = world.head();
    let page = format!("http://{}/.well-known/oauth-protected-resource/mcp", world.server().address);
    let page: Value =
        reqwest::Client::builder().no_proxy().build().unwrap().get(page).send().await.unwrap().json().await.unwrap();
    assert_eq!(page["authorization_servers"], json!(["https://github.com/login/oauth"]));
    let (mia, ann, eve) = (of(&world, "mia"), of(&world, "ann"), of(&world, "eve"));
    let before = (world.count(CHECK), world.count(ROLE));
    let digest = mia.call("plan_deployment", at("staging", sha.as_str())).await.told()["plan"]["digest"].clone();
    ann.call("deploy_to_environment", apply(&digest, "stolen")).await.refused("plan_mismatch");
    let (answer, ()) =
        tokio::join!(mia.call("deploy_to_environment", apply(&digest, "one")), brought_up(&world, &sha, "deploy"));
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    world.quiet().await;
    assert_eq!(mia.call("get_status", json!({ "repo": "acme/shop" })).await.told()["outcome"], "succeeded");
    // Once for each person within a minute, however often they call.
    assert_eq!((world.count(CHECK) - before.0, world.count(ROLE) - before.1), (2, 1));
    // The environment names a role that this one has not.
    let digest = ann.call("plan_deployment", at("staging", sha.as_str())).await.told()["plan"]["digest"].clone();
    ann.call("deploy_to_environment", apply(&digest, "two")).await.refused("insufficient_scope");
    // Whoever may only read, reads.
    assert_eq!(eve.call("get_status", json!({ "repo": "acme/shop" })).await.told()["outcome"], "succeeded");
    eve.call("plan_deployment", at("staging", sha.as_str())).await.refused("insufficient_scope");
    // In a comment they would not have others asked either.
    for (tool, more) in [("check_deployment_health", ("environment", "staging")), ("generate_release_notes", ("to", "v1.0.0"))]
    {
        eve.call(tool, json!({ "repo": "acme/shop", more.0: more.1 })).await.refused("insufficient_scope");
    }
    let lock = json!({ "repo": "acme/shop", "environment": "staging", "reason": "x", "idempotency_key": "three" });
    eve.call("lock_environment", lock).await.refused("insufficient_scope");
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.action == "deploy" && row.run.is_some()).unwrap();
    assert_eq!((row.actor.login.as_str(), row.actor.is_agent()), ("mia", true));
    world.finish().await;
}

/// With an agent between, the person only asks; and who has asked does not agree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_never_comes_by_this_door() {
    let mut world = world().await;
    world.expect_refusal("permission");
    let sha = world.head();
    let ann = of(&world, "ann");
    assert!(ann.tools().await.iter().all(|tool| !tool.contains("approve")));
    let digest = ann.call("plan_deployment", at("production", sha.as_str())).await.told()["plan"]["digest"].clone();
    let answer = ann.call("deploy_to_environment", apply(&digest, "one")).await;
    assert_eq!(answer.told()["outcome"], "pending_approval", "{}", answer.body);
    let check = world.check(&sha, "lockkeeper/production", "action_required").await;
    let approve = identifier(&check, "approve");
    assert_eq!(press(&world, &check, &approve, "ann").await.as_deref(), Some("self_approval"));
    assert_eq!(press(&world, &check, &approve, "mia").await, None);
    brought_up(&world, &sha, "deploy").await;
    world.check(&sha, "lockkeeper/production", "success").await;
    world.quiet().await;
    let (_, reader) = key(&world, "read", "production").await;
    let (_, elsewhere) = key(&world, "read", "staging").await;
    let (reader, elsewhere) = (Agent::at(&world, &reader), Agent::at(&world, &elsewhere));
    let mut found = None;
    for id in entries(&reader).await {
        let entry = entry(&reader, &id).await["audit"].clone();
        assert_eq!(entry["id"].to_string(), id);
        if entry["door"] == "run" && entry["action"] == "deploy" {
            found = Some((id, entry));
        }
    }
    let (id, entry_of_run) = found.expect("the end of the deployment is on record");
    let approvers = entry_of_run["detail"]["approvers"].as_array().unwrap_or_else(|| panic!("{entry_of_run}"));
    assert_eq!(approvers.iter().map(|one| &one["by"]["login"]).collect::<Vec<_>>(), ["mia"]);
    assert_eq!((&entry_of_run["decision"], &entry_of_run["by"]), (&json!("succeeded"), &json!("ann")));
    assert_eq!(entry(&ann, &id).await["audit"], entry_of_run, "whoever may read there reads it by its number");
    assert!(!entries(&elsewhere).await.contains(&id));
    assert_eq!(entry(&elsewhere, &id).await, Value::Null);
    assert_eq!(entry(&of(&world, "stranger"), &id).await, Value::Null);
    world.finish().await;
}

async fn entries(agent: &Agent) -> Vec<String> {
    let reference = json!({ "type": "ref/resource", "uri": "lockkeeper://audit/{entry}" });
    let complete = json!({ "ref": reference, "argument": { "name": "entry", "value": "" } });
    let body = agent.ask(MODERN, "completion/complete", complete).await.body;
    let values = body["result"]["completion"]["values"].as_array().unwrap_or_else(|| panic!("{body}")).clone();
    values.into_iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// `null` where there is none that this one may see.
async fn entry(agent: &Agent, id: &str) -> Value {
    let uri = format!("lockkeeper://audit/{id}");
    let request = agent.request(MODERN, "resources/read", json!({ "uri": uri })).header("mcp-name", &uri);
    let body = agent.send(request).await.body;
    let text = body["result"]["contents"][0]["text"].as_str().unwrap_or("null").to_owned();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_good_here_opens_nothing() {
    let mut world = world().await;
    world.expect_refusal("/applications/");
    world.expect_refusal("permission");
    let status = json!({ "repo": "acme/shop" });
    let revoked = of(&world, "mia");
    world.github.revoke_user_token(&revoked.key);
    let ended = Agent::at(&world, &world.github.user_token("mia", None, -1));
    let foreign = Agent::at(&world, &world.github.user_token("mia", Some("Iv23liSomebodyElses"), 3_600));
    let unknown = Agent::at(&world, &format!("ghu_{}", "0".repeat(36)));
    for agent in
        [&revoked, &ended, &foreign, &unknown, &Agent::at(&world, "ghu_x"), &Agent::at(&world, "gho_0000000000000000000000")]
    {
        let answer = agent.call("get_status", status.clone()).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (401, Some("key_invalid")), "{}", answer.body);
    }
    // Nobody who has no role there learns that it is there.
    let stranger = of(&world, "stranger");
    for repo in ["acme/shop", "acme/none"] {
        let answer = stranger.call("get_status", json!({ "repo": repo })).await;
        let told = answer.refused("insufficient_scope").to_string();
        assert!(told.contains("no right to this repository"), "{told}");
    }
    // While the installation is suspended nobody can say what somebody may do.
    let ann = of(&world, "ann");
    world.github.suspend("acme", true).unwrap();
    world.quiet().await;
    let answer = ann.call("get_status", status.clone()).await;
    assert_eq!(answer.told()["outcome"], "refused", "{}", answer.body);
    world.github.suspend("acme", false).unwrap();
    world.finish().await;
    // Where the operator lets no people in, their tokens are none.
    let world = Setup::new().config(CONFIG).start().await;
    world.shop.set_role("mia", Role::Maintain);
    assert_eq!(of(&world, "mia").call("get_status", status).await.status, 401);
    assert_eq!(world.count(CHECK), 0);
    world.finish().await;
}
