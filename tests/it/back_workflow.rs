//! The way back where a workflow deploys: what it is called, and what happens when GitHub does not start it.

use crate::world::{Setup, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{Deployment, Fault, Trouble, WorkflowRun};

const STAGING: &str = "lockkeeper/staging";
const WORKFLOW: &str = "on:\n  workflow_dispatch:\n    inputs:\n      sha:\n        required: true\n";
const CONFIG: &str = r#"
[environments.staging]
on = ["merge"]
target = "actions"
rollback = "automatic"

[targets.actions]
kind = "workflow"
workflow = "deploy.yml"
inputs = { sha = "{{ sha }}" }
"#;

async fn world() -> World {
    Setup::new().config(CONFIG).file(".github/workflows/deploy.yml", WORKFLOW).start().await
}

/// The workflow run that comes after `before` others.
async fn run(world: &World, before: usize) -> WorkflowRun {
    world.until("the workflow that deploys", |shop| shop.runs().into_iter().nth(before)).await
}

async fn live(world: &World, message: &str) -> Sha {
    let before = world.shop.runs().len();
    let sha = world.commit(message);
    world.shop.move_run(run(world, before).await.id, Some("success")).unwrap();
    world.check(&sha, STAGING, "success").await;
    sha
}

/// GitHub starts no workflow any more.
fn refuse(world: &mut World) {
    let message = "Workflow does not have 'workflow_dispatch' trigger".to_owned();
    let trouble = Trouble::Status { status: 422, headers: Vec::new(), message };
    world.github.fault(Fault::on("POST", "/dispatches$", trouble).always());
    world.expect_refusal("dispatches");
}

fn told(deployment: &Deployment) -> (&str, Vec<&str>) {
    let states = deployment.statuses.iter().filter(|s| s.by_app).map(|s| s.state.as_str());
    (&deployment.task, states.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_by_hand_is_shown_as_one() {
    let world = world().await;
    let one = live(&world, "fix: one").await;
    live(&world, "fix: two").await;
    let back = async { world.shop.move_run(run(&world, 2).await.id, Some("success")).unwrap() };
    let ask = ["rollback", "staging", "--repo", "acme/shop", "--reason", "slow"];
    let ((code, said, _), ()) = tokio::join!(world.command_told(&ask), back);
    assert!(code == 0 && said.contains("succeeded"), "{code} {said}");
    let last = world.shop.deployments().pop().unwrap();
    assert_eq!((&last.sha, told(&last)), (&one, ("rollback", vec!["in_progress", "success"])));
    world.finish().await;
}

/// Nothing was begun, so nothing goes back, nothing is held, and the next version gets its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_that_never_started_leaves_everything_as_it_was() {
    let mut world = world().await;
    let good = live(&world, "fix: one").await;
    refuse(&mut world);
    let sha = world.commit("fix: two");
    world.check(&sha, STAGING, "failure").await;
    world.quiet().await;
    let all = world.shop.deployments();
    assert_eq!(
        all.iter().map(told).collect::<Vec<_>>(),
        [("deploy", vec!["in_progress", "success"]), ("deploy", vec!["in_progress", "failure"]),]
    );
    let (_, status, _) = world.command_told(&["status", "--format", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["repositories"][0]["live"][0]["sha"], good.as_str());
    world.github.clear_faults();
    live(&world, "fix: three").await;
    world.finish().await;
}

/// GitHub starts the way there and not the way back: the deployment of the way back has an end too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_never_started_is_told_and_locks() {
    let mut world = world().await;
    live(&world, "fix: one").await;
    let bad = world.commit("fix: two");
    let there = run(&world, 1).await;
    refuse(&mut world);
    world.shop.move_run(there.id, Some("failure")).unwrap();
    let check = world.check(&bad, STAGING, "failure").await;
    assert!(check.title.is_some_and(|title| title.contains("staging is locked")));
    world.quiet().await;
    let all = world.shop.deployments();
    assert_eq!(
        all.iter().map(told).collect::<Vec<_>>()[1..],
        [("deploy", vec!["in_progress", "error"]), ("rollback", vec!["in_progress", "error"]),]
    );
    world.finish().await;
}
