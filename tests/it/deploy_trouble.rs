//! GitHub misbehaves while a tag is deployed: one deployment, one workflow run, the same states.

use crate::world::{Setup, World};
use lockkeeper::sandbox::{DeploymentReport, Fault, Moment, RepoHandle, Trouble};
use std::time::{Duration, Instant};

const PRODUCTION: &str = "lockkeeper/production";
const CLUSTER: &str = "[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \
                       \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
const ACTIONS: &str = r#"
[environments.production]
on = ["tag"]
target = "actions"

[targets.actions]
kind = "workflow"
workflow = "deploy.yml"
inputs = { sha = "{{ sha }}" }
"#;
const WORKFLOW: &str = "on:\n  workflow_dispatch:\n    inputs:\n      sha:\n        required: true\n";

fn passing(method: &str, path: &str) -> Vec<(&'static str, Fault)> {
    vec![
        ("502", Fault::status(method, path, 502)),
        ("502 after the effect", Fault::status(method, path, 502).after()),
        ("403 rate limit", Fault::status(method, path, 403).header("retry-after", 1)),
        ("reset", Fault::on(method, path, Trouble::Reset)),
        ("reset after the effect", Fault::on(method, path, Trouble::Reset).after()),
        ("hangs after the effect", Fault::on(method, path, Trouble::Hang).after()),
    ]
}

async fn world(config: &str) -> World {
    let setup = Setup::new().config(config).file(".github/workflows/deploy.yml", WORKFLOW);
    setup.tune(|tuning| tuning.request_timeout = Duration::from_millis(1_500)).start().await
}

/// One deployment for each kind of trouble; `work` does what the target does, given how many there were before.
async fn survives(config: &str, method: &str, path: &str, work: impl AsyncFn(&World, usize)) {
    let world = world(config).await;
    for (n, (name, fault)) in passing(method, path).into_iter().enumerate() {
        let sha = world.commit(&format!("fix: number {n}"));
        world.quiet().await;
        world.github.fault(fault);
        let tag = format!("v1.0.{}", n + 1);
        world.shop.tag(&tag, &sha).unwrap();
        work(&world, n).await;
        world.check(&sha, PRODUCTION, "success").await;
        world.released(&tag, &sha).await;
        world.quiet().await;
        let made: Vec<_> = world.shop.deployments().into_iter().filter(|d| d.sha == sha).collect();
        assert_eq!(made.len(), 1, "{name}\n{}", world.scene().await);
        let told: Vec<_> = made[0].statuses.iter().filter(|s| s.by_app).map(|s| s.state.as_str()).collect();
        assert_eq!(told, ["in_progress", "success"], "{name}\n{}", world.scene().await);
        world.github.clear_faults();
    }
    world.finish().await;
}

async fn report(world: &World, before: usize) {
    let brought = |shop: &RepoHandle| {
        let newest = shop.deployments().into_iter().nth(before)?;
        newest.statuses.iter().any(|s| s.state == "in_progress").then_some(newest.id)
    };
    let id = world.until("the turn of the deployer", brought).await;
    world.shop.report_deployment(id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
}

async fn run(world: &World, before: usize) {
    let id = world.until("a run of the workflow", |shop| shop.runs().get(before).map(|run| run.id)).await;
    world.shop.move_run(id, Some("success")).unwrap();
    world.quiet().await;
    assert_eq!(world.shop.runs().len(), before + 1, "dispatched once\n{}", world.scene().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deployment_fails() {
    survives(CLUSTER, "POST", "/deployments$", report).await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_first_status_fails() {
    survives(CLUSTER, "POST", "/deployments/[0-9]+/statuses$", report).await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_read_of_the_reports_fails() {
    survives(CLUSTER, "GET", "/deployments/[0-9]+/statuses", report).await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_of_the_workflow_fails() {
    survives(ACTIONS, "POST", "/dispatches$", run).await;
}

/// Two environments that are deployed to by one workflow, whose runs all look alike.
async fn two_environments() -> World {
    let config = ["staging", "production"].map(|name| {
        format!(
            "[environments.{name}]\non = [\"merge\"]\ntarget = \"{name}\"\n[targets.{name}]\nkind = \"workflow\"\nworkflow = \
                 \"deploy.yml\"\ninputs = {{ sha = \"{{{{ sha }}}}\", to = \"{name}\" }}\n"
        )
    });
    let workflow = format!("{WORKFLOW}      to:\n        required: true\n");
    Setup::new().config(&config.concat()).file(".github/workflows/deploy.yml", &workflow).start().await
}

/// Whoever looks for a run that it may have started gets its answer when there are so many of them.
fn looks_wait_for(world: &World, runs: usize) {
    let shop = world.shop.clone();
    world.github.on(Moment::BeforeEffect, move |request| {
        let begun = Instant::now();
        while request.method == "GET"
            && request.subject().ends_with("/deploy.yml/runs")
            && shop.runs().len() < runs
            && begun.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

/// One environment's dispatch never reached GitHub; the other's run, started meanwhile, is not taken for its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_dispatch_takes_no_run_of_another_environment() {
    let world = two_environments().await;
    world.github.fault(Fault::on("POST", "/dispatches$", Trouble::Reset));
    looks_wait_for(&world, 1);
    let sha = world.commit("feat: one");
    let both = |shop: &RepoHandle| Some(shop.runs()).filter(|runs| runs.len() == 2);
    let runs = world.until("a run for each environment", both).await;
    let mut to: Vec<_> = runs.iter().map(|run| run.inputs["to"].as_str().unwrap()).collect();
    to.sort_unstable();
    assert_eq!(to, ["production", "staging"]);
    for run in &runs {
        world.shop.move_run(run.id, Some("success")).unwrap();
    }
    for check in ["lockkeeper/staging", PRODUCTION] {
        world.check(&sha, check, "success").await;
    }
    assert_eq!(world.shop.runs().len(), 2);
    world.finish().await;
}

/// Both were started and both answers are lost: whose run is whose is not guessed, and nothing is started twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_nobody_can_tell_apart_belong_to_nobody() {
    let world = two_environments().await;
    world.github.fault(Fault::on("POST", "/dispatches$", Trouble::Reset).after().times(2));
    looks_wait_for(&world, 2);
    let sha = world.commit("feat: one");
    for check in ["lockkeeper/staging", PRODUCTION] {
        let told = world.refused(&sha, check, "failure", "workflow_run_ambiguous").await;
        assert!(told.summary.is_some_and(|text| text.contains("so it is locked")));
    }
    world.quiet().await;
    assert_eq!(world.shop.runs().len(), 2);
}
