//! Two copies behind a real HAProxy: users are moved by the strategies `blue_green` and `gradual`, and not one request fails.

mod fresh;
mod halted;
mod leaving;
pub mod place;
mod throng;
mod trouble;

use lockkeeper::domain::Slot;
use lockkeeper::sandbox::DeploymentReport;
use place::{LIVE, Place};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blue_green_moves_everybody_at_once_and_back_when_it_is_stopped() {
    let place = Place::new("{ kind = \"blue_green\", bake = \"1s\" }", "").await;
    let (first, made) = place.brought_up("feat: one").await;
    assert_eq!(made.payload["slot"], "green", "users are in blue");
    let check = place.world.check(&first, LIVE, "success").await;
    assert!(check.summary.is_some_and(|text| text.contains("Drained: the slot blue")));
    assert_eq!(place.share(Slot::Green).await, 100.0);

    // The next one goes to the other slot, and is stopped while it is watched.
    let (second, made) = place.brought_up("feat: two").await;
    assert_eq!(made.payload["slot"], "blue");
    place.titled(&second, "100 % of users are moved").await;
    let (code, said, _) = place.world.command_told(&["abort", &place.run().await, "--reason", "it smells"]).await;
    assert_eq!(code, 0, "{said}");
    let check = place.world.check(&second, LIVE, "failure").await;
    assert!(check.title.is_some_and(|title| title.contains("it smells") && title.contains("is live again")));
    assert_eq!(place.share(Slot::Green).await, 100.0);
    let (_, status) = place.world.command(&["status", "--format", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["repositories"][0]["live"][0]["sha"], first.as_str());
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gradual_gives_each_step_its_share_and_waits_when_it_is_told() {
    let steps = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"2s\" }, { weight = 50, bake = \"1s\" }] }";
    let place = Place::new(steps, "").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "10 % of users are moved").await;
    let run = place.run().await;
    assert_eq!(place.world.command(&["pause", &run]).await.0, 0);
    let share = place.share(Slot::Green).await;
    assert!((share - 10.0).abs() <= 4.0, "{share}");
    place.titled(&sha, "Paused at 10 % of users").await;
    assert_eq!(place.world.command(&["resume", &run]).await.0, 0);
    place.titled(&sha, "50 % of users are moved").await;
    let share = place.share(Slot::Green).await;
    assert!((share - 50.0).abs() <= 6.0 || share > 90.0, "{share}");
    place.world.check(&sha, LIVE, "success").await;
    assert_eq!(place.share(Slot::Green).await, 100.0);
    place.finish().await;
}

/// People steer while the old copy is kept: a pause keeps it for longer, and whoever promotes has seen enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bake_can_be_paused_and_cut_short() {
    let place = Place::new("{ kind = \"blue_green\", bake = \"2s\" }", "").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "100 % of users are moved").await;
    let run = place.run().await;
    assert_eq!(place.world.command(&["pause", &run]).await.0, 0);
    place.titled(&sha, "Paused at 100 % of users").await;
    assert_eq!(place.world.command(&["resume", &run]).await.0, 0);
    place.world.check(&sha, LIVE, "success").await;
    assert_eq!(place.share(Slot::Green).await, 100.0);
    place.finish().await;

    let place = Place::new("{ kind = \"blue_green\", bake = \"1h\" }", "").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "100 % of users are moved").await;
    assert_eq!(place.world.command(&["promote", &place.run().await]).await.0, 0);
    place.world.check(&sha, LIVE, "success").await;
    assert_eq!(place.share(Slot::Green).await, 100.0);
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_the_balancer_does_not_see_gets_nobody() {
    let place = Place::new("{ kind = \"blue_green\" }", "").await;
    place.stage.services["green1"].sick(true);
    let sha = place.world.commit("feat: one");
    let going = place.world.until("its deployment", |shop| shop.deployments().into_iter().find(|d| d.state() == "in_progress"));
    let made = going.await;
    place.world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let check = place.world.check(&sha, LIVE, "failure").await;
    assert!(check.title.is_some_and(|title| title.contains("is healthy")), "it says why");
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    place.finish().await;
}

/// A version that answers 500 to every user: the balancer's own counters show it, and users are back within moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_fails_its_users_is_measured_and_taken_back() {
    let analysis = "rollback = \"automatic\"\nanalysis = [{ kind = \"haproxy\", name = \"errors\", expect = \"error_rate < 0.2\", \
                    interval = \"1s\", count = 2 }]";
    let place = Place::new("{ kind = \"gradual\", steps = [{ weight = 20, bake = \"1s\" }] }", analysis).await;
    let (good, _) = place.brought_up("feat: one").await;
    place.world.check(&good, LIVE, "success").await;
    assert_eq!(place.share(Slot::Green).await, 100.0);
    place.stage.services["blue1"].answers(500);
    let (bad, _) = place.brought_up("feat: two").await;
    place.titled(&bad, "20 % of users are moved").await;
    let moved = std::time::Instant::now();
    let check = place.world.check(&bad, LIVE, "failure").await;
    assert!(moved.elapsed() < Duration::from_secs(5), "{:?}", moved.elapsed());
    let title = check.title.unwrap();
    assert!(title.contains("did not stand the analysis") && title.contains("is live again"), "{title}");
    assert_eq!(place.share(Slot::Green).await, 100.0);
    let (total, failures) = place.users.stop().await;
    assert!(!failures.is_empty() && failures.iter().all(|why| why.contains("500")), "{failures:?}");
    assert!(failures.len() * 4 < total as usize, "more users than the step allows: {} of {total}", failures.len());
    // The next merge contains the bad commit, so it is held back.
    let more = place.world.commit("docs: three");
    place.world.refused(&more, LIVE, "failure", "held_after_rollback").await;
    place.world.finish().await;
}
