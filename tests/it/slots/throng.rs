//! More than 1,000 requests a second while users are moved again and again, and brought back: not one of them fails.

use super::place::{LIVE, Place};
use lockkeeper::domain::Slot;
use std::time::{Duration, Instant};

const BLUE_GREEN: &str = "{ kind = \"blue_green\", bake = \"1s\" }";
const GRADUAL: &str = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"1s\" }, { weight = 50, bake = \"1s\" }] }";
const RATE: f64 = 1_000.0;

impl Place {
    /// By hand, to the version before, whose copy is brought up in the idle slot.
    async fn rolled_back(&self) {
        let before = self.world.shop.deployments().len();
        self.told(&["rollback", "live", "--repo", "acme/shop", "--reason", "to see", "--detach"]).await;
        let back = self.world.until("the way back", |shop| {
            shop.deployments().into_iter().skip(before).find(|d| d.task == "rollback" && d.state() == "in_progress")
        });
        let back = back.await;
        self.report(&back, "success");
        let live = |shop: &lockkeeper::sandbox::RepoHandle| {
            shop.deployments().into_iter().find(|d| d.id == back.id && d.state() == "success").map(|_| ())
        };
        self.world.until("the version before", live).await;
        self.world.quiet().await;
    }
}

/// Deploys so many versions one after the other, and goes back after some of them.
async fn moved(strategy: &str, deployments: usize, rollbacks: usize) {
    let mut place = Place::new(strategy, "").await;
    place.send_users_away().await;
    place.users = place.stage.crowd(16, Duration::from_millis(8));
    let (begun, mut slot) = (Instant::now(), Slot::Blue);
    for n in 1..=deployments {
        place.deployed(&format!("feat: part {n}")).await;
        slot = slot.other();
        // There is something to go back to from the second one on.
        if n > 1 && n <= 1 + rollbacks {
            place.rolled_back().await;
            // What a person has left by hand is held back until somebody lets it in again.
            place.told(&["unlock", "live", "--repo", "acme/shop", "--reason", "seen"]).await;
            slot = slot.other();
        }
        assert_eq!(place.share(slot).await, 100.0, "after {n}");
    }
    let (total, failed) = place.users.so_far();
    let rate = total as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{strategy}: {deployments} deployments, {rollbacks} rollbacks, {total} requests, {rate:.0} a second, {failed} failed"
    );
    assert!(rate >= RATE, "{rate:.0} requests a second are no throng");
    assert_eq!(place.world.our_checks(&place.world.head(), LIVE).len(), 1);
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throng_is_moved_and_brought_back() {
    moved("{ kind = \"gradual\", steps = [{ weight = 30, bake = \"0s\" }] }", 3, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: see benches/README.md"]
async fn twenty_blue_green_deployments_and_five_rollbacks() {
    moved(BLUE_GREEN, 20, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: see benches/README.md"]
async fn twenty_gradual_deployments_and_five_rollbacks() {
    moved(GRADUAL, 20, 5).await;
}
