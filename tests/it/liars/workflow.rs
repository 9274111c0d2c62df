//! A workflow that never ends, runs another commit, is run again with another end, is deleted, or of which GitHub says nothing.

use super::scene::{STAGING, config, ends, is_back, is_untouched};
use crate::world::{Setup, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{Fault, WorkflowRun};
use std::time::Duration;

const TARGET: &str = "kind = \"workflow\"\nworkflow = \"deploy.yml\"\ntimeout = \"10m\"";
/// A step of its own says which commit it deploys.
const TOLD: &str = "on:\n  workflow_dispatch:\n    inputs:\n      sha:\n        required: true\n";
const DEAF: &str = "on:\n  workflow_dispatch:\n";
const LOOK: &str = "GET /repos/{owner}/{repo}/actions/runs/{id}";
const RUN: &str = "/actions/runs/[0-9]+$";

async fn world(workflow: &str) -> World {
    let text = config("", TARGET);
    let mut world = Setup::new().config(&text).file(".github/workflows/deploy.yml", workflow).start().await;
    // The offer of inputs is how we learn what the workflow declares.
    world.expect_refusal("dispatches");
    world
}

/// The workflow run that comes after `before` others.
async fn run(world: &World, before: usize) -> WorkflowRun {
    world.until("the workflow that deploys", |shop| shop.runs().into_iter().nth(before)).await
}

async fn good(world: &World) -> Sha {
    let sha = world.commit("feat: one");
    world.shop.move_run(run(world, 0).await.id, Some("success")).unwrap();
    world.check(&sha, STAGING, "success").await;
    sha
}

async fn goes_back(world: &World, sha: &Sha, good: &Sha, code: &str) {
    world.shop.move_run(run(world, 2).await.id, Some("success")).unwrap();
    ends(world, sha, ("rolled_back", code)).await;
    is_back(world, good).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_has_its_time() {
    let world = world(TOLD).await;
    let good = good(&world).await;
    let before = world.count(LOOK);
    let sha = world.commit("feat: two");
    world.shop.move_run(run(&world, 1).await.id, None).unwrap();
    // Its time has begun when it is looked at.
    world.requests(LOOK, before + 1).await;
    world.jump(Duration::from_secs(9 * 60));
    world.requests(LOOK, before + 2).await;
    assert_eq!(world.shop.runs().len(), 2, "it has still time");
    world.jump(Duration::from_secs(61));
    goes_back(&world, &sha, &good, "target_failed").await;
    world.finish().await;
}

/// It deploys whatever is the newest commit, and says nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_runs_another_commit_is_no_success() {
    let text = config("", TARGET).replace("[\"merge\"]", "[\"manual\"]");
    let mut world = Setup::new().config(&text).file(".github/workflows/deploy.yml", DEAF).start().await;
    world.expect_refusal("dispatches");
    let (older, newer) = (world.commit("feat: one"), world.commit("feat: two"));
    world.quiet().await;
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", older.as_str(), "--detach"];
    let (code, said, problem) = world.command_told(&ask).await;
    assert_eq!(code, 0, "{said} {problem}");
    let started = run(&world, 0).await;
    assert_eq!(started.sha, newer, "there is no way to start it at another commit");
    world.shop.move_run(started.id, Some("success")).unwrap();
    let check = ends(&world, &older, ("failed", "target_failed")).await;
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains(newer.short()) && summary.contains("give it an input"), "{summary}");
    world.finish().await;
}

/// It fails, and somebody runs it again by hand: the first end counts, and users are with what was good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_run_again_is_not_believed_twice() {
    let world = world(TOLD).await;
    let good = good(&world).await;
    let sha = world.commit("feat: two");
    let there = run(&world, 1).await;
    world.shop.move_run(there.id, Some("failure")).unwrap();
    run(&world, 2).await;
    world.shop.move_run(there.id, Some("success")).unwrap();
    goes_back(&world, &sha, &good, "target_failed").await;
    // A success that is run again and fails then is the next deployment's trouble, not this one's.
    world.shop.move_run(there.id, Some("failure")).unwrap();
    world.quiet().await;
    is_back(&world, &good).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_answers_500_and_is_asked_again() {
    let world = world(TOLD).await;
    good(&world).await;
    world.github.fault(Fault::status("GET", RUN, 500).times(3));
    let sha = world.commit("feat: two");
    world.shop.move_run(run(&world, 1).await.id, Some("success")).unwrap();
    world.check(&sha, STAGING, "success").await;
    world.quiet().await;
    is_untouched(&world, &sha).await;
    assert_eq!(world.shop.runs().len(), 2, "started once");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_deleted_is_gone() {
    let mut world = world(TOLD).await;
    world.expect_refusal("actions/runs");
    let good = good(&world).await;
    let sha = world.commit("feat: two");
    let there = run(&world, 1).await;
    world.github.fault(Fault::status("GET", &format!("/actions/runs/{}$", there.id), 404).always());
    world.shop.move_run(there.id, None).unwrap();
    world.jump(Duration::from_secs(61));
    goes_back(&world, &sha, &good, "workflow_run_gone").await;
    world.finish().await;
}
