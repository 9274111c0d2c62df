//! Rollbacks when the commit of an earlier version is not in the repository any more.

use crate::world::World;
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{Deployment, DeploymentReport};

const STAGING: &str = "lockkeeper/staging";
const CREATE: &str = "POST /repos/{owner}/{repo}/deployments";

async fn world(rollback: &str) -> World {
    let config = format!(
        "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\nrollback = \"{rollback}\"\n\n[targets.cluster]\nkind = \
         \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
    );
    World::with(&config).await
}

/// A commit that is being deployed.
async fn begun(world: &World, message: &str) -> Sha {
    let sha = world.commit(message);
    let going = |d: &Deployment| d.sha == sha && d.state() == "in_progress";
    world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    sha
}

async fn report(world: &World, sha: &Sha, task: &str, state: &str) {
    let going = |d: &Deployment| d.sha == *sha && d.task == task && d.state() == "in_progress";
    let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", state)).unwrap();
}

async fn live(world: &World, message: &str) -> Sha {
    let sha = world.commit(message);
    report(world, &sha, "deploy", "success").await;
    world.check(&sha, STAGING, "success").await;
    sha
}

async fn rollback(world: &World, more: &[&str]) -> (i32, String, String) {
    let ask = [&["rollback", "staging", "--repo", "acme/shop", "--reason", "slow"], more].concat();
    world.command_told(&ask).await
}

async fn what_is_live(world: &World) -> String {
    let (_, status) = world.command(&["status", "--format", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    status["repositories"][0]["live"][0]["sha"].as_str().unwrap().to_owned()
}

/// By itself: the version before is gone, so the one before that comes back, and it is said why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_whose_commit_is_gone_is_passed_over() {
    let mut world = world("automatic").await;
    world.expect_refusal(CREATE);
    let (one, two) = (live(&world, "fix: one").await, live(&world, "fix: two").await);
    let bad = begun(&world, "feat: three").await;
    world.shop.lose_commit(&two).unwrap();
    report(&world, &bad, "deploy", "failure").await;
    report(&world, &one, "rollback", "success").await;
    let check = world.check(&bad, STAGING, "failure").await;
    let title = check.title.unwrap();
    assert!(title.contains(&format!("{} is live again in staging", one.short())), "{title}");
    let passed = format!("{} was passed over: its commit is no longer in the repository.", two.short());
    assert!(check.summary.is_some_and(|text| text.contains(&passed)));
    assert_eq!(what_is_live(&world).await, one.as_str());
    world.finish().await;
}

/// None is left: that is a way back that failed, with nobody moved anywhere and the environment locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_commit_left_the_way_back_fails() {
    let mut world = world("automatic").await;
    world.expect_refusal(CREATE);
    let (one, two) = (live(&world, "fix: one").await, live(&world, "fix: two").await);
    let bad = begun(&world, "feat: three").await;
    [&one, &two].into_iter().for_each(|sha| world.shop.lose_commit(sha).unwrap());
    report(&world, &bad, "deploy", "failure").await;
    let check = world.check(&bad, STAGING, "failure").await;
    assert!(check.title.is_some_and(|title| title.contains("staging is locked")));
    let summary = check.summary.unwrap();
    assert!([one, two].iter().all(|sha| summary.contains(&format!("{} was passed over", sha.short()))), "{summary}");
    assert_eq!(world.shop.deployments().len(), 3, "nothing was begun");
    world.finish().await;
}

/// By command: without a name the next older one, said before it begins; one that was named is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_told_that_a_version_cannot_come_back() {
    let world = world("manual").await;
    let (one, two) = (live(&world, "fix: one").await, live(&world, "fix: two").await);
    live(&world, "fix: three").await;
    world.shop.lose_commit(&two).unwrap();

    let (code, said, problem) = rollback(&world, &["--to", two.as_str()]).await;
    assert_eq!(code, 1, "{said} {problem}");
    insta::assert_snapshot!(problem.replace(two.short(), "[two]"));
    let passed = format!("{} was passed over: its commit is no longer in the repository.", two.short());
    let (code, said, _) = rollback(&world, &["--dry-run"]).await;
    assert!(code == 0 && said.contains(&passed) && said.contains(one.as_str()), "{said}");

    let back = report(&world, &one, "rollback", "success");
    let ((code, said, told), ()) = tokio::join!(rollback(&world, &[]), back);
    assert!(code == 0 && told.contains(&passed), "{said} {told}");
    let check = world.check(&one, STAGING, "success").await;
    assert!(check.summary.is_some_and(|text| text.contains(&passed)));
    assert_eq!(what_is_live(&world).await, one.as_str());

    // The one that it left is bad now, and there is no other.
    let (code, _, problem) = rollback(&world, &[]).await;
    assert!(code == 1 && problem.contains("rollback_target_unsafe"), "{problem}");
    assert_eq!(what_is_live(&world).await, one.as_str());
    world.finish().await;
}
