//! Two copies, and something goes wrong in the middle: each story ends in a named state, with users where somebody answers.

use super::place::{LIVE, Place, config};
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::domain::{Millis, Sha, Slot};
use lockkeeper::engine::host::Options;
use lockkeeper::sandbox::CommitSeed;
use lockkeeper::targets::Split;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SLOW: &str = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"30s\" }] }";
const BAKES: &str = "{ kind = \"blue_green\", bake = \"30s\" }";
/// Between two looks after users at first, and what a look may take here.
const LOOK: Duration = Duration::from_secs(3);
const TENTH: &str = "10 % of users are moved";
const ALL: &str = "100 % of users are moved";

fn green(percent: u8) -> Split {
    Split::to(Slot::Green, percent).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_haproxy_in_the_middle_is_mended() {
    let steps = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"6s\" }] }";
    let mut place = Place::new(steps, "").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, TENTH).await;
    place.shared(green(10)).await;
    place.send_users_away().await;
    place.stage.kill();
    place.stage.start().await;
    let took = place.shared(green(10)).await;
    assert!(took < LOOK, "half of all users were with the new copy for {took:?}");
    place.users = place.stage.users();
    let share = place.share(Slot::Green).await;
    assert!((share - 10.0).abs() <= 4.0, "{share}");
    place.world.check(&sha, LIVE, "success").await;
    assert_eq!(place.share(Slot::Green).await, 100.0);
    place.finish().await;
}

/// It stays away: the deployment gives up, and says so. It comes back with its configured weights: nobody knows whose users
/// are whose until a person says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_goes_away_for_good() {
    let mut place = Place::new(SLOW, "").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, TENTH).await;
    place.send_users_away().await;
    place.stage.kill();
    let (state, check) = place.ended(&sha).await;
    assert_eq!(state, "rollback_failed");
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains("Code: `balancer_unreachable`") && summary.contains("live is locked"), "{summary}");
    // Before anything is begun it is a plain refusal.
    place.told(&["unlock", "live", "--repo", "acme/shop", "--reason", "I look after it"]).await;
    let sha = place.world.commit("fix: two");
    place.world.refused(&sha, LIVE, "failure", "balancer_unreachable").await;
    assert_eq!(place.world.shop.deployments().len(), 1, "the second was never begun");
    // It is back, and shares users as its own file says.
    place.stage.start().await;
    let sha = place.world.commit("fix: three");
    place.world.refused(&sha, LIVE, "failure", "traffic_shared").await;
    place.by_hand(Split::all(Slot::Blue)).await;
    place.users = place.stage.users();
    place.promoted("fix: four", TENTH).await;
    assert_eq!(place.share(Slot::Green).await, 100.0);
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_are_shared_before_the_start_are_not_shared_anew() {
    let place = Place::new(BAKES, "").await;
    place.by_hand(green(40)).await;
    let sha = place.world.commit("feat: one");
    let check = place.world.refused(&sha, LIVE, "failure", "traffic_shared").await;
    assert!(check.title.is_some_and(|title| title.contains("shared between both slots")));
    place.shared(green(40)).await;
    assert!(place.world.shop.deployments().is_empty() && place.live().await.is_none());
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_copy_that_dies_at_a_tenth_loses_nobody() {
    let place = Place::new(SLOW, "").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, TENTH).await;
    place.stage.services["green1"].sick(true);
    let (state, check) = place.ended(&sha).await;
    assert_eq!(state, "rolled_back");
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains("Code: `slot_unhealthy`") && summary.contains("what ran there before"), "{summary}");
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    assert_eq!(place.live().await, None, "what was there before is not ours");
    // It is well again: that alone brings nobody to it.
    place.stage.services["green1"].sick(false);
    place.healthy(1, 1).await;
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    place.finish().await;
}

/// Everybody is there and it dies: the old copy has everybody back within a look and a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_copy_that_dies_while_it_bakes_is_left_at_once() {
    let place = Place::new(BAKES, "rollback = \"automatic\"").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, ALL).await;
    place.stage.services["green1"].sick(true);
    let begun = Instant::now();
    place.healthy(1, 0).await;
    place.shared(Split::all(Slot::Blue)).await;
    let took = begun.elapsed();
    assert!(took < LOOK, "nobody served for {took:?}");
    assert_eq!(place.ended(&sha).await.0, "rolled_back");
    let _ = place.finish_with_failures().await;
}

/// The old copy dies: users stay with the new one, also when the old one comes back, and the next deployment goes ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_that_dies_halts_forward() {
    let place = Place::new(SLOW, "").await;
    let first = place.promoted("feat: one", TENTH).await;
    let (second, made) = place.brought_up("feat: two").await;
    assert_eq!(made.payload["slot"], "blue");
    place.titled(&second, TENTH).await;
    place.stage.services["green1"].sick(true);
    let (state, check) = place.ended(&second).await;
    assert_eq!(state, "halted_forward");
    assert!(check.title.is_some_and(|title| title.contains("the old copy is not healthy")));
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    place.stage.services["green1"].sick(false);
    place.healthy(1, 1).await;
    assert_eq!(place.share(Slot::Blue).await, 100.0, "nobody goes back by accident");
    assert_eq!(place.live().await.as_deref(), Some(second.as_str()));
    place.promoted("fix: three", TENTH).await;
    assert_eq!(place.share(Slot::Green).await, 100.0);
    // The way back leads to what was proven, not to where it halted.
    let (code, planned, _) =
        place.world.command_told(&["rollback", "live", "--repo", "acme/shop", "--reason", "x", "--dry-run"]).await;
    assert!(code == 0 && planned.contains(first.short()), "{planned}");
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reporter_takes_its_success_back() {
    let place = Place::new(BAKES, "rollback = \"automatic\"").await;
    let (sha, made) = place.brought_up("feat: one").await;
    place.titled(&sha, ALL).await;
    place.report(&made, "failure");
    let (state, check) = place.ended(&sha).await;
    assert_eq!(state, "rolled_back");
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains("Code: `success_taken_back`") && summary.contains("reported failure"), "{summary}");
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    place.finish().await;
}

/// The configuration loses the environment while a deployment to it goes on: that one goes by what it was planned from, to
/// its end or back; whatever is asked afterwards is refused with the names that there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_vanishes_from_the_configuration_in_the_middle() {
    for stopped in [false, true] {
        let place = Place::new("{ kind = \"blue_green\", bake = \"4s\" }", "").await;
        let (sha, _) = place.brought_up("feat: one").await;
        place.titled(&sha, ALL).await;
        let renamed = config("{ kind = \"blue_green\" }", "").replace("environments.live", "environments.public");
        let seed = CommitSeed::new("chore: rename it").file(CONFIG_PATH, &renamed.replace("[\"merge\"]", "[\"manual\"]"));
        place.world.commit_with(seed);
        if stopped {
            place.told(&["abort", &place.run().await, "--reason", "renamed"]).await;
            assert_eq!(place.ended(&sha).await.0, "rolled_back");
            assert_eq!((place.share(Slot::Blue).await, place.live().await), (100.0, None));
            // What the rollback has put in the way can be ended under the old name.
            place.told(&["unlock", "live", "--repo", "acme/shop", "--reason", "gone"]).await;
        } else {
            place.world.check(&sha, LIVE, "success").await;
            assert_eq!((place.share(Slot::Green).await, place.live().await.as_deref()), (100.0, Some(sha.as_str())));
        }
        place.world.quiet().await;
        let (code, _, problem) = place.world.command_told(&["deploy", "live", "--repo", "acme/shop"]).await;
        assert!(code == 2 && problem.contains("unknown_environment") && problem.contains("public"), "{code} {problem}");
        let status = place.status().await;
        assert!(status["holds"].as_array().unwrap().is_empty() && status["active"].as_array().unwrap().is_empty(), "{status}");
        place.finish().await;
    }
}

/// A clock that stands still within a second: whatever is asked for in it is asked for in the same millisecond.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deployments_of_the_same_millisecond_take_turns() {
    let now = Options::default().clock;
    let coarse = Arc::new(move || Millis(now().0 / 1000 * 1000));
    let strategy = "{ kind = \"blue_green\", bake = \"0s\" }";
    let place = Place::with(strategy, "", |setup| setup.tune(|tuning| tuning.host.clock = coarse)).await;
    // Not by merges, which would give way to each other.
    let manual = config(strategy, "").replace("[\"merge\"]", "[\"manual\"]");
    let first = place.world.commit_with(CommitSeed::new("chore: by hand").file(CONFIG_PATH, &manual));
    let second = place.world.commit("feat: two");
    place.world.quiet().await;
    let ask = |sha: &Sha| {
        let (world, sha) = (&place.world, sha.to_string());
        async move {
            let there = ["deploy", "live", "--repo", "acme/shop", "--detach", "--format", "json", "--ref", &sha];
            let (code, said, problem) = world.command_told(&there).await;
            assert_eq!(code, 0, "{problem}");
            serde_json::from_str::<Value>(&said).unwrap()["run"].as_str().unwrap().to_owned()
        }
    };
    let (one, two, again) = tokio::join!(ask(&first), ask(&second), ask(&second));
    assert_eq!(two, again, "the same twice is the same run");
    assert_ne!(one, two);
    let mut reported = 0;
    let begun = Instant::now();
    while !place.world.runs("deploy").await.iter().all(|run| run.outcome.is_some()) {
        let open: Vec<_> = place.world.shop.deployments().into_iter().filter(|d| d.state() == "in_progress").collect();
        assert!(open.len() <= 1, "two at once: {open:?}");
        for made in open {
            place.report(&made, "success");
            reported += 1;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", place.world.scene().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The newer one is live in the end, whichever had the first turn; the older one never lands over it.
    assert_eq!(place.live().await.as_deref(), Some(second.as_str()));
    assert!((1..=2).contains(&reported), "{reported}");
    place.finish().await;
}

/// Where a deployment is when somebody stops it.
struct Stop {
    name: &'static str,
    strategy: &'static str,
    more: &'static str,
    reported: bool,
    /// A title of the check run to wait for.
    until: Option<&'static str>,
    pause: bool,
    ends: &'static str,
}

const UNWELL: &str = "[[environments.live.health]]\nkind = \"http\"\nurl = \"http://127.0.0.1:18999/\"\nexpect = \"status == 200\"\n\
                      within = \"60s\"\ninterval = \"1s\"\n";

const STOPS: [Stop; 7] = [
    Stop {
        name: "gates",
        strategy: BAKES,
        more: "gates = [{ kind = \"checks\", names = [\"slow\"] }]",
        reported: false,
        until: None,
        pause: false,
        ends: "cancelled",
    },
    Stop { name: "preparing", strategy: BAKES, more: "", reported: false, until: None, pause: false, ends: "failed" },
    Stop { name: "verifying", strategy: BAKES, more: UNWELL, reported: true, until: None, pause: false, ends: "failed" },
    Stop { name: "analyzing", strategy: SLOW, more: "", reported: true, until: Some(TENTH), pause: false, ends: "rolled_back" },
    Stop {
        name: "paused",
        strategy: "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"2s\" }] }",
        more: "",
        reported: true,
        until: Some(TENTH),
        pause: true,
        ends: "rolled_back",
    },
    Stop { name: "baking", strategy: BAKES, more: "", reported: true, until: Some(ALL), pause: false, ends: "rolled_back" },
    Stop {
        name: "baking by hand",
        strategy: BAKES,
        more: "rollback = \"manual\"",
        reported: true,
        until: Some(ALL),
        pause: false,
        ends: "rolled_back",
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_in_every_phase_leaves_users_with_the_old_copy() {
    for stop in STOPS {
        let place = Place::with(stop.strategy, stop.more, |setup| setup.allow("127.0.0.1")).await;
        let sha = place.world.commit("feat: one");
        if stop.name == "gates" {
            place.world.waiting(&sha, LIVE).await;
        } else {
            let made = place.world.until("its deployment", |shop| {
                shop.deployments().into_iter().find(|d| d.sha == sha && d.state() == "in_progress")
            });
            let made = made.await;
            if stop.reported {
                place.report(&made, "success");
            }
        }
        match stop.until {
            Some(title) => place.titled(&sha, title).await,
            None => tokio::time::sleep(Duration::from_millis(700)).await,
        }
        let run = place.run().await;
        if stop.pause {
            place.told(&["pause", &run]).await;
            place.titled(&sha, "Paused at 10 % of users").await;
        }
        place.told(&["abort", &run, "--reason", "it smells"]).await;
        let (state, check) = place.ended(&sha).await;
        assert_eq!(state, stop.ends, "{}", stop.name);
        assert!(check.title.is_some_and(|title| title.contains("it smells")), "{}", stop.name);
        assert_eq!(place.share(Slot::Blue).await, 100.0, "{}", stop.name);
        assert_eq!(place.live().await, None, "{}", stop.name);
        place.finish().await;
    }
}
