//! The way back where a workflow deploys: what it is called, and what happens when GitHub does not start it.

use crate::world::{Setup, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, Deployment, Fault, Moment, RepoHandle, Trouble, WorkflowRun};
use std::time::Duration;

const CANCEL: &str = "POST /repos/{owner}/{repo}/actions/runs/{id}/cancel";
const READ: &str = "GET /repos/{owner}/{repo}/actions/runs/{id}";
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

/// Asks the deployment that goes on to stop.
async fn abort(world: &World) {
    let run = world.runs("deploy").await.into_iter().find(|run| run.outcome.is_none()).unwrap().id.to_string();
    let (code, said, problem) = world.command_told(&["abort", &run, "--reason", "it smells"]).await;
    assert_eq!(code, 0, "{said} {problem}");
}

/// GitHub says that it will end the run, and takes its time.
fn cancels_slowly(world: &World) {
    let trouble = Trouble::Status { status: 202, headers: Vec::new(), message: String::new() };
    world.github.fault(Fault::on("POST", "/cancel$", trouble).always());
}

/// The first version is live, and the second one's workflow is at work and followed.
async fn deploying(world: &World) -> (Sha, Sha, WorkflowRun) {
    let good = live(world, "fix: one").await;
    world.quiet().await;
    let read = world.count(READ);
    let bad = world.commit("feat: two");
    let there = run(world, 1).await;
    world.shop.move_run(there.id, None).unwrap();
    world.requests(READ, read + 1).await;
    (good, bad, there)
}

/// GitHub was told to end the run, and it was looked whether that has happened.
async fn cancelled(world: &World) {
    let look = |_: &RepoHandle| {
        let log = world.github.log();
        let after = log.iter().skip_while(|entry| entry.route != CANCEL);
        after.into_iter().any(|entry| entry.route == READ && entry.status != 0).then_some(())
    };
    world.until("a look after the request to end", look).await;
}

/// The workflow of this commit brings the way back, and what went before has ended by then.
async fn goes_back_to(world: &World, good: &Sha, bad: &Sha, conclusion: &str) {
    let back = run(world, 2).await;
    let runs = world.shop.runs();
    assert_eq!(back.inputs["sha"], good.as_str());
    assert_eq!((runs[1].status.as_str(), runs[1].conclusion.as_deref()), ("completed", Some(conclusion)));
    world.shop.move_run(back.id, Some("success")).unwrap();
    let check = world.check(bad, STAGING, "failure").await;
    assert!(check.title.is_some_and(|title| title.contains("is live again in staging")));
    assert_eq!(world.shop.runs().len(), 3);
}

/// Of two workflows that deploy side by side the last one decides what runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_has_ended_before_the_way_back_begins() {
    let world = world().await;
    let (good, bad, there) = deploying(&world).await;
    cancels_slowly(&world);
    abort(&world).await;
    cancelled(&world).await;
    // Neither its first look nor news of another run take it further.
    world.shop.move_run(there.id, None).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.shop.runs().len(), 2, "{}", world.scene().await);
    world.shop.move_run(there.id, Some("cancelled")).unwrap();
    goes_back_to(&world, &good, &bad, "cancelled").await;
    assert_eq!(world.count(CANCEL), 1);
    world.finish().await;
}

/// Nobody waits for it any more, so nobody lets it go on either. GitHub's answer is lost: it is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_that_takes_too_long_is_ended() {
    let mut world = world().await;
    let (good, bad, there) = deploying(&world).await;
    world.github.fault(Fault::status("POST", "/cancel$", 502).after());
    world.expect_refusal("cancel");
    world.jump(Duration::from_secs(3601));
    world.shop.move_run(there.id, None).unwrap();
    goes_back_to(&world, &good, &bad, "cancelled").await;
    assert_eq!(world.count(CANCEL), 2);
    world.finish().await;
}

/// It has ended by itself just before: there is nothing to cancel, and whoever has asked for it goes back all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_that_cannot_be_cancelled_any_more_is_over() {
    let mut world = world().await;
    let (good, bad, there) = deploying(&world).await;
    let shop = world.shop.clone();
    world.github.on(Moment::BeforeEffect, move |request| {
        if request.path.ends_with("/cancel") {
            shop.move_run(there.id, Some("success")).unwrap();
        }
    });
    world.expect_refusal("cancel");
    abort(&world).await;
    goes_back_to(&world, &good, &bad, "success").await;
    world.finish().await;
}

/// What does not end may do anything at any time: nothing is begun beside it, and nobody else comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_that_does_not_end_locks() {
    let world = world().await;
    let (_, bad, there) = deploying(&world).await;
    cancels_slowly(&world);
    abort(&world).await;
    cancelled(&world).await;
    world.jump(Duration::from_secs(601));
    world.shop.move_run(there.id, None).unwrap();
    let check = world.refused(&bad, STAGING, "failure", "workflow_not_stopped").await;
    let text = check.summary.unwrap_or_default();
    assert!(text.contains("it smells") && text.contains("staging, so it is locked"), "{text}");
    world.quiet().await;
    assert_eq!(world.shop.runs().len(), 2);
    let (_, status, _) = world.command_told(&["status", "--format", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["repositories"][0]["holds"][0]["kind"], "lock", "{status}");
}

/// A person may ask to go back while it is waited for the end of what took too long: that is not begun before the end either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_while_a_workflow_ends_goes_back_after_its_end() {
    let config = CONFIG.replace("automatic", "manual");
    let world = Setup::new().config(&config).file(".github/workflows/deploy.yml", WORKFLOW).start().await;
    let (good, bad, there) = deploying(&world).await;
    cancels_slowly(&world);
    world.jump(Duration::from_secs(3601));
    world.shop.move_run(there.id, None).unwrap();
    cancelled(&world).await;
    abort(&world).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.shop.runs().len(), 2, "{}", world.scene().await);
    world.shop.move_run(there.id, Some("cancelled")).unwrap();
    goes_back_to(&world, &good, &bad, "cancelled").await;
    world.finish().await;
}

/// A workflow that deploys another commit than it was asked for is not left to do so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_at_another_commit_is_ended() {
    let workflow = "on:\n  workflow_dispatch:\n";
    let config = CONFIG.replace("inputs = { sha = \"{{ sha }}\" }\n", "");
    let mut world = Setup::new().config(&config).file(".github/workflows/deploy.yml", workflow).start().await;
    world.expect_refusal("dispatches");
    world.github.fault(Fault::on("POST", "/dispatches$", Trouble::Delay(Duration::from_secs(1))));
    let sha = world.commit("feat: one");
    world.until("GitHub is asked", |_| world.github.log().iter().any(|e| e.route.ends_with("/dispatches")).then_some(())).await;
    let ahead = world.shop.commit("main", CommitSeed::new("feat: two")).unwrap();
    let started = run(&world, 0).await;
    assert_eq!(started.sha, ahead);
    world.shop.move_run(started.id, None).unwrap();
    let check = world.refused(&sha, STAGING, "failure", "target_failed").await;
    assert!(check.summary.is_some_and(|text| text.contains("give it an input `sha`")));
    assert_eq!(world.shop.runs()[0].conclusion.as_deref(), Some("cancelled"));
}

/// What has not begun when somebody stops it does not begin once GitHub is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_while_github_is_away_is_never_started() {
    let reporter = "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \"deployment\"\nreporters = \
                    [\"deployer[bot]\"]\n";
    for (text, path) in [(CONFIG, "/dispatches$"), (reporter, "/deployments$")] {
        let world = Setup::new().config(text).file(".github/workflows/deploy.yml", WORKFLOW).start().await;
        let down = Trouble::Status { status: 503, headers: Vec::new(), message: "Service Unavailable".into() };
        world.github.fault(Fault::on("POST", path, down).always());
        let sha = world.commit("fix: one");
        let going = world.until("its run", |_| {
            world.github.counts().iter().any(|(route, _)| route.ends_with(&path[..path.len() - 1])).then_some(())
        });
        going.await;
        let all = world.runs("deploy").await;
        let run = all.iter().find(|run| run.outcome.is_none()).unwrap().id.to_string();
        let (code, _, problem) = world.command_told(&["abort", &run]).await;
        assert_eq!(code, 0, "{problem}");
        world.github.clear_faults();
        world.quiet().await;
        assert_eq!(world.shop.runs().len(), 0, "{path}");
        assert!(world.shop.deployments().iter().all(|made| made.state() != "success"), "{path}");
        let ends = world.our_checks(&sha, STAGING);
        assert!(ends.iter().all(|check| check.conclusion.as_deref() != Some("success")), "{ends:?}");
        if path == "/deployments$" {
            assert_eq!(world.shop.deployments().len(), 0);
        }
        world.finish().await;
    }
}
