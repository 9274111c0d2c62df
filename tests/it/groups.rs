//! Merge queues: what they wait for is reported on the group's head, whatever it is.

use crate::world::{RELEASE, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, Fault, PullSeed, Trouble};
use std::time::Duration;

const CONFIG: &str = "lockkeeper/config";
const FILE: &str = "[environments.staging]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \"deployment\"\nreporters = \
                    [\"deployer[bot]\"]\n";

/// An open pull request that changes this.
fn pull(world: &World, seed: CommitSeed) -> u64 {
    world.shop.branch("more", &world.head()).unwrap();
    world.shop.commit("more", seed).unwrap();
    world.shop.open_pull(PullSeed::new("feat: sell more", "more")).unwrap()
}

fn arrived(world: &World, event: &str) -> Option<()> {
    world.github.deliveries().iter().any(|d| d.event == event).then_some(())
}

/// A group of a pull request that we have reported on.
async fn grouped(world: &World, seed: CommitSeed) -> Sha {
    let number = pull(world, seed);
    world.check(&world.shop.resolve("more").unwrap(), RELEASE, "success").await;
    world.quiet().await;
    world.github.clear_log();
    world.shop.queue_group(number).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_checks_are_reported_on_the_head_of_a_group_with_three_calls() {
    let world = World::with(FILE).await;
    let head = grouped(&world, CommitSeed::new("feat: sell more")).await;
    let check = world.check(&head, RELEASE, "success").await;
    assert_eq!(check.title.as_deref(), Some("Next version: 1.1.0 (minor)"));
    world.check(&head, CONFIG, "success").await;
    world.quiet().await;
    let counts = world.github.counts();
    let counted: Vec<_> = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens")).collect();
    assert_eq!(counted.iter().map(|(_, count)| **count).sum::<u64>(), 3, "{counted:?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_breaks_the_configuration_is_not_merged() {
    let world = World::with(FILE).await;
    let broken = CommitSeed::new("feat: sell more").file(".github/lockkeeper.toml", &FILE.replace("reporters", "reportes"));
    let head = grouped(&world, broken).await;
    let check = world.check(&head, CONFIG, "failure").await;
    assert!(check.annotations.iter().any(|a| a["start_line"] == 6), "{:?}", check.annotations);
    world.check(&head, RELEASE, "success").await;
    world.finish().await;
}

/// A repository without the file may require the check too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_configuration_is_in_order() {
    let world = World::start().await;
    let head = grouped(&world, CommitSeed::new("docs: say more")).await;
    let check = world.check(&head, CONFIG, "success").await;
    assert!(check.summary.unwrap().contains("There is no such file"));
    world.check(&head, RELEASE, "success").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_given_up_ends_quietly() {
    let world = World::with(FILE).await;
    let number = pull(&world, CommitSeed::new("feat: sell more"));
    world.check(&world.shop.resolve("more").unwrap(), RELEASE, "success").await;
    world.quiet().await;
    // GitHub takes its time, so that the group goes before its checks come.
    world.github.fault(Fault::on("POST", "/graphql", Trouble::Delay(Duration::from_secs(2))));
    let head = world.shop.queue_group(number).unwrap();
    world.until("its delivery", |_| arrived(&world, "merge_group")).await;
    world.shop.destroy_group(&head, "dequeued").unwrap();
    world.quiet().await;
    assert!(world.our_checks(&head, RELEASE).is_empty() && world.our_checks(&head, CONFIG).is_empty());
    let runs = world.runs("group").await;
    assert_eq!(runs.len(), 1);
    assert!(runs[0].outcome.as_ref().unwrap().to_string().contains("\"nothing\""), "{:?}", runs[0].outcome);
    world.finish().await;
}

/// GitHub tells of a group, does not let us look at it, and takes check runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_cannot_be_looked_at_is_told_so() {
    let mut world = World::with(FILE).await;
    let number = pull(&world, CommitSeed::new("feat: sell more"));
    world.check(&world.shop.resolve("more").unwrap(), RELEASE, "success").await;
    world.quiet().await;
    world.expect_refusal("/graphql");
    let forbidden = "Resource not accessible by integration".to_owned();
    world.github.fault(Fault::on("POST", "/graphql", Trouble::Status { status: 403, headers: Vec::new(), message: forbidden }));
    let head = world.shop.queue_group(number).unwrap();
    for name in [RELEASE, CONFIG] {
        let check = world.check(&head, name, "failure").await;
        assert!(check.summary.unwrap().contains("What to do: "));
    }
    // Once mended, "Re-run" looks anew.
    world.shop.rerequest_check(world.our_checks(&head, RELEASE)[0].id, "ann").unwrap();
    world.check(&head, RELEASE, "success").await;
    world.check(&head, CONFIG, "success").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_reported_once_whatever_dies_meanwhile() {
    let mut world = World::with(FILE).await;
    let head = grouped(&world, CommitSeed::new("feat: sell more")).await;
    world.check(&head, RELEASE, "success").await;
    world.stop().await;
    world.boot().await;
    assert!(world.github.settle(Duration::from_secs(10)));
    world.quiet().await;
    for name in [RELEASE, CONFIG] {
        assert_eq!(world.our_checks(&head, name).len(), 1);
    }
    world.finish().await;
}

/// Who presses "Re-run" on what a pull request was told gets a new look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preview_of_a_pull_request_runs_again_when_somebody_wants_it() {
    let world = World::with(FILE).await;
    pull(&world, CommitSeed::new("feat: sell more"));
    let head = world.shop.resolve("more").unwrap();
    let first = world.check(&head, RELEASE, "success").await;
    for nth in 2..4 {
        world.shop.rerequest_check(world.shop.newest_check(&head, RELEASE).unwrap().id, "ann").unwrap();
        world.until("a new one", |_| (world.our_checks(&head, RELEASE).len() == nth).then_some(())).await;
        world.quiet().await;
    }
    assert!(world.shop.newest_check(&head, RELEASE).unwrap().id > first.id);
    assert_eq!(world.runs("preview").await.len(), 3);
    world.finish().await;
}
