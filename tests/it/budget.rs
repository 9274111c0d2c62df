//! How many calls to GitHub a piece of work takes, beside the token. These numbers only go down.

use crate::comments::{pull, reactions, replies, says};
use crate::world::{RELEASE, Setup, World};
use lockkeeper::app::Tuning;
use lockkeeper::domain::Sha;
use lockkeeper::github::Pacing;
use lockkeeper::sandbox::{CommitSeed, DeploymentReport};
use lockkeeper::store::runs::RunState;
use std::time::{Duration, Instant};

const STAGING: &str = "lockkeeper/staging";

/// By a reporter: no target costs less, so what is counted is ours.
const DEPLOYS: &str = "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \
                       \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

/// Calls per route that the work takes until nothing goes on any more, tokens aside.
async fn costs(world: &World, work: impl AsyncFnOnce()) -> String {
    world.quiet().await;
    world.github.clear_log();
    work().await;
    world.quiet().await;
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    counted.map(|(route, count)| format!("{count} {route}")).collect::<Vec<_>>().join("\n")
}

/// A tag on a commit whose checks come one after another.
async fn release_after(checks: &[&str]) -> String {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let checks: Vec<_> = checks.iter().map(|name| world.shop.start_check("github-actions", &sha, name).unwrap()).collect();
    let work = async || {
        world.shop.tag("v1.1.0", &sha).unwrap();
        world.waiting(&sha, RELEASE).await;
        // `create` follows `push`; it must not make the run look again.
        assert!(world.github.settle(Duration::from_secs(10)));
        tokio::time::sleep(Duration::from_millis(400)).await;
        for check in checks {
            world.shop.complete_check(check, "success").unwrap();
            assert!(world.github.settle(Duration::from_secs(10)));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        world.released("v1.1.0", &sha).await;
    };
    let routes = costs(&world, work).await;
    world.finish().await;
    routes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_whose_checks_are_done_takes_five_calls() {
    let world = World::start().await;
    let sha = world.head();
    let work = async || {
        world.shop.tag("v1.1.0", &sha).unwrap();
        world.released("v1.1.0", &sha).await;
    };
    insta::assert_snapshot!(costs(&world, work).await, @r"
    1 PATCH /repos/{owner}/{repo}/releases/{id}
    1 POST /graphql Recheck
    1 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/releases
    ");
    world.finish().await;
}

/// Each look is a call: checks that finish one after another cost one, when the last of them has come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_waits_for_checks_takes_six_calls_however_many_there_are() {
    let one = release_after(&["build"]).await;
    assert_eq!(one, release_after(&["build", "lint", "test"]).await);
    insta::assert_snapshot!(one, @r"
    1 PATCH /repos/{owner}/{repo}/check-runs/{id}
    1 PATCH /repos/{owner}/{repo}/releases/{id}
    1 POST /graphql Recheck
    1 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/releases
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_that_changes_nothing_takes_one_call() {
    let world = World::start().await;
    let work = async || {
        world.shop.commit("main", CommitSeed::new("docs: say more")).unwrap();
        world.until("the push arrives", |_| world.github.deliveries().into_iter().rev().find(|d| d.event == "push")).await;
    };
    let routes = costs(&world, work).await;
    assert_eq!(routes.lines().count(), 1, "{routes}");
    assert!(routes.starts_with("1 "), "{routes}");
    world.finish().await;
}

/// Deploys with the next merge; the reporter takes no time.
async fn merged(world: &World, message: &str) -> Sha {
    let sha = world.commit(message);
    brought_up(world, &sha, "deploy").await;
    world.check(&sha, STAGING, "success").await;
    sha
}

async fn brought_up(world: &World, sha: &Sha, task: &str) {
    let going = |d: &lockkeeper::sandbox::Deployment| d.sha == *sha && d.task == task && d.state() == "in_progress";
    let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_that_is_deployed_takes_eight_calls_and_its_way_back_nine() {
    let world = Setup::new().config(DEPLOYS).start().await;
    let one = merged(&world, "fix: one").await;
    let work = async || {
        merged(&world, "fix: two").await;
    };
    insta::assert_snapshot!(costs(&world, work).await, @r"
    1 GET /repos/{owner}/{repo}/deployments/{id}/statuses
    1 POST /graphql FilesAt
    1 POST /graphql Recheck
    1 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/deployments
    2 POST /repos/{owner}/{repo}/deployments/{id}/statuses
    ");
    let work = async || {
        let ask = ["rollback", "staging", "--repo", "acme/shop", "--reason", "slow"];
        let ((code, said, _), ()) = tokio::join!(world.command_told(&ask), brought_up(&world, &one, "rollback"));
        assert_eq!(code, 0, "{said}");
    };
    insta::assert_snapshot!(costs(&world, work).await, @r"
    1 GET /repos/{owner}/{repo}/compare/{+basehead}
    1 GET /repos/{owner}/{repo}/deployments/{id}/statuses
    1 POST /graphql Recheck
    2 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/deployments
    2 POST /repos/{owner}/{repo}/deployments/{id}/statuses
    ");
    world.finish().await;
}

/// One call of a repository goes on at a time, and a reply waits for GitHub's limit of what people read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_its_pace_holds_nothing_else_up() {
    let pacing = Pacing { content_per_minute: 1, minute: Duration::from_secs(4), ..Pacing::default() };
    let slow = |tuning: &mut Tuning| {
        tuning.pacing = pacing;
        tuning.host.per_repository = 1;
    };
    let world = Setup::new().tune(slow).start().await;
    let pull = pull(&world).await;
    // What it was told of the next version is a minute ago.
    tokio::time::sleep(pacing.minute + Duration::from_millis(300)).await;
    let asked = says(&world, pull, "ann", "/status");
    world.until("that it was seen", |_| (reactions(&world, asked) == ["eyes"]).then_some(())).await;
    // Its role is read; what is left is to answer.
    world.requests("GET /repos/{owner}/{repo}/collaborators/{user}/permission", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let over = async || world.runs("merge").await.iter().filter(|run| run.state == RunState::Finished).count();
    let before = over().await;
    world.commit("fix: one");
    let begun = Instant::now();
    while over().await == before {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", world.scene().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(replies(&world).is_empty(), "the push had to wait for the reply");
    world.finish().await;
}
