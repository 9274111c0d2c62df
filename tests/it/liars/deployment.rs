//! A reporter that says nothing, reports on another deployment or changes its mind, and a deployment that is deleted.

use super::scene::{STAGING, config, ends, is_back, is_untouched};
use crate::world::World;
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{Deployment, DeploymentReport, Fault};
use std::time::Duration;

const TARGET: &str = "kind = \"deployment\"\nreporters = [\"deployer[bot]\"]\ntimeout = \"10m\"";

const READS: &str = "GET /repos/{owner}/{repo}/deployments/{id}/statuses";

async fn begun(world: &World, sha: &Sha, task: &str) -> Deployment {
    let going = |d: &Deployment| d.sha == *sha && d.task == task && d.state() == "in_progress";
    world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await
}

fn report(world: &World, made: &Deployment, state: &str) {
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", state)).unwrap();
}

async fn good(world: &World) -> (Sha, Deployment) {
    let sha = world.commit("feat: one");
    let made = begun(world, &sha, "deploy").await;
    report(world, &made, "success");
    world.check(&sha, STAGING, "success").await;
    (sha, made)
}

async fn goes_back(world: &World, sha: &Sha, good: &Sha, code: &str) {
    report(world, &begun(world, good, "rollback").await, "success");
    ends(world, sha, ("rolled_back", code)).await;
    is_back(world, good).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_has_its_time() {
    let world = World::with(&config("", TARGET)).await;
    let (good, _) = good(&world).await;
    let before = world.count(READS);
    let sha = world.commit("feat: two");
    let made = begun(&world, &sha, "deploy").await;
    report(&world, &made, "in_progress");
    // Its time has begun when its word is read.
    world.requests(READS, before + 1).await;
    world.jump(Duration::from_secs(10 * 60 + 1));
    goes_back(&world, &sha, &good, "target_failed").await;
    world.finish().await;
}

/// With less time than there is between two looks, a word that it works costs it nothing of that time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_that_it_works_has_its_whole_time() {
    let world = World::with(&config("", &TARGET.replace("10m", "1m"))).await;
    let sha = world.commit("feat: one");
    let made = begun(&world, &sha, "deploy").await;
    report(&world, &made, "in_progress");
    tokio::time::sleep(Duration::from_millis(700)).await;
    report(&world, &made, "success");
    world.check(&sha, STAGING, "success").await;
    world.finish().await;
}

/// Its word on what was deployed before says nothing of this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_reports_on_another_deployment_is_not_heard() {
    let world = World::with(&config("", TARGET)).await;
    let (_, before) = good(&world).await;
    let sha = world.commit("feat: two");
    let made = begun(&world, &sha, "deploy").await;
    report(&world, &before, "success");
    report(&world, &before, "failure");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(world.runs("deploy").await.iter().any(|run| run.outcome.is_none()), "it ended without a report of its own");
    report(&world, &made, "success");
    world.check(&sha, STAGING, "success").await;
    world.quiet().await;
    is_untouched(&world, &sha).await;
    world.finish().await;
}

/// Both reports are there when they are read: the newest counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_changes_its_mind_is_taken_at_its_last_word() {
    for words in [["success", "failure"], ["failure", "success"]] {
        let world = World::with(&config("", TARGET)).await;
        let (good, _) = good(&world).await;
        let sha = world.commit("feat: two");
        let made = begun(&world, &sha, "deploy").await;
        world.github.fault(Fault::status("GET", &format!("/deployments/{}/statuses", made.id), 502).always());
        words.iter().for_each(|word| report(&world, &made, word));
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.github.clear_faults();
        if words[1] == "failure" {
            goes_back(&world, &sha, &good, "target_failed").await;
        } else {
            world.check(&sha, STAGING, "success").await;
            world.quiet().await;
            is_untouched(&world, &sha).await;
        }
        world.finish().await;
    }
}

/// It failed, and the way back has begun: a success that comes now changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_that_comes_too_late_changes_nothing() {
    let world = World::with(&config("", TARGET)).await;
    let (good, _) = good(&world).await;
    let sha = world.commit("feat: two");
    let made = begun(&world, &sha, "deploy").await;
    report(&world, &made, "failure");
    begun(&world, &good, "rollback").await;
    report(&world, &made, "success");
    goes_back(&world, &sha, &good, "target_failed").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_deleted_is_gone() {
    let mut world = World::with(&config("", TARGET)).await;
    world.expect_refusal("statuses");
    let (good, _) = good(&world).await;
    let sha = world.commit("feat: two");
    let made = begun(&world, &sha, "deploy").await;
    world.github.fault(Fault::status("GET", &format!("/deployments/{}/statuses", made.id), 404).always());
    report(&world, &made, "in_progress");
    goes_back(&world, &sha, &good, "github_not_found").await;
    world.finish().await;
}
