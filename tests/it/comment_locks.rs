//! Locks that end with a pull request, and freezes of all environments.

use crate::comment_acts::{PLACES, answer, has};
use crate::comments::pull;
use crate::world::World;
use lockkeeper::domain::Role;
use lockkeeper::sandbox::DeploymentReport;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_a_pull_request_ends_with_it() {
    let mut world = World::with(PLACES).await;
    let number = pull(&world).await;
    let locked = answer(&world, number, "ann", "/lock staging --reason \"try it\" --pr").await;
    has(&locked, &["🔒 **staging**", &format!("or until #{number} is merged or closed")]);
    let sha = world.commit("feat: more");
    world.refused(&sha, "lockkeeper/staging", "failure", "environment_locked").await;
    has(&answer(&world, number, "ann", "/status").await, &[&format!("or until #{number} is merged or closed"), "try it"]);
    // It outlives the server.
    world.stop().await;
    world.boot().await;
    answer(&world, number, "ann", "/lock production --reason other").await;
    world.shop.close_pull(number, "bob").unwrap();
    world.quiet().await;
    let status = answer(&world, number, "ann", "/status").await;
    assert!(!status.contains("try it") && status.contains("other"), "{status}");
    has(&answer(&world, number, "ann", "/lock staging --pr").await, &["pull_request_closed", "`--pr`"]);
    let row = world.audit().await.into_iter().find(|row| row.door == "webhook" && row.action == "unlock").unwrap();
    assert_eq!((row.actor.login.as_str(), row.detail["pr"].as_u64()), ("bob", Some(number)));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_waits_for_it_goes_when_the_pull_request_is_merged() {
    let world = World::with(PLACES).await;
    let number = pull(&world).await;
    let head = world.shop.resolve("topic").unwrap();
    world.shop.set_role("bob", Role::Write);
    answer(&world, number, "ann", "/lock production --pr").await;
    let sha = world.head();
    let ask = format!("/deploy production {sha} --wait");
    crate::comments::says(&world, number, "bob", &ask);
    world.waiting(&sha, "lockkeeper/production").await;
    let merged = world.shop.merge_pull(number, lockkeeper::sandbox::Merge::Squash, "ann").unwrap();
    world.green(&merged);
    let going = |d: &lockkeeper::sandbox::Deployment| d.environment == "production" && d.state() == "in_progress";
    let made = world.until("its turn", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&sha, "lockkeeper/production", "success").await;
    let staging = world.deployment("staging", "in_progress").await;
    world.shop.report_deployment(staging.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    assert_ne!(head, merged);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_closes_everything_but_the_way_back() {
    let world = World::with(PLACES).await;
    let number = pull(&world).await;
    for (login, role) in [("bob", Role::Write), ("mia", Role::Maintain)] {
        world.shop.set_role(login, role);
    }
    for message in ["feat: one", "feat: two"] {
        let sha = world.commit(message);
        let going = |d: &lockkeeper::sandbox::Deployment| d.sha == sha && d.state() == "in_progress";
        let made = world.until("it goes", |shop| shop.deployments().into_iter().find(going)).await;
        world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
        world.check(&sha, "lockkeeper/staging", "success").await;
    }
    world.quiet().await;
    let frozen = answer(&world, number, "ann", "/lock --all --reason \"incident 7\" --for 2h").await;
    has(&frozen, &["**staging** is closed", "**production** is closed", "a freeze of ann", "incident 7", "`/unlock --all`"]);
    has(&answer(&world, number, "ann", "/lock staging --all").await, &["command_misused"]);
    has(&answer(&world, number, "ann", "/lock").await, &["command_misused"]);
    let sha = world.commit("feat: three");
    world.refused(&sha, "lockkeeper/staging", "failure", "environment_locked").await;
    has(&answer(&world, number, "bob", "/status").await, &["🔒 freeze by ann until", "incident 7"]);
    crate::comments::says(&world, number, "bob", "/rollback staging --reason slow");
    let back = |d: &lockkeeper::sandbox::Deployment| d.task == "rollback" && d.state() == "in_progress";
    let made = world.until("the way back", |shop| shop.deployments().into_iter().find(back)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.quiet().await;
    has(&answer(&world, number, "bob", "/unlock --all --reason over").await, &["not_allowed", "freeze"]);
    // What a rollback holds back is no freeze.
    has(
        &answer(&world, number, "mia", "/unlock --all --reason over").await,
        &["🔓 No environment is frozen any more (2 were)"],
    );
    has(&answer(&world, number, "mia", "/unlock --all --reason over").await, &["not_locked"]);
    has(&answer(&world, number, "bob", "/status").await, &["hold on"]);
    world.jump(Duration::from_secs(1));
    world.finish().await;
}
