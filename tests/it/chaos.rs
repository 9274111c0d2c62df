//! Kills the real program with SIGKILL at every request that a release with a deployment makes: before the effect, after the
//! effect and before the answer, shortly after the answer. Each time the world must end as it does undisturbed: nothing lost,
//! nothing stuck, nothing twice.

mod receipt;
mod stage;
mod trap;
mod world;

use lockkeeper::sandbox::Moment;
use stage::{Kill, Played, play};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Scenarios wait more than they work.
const AT_ONCE: usize = 3;
/// Every request of the main workflow, told apart by what it is about.
const EFFECTS: [&str; 11] = [
    "POST /graphql ReleaseFacts",
    "POST /graphql Recheck",
    "POST /repos/acme/shop/check-runs lockkeeper/release",
    "PATCH /repos/acme/shop/check-runs/{id} success",
    "POST /repos/acme/shop/releases",
    "PATCH /repos/acme/shop/releases/{id}",
    "POST /repos/acme/shop/deployments production",
    "POST /repos/acme/shop/check-runs lockkeeper/production",
    "POST /repos/acme/shop/deployments/{id}/statuses in_progress",
    "POST /repos/acme/shop/deployments/{id}/statuses success",
    "GET /repos/acme/shop/deployments/{id}/statuses",
];

/// Plays all of them and compares each with the undisturbed one.
fn all(undisturbed: &Played, kills: Vec<Kill>) {
    let count = kills.len();
    let (left, failures) = (Mutex::new(VecDeque::from(kills)), Mutex::new(Vec::new()));
    let missed = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                loop {
                    let next = left.lock().unwrap().pop_front();
                    let Some(kill) = next else { return };
                    let played = std::panic::catch_unwind(|| play(&kill));
                    let trouble = match played {
                        Ok(played) => {
                            missed.fetch_add(played.missed, Ordering::Relaxed);
                            played.differs(undisturbed)
                        }
                        Err(_) => Some("it panicked, see above".to_owned()),
                    };
                    failures.lock().unwrap().extend(trouble.map(|trouble| format!("{kill:?}\n{trouble}")));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let missed = missed.into_inner() as usize;
    assert!(missed * 4 <= count, "{missed} of {count} kills had no occasion");
    assert!(failures.is_empty(), "{} of {count} ended differently:\n\n{}", failures.len(), failures.join("\n\n"));
}

fn undisturbed() -> Played {
    let played = play(&Kill::Never);
    assert_eq!(played.world.ended, ["lockkeeper/production success", "lockkeeper/release success"], "{}", played.log);
    assert!(played.trouble.is_empty(), "{:?}\n{}", played.trouble, played.log);
    for effect in EFFECTS {
        assert!(played.requests.iter().any(|label| label == effect), "{effect} is not asked for: {:#?}", played.requests);
    }
    played
}

#[test]
fn a_kill_at_any_request_changes_nothing() {
    let undisturbed = undisturbed();
    let mut seen: HashMap<&str, u32> = HashMap::new();
    let mut kills = Vec::new();
    for (n, label) in undisturbed.requests.iter().enumerate() {
        let nth = *seen.entry(label).and_modify(|n| *n += 1).or_insert(1);
        for moment in [Moment::BeforeEffect, Moment::AfterEffect, Moment::AfterAnswer] {
            // What follows an answer takes a few milliseconds: each request is left at another one of them.
            let late = Duration::from_millis([0, 1, 3, 8][n % 4]);
            kills.push(Kill::Request { label: label.clone(), nth, moment, late, second: None });
        }
    }
    all(&undisturbed, kills);
}

#[test]
fn a_second_kill_soon_after_the_restart_changes_nothing() {
    let undisturbed = undisturbed();
    let kills = EFFECTS.iter().enumerate().map(|(n, label)| Kill::Request {
        label: (*label).to_owned(),
        nth: 1,
        moment: if n % 2 == 0 { Moment::AfterEffect } else { Moment::BeforeEffect },
        late: Duration::ZERO,
        second: Some(u32::try_from(n % 6).unwrap()),
    });
    all(&undisturbed, kills.collect());
}

#[test]
fn a_kill_while_a_webhook_comes_in_or_a_reporter_works_changes_nothing() {
    let undisturbed = undisturbed();
    let mut kills = vec![Kill::Reporting { while_dead: true }, Kill::Reporting { while_dead: false }];
    for event in ["push", "check_run", "deployment_status"] {
        let moments = [0, 500, 1_500, 4_000].map(|micros| Some(Duration::from_micros(micros)));
        kills.extend(moments.into_iter().chain([None]).map(|after| Kill::Receipt { event, after }));
    }
    all(&undisturbed, kills);
}

#[test]
fn sigterm_lets_what_has_begun_end() {
    let undisturbed = undisturbed();
    let kills = EFFECTS.iter().map(|label| Kill::Terminate { label: (*label).to_owned() });
    all(&undisturbed, kills.collect());
}
