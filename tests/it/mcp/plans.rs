//! Plan, then apply: what a digest is good for, and what it is not.

use super::{Agent, key};
use crate::keys::brought_up;
use crate::world::{Setup, World};
use serde_json::{Value, json};
use std::time::Duration;

const CONFIG: &str = r#"
[environments.staging]
on = ["manual"]
target = "cluster"
agents = "allow"

[environments.production]
on = ["manual"]
target = "cluster"
agents = "allow"

[targets.cluster]
kind = "deployment"
reporters = ["deployer[bot]"]
"#;
const ALL: &str = "read,plan,validate,deploy,rollback,control,publish,lock";

async fn agent(world: &World, scopes: &str) -> Agent {
    Agent::at(world, &key(world, scopes, "staging,production").await.1)
}

fn staging(git_ref: &str) -> Value {
    json!({ "repo": "acme/shop", "environment": "staging", "ref": git_ref })
}

async fn planned(agent: &Agent, arguments: Value) -> String {
    let answer = agent.call("plan_deployment", arguments).await;
    let told = answer.told();
    assert_eq!((&told["outcome"], &told["next"][0]["tool"]), (&json!("planned"), &json!("deploy_to_environment")), "{told}");
    let digest = told["plan"]["digest"].as_str().unwrap();
    assert!(digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64), "{digest}");
    digest.to_owned()
}

fn apply(digest: &str, key: &str) -> Value {
    json!({ "plan_digest": digest, "idempotency_key": key, "reason": "the tests say so" })
}

/// Deploys the commit to staging, to its end.
async fn deployed(world: &World, agent: &Agent, sha: &lockkeeper::domain::Sha, key: &str) -> String {
    let digest = planned(agent, staging(sha.as_str())).await;
    let (answer, ()) = tokio::join!(agent.call("deploy_to_environment", apply(&digest, key)), brought_up(world, sha, "deploy"));
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    world.quiet().await;
    answer.told()["deployment"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_done_once_and_by_whom_it_was_made_for() {
    let world = Setup::new().config(CONFIG).start().await;
    let (agent, other) = (agent(&world, ALL).await, agent(&world, ALL).await);
    let sha = world.head();
    world.github.clear_log();
    let first = planned(&agent, staging(sha.as_str())).await;
    let asked = world.github.log().len();
    assert!((1..=8).contains(&asked), "the first plan costs at most eight questions: {asked}");
    world.github.clear_log();
    let second = planned(&agent, staging(sha.as_str())).await;
    let asked: Vec<String> = world.github.log().iter().map(|entry| entry.route.clone()).collect();
    assert!(asked.len() <= 1, "a plan costs one question: {asked:?}");
    world.github.clear_log();
    let of_branch = planned(&agent, staging("main")).await;
    let asked: Vec<String> = world.github.log().iter().map(|entry| entry.route.clone()).collect();
    assert!(asked.len() == 1 && of_branch != second, "as does one for the default branch: {asked:?}");
    assert_ne!(first, second, "planning again gives another digest");
    let deploy = |agent: &Agent, digest: &str, key: &str| {
        let (agent, arguments) = (agent.clone(), apply(digest, key));
        async move { agent.call("deploy_to_environment", arguments).await }
    };
    deploy(&other, &first, "stolen").await.refused("plan_mismatch");
    deploy(&agent, &format!("sha256:{}", "0".repeat(64)), "guessed").await.refused("plan_mismatch");
    deploy(&agent, "latest", "no digest").await.refused("input_invalid");
    agent.call("rollback_deployment", apply(&first, "wrong tool")).await.refused("plan_mismatch");
    assert_eq!(world.shop.deployments().len(), 0);
    let begun = std::time::Instant::now();
    let answer = deploy(&agent, &first, "one").await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let told = answer.told();
    assert_eq!((&told["outcome"], &told["deployment"]["sha"]), (&json!("accepted"), &json!(sha.as_str())), "{told}");
    let again = deploy(&agent, &first, "one").await;
    assert_eq!(again.told(), told, "the same key is the same answer");
    deploy(&agent, &second, "one").await.refused("idempotency_conflict");
    deploy(&agent, &first, "two").await.refused("plan_consumed");
    brought_up(&world, &sha, "deploy").await;
    world.quiet().await;
    assert_eq!(world.shop.deployments().len(), 1);
    let answer = agent.call("get_deployment", json!({ "deployment_id": told["deployment"]["id"] })).await;
    assert_eq!(answer.told()["outcome"], "succeeded");
    assert_eq!(deploy(&agent, &first, "one").await.told(), told, "also when it is over");
    deploy(&agent, &second, "late").await.refused("plan_stale");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_do_one_plan_at_once_one_does_it() {
    let mut world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world, ALL).await;
    let sha = world.head();
    let digest = planned(&agent, staging(sha.as_str())).await;
    let calls = (0..6).map(|n| agent.call("deploy_to_environment", apply(&digest, &format!("key {}", n / 2))));
    let answers = futures::future::join_all(calls).await;
    let done: Vec<&Value> = answers.iter().map(super::Answer::told).filter(|told| told["outcome"] == "accepted").collect();
    assert!(!done.is_empty() && done.len() <= 2 && done.iter().all(|told| *told == done[0]), "{done:?}");
    for answer in answers.iter().filter(|answer| answer.told()["outcome"] == "refused") {
        answer.refused("plan_consumed");
    }
    brought_up(&world, &sha, "deploy").await;
    world.quiet().await;
    assert_eq!(world.shop.deployments().len(), 1);
    let rows = world.audit().await;
    let deploys: Vec<&str> = rows
        .iter()
        .filter(|row| row.door == "mcp" && row.action == "deploy" && row.run.is_some())
        .map(|row| &*row.decision)
        .collect();
    assert_eq!(deploys, ["accepted"]);
    world.finish().await;
}

/// As for people: git takes the tag, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_meant_before_a_branch_of_its_name() {
    let world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world, ALL).await;
    let old = world.head();
    let new = world.commit("feat: more");
    world.quiet().await;
    planned(&agent, staging("main")).await;
    world.shop.tag("main", &old).unwrap();
    world.quiet().await;
    let plan = agent.call("plan_deployment", staging("main")).await;
    assert_eq!(plan.told()["plan"]["sha"], old.as_str(), "{new} {}", plan.body);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_stale_when_the_world_has_moved() {
    let mut world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world, ALL).await;
    let old = world.head();
    let (by_branch, by_sha) = (planned(&agent, staging("main")).await, planned(&agent, staging(old.as_str())).await);
    let without = planned(&agent, json!({ "repo": "acme/shop", "environment": "staging" })).await;
    let by_tag = planned(&agent, staging("v1.0.0")).await;
    world.quiet().await;
    let new = world.commit("feat: more");
    world.shop.move_tag("v1.0.0", &new).unwrap();
    world.quiet().await;
    for (digest, moved) in [(&by_branch, &new), (&without, &new), (&by_tag, &new)] {
        let answer = agent.call("deploy_to_environment", apply(digest, digest)).await;
        let refusal = answer.refused("plan_stale");
        assert!(refusal["changed"].to_string().contains(moved.as_str()), "{refusal}");
    }
    world.expect_refusal("git/ref");
    agent.call("plan_deployment", staging("no-such-branch")).await.refused("ref_not_found");
    agent.call("plan_deployment", staging(&"1".repeat(40))).await.refused("ref_not_found");
    // A commit stays itself, and somebody else's deployment makes the plan stale.
    let later = planned(&agent, staging(old.as_str())).await;
    let answer = agent.call("deploy_to_environment", apply(&by_sha, "by sha")).await;
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    brought_up(&world, &old, "deploy").await;
    world.quiet().await;
    let answer = agent.call("deploy_to_environment", apply(&later, "live moved")).await;
    assert!(answer.refused("plan_stale")["changed"].to_string().contains("live was nothing"), "{}", answer.body);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_has_its_time_and_gates_their_say() {
    let world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world, ALL).await;
    let sha = world.head();
    let (staged, locked) = (planned(&agent, staging(sha.as_str())).await, planned(&agent, staging(sha.as_str())).await);
    let production = json!({ "repo": "acme/shop", "environment": "production", "ref": sha.as_str() });
    let produced = planned(&agent, production).await;
    let lock = ["lock", "staging", "--repo", "acme/shop", "--reason", "hands off"];
    assert_eq!(world.command_told(&lock).await.0, 0);
    let answer = agent.call("deploy_to_environment", apply(&locked, "locked")).await;
    let refusal = answer.refused("environment_locked");
    assert!(refusal["retryable"] == true && refusal["message"].as_str().unwrap().contains("hands off"), "{refusal}");
    assert_eq!(world.command_told(&["unlock", "staging", "--repo", "acme/shop"]).await.0, 0);
    let red = world.shop.commit("main", lockkeeper::sandbox::CommitSeed::new("fix: red")).unwrap();
    world.shop.check("github-actions", &red, "build", "failure").unwrap();
    world.quiet().await;
    let answer = agent.call("plan_deployment", staging(red.as_str())).await;
    assert_eq!((&answer.told()["outcome"], &answer.told()["plan"]["status"]), (&json!("planned"), &json!("fail")));
    let digest = answer.told()["plan"]["digest"].as_str().unwrap();
    agent.call("deploy_to_environment", apply(digest, "red")).await.refused("gate_failed");
    world.jump(Duration::from_secs(16 * 60));
    agent.call("deploy_to_environment", apply(&staged, "late")).await.refused("plan_expired");
    let answer = agent.call("deploy_to_environment", apply(&produced, "in time")).await;
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    brought_up(&world, &sha, "deploy").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_goes_where_users_have_been() {
    let world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world, ALL).await;
    let old = world.shop.resolve("v1.0.0").unwrap();
    world.green(&old);
    let new = world.head();
    let rollback = |to: Option<&str>| {
        let mut arguments = json!({ "repo": "acme/shop", "environment": "staging" });
        if let Some(to) = to {
            arguments["to"] = json!(to);
        }
        agent.call("plan_rollback", arguments)
    };
    rollback(None).await.refused("rollback_target_unsafe");
    deployed(&world, &agent, &old, "old").await;
    rollback(None).await.refused("rollback_target_unsafe");
    deployed(&world, &agent, &new, "new").await;
    rollback(Some("v9.9.9")).await.refused("rollback_target_unsafe");
    let answer = rollback(None).await;
    let told = answer.told();
    assert_eq!((&told["plan"]["sha"], &told["plan"]["action"]), (&json!(old.as_str()), &json!("rollback")), "{told}");
    assert_eq!(told["plan"]["live_sha"], json!(new.as_str()));
    let digest = told["plan"]["digest"].as_str().unwrap().to_owned();
    agent.call("deploy_to_environment", apply(&digest, "wrong tool")).await.refused("plan_mismatch");
    let back = agent.call("rollback_deployment", apply(&digest, "back"));
    let (answer, ()) = tokio::join!(back, brought_up(&world, &old, "rollback"));
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    world.quiet().await;
    // What was rolled back stays out until a person says otherwise: that is known when it is its turn.
    let digest = planned(&agent, staging(new.as_str())).await;
    let answer = agent.call("deploy_to_environment", apply(&digest, "again")).await;
    world.quiet().await;
    let end = agent.call("get_deployment", json!({ "deployment_id": answer.told()["deployment"]["id"] })).await;
    assert_eq!(end.told()["deployment"]["failure"]["code"], "held_after_rollback", "{}", end.body);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_steered_and_an_environment_locked_once() {
    let world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world, ALL).await;
    let sha = world.head();
    let digest = planned(&agent, staging(sha.as_str())).await;
    let id = agent.call("deploy_to_environment", apply(&digest, "one")).await.told()["deployment"]["id"].clone();
    let steer = |action: &str, key: &str| {
        agent.call("control_rollout", json!({ "deployment_id": id, "action": action, "idempotency_key": key }))
    };
    steer("explode", "a").await.refused("input_invalid");
    world.deployment("staging", "in_progress").await;
    let answer = steer("abort", "stop").await;
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    world.quiet().await;
    let end = agent.call("get_deployment", json!({ "deployment_id": id })).await;
    let state = (&end.told()["outcome"], &end.told()["deployment"]["state"]);
    assert_eq!(state, (&json!("failed"), &json!("cancelled")), "{}", end.body);
    assert_eq!(steer("abort", "stop").await.told(), answer.told(), "also when it is over");
    assert_eq!(steer("abort", "other").await.refused("input_invalid")["cause"], "run_over");
    let lock = |tool: &str, reason: &str, key: &str| {
        let arguments = json!({ "repo": "acme/shop", "environment": "staging", "reason": reason, "idempotency_key": key });
        let (agent, tool) = (agent.clone(), tool.to_owned());
        async move { agent.call(&tool, arguments).await }
    };
    let first = lock("lock_environment", "careful", "l1").await;
    assert_eq!(first.told()["locks"][0]["reason"], "careful", "{}", first.body);
    assert_eq!(lock("lock_environment", "careful", "l1").await.told(), first.told());
    lock("lock_environment", "other", "l1").await.refused("idempotency_conflict");
    let status = agent.call("get_status", json!({ "repo": "acme/shop", "environment": "staging" })).await;
    assert_eq!(status.told()["status"]["environments"][0]["locks"].as_array().unwrap().len(), 1, "{}", status.body);
    assert_eq!(lock("unlock_environment", "done", "u1").await.told()["outcome"], "succeeded");
    assert_eq!(lock("unlock_environment", "done", "u1").await.told()["outcome"], "succeeded", "the same answer");
    assert_eq!(world.command_told(&["lock", "staging", "--repo", "acme/shop", "--reason", "mine"]).await.0, 0);
    lock("unlock_environment", "mine now", "u2").await.refused("insufficient_scope");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_released_once() {
    let world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world, ALL).await;
    let (sha, ask) = (world.commit("feat: one"), json!({ "repo": "acme/shop", "tag": "v1.1.0", "idempotency_key": "r" }));
    agent.call("publish_release", ask.clone()).await.refused("ref_not_found");
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.released("v1.1.0", &sha).await;
    let answer = agent.call("publish_release", ask.clone()).await;
    assert_eq!((&answer.told()["outcome"], &answer.told()["release"]["tag"]), (&json!("accepted"), &json!("v1.1.0")));
    assert_eq!(agent.call("publish_release", ask).await.told(), answer.told());
    world.quiet().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_no_right() {
    let world = Setup::new().config(CONFIG).start().await;
    let planner = agent(&world, "plan").await;
    let digest = planned(&planner, staging(world.head().as_str())).await;
    let answer = planner.call("deploy_to_environment", apply(&digest, "one")).await;
    answer.refused("insufficient_scope");
    assert_eq!(answer.status, 403);
    planner.call_as_before("deploy_to_environment", apply(&digest, "one")).await.refused("insufficient_scope");
    let (id, narrow) = key(&world, ALL, "staging").await;
    let narrow = Agent::at(&world, &narrow);
    let production = json!({ "repo": "acme/shop", "environment": "production", "ref": world.head().as_str() });
    narrow.call("plan_deployment", production).await.refused("insufficient_scope");
    let from = json!({ "repo": "acme/shop", "environment": "staging", "from": "production" });
    narrow.call("plan_deployment", from).await.refused("insufficient_scope");
    let both = json!({ "repo": "acme/shop", "environment": "staging", "from": "staging", "ref": "main" });
    narrow.call("plan_deployment", both).await.refused("input_invalid");
    let digest = planned(&narrow, staging(world.head().as_str())).await;
    assert_eq!(world.command_told(&["keys", "revoke", &id]).await.0, 0);
    assert_eq!(narrow.call("deploy_to_environment", apply(&digest, "two")).await.status, 401);
    assert_eq!(world.shop.deployments().len(), 0);
    world.finish().await;
}

/// Where an environment does not say that agents may, a person decides; nothing that an agent can say gets around that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_told_where_a_person_approves_or_that_it_may_not() {
    let config = CONFIG.replacen("agents = \"allow\"", "", 1).replacen("agents = \"allow\"", "agents = \"deny\"", 1);
    let world = Setup::new().config(&config).start().await;
    let agent = agent(&world, ALL).await;
    let sha = world.head();
    let production = json!({ "repo": "acme/shop", "environment": "production", "ref": sha.as_str() });
    agent.call("plan_deployment", production).await.refused("agents_denied");
    let digest = planned(&agent, staging(sha.as_str())).await;
    let answer = agent.call("deploy_to_environment", apply(&digest, "one")).await;
    let told = answer.told();
    assert_eq!(told["outcome"], "pending_approval", "{told}");
    let page = format!("https://github.com/acme/shop/commit/{sha}/checks");
    assert_eq!(told["approval"]["url"], json!(page));
    assert!(told["approval"]["who_may"].as_str().unwrap().contains("did not ask for it"), "{told}");
    // At once too, before the run has judged for itself.
    let id = &told["deployment"]["id"];
    let look = agent.call("get_deployment", json!({ "deployment_id": id })).await;
    assert_eq!((&look.told()["outcome"], &look.told()["approval"]["url"]), (&json!("pending_approval"), &json!(page)));
    assert_eq!(agent.call("deploy_to_environment", apply(&digest, "one")).await.told(), told);
    world.check(&sha, "lockkeeper/staging", "action_required").await;
    let look = agent.call("get_deployment", json!({ "deployment_id": id })).await;
    assert_eq!((&look.told()["outcome"], &look.told()["approval"]["url"]), (&json!("pending_approval"), &json!(page)));
    assert_eq!(world.shop.deployments().len(), 0);
    let abort = json!({ "deployment_id": id, "action": "abort", "idempotency_key": "never mind" });
    assert_eq!(agent.call("control_rollout", abort).await.told()["outcome"], "accepted");
    world.finish().await;
}

/// For a client that says in the very request that it knows tasks; others get the answer that everybody can read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_a_task_for_those_who_know_tasks() {
    let world = Setup::new().config(CONFIG).start().await;
    let (agent, other) = (agent(&world, ALL).await, agent(&world, ALL).await);
    let sha = world.head();
    let digest = planned(&agent, staging(sha.as_str())).await;
    let ask = |agent: &Agent, method: &'static str, mut params: Value, name: &str| {
        let (agent, name) = (agent.clone(), name.to_owned());
        let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        let mut request = agent.request(super::MODERN, method, params.take()).build().unwrap();
        let text = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
        let mut body: Value = serde_json::from_str(&text).unwrap();
        body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = tasks;
        *request.body_mut() = Some(body.to_string().into());
        request.headers_mut().insert("mcp-name", name.parse().unwrap());
        request.headers_mut().remove("content-length");
        async move {
            reqwest::Client::builder()
                .no_proxy()
                .build()
                .unwrap()
                .execute(request)
                .await
                .unwrap()
                .json::<Value>()
                .await
                .unwrap()
        }
    };
    let begin = |digest: &str, key: &str| {
        let call = json!({ "name": "deploy_to_environment", "arguments": apply(digest, key) });
        ask(&agent, "tools/call", call, "deploy_to_environment")
    };
    let begun = begin(&digest, "one").await;
    assert_eq!((&begun["result"]["resultType"], &begun["result"]["status"]), (&json!("task"), &json!("working")), "{begun}");
    assert!(begun["result"]["ttlMs"].as_u64().unwrap() >= 7 * 24 * 3_600_000, "{begun}");
    let id = begun["result"]["taskId"].as_str().unwrap().to_owned();
    let again = agent.call("deploy_to_environment", apply(&digest, "one")).await;
    assert_eq!(again.told()["deployment"]["id"], json!(id));
    let task = |agent: &Agent, method: &'static str, id: &str| ask(agent, method, json!({ "taskId": id }), id);
    assert_eq!(task(&agent, "tasks/get", &id).await["result"]["status"], "working");
    for method in ["tasks/get", "tasks/cancel"] {
        assert_eq!(task(&other, method, &id).await["error"]["code"], -32602, "a task is its owner's");
    }
    world.deployment("staging", "in_progress").await;
    let stopped = task(&agent, "tasks/cancel", &id).await;
    assert!(stopped["error"].is_null(), "{stopped}");
    world.quiet().await;
    assert_eq!(task(&agent, "tasks/get", &id).await["result"]["status"], "cancelled");
    let digest = planned(&agent, staging(sha.as_str())).await;
    let id = begin(&digest, "two").await["result"]["taskId"].as_str().unwrap().to_owned();
    brought_up(&world, &sha, "deploy").await;
    world.quiet().await;
    let end = task(&agent, "tasks/get", &id).await;
    assert_eq!(end["result"]["status"], "completed", "{end}");
    assert_eq!(end["result"]["result"]["structuredContent"]["outcome"], "succeeded", "{end}");
    let late = task(&agent, "tasks/cancel", &id).await;
    assert!(late["error"].is_null(), "what is over is not stopped, and to ask is no mistake: {late}");
    world.finish().await;
}
