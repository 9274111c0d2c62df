//! Buttons of check runs of deployments that are paused or over.

use crate::approvals::{identifier, press};
use crate::comment_acts::PLACES;
use crate::slots::place::{LIVE, Place};
use crate::world::World;
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::{CheckRun, Deployment, DeploymentReport};
use std::time::Duration;

const STAGING: &str = "lockkeeper/staging";

fn labels(check: &CheckRun) -> Vec<&str> {
    check.actions.iter().map(|action| action["label"].as_str().unwrap()).collect()
}

async fn going(world: &World, sha: &Sha, task: &str) -> Deployment {
    let there = |d: &Deployment| d.sha == *sha && d.task == task && d.state() == "in_progress";
    world.until("its deployment", |shop| shop.deployments().into_iter().find(there)).await
}

fn report(world: &World, made: &Deployment, state: &str) {
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", state)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_is_tried_again_taken_back_and_locked_by_those_who_may() {
    let mut world = World::with(PLACES).await;
    for (login, role) in [("bob", Role::Write), ("eve", Role::Read)] {
        world.shop.set_role(login, role);
    }
    let first = world.commit("feat: one");
    report(&world, &going(&world, &first, "deploy").await, "failure");
    let failed = world.check(&first, STAGING, "failure").await;
    assert_eq!(labels(&failed), ["Retry"]);
    for stranger in ["eve", "nobody"] {
        assert_eq!(press(&world, &failed, "retry", stranger).await.as_deref(), Some("not_allowed"), "{stranger}");
    }
    assert_eq!(world.runs("deploy").await.len(), 1);
    assert_eq!(press(&world, &failed, "retry", "bob").await, None);
    assert_eq!(press(&world, &failed, "retry", "bob").await.as_deref(), Some("nothing_to_retry"));
    report(&world, &going(&world, &first, "deploy").await, "success");
    let done = world.check(&first, STAGING, "success").await;
    // There is nothing to go back to.
    assert_eq!(labels(&done), ["Lock"]);
    let by: Vec<String> = world.runs("deploy").await.into_iter().map(|run| run.subject.actor.login).collect();
    assert!(by.contains(&"bob".to_owned()), "{by:?}");

    let second = world.commit("feat: two");
    report(&world, &going(&world, &second, "deploy").await, "success");
    let live = world.check(&second, STAGING, "success").await;
    assert_eq!(labels(&live), ["Roll back", "Lock"]);
    let back = identifier(&live, "rollback");
    assert_eq!(press(&world, &live, &back, "eve").await.as_deref(), Some("not_allowed"));
    assert_eq!(press(&world, &live, &back, "bob").await, None);
    report(&world, &going(&world, &first, "rollback").await, "success");
    world.quiet().await;
    assert_eq!(press(&world, &live, &back, "bob").await.as_deref(), Some("not_live"));
    assert_eq!(press(&world, &live, "lock", "eve").await.as_deref(), Some("not_allowed"));
    assert_eq!(press(&world, &live, "lock", "bob").await, None);
    let third = world.commit("feat: three");
    world.refused(&third, STAGING, "failure", "environment_locked").await;
    let told = world.audit().await.into_iter().filter(|row| row.door == "button");
    let mut told: Vec<(String, String)> = told.map(|row| (row.action, row.decision)).collect();
    told.sort();
    let row = |action: &str, decision: &str| (action.to_owned(), decision.to_owned());
    let expected = [
        row("deploy", "accepted"),
        row("deploy", "refused:not_allowed"),
        row("deploy", "refused:not_allowed"),
        row("deploy", "refused:nothing_to_retry"),
        row("lock", "accepted"),
        row("lock", "refused:not_allowed"),
        row("rollback", "accepted"),
        row("rollback", "refused:not_allowed"),
        row("rollback", "refused:not_live"),
    ];
    assert_eq!(told, expected);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_extended_by_another_day() {
    let place = Place::new("{ kind = \"gradual\", steps = [{ weight = 10, bake = \"1h\" }] }", "").await;
    place.world.shop.set_role("bob", Role::Write);
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "10 % of users are moved").await;
    place.told(&["pause", &place.run().await]).await;
    place.world.jump(Duration::from_secs(3_700));
    place.titled(&sha, "Paused at 10 % of users").await;
    let paused = place.world.check(&sha, LIVE, "action_required").await;
    assert_eq!(labels(&paused), ["Promote", "Roll back", "Extend"]);
    for _ in 0..2 {
        place.world.jump(Duration::from_secs(23 * 3_600));
        assert_eq!(press(&place.world, &paused, "extend", "bob").await, None);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let still = place.world.shop.newest_check(&sha, LIVE).unwrap();
    assert_eq!(still.conclusion.as_deref(), Some("action_required"), "nobody was there for a day: {still:?}");
    assert_eq!(press(&place.world, &paused, "promote", "bob").await, None);
    place.world.check(&sha, LIVE, "success").await;
    place.finish().await;
}
