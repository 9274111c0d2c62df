//! Jobs of GitHub Actions as callers, by the tokens that GitHub makes for them.

use super::Agent;
use crate::keys::brought_up;
use crate::world::{Setup, World};
use serde_json::{Value, json};

const PUBLIC: &str = "https://keeper.example.com";
const CONFIG: &str = r#"
[environments.staging]
on = ["manual"]
target = "cluster"
agents = "allow"

[environments.production]
on = ["manual"]
target = "cluster"
agents = "allow"
who = ["user:ann"]

[targets.cluster]
kind = "deployment"
reporters = ["deployer[bot]"]
"#;

fn job(world: &World, change: impl FnOnce(&mut Value)) -> Agent {
    let mut claims = json!({
        "aud": PUBLIC, "repository_id": world.shop.id().to_string(), "environment": "staging", "actor": "bob",
        "actor_id": "77", "event_name": "workflow_dispatch",
    });
    change(&mut claims);
    Agent::at(world, &world.github.job_token(&claims).unwrap())
}

fn at(environment: &str, sha: &str) -> Value {
    json!({ "repo": "acme/shop", "environment": environment, "ref": sha })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_deploys_to_the_environment_that_github_has_let_it_into() {
    let mut world = Setup::new().config(CONFIG).public_url(PUBLIC).start().await;
    let sha = world.head();
    let bob = job(&world, |_| {});
    let tools = bob.tools().await;
    assert!(tools.contains(&"deploy_to_environment".to_owned()) && !tools.contains(&"publish_release".to_owned()), "{tools:?}");
    let answer = bob.call("plan_deployment", at("staging", sha.as_str())).await;
    let digest = answer.told()["plan"]["digest"].clone();
    let apply = |key: &str| json!({ "plan_digest": digest, "idempotency_key": key, "reason": "the tests say so" });
    let carol = job(&world, |claims| (claims["actor"], claims["actor_id"]) = (json!("carol"), json!("78")));
    carol.call("deploy_to_environment", apply("stolen")).await.refused("plan_mismatch");
    // Another token of the same person's is as good.
    let again = job(&world, |claims| claims["aud"] = json!(format!("{PUBLIC}/mcp")));
    let (answer, ()) = tokio::join!(again.call("deploy_to_environment", apply("one")), brought_up(&world, &sha, "deploy"));
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    world.quiet().await;
    for elsewhere in [at("production", sha.as_str()), json!({ "repo": "acme/other", "environment": "staging" })] {
        bob.call("plan_deployment", elsewhere).await.refused("insufficient_scope");
    }
    let nowhere = job(&world, |claims| claims["environment"] = Value::Null);
    assert!(!nowhere.tools().await.contains(&"deploy_to_environment".to_owned()));
    nowhere.call("plan_deployment", at("staging", sha.as_str())).await.refused("insufficient_scope");
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.action == "deploy" && row.run.is_some()).unwrap();
    assert_eq!((row.actor.login.as_str(), row.actor.id.0, row.actor.is_agent()), ("bob", 77, true));
    world.finish().await;
}

/// Whoever makes a job run is asked for as if they came themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_that_names_people_is_for_jobs_of_theirs() {
    let world = Setup::new().config(CONFIG).public_url(PUBLIC).start().await;
    let sha = world.head();
    for (name, id, code) in [("bob", "77", Some("insufficient_scope")), ("ann", "78", None)] {
        let job = job(&world, |claims| {
            (claims["actor"], claims["actor_id"], claims["environment"]) = (json!(name), json!(id), json!("production"));
        });
        let answer = job.call("plan_deployment", at("production", sha.as_str())).await;
        let digest = answer.told()["plan"]["digest"].clone();
        let apply = json!({ "plan_digest": digest, "idempotency_key": name, "reason": "the tests say so" });
        let answer = job.call("deploy_to_environment", apply).await;
        match code {
            Some(code) => {
                answer.refused(code);
            }
            None => {
                assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
                brought_up(&world, &sha, "deploy").await;
            }
        }
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_for_us_opens_nothing() {
    let world = Setup::new().config(CONFIG).public_url(PUBLIC).start().await;
    let sha = world.head();
    let cases: [fn(&mut Value); 9] = [
        |claims| claims["aud"] = json!("https://keeper.example.com.evil.example"),
        |claims| claims["aud"] = json!("https://github.com/acme"),
        |claims| claims["iss"] = json!("https://evil.example"),
        |claims| claims["exp"] = json!(1_000),
        |claims| claims["event_name"] = json!("pull_request_target"),
        |claims| claims["repository_id"] = json!("x"),
        // GitHub makes tokens with our audience for whoever asks.
        |claims| claims["repository_id"] = json!("987654321"),
        |claims| claims["actor_id"] = Value::Null,
        |claims| claims["environment"] = json!("../production"),
    ];
    for change in cases {
        let answer = job(&world, change).call("get_status", json!({ "repo": "acme/shop" })).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    }
    let good = job(&world, |_| {});
    let (head, signature) = good.key.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    for forged in
        [format!("{head}.{flipped}"), format!("{head}."), format!("eyJhbGciOiJub25lIn0.{}.", head.split('.').nth(1).unwrap())]
    {
        assert_eq!(Agent::at(&world, &forged).call("plan_deployment", at("staging", sha.as_str())).await.status, 401);
    }
    assert_eq!(good.call("plan_deployment", at("staging", sha.as_str())).await.told()["outcome"], "planned");
    world.finish().await;
}

/// Where agents may only ask, the one who made the job run does not agree for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_asks_where_agents_may_only_ask() {
    let config = CONFIG.replacen("agents = \"allow\"", "agents = \"request\"", 1);
    let world = Setup::new().config(&config).public_url(PUBLIC).start().await;
    let sha = world.head();
    let bob = job(&world, |_| {});
    let digest = bob.call("plan_deployment", at("staging", sha.as_str())).await.told()["plan"]["digest"].clone();
    let apply = json!({ "plan_digest": digest, "idempotency_key": "one", "reason": "the tests say so" });
    let answer = bob.call("deploy_to_environment", apply).await;
    assert_eq!(answer.told()["outcome"], "pending_approval", "{}", answer.body);
    assert!(answer.told()["approval"]["url"].as_str().unwrap().ends_with("/checks"), "{}", answer.body);
    let id = answer.told()["deployment"]["id"].clone();
    let abort = json!({ "deployment_id": id, "action": "abort", "idempotency_key": "two" });
    assert_eq!(bob.call("control_rollout", abort).await.told()["outcome"], "accepted");
    world.finish().await;
}
