//! How many calls to GitHub a piece of work takes, beside the token. These numbers only go down.

use crate::world::{RELEASE, World};
use lockkeeper::sandbox::CommitSeed;
use std::time::Duration;

/// Calls per route since the log was cleared, tokens aside.
fn calls(world: &World) -> (u64, String) {
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let lines: Vec<String> = counted.clone().map(|(route, count)| format!("{count} {route}")).collect();
    (counted.map(|(_, count)| count).sum(), lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_whose_checks_are_done_takes_five_calls() {
    let world = World::start().await;
    let sha = world.head();
    world.quiet().await;
    world.github.clear_log();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.released("v1.1.0", &sha).await;
    world.quiet().await;
    let (sum, routes) = calls(&world);
    assert!(sum <= 6, "{routes}");
    insta::assert_snapshot!(routes, @r"
    1 PATCH /repos/{owner}/{repo}/releases/{id}
    1 POST /graphql Recheck
    1 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/releases
    ");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_waits_for_a_check_takes_six_calls() {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let build = world.shop.start_check("github-actions", &sha, "build").unwrap();
    world.quiet().await;
    world.github.clear_log();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    // `create` follows `push`; it must not make the run look again.
    assert!(world.github.settle(Duration::from_secs(10)));
    tokio::time::sleep(Duration::from_millis(400)).await;
    world.shop.complete_check(build, "success").unwrap();
    world.released("v1.1.0", &sha).await;
    world.quiet().await;
    let (sum, routes) = calls(&world);
    assert!(sum <= 6, "{routes}");
    insta::assert_snapshot!(routes, @r"
    1 PATCH /repos/{owner}/{repo}/check-runs/{id}
    1 PATCH /repos/{owner}/{repo}/releases/{id}
    1 POST /graphql Recheck
    1 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/releases
    ");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_that_changes_nothing_takes_one_call() {
    let world = World::start().await;
    world.quiet().await;
    world.github.clear_log();
    world.shop.commit("main", CommitSeed::new("docs: say more")).unwrap();
    world.until("the push arrives", |_| world.github.deliveries().into_iter().rev().find(|d| d.event == "push")).await;
    world.quiet().await;
    let (sum, routes) = calls(&world);
    assert_eq!(sum, 1, "{routes}");
    world.finish().await;
}

/// Each look is a call: checks that finish one after another cost one, when the last of them has come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_checks_that_finish_apart_take_six_calls() {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let checks: Vec<_> =
        ["build", "lint", "test"].iter().map(|name| world.shop.start_check("github-actions", &sha, name).unwrap()).collect();
    world.quiet().await;
    world.github.clear_log();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    for check in checks {
        world.shop.complete_check(check, "success").unwrap();
        assert!(world.github.settle(Duration::from_secs(10)));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    world.released("v1.1.0", &sha).await;
    world.quiet().await;
    let (sum, routes) = calls(&world);
    assert!(sum <= 6, "{routes}");
    world.finish().await;
}
