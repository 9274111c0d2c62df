//! GitHub misbehaves while a tag is released: the end is the same, and everything happens once.

use crate::world::{RELEASE, Setup, World};
use lockkeeper::sandbox::{CommitSeed, Fault, Trouble};
use std::time::Duration;

/// Everything that passes again, before the effect and after it.
fn passing(method: &str, path: &str) -> Vec<(&'static str, Fault)> {
    let limit = || Fault::status(method, path, 403).header("retry-after", 1);
    vec![
        ("500", Fault::status(method, path, 500)),
        ("502 twice", Fault::status(method, path, 502).times(2)),
        ("502 after the effect", Fault::status(method, path, 502).after()),
        ("429", Fault::status(method, path, 429).header("retry-after", 1)),
        ("403 rate limit", limit()),
        ("401", Fault::status(method, path, 401)),
        ("reset", Fault::on(method, path, Trouble::Reset)),
        ("reset after the effect", Fault::on(method, path, Trouble::Reset).after()),
        ("hangs", Fault::on(method, path, Trouble::Hang)),
        ("hangs after the effect", Fault::on(method, path, Trouble::Hang).after()),
    ]
}

/// One release for each kind of trouble with a route.
async fn survives(method: &str, path: &str) {
    let world = Setup::new().tune(|tuning| tuning.request_timeout = Duration::from_millis(1_500)).start().await;
    for (n, (name, fault)) in passing(method, path).into_iter().enumerate() {
        let sha = world.commit(&format!("fix: number {n}"));
        world.quiet().await;
        let before = world.github.log().len();
        world.github.fault(fault);
        let tag = format!("v1.0.{}", n + 1);
        world.shop.tag(&tag, &sha).unwrap();
        let release = world.released(&tag, &sha).await;
        world.quiet().await;
        let hit = world.github.log().iter().skip(before).any(|e| e.injected || e.status == 0);
        assert!(hit, "{name}: the trouble did not happen\n{}", world.scene().await);
        let same: Vec<_> = world.shop.releases().into_iter().filter(|r| r.tag == tag).collect();
        assert_eq!(same.len(), 1, "{name}: {same:?}");
        assert!(release.body.contains(&format!("umber {n}")), "{name}: {}", release.body);
        assert_eq!(world.our_checks(&sha, RELEASE).len(), 1, "{name}: one check run");
        world.github.clear_faults();
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_read_fails() {
    survives("POST", "/graphql ReleaseFacts$").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_look_fails() {
    survives("POST", "/graphql Recheck$").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_draft_fails() {
    survives("POST", "/releases$").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_publication_fails() {
    survives("PATCH", "/releases/").await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_run_fails() {
    survives("POST", "/check-runs$").await;
}

/// What GitHub refuses for good ends the run with a reason and leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_final_no_is_told_and_nothing_is_left() {
    let world = World::start().await;
    let cases =
        [("POST", "/releases$", 422), ("POST", "/releases$", 404), ("PATCH", "/releases/", 422), ("PATCH", "/releases/", 409)];
    for (n, (method, path, status)) in cases.into_iter().enumerate() {
        let sha = world.commit(&format!("fix: number {n}"));
        world.quiet().await;
        let message = "Validation Failed".to_owned();
        world.github.fault(Fault::on(method, path, Trouble::Status { status, headers: Vec::new(), message }).always());
        world.shop.tag(&format!("v1.0.{}", n + 1), &sha).unwrap();
        let check = world.check(&sha, RELEASE, "failure").await;
        let summary = check.summary.unwrap_or_default();
        assert!(summary.contains("Code: `") && summary.contains("What to do: "), "{method} {path} {status}: {summary}");
        world.github.clear_faults();
        world.quiet().await;
        assert!(world.shop.releases().is_empty(), "{method} {path} {status}: a draft is left");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_and_accepts_while_github_is_down() {
    let mut world = Setup::new().tune(|tuning| tuning.reconcile = Duration::from_millis(300)).github_only();
    world.github.fault(Fault::status("*", ".", 503).always());
    world.boot().await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.until("the push is accepted", |_| world.github.deliveries().into_iter().find(|d| d.status_code == 202)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(world.shop.releases().is_empty());
    world.github.clear_faults();
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_goes_away_in_the_middle() {
    let world = World::start().await;
    let sha = world.head();
    world.github.fault(Fault::status("*", "(graphql|/repos/)", 503).times(12));
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_takes_up_what_it_left() {
    let mut world = Setup::new().tune(|tuning| tuning.reconcile = Duration::from_millis(500)).start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let build = world.shop.start_check("github-actions", &sha, "build").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    world.stop().await;
    // Nobody hears of this; GitHub notes a failed delivery.
    world.shop.complete_check(build, "success").unwrap();
    assert!(world.github.settle(Duration::from_secs(10)));
    world.boot().await;
    world.released("v1.1.0", &sha).await;
    assert_eq!(world.our_checks(&sha, RELEASE).len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_between_draft_and_publication_publishes_that_draft() {
    let mut world = World::start().await;
    let sha = world.head();
    world.github.fault(Fault::status("PATCH", "/releases/", 503).always());
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.until("a draft", |shop| shop.releases().into_iter().find(|r| r.draft)).await;
    world.stop().await;
    world.github.clear_faults();
    world.boot().await;
    world.released("v1.1.0", &sha).await;
    assert_eq!(world.shop.releases().len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_says_so_and_can_be_replayed() {
    let short = |tuning: &mut lockkeeper::app::Tuning| {
        (tuning.host.dead_after, tuning.host.least_attempts) = (Duration::from_millis(400), 3);
    };
    let world = Setup::new().tune(short).start().await;
    let sha = world.head();
    world.github.fault(Fault::status("POST", "/releases$", 500).always());
    world.shop.tag("v1.1.0", &sha).unwrap();
    let check = world.check(&sha, RELEASE, "timed_out").await;
    assert!(check.summary.is_some_and(|text| text.contains("Code: `") && text.contains("What to do: ")));
    world.quiet().await;
    let (code, rows) = world.command(&["deliveries", "list", "--status", "dead", "--format", "json"]).await;
    assert_eq!(code, 0);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let id = rows[0]["delivery"].as_str().unwrap().to_owned();
    world.github.clear_faults();
    assert_eq!(world.command(&["deliveries", "replay", &id]).await.0, 0);
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_back_holds_nothing_up() {
    let config = "[[release.gates]]\nkind = \"tag\"\n[[release.gates]]\nkind = \"checks\"\nwait = \"1s\"\n";
    let world = World::with(config).await;
    world.jump(Duration::from_secs(24 * 3600));
    let sha = world.commit("fix: once");
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_installation_stops_its_runs() {
    let mut world = World::start().await;
    for route in ["access_tokens", "graphql", "/repos/"] {
        world.expect_refusal(route);
    }
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    world.shop.start_check("github-actions", &sha, "build").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let check = world.waiting(&sha, RELEASE).await;
    world.github.suspend("acme", true).unwrap();
    world.quiet().await;
    assert!(world.shop.releases().is_empty());
    let mut events = world.runs("release").await;
    assert_eq!(events.len(), 1);
    let ended = lockkeeper::engine::accept::outcome(&events.remove(0)).unwrap();
    assert_eq!(ended.state, lockkeeper::workflow::State::Cancelled);
    // The suspended App cannot close what it opened; a person sees it open until it is re-run.
    assert_eq!(world.shop.newest_check(&sha, RELEASE).map(|c| c.id), Some(check.id));
}
