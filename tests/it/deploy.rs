//! Environments that say `on = ["tag"]`.

use crate::world::{RELEASE, Setup, World};
use axum::Router;
use axum::routing::get;
use lockkeeper::sandbox::{Deployment, DeploymentReport, RepoHandle, WorkflowRun};

const PRODUCTION: &str = "lockkeeper/production";
const STATUSES: &str = "GET /repos/{owner}/{repo}/deployments/{id}/statuses";
const CLUSTER: &str = r#"
[targets.cluster]
kind = "deployment"
reporters = ["deployer[bot]", "team:ops"]
"#;
const WORKFLOW: &str = "\
name: deploy
on:
  workflow_dispatch:
    inputs:
      version:
        required: true
      sha:
        required: true
";

fn by_reporter(more: &str) -> String {
    format!("[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n{more}\n{CLUSTER}")
}

fn by_workflow() -> Setup {
    let config = "[environments.production]\non = [\"tag\"]\ntarget = \"actions\"\n\n[targets.actions]\nkind = \"workflow\"\n\
                  workflow = \"deploy.yml\"\ninputs = { version = \"{{ version }}\", sha = \"{{ sha }}\" }\n";
    Setup::new().config(config).file(".github/workflows/deploy.yml", WORKFLOW)
}

/// What we said about a deployment, in order.
fn told(deployment: &Deployment) -> Vec<&str> {
    deployment.statuses.iter().filter(|s| s.by_app).map(|s| s.state.as_str()).collect()
}

fn newest(world: &World) -> Deployment {
    world.shop.deployments().pop().unwrap()
}

async fn dispatched(world: &World) -> WorkflowRun {
    let look = |shop: &RepoHandle| shop.runs().into_iter().find(|run| run.event == "workflow_dispatch");
    world.until("a workflow that is started", look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_named_reporter_counts() {
    let mut world = World::with(&by_reporter("url = \"https://shop.example.com\"")).await;
    world.github.team("acme", "ops", &["olga"]);
    world.expect_refusal("memberships");
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let made = world.deployment("production", "in_progress").await;
    assert_eq!((&made.sha, made.production, made.git_ref.as_str()), (&sha, true, sha.as_str()));
    for stranger in ["mallory", "deployer"] {
        let asked = world.count(STATUSES);
        world.shop.report_deployment(made.id, DeploymentReport::new(stranger, "success")).unwrap();
        world.requests(STATUSES, asked + 1).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(told(&newest(&world)), ["in_progress"], "a stranger's word is worth nothing");
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let check = world.check(&sha, PRODUCTION, "success").await;
    assert_eq!(check.title.as_deref(), Some("v1.1.0 is live in production"));
    let deployment = newest(&world);
    assert_eq!(told(&deployment), ["in_progress", "success"]);
    assert_eq!(deployment.statuses.last().map(|s| s.environment_url.as_str()), Some("https://shop.example.com"));
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_a_named_team_counts() {
    let world = World::with(&by_reporter("")).await;
    world.github.team("acme", "ops", &["olga"]);
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let made = world.deployment("production", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("olga", "success").url("https://a.example")).unwrap();
    world.check(&sha, PRODUCTION, "success").await;
    assert_eq!(newest(&world).statuses.last().map(|s| s.environment_url.as_str()), Some("https://a.example"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reported_failure_is_one() {
    let world = World::with(&by_reporter("")).await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let made = world.deployment("production", "in_progress").await;
    let report = DeploymentReport::new("deployer[bot]", "failure").description("no room on the disk");
    world.shop.report_deployment(made.id, report).unwrap();
    let check = world.refused(&sha, PRODUCTION, "failure", "target_failed").await;
    assert!(check.summary.is_some_and(|text| text.contains("no room on the disk")));
    assert_eq!(told(&newest(&world)), ["in_progress", "failure"]);
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_waits_for_gates_of_its_own() {
    let gates = "[[environments.production.gates]]\nkind = \"tag\"\n[[environments.production.gates]]\nkind = \"checks\"\n\
                 names = [\"image\"]\n";
    let world = World::with(&by_reporter(gates)).await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, PRODUCTION).await;
    // The release is out by now; it must not stand in the way of the deployment.
    world.check(&sha, RELEASE, "success").await;
    assert!(world.shop.deployments().is_empty(), "whoever acts on a deployment would act before the gates have passed");
    world.shop.check("github-actions", &sha, "image", "success").unwrap();
    let made = world.deployment("production", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&sha, PRODUCTION, "success").await;
    assert_eq!(told(&newest(&world)), ["in_progress", "success"]);
    assert_eq!(world.our_checks(&sha, PRODUCTION).len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deployments_to_one_environment_take_turns() {
    let world = World::with(&by_reporter("")).await;
    let first = world.head();
    world.shop.tag("v1.1.0", &first).unwrap();
    let one = world.deployment("production", "in_progress").await;
    world.released("v1.1.0", &first).await;
    let second = world.commit("fix: more");
    world.shop.tag("v1.1.1", &second).unwrap();
    world.released("v1.1.1", &second).await;
    let queued = |check: lockkeeper::sandbox::CheckRun| check.title.as_deref() == Some("Waits for the deployment before it");
    world
        .until("its place in the queue", |_| world.our_checks(&second, PRODUCTION).into_iter().any(queued).then_some(()))
        .await;
    assert_eq!(world.shop.deployments().len(), 1, "whoever acts on a deployment would act before its turn");
    world.shop.report_deployment(one.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&first, PRODUCTION, "success").await;
    let two = world.deployment("production", "in_progress").await;
    assert_ne!(one.id, two.id);
    assert_eq!(two.sha, second);
    world.shop.report_deployment(two.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&second, PRODUCTION, "success").await;
    assert_eq!(told(&newest(&world)), ["in_progress", "success"]);
    let before = world.shop.deployments().into_iter().find(|deployment| deployment.id == one.id).unwrap();
    assert_eq!(told(&before), ["in_progress", "success", "inactive"], "GitHub leaves production's older ones as they were");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_is_started_and_followed() {
    let world = by_workflow().start().await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let run = dispatched(&world).await;
    assert_eq!((run.branch.as_str(), &run.sha), ("v1.1.0", &sha));
    assert_eq!(run.inputs, serde_json::json!({ "sha": sha, "version": "1.1.0" }));
    world.shop.move_run(run.id, None).unwrap();
    world.shop.move_run(run.id, Some("success")).unwrap();
    world.check(&sha, PRODUCTION, "success").await;
    assert_eq!(told(&newest(&world)), ["in_progress", "success"]);
    assert_eq!(world.shop.runs().len(), 1, "started once");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inputs_that_nobody_named_are_offered_and_those_not_declared_left_out() {
    let config = "[environments.production]\non = [\"tag\"]\ntarget = \"actions\"\n\n[targets.actions]\nkind = \"workflow\"\n\
                  workflow = \"deploy.yml\"\n";
    let mut world = Setup::new().config(config).file(".github/workflows/deploy.yml", WORKFLOW).start().await;
    // The offer is how we learn what the workflow declares.
    world.expect_refusal("dispatches");
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let run = dispatched(&world).await;
    assert_eq!(run.inputs, serde_json::json!({ "sha": sha, "version": "1.1.0" }));
    world.shop.move_run(run.id, Some("success")).unwrap();
    world.check(&sha, PRODUCTION, "success").await;
    assert_eq!(world.shop.runs().len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_that_fails_fails_the_deployment() {
    let world = by_workflow().start().await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let run = dispatched(&world).await;
    world.shop.move_run(run.id, Some("failure")).unwrap();
    let check = world.refused(&sha, PRODUCTION, "failure", "target_failed").await;
    assert!(check.summary.is_some_and(|text| text.contains(&format!("/actions/runs/{}", run.id))), "it links the run");
    assert_eq!(told(&newest(&world)), ["in_progress", "failure"]);
    world.finish().await;
}

/// A service that says which version it runs, and the health check that asks it.
async fn service(version: &'static str) -> String {
    let answer = move || async move { axum::Json(serde_json::json!({ "version": version })) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/healthz", get(answer))).await });
    by_reporter(&format!(
        "[[environments.production.health]]\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/healthz\"\n\
         expect = \"status == 200 && body.version == version\"\nwithin = \"2s\"\ninterval = \"1s\"\n"
    ))
}

async fn brought_up(world: &World) {
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let made = world.deployment("production", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_asked_before_success_is_told() {
    let world = Setup::new().config(&service("1.1.0").await).allow("127.0.0.1").start().await;
    brought_up(&world).await;
    let check = world.check(&world.head(), PRODUCTION, "success").await;
    assert!(check.summary.is_some_and(|text| text.contains("Health 1: passed")));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unhealthy_version_is_a_failure() {
    let world = Setup::new().config(&service("1.0.0").await).allow("127.0.0.1").start().await;
    brought_up(&world).await;
    let check = world.check(&world.head(), PRODUCTION, "failure").await;
    assert!(check.summary.is_some_and(|text| text.contains("is not healthy")));
    assert_eq!(told(&newest(&world)), ["in_progress", "failure"]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_addresses_are_not_asked() {
    let world = World::with(&service("1.1.0").await).await;
    brought_up(&world).await;
    world.refused(&world.head(), PRODUCTION, "failure", "address_not_allowed").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_stays_a_draft_until_production_runs_it() {
    let config = format!("[release]\npublish_after = \"production\"\n{}", by_reporter(""));
    let world = World::with(&config).await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let made = world.deployment("production", "in_progress").await;
    world.until("a draft", |shop| shop.releases().into_iter().find(|r| r.draft && r.tag == "v1.1.0")).await;
    let titled = |c: lockkeeper::sandbox::CheckRun| c.title.as_deref() == Some("A draft until production runs it");
    world.until("it says why", |_| world.our_checks(&sha, RELEASE).into_iter().any(titled).then_some(())).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.released("v1.1.0", &sha).await;
    world.check(&sha, RELEASE, "success").await;
    world.finish().await;
}
