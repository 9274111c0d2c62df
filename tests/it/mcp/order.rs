//! What an agent may bring where, in which order, and what it is told to call next.

use super::{Agent, key};
use crate::keys::brought_up;
use crate::world::{Setup, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, Merge, PullSeed};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[environments.staging]
on = ["manual"]
target = "cluster"
agents = "allow"
gates = [{ kind = "checks" }]

[environments.production]
on = ["manual"]
target = "cluster"
agents = "allow"
after = [{ environment = "staging" }]

[targets.cluster]
kind = "deployment"
reporters = ["deployer[bot]"]
"#;

async fn agent(world: &World) -> Agent {
    Agent::at(world, &key(world, "read,plan,deploy,rollback", "staging,production").await.1)
}

async fn plan(agent: &Agent, environment: &str, git_ref: &str) -> super::Answer {
    agent.call("plan_deployment", json!({ "repo": "acme/shop", "environment": environment, "ref": git_ref })).await
}

async fn planned(agent: &Agent, environment: &str, git_ref: &str) -> Value {
    let answer = plan(agent, environment, git_ref).await;
    assert_eq!(answer.told()["outcome"], "planned", "{}", answer.body);
    answer.told()["plan"]["digest"].clone()
}

fn apply(digest: &Value, key: &str) -> Value {
    json!({ "plan_digest": digest, "idempotency_key": key, "reason": "the tests say so" })
}

async fn deployed(world: &World, agent: &Agent, environment: &str, sha: &Sha, key: &str) {
    let digest = planned(agent, environment, sha.as_str()).await;
    let (answer, ()) = tokio::join!(agent.call("deploy_to_environment", apply(&digest, key)), brought_up(world, sha, "deploy"));
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    world.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_or_was_not_where_it_must_be_is_refused_before_it_begins() {
    let mut world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world).await;
    let (old, new) = (world.head(), world.commit("fix: more"));
    let digest = planned(&agent, "production", new.as_str()).await;
    let answer = agent.call("deploy_to_environment", apply(&digest, "too early")).await;
    let refusal = answer.refused("order_violation");
    assert_eq!(refusal["cause"], "not_yet_in_environment", "{refusal}");
    assert_eq!(answer.told()["next"][0], json!({ "tool": "get_status", "args": { "repo": "acme/shop" } }));
    deployed(&world, &agent, "staging", &new, "new").await;
    let digest = planned(&agent, "staging", old.as_str()).await;
    let answer = agent.call("deploy_to_environment", apply(&digest, "back")).await;
    assert_eq!(answer.refused("order_violation")["cause"], "older_than_live", "{}", answer.body);
    deployed(&world, &agent, "production", &new, "in order").await;
    world.github.clear_log();
    let newer = world.commit("fix: even more");
    deployed(&world, &agent, "staging", &newer, "newer").await;
    let compared = world.github.log().iter().filter(|entry| entry.route.contains("compare")).count();
    assert!(compared <= 1, "only the run itself compares: {compared}");
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.action == "deploy_to_environment" && row.decision == "accepted").unwrap();
    assert!(row.detail["plan"].as_str().unwrap().starts_with("sha256:"), "{:?}", row.detail);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_is_not_good_any_more_is_answered_with_the_question_for_the_next() {
    let mut world = Setup::new().config(CONFIG).start().await;
    world.expect_refusal("git/ref");
    let agent = agent(&world).await;
    let digest = planned(&agent, "staging", "main").await;
    let head = world.commit("fix: another head");
    let answer = agent.call("deploy_to_environment", apply(&digest, "one")).await;
    let refusal = answer.refused("plan_stale");
    assert!(refusal["changed"].to_string().contains(head.as_str()), "{refusal}");
    let next = &answer.told()["next"][0];
    assert_eq!(
        next,
        &json!({ "tool": "plan_deployment", "args": { "repo": "acme/shop", "environment": "staging", "ref": "main" } })
    );
    let again = agent.call(next["tool"].as_str().unwrap(), next["args"].clone()).await;
    assert_eq!(again.told()["plan"]["sha"], json!(head.as_str()), "{}", again.body);
    let answer = plan(&agent, "staging", "v9.9.9").await;
    answer.refused("ref_not_found");
    assert_eq!(answer.told()["next"][0]["tool"], "list_releases");
    let answer = agent.call("plan_rollback", json!({ "repo": "acme/shop", "environment": "staging" })).await;
    answer.refused("rollback_target_unsafe");
    assert_eq!(answer.told()["next"][0]["tool"], "list_deployments");
    world.finish().await;
}

/// GitHub shows a repository's forks' commits as if they were its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_taken_from_our_own_branches_only() {
    let world = Setup::new().config(CONFIG).start().await;
    let agent = agent(&world).await;
    let main = world.head();
    world.shop.branch("feature/one", &main).unwrap();
    let feature = world.shop.commit("feature/one", CommitSeed::new("feat: one")).unwrap();
    world.green(&feature);
    world.quiet().await;
    for elsewhere in [feature.to_string(), format!("@{feature}")] {
        assert_eq!(
            plan(&agent, "staging", &elsewhere).await.refused("input_invalid")["cause"],
            "commit_elsewhere",
            "{elsewhere}"
        );
    }
    for named in ["feature/one", "refs/heads/feature/one"] {
        let answer = plan(&agent, "staging", named).await;
        assert_eq!(answer.told()["plan"]["sha"], json!(feature.as_str()), "{named}: {}", answer.body);
    }
    let digest = planned(&agent, "staging", "feature/one").await;
    let (answer, ()) =
        tokio::join!(agent.call("deploy_to_environment", apply(&digest, "one")), brought_up(&world, &feature, "deploy"));
    assert_eq!(answer.told()["outcome"], "accepted", "{}", answer.body);
    world.quiet().await;
    // Nobody says that this brings what is live, until its pull request is merged.
    let other = world.commit("fix: something else");
    let digest = planned(&agent, "staging", other.as_str()).await;
    let answer = agent.call("deploy_to_environment", apply(&digest, "other")).await;
    assert_eq!(answer.refused("order_violation")["cause"], "diverged_from_live", "{}", answer.body);
    let pull = world.shop.open_pull(PullSeed::new("feat: one", "feature/one")).unwrap();
    let squash = world.shop.merge_pull(pull, Merge::Squash, "ann").unwrap();
    world.green(&squash);
    deployed(&world, &agent, "staging", &squash, "squash").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_pushed_away_and_a_window_that_is_closed_are_told() {
    let closed = CONFIG.replacen("gates = [{ kind = \"checks\" }]", "windows = [{ deny = \"Mon 00:00 - Sun 23:59\" }]", 1);
    let world = Setup::new().config(&closed).start().await;
    let agent = agent(&world).await;
    let sha = world.head();
    let digest = planned(&agent, "staging", sha.as_str()).await;
    let answer = agent.call("deploy_to_environment", apply(&digest, "closed")).await;
    let refusal = answer.refused("window_closed");
    assert!(refusal["retryable"] == true && refusal["retry_after_s"].as_u64().unwrap() <= 7 * 24 * 3_600, "{refusal}");
    let lost = world.commit("fix: pushed away");
    let digest = planned(&agent, "production", lost.as_str()).await;
    world.shop.lose_commit(&lost).unwrap();
    let answer = agent.call("deploy_to_environment", apply(&digest, "lost")).await;
    let refusal = answer.refused("plan_stale");
    assert_eq!(refusal["changed"].as_array().unwrap().len(), 1, "{refusal}");
    assert_eq!(answer.told()["next"][0]["tool"], "plan_deployment");
    assert_eq!(world.shop.deployments().len(), 0);
    world.finish().await;
}
