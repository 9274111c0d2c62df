//! Traffic `haproxy` against the real one.

#[path = "haproxy/stage.rs"]
pub mod stage;

use lockkeeper::domain::Slot;
use lockkeeper::targets::traffic::{Drained, Observed};
use lockkeeper::targets::{Split, Traffic};
use stage::{Stage, haproxy};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

const BOTH: [&str; 4] = ["blue1", "blue2", "green1", "green2"];

fn green(percent: u8) -> Split {
    Split::to(Slot::Green, percent).unwrap()
}

fn is(observed: &Observed, split: Split) -> bool {
    observed.split.is_some_and(|shares| shares.are(split))
}

/// Waits until HAProxy's own checks have found so many healthy servers in the slot.
async fn healthy(traffic: &impl Traffic, slot: Slot, count: u32) {
    let end = Instant::now() + Duration::from_secs(10);
    while traffic.observe().await.unwrap().slots.get(slot).healthy != count {
        assert!(Instant::now() < end, "HAProxy does not see {count} healthy servers in {slot}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_move_step_by_step_and_not_one_request_fails() {
    let stage = Stage::new(&BOTH, "").await;
    let traffic = stage.traffic(&BOTH[..2], &BOTH[2..]);
    // Straight after its start HAProxy shares evenly: that is seen, not assumed.
    assert!(is(&traffic.observe().await.unwrap(), green(50)));
    traffic.shift(green(0)).await.unwrap();
    let users = stage.users();
    assert_eq!(users.shares(200).await.green, 0.0);
    for percent in [10, 50, 100] {
        let observed = traffic.shift(green(percent)).await.unwrap();
        assert!(is(&observed, green(percent)), "{observed:?}");
        // Requests that were on their way may still count for the step before.
        users.shares(50).await;
        let shares = users.shares(600).await;
        assert!((shares.green - f64::from(percent)).abs() <= 2.0, "{percent}: {shares:?}");
    }
    assert_eq!(traffic.drain(Slot::Blue, Duration::from_secs(5)).await.unwrap(), Drained { left: 0 });
    let state = traffic.observe().await.unwrap().slots.blue;
    assert_eq!((state.draining, state.sessions), (2, 0));
    // And back at once, out of the drain.
    traffic.shift(green(0)).await.unwrap();
    users.shares(50).await;
    assert_eq!(users.shares(200).await.blue, 100.0);
    assert_eq!(traffic.observe().await.unwrap().slots.blue.draining, 0);
    let (total, failures) = users.stop().await;
    assert!(total > 1500 && failures.is_empty(), "{} of {total} failed: {failures:?}", failures.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_changes_nothing_and_slots_may_differ_in_size() {
    let names = ["blue1", "blue2", "blue3", "green1"];
    let stage = Stage::new(&names, "").await;
    let traffic = stage.traffic(&names[..3], &names[3..]);
    for percent in [1, 33, 99, 5, 100, 0] {
        let first = traffic.shift(green(percent)).await.unwrap();
        assert!(is(&first, green(percent)), "{percent}: {first:?}");
        assert_eq!(traffic.shift(green(percent)).await.unwrap().split, first.split, "{percent}");
    }
    let users = stage.users();
    traffic.shift(green(20)).await.unwrap();
    users.shares(50).await;
    let shares = users.shares(600).await;
    assert!((shares.green - 20.0).abs() <= 2.0, "{shares:?}");
    assert!(users.stop().await.1.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_haproxy_is_seen_and_mended() {
    let mut stage = Stage::new(&BOTH, "").await;
    let traffic = stage.traffic(&BOTH[..2], &BOTH[2..]);
    traffic.shift(green(10)).await.unwrap();
    let before = traffic.counters().await.unwrap().unwrap();
    stage.kill();
    let gone = traffic.observe().await.unwrap_err();
    assert_eq!((gone.code(), gone.is_retryable()), ("balancer_unreachable", true));
    stage.start().await;
    let observed = traffic.observe().await.unwrap();
    assert!(!is(&observed, green(10)) && is(&observed, green(50)), "{observed:?}");
    assert!(is(&traffic.shift(green(10)).await.unwrap(), green(10)));
    assert_ne!(traffic.counters().await.unwrap().unwrap().since, before.since);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sick_server_gets_nobody_and_a_sick_slot_is_refused() {
    let stage = Stage::new(&BOTH, "").await;
    let traffic = stage.traffic(&BOTH[..2], &BOTH[2..]);
    traffic.shift(green(0)).await.unwrap();
    let users = stage.users();
    stage.services["green1"].sick(true);
    healthy(&traffic, Slot::Green, 1).await;
    let observed = traffic.shift(green(10)).await.unwrap();
    assert!(is(&observed, green(10)), "{observed:?}");
    users.shares(50).await;
    let shares = users.shares(400).await;
    assert!((shares.green - 10.0).abs() <= 2.0, "{shares:?}");
    // It comes back: that alone gives the slot no more users.
    stage.services["green1"].sick(false);
    healthy(&traffic, Slot::Green, 2).await;
    assert!(is(&traffic.observe().await.unwrap(), green(10)));
    // One of the serving slot is lost: the other slot's share has grown by that, which is seen and mended.
    stage.services["blue1"].sick(true);
    healthy(&traffic, Slot::Blue, 1).await;
    assert!(!is(&traffic.observe().await.unwrap(), green(10)));
    assert!(is(&traffic.shift(green(10)).await.unwrap(), green(10)));
    for name in ["green1", "green2"] {
        stage.services[name].sick(true);
    }
    healthy(&traffic, Slot::Green, 0).await;
    let refused = traffic.shift(green(50)).await.unwrap_err();
    assert_eq!((refused.code(), refused.is_retryable()), ("slot_unhealthy", true));
    let drain = traffic.drain(Slot::Blue, Duration::ZERO).await.unwrap_err();
    assert_eq!((drain.code(), drain.is_retryable()), ("slot_in_use", false));
    assert!(is(&traffic.shift(green(0)).await.unwrap(), green(0)), "back is always possible");
    assert!(users.stop().await.1.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_those_who_are_there_and_cuts_nobody() {
    let stage = Stage::new(&["blue1", "green1"], "").await;
    let traffic = stage.traffic(&["blue1"], &["green1"]);
    traffic.shift(green(0)).await.unwrap();
    stage.services["blue1"].takes(Duration::from_millis(1500));
    let users = stage.users();
    let slow = users.one();
    while traffic.observe().await.unwrap().slots.blue.sessions < 5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    traffic.shift(green(100)).await.unwrap();
    let start = Instant::now();
    let drained = traffic.drain(Slot::Blue, Duration::from_millis(300)).await.unwrap();
    assert!(drained.left > 0 && start.elapsed() < Duration::from_secs(1), "{drained:?}");
    assert_eq!(traffic.drain(Slot::Blue, Duration::from_secs(10)).await.unwrap(), Drained { left: 0 });
    assert_eq!(slow.await.unwrap().unwrap(), "blue1");
    assert!(users.stop().await.1.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_tell_the_slots_apart() {
    let stage = Stage::new(&["blue1", "green1"], "").await;
    let traffic = stage.traffic(&["blue1"], &["green1"]);
    traffic.shift(green(50)).await.unwrap();
    stage.services["green1"].answers(500);
    let users = stage.users();
    while traffic.counters().await.unwrap().unwrap().slots.green.errors < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, failures) = users.stop().await;
    let counted = traffic.counters().await.unwrap().unwrap().slots;
    assert_eq!(counted.green.errors, failures.len() as u64);
    assert_eq!(counted.green.requests, counted.green.errors);
    assert_eq!((counted.blue.errors, counted.blue.broken, counted.green.broken), (0, 0, 0));
    assert!(counted.blue.requests.abs_diff(counted.green.requests) <= 1, "{counted:?}");
    assert_eq!((counted.blue.healthy, counted.blue.servers, counted.blue.sessions), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_haproxy_refuses_has_a_code() {
    let stage = Stage::new(&BOTH, "").await;
    let (blue, greens) = (&BOTH[..2], &BOTH[2..]);
    for (traffic, code) in [
        (stage.through("user", "web", blue, greens), "balancer_denied"),
        (stage.through("admin", "nowhere", blue, greens), "balancer_backend_unknown"),
        (stage.through("admin", "web", &["blue1", "blue9"], greens), "balancer_server_unknown"),
        (stage.through("admin", "web", &["blue1"], greens), "balancer_stranger"),
        (stage.through("admin", "fixed", &["a"], &["b"]), "balancer_static"),
        (stage.through("admin", "spare", &["a"], &["b"]), "balancer_backup"),
    ] {
        let refused = traffic.shift(green(10)).await.unwrap_err();
        assert_eq!((refused.code(), refused.is_retryable()), (code, false), "{refused}");
        assert!(refused.refusal.message.ends_with('.') && !refused.refusal.fix.is_empty(), "{refused}");
    }
    assert!(is(&stage.traffic(blue, greens).observe().await.unwrap(), green(50)), "nothing was moved");
}

/// Hears whoever connects, speaks once, and then waits or leaves.
fn other(folder: &std::path::Path, name: &str, says: &'static [u8], ends: bool) -> std::path::PathBuf {
    let socket = folder.join(name);
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 256]).await;
            let _ = stream.write_all(says).await;
            if !ends {
                kept.push(stream);
            }
        }
    });
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_at_the_socket_is_no_haproxy() {
    let folder = tempfile::tempdir().unwrap();
    for (name, says, ends, code, again) in [
        ("silent", &b""[..], false, "balancer_timed_out", true),
        ("endless", b"1\n# be_name", false, "balancer_timed_out", true),
        ("empty", b"", true, "balancer_answer_unreadable", true),
        ("other", b"HTTP/1.1 400 Bad Request\r\n\r\n", true, "balancer_answer_unreadable", true),
        ("relative", b"ERROR\n\n", true, "balancer_refused", false),
        ("short", b"1\n# be_name srv_name\nweb blue1\n", true, "balancer_answer_unreadable", true),
        ("binary", b"\xff\xfe\n", true, "balancer_answer_unreadable", true),
    ] {
        let socket = other(folder.path(), name, says, ends);
        let refused = haproxy(socket, "web", &["blue1"], &["green1"]).observe().await.unwrap_err();
        assert_eq!((refused.code(), refused.is_retryable()), (code, again), "{name}: {refused}");
    }
    let absent = haproxy(folder.path().join("absent"), "web", &["blue1"], &["green1"]);
    assert_eq!(absent.shift(green(10)).await.unwrap_err().code(), "balancer_unreachable");
}
