//! The gate `window` on days when clocks change, and against a walk over every minute of two years.

use super::place::*;
use super::table::{Row, row, told};
use super::*;
use crate::config::repo::Window;
use crate::domain::{ActorKind, Overridable, Override};
use std::time::Duration;

fn time(text: &str) -> Millis {
    Millis::parse_rfc3339(text).unwrap()
}

fn at(text: &str) -> World {
    World::new().with(|w| {
        w.place = Place::production();
        w.checks_at = time(text);
    })
}

fn judged(windows: &[Window], now: &str) -> (Status, Option<String>) {
    let verdict = at(now).judge(&super::place::windows(windows.to_vec()), time(now));
    (verdict.status, verdict.ask_again.map(Millis::rfc3339))
}

#[test]
fn texts() {
    use Status::{Fail, Overridden, Pass, Pending, Unavailable};
    let weekend = || window(None, Some("Fri 15:00 - Mon 07:00"), "Europe/Berlin");
    let office = || window(Some("Mon-Fri 09:00 - 17:00"), None, "America/New_York");
    let saturday = "2026-01-03T12:00:00Z";
    let one = |what, status, code, now: &str, windows: Vec<Window>, change: &dyn Fn(&mut Place)| {
        let world = at(now).with(|w| change(&mut w.place));
        let verdict = world.judge(&super::place::windows(windows), time(now));
        let again = verdict.ask_again.map(|at| at.rfc3339());
        let verdict = Verdict { ask_again: None, reason: verdict.reason.trim_end_matches('.').to_owned(), ..verdict };
        let reason = format!("{}{}.", verdict.reason, again.map(|at| format!(" [again {at}]")).unwrap_or_default());
        row(what, status, code, Verdict { reason, ..verdict })
    };
    let opened = |kind, reason: &'static str, digest: &'static str| {
        move |w: &mut Place| {
            let by = crate::domain::Actor { kind, ..person(1, "alice") };
            let digest = digest.into();
            w.overrides = vec![Override {
                gate: Overridable::Window,
                by,
                role: "admin".into(),
                reason: reason.into(),
                at: ASKED,
                digest,
            }];
        }
    };
    let rows: Vec<Row> = vec![
        one("no window", Pass, "window_open", saturday, vec![], &|_| {}),
        one("denied", Pending, "window_closed", saturday, vec![weekend()], &|_| {}),
        one("outside what is allowed", Pending, "window_closed", saturday, vec![office()], &|_| {}),
        one("both", Pending, "window_closed", saturday, vec![office(), weekend()], &|_| {}),
        one("allowed", Pass, "window_open", "2026-01-05T15:00:00Z", vec![office(), weekend()], &|_| {}),
        one("a place unknown", Pending, "window_closed", saturday, vec![weekend()], &|w| *w = Place::default()),
        one("a rollback", Pass, "windows_ignored", saturday, vec![weekend()], &|w| w.ignores_windows = true),
        one(
            "overridden",
            Overridden,
            "window_overridden",
            saturday,
            vec![weekend()],
            &opened(ActorKind::User, "fire.\n", DIGEST),
        ),
        one("overridden when open", Pass, "window_open", saturday, vec![], &opened(ActorKind::User, "fire", DIGEST)),
        one(
            "overridden by an agent",
            Pending,
            "window_closed",
            saturday,
            vec![weekend()],
            &opened(ActorKind::Agent, "x", DIGEST),
        ),
        one("without a reason", Pending, "window_closed", saturday, vec![weekend()], &opened(ActorKind::User, " ", DIGEST)),
        one("for another plan", Pending, "window_closed", saturday, vec![weekend()], &opened(ActorKind::User, "x", "old")),
        one("overridden by a key", Pending, "window_closed", saturday, vec![weekend()], &opened(ActorKind::Key, "x", DIGEST)),
        one(
            "overridden by the operator",
            Overridden,
            "window_overridden",
            saturday,
            vec![weekend()],
            &opened(ActorKind::Operator, "fire", DIGEST),
        ),
        one("the plan is not known", Pending, "window_closed", saturday, vec![weekend()], &|w| {
            opened(ActorKind::User, "x", DIGEST)(w);
            w.digest = None;
        }),
        one(
            "no such zone",
            Unavailable,
            "timezone_unknown",
            saturday,
            vec![window(None, Some("09:00 - 10:00"), "Mars/X\n")],
            &|_| {},
        ),
        one(
            "never",
            Fail,
            "window_never_opens",
            saturday,
            vec![window(Some("09:00 - 10:00"), Some("08:00 - 11:00"), "UTC")],
            &|_| {},
        ),
    ];
    insta::assert_snapshot!(told(rows));
}

/// In spring a clock in Berlin goes from 02:00 to 03:00 (01:00 UTC on 29 March 2026), in autumn from 03:00 back to 02:00 (01:00
/// UTC on 25 October).
#[test]
fn clocks_that_change() {
    use Status::{Pass, Pending};
    let berlin = |allow, deny| [window(allow, deny, "Europe/Berlin")];
    for (what, windows, now, status, again) in [
        // Ends or begins in the hour that is skipped.
        (
            "deny ends in the gap",
            berlin(None, Some("Sat 22:00 - Sun 02:30")),
            "2026-03-29T00:59:59Z",
            Pending,
            Some("2026-03-29T01:00:00Z"),
        ),
        ("deny has ended in the gap", berlin(None, Some("Sat 22:00 - Sun 02:30")), "2026-03-29T01:00:00Z", Pass, None),
        (
            "allow begins in the gap",
            berlin(Some("Sun 02:30 - Sun 05:00"), None),
            "2026-03-29T00:30:00Z",
            Pending,
            Some("2026-03-29T01:00:00Z"),
        ),
        (
            "allow lies in the gap",
            berlin(Some("Sun 02:00 - Sun 03:00"), None),
            "2026-03-29T00:30:00Z",
            Pending,
            Some("2026-04-05T00:00:00Z"),
        ),
        ("deny lies in the gap", berlin(None, Some("Sun 02:00 - Sun 03:00")), "2026-03-29T01:00:00Z", Pass, None),
        // Before and after the change the same hour on the wall is another hour of UTC.
        ("winter", berlin(None, Some("Fri 15:00 - Mon 07:00")), "2026-03-28T00:00:00Z", Pending, Some("2026-03-30T05:00:00Z")),
        (
            "a week before",
            berlin(None, Some("Fri 15:00 - Mon 07:00")),
            "2026-03-21T00:00:00Z",
            Pending,
            Some("2026-03-23T06:00:00Z"),
        ),
        ("autumn", berlin(None, Some("Fri 15:00 - Mon 07:00")), "2026-10-24T00:00:00Z", Pending, Some("2026-10-26T06:00:00Z")),
        // The hour that comes twice.
        (
            "inside, the first time",
            berlin(None, Some("Sun 02:15 - Sun 02:45")),
            "2026-10-25T00:15:00Z",
            Pending,
            Some("2026-10-25T00:45:00Z"),
        ),
        ("between", berlin(None, Some("Sun 02:15 - Sun 02:45")), "2026-10-25T00:50:00Z", Pass, None),
        (
            "inside, the second time",
            berlin(None, Some("Sun 02:15 - Sun 02:45")),
            "2026-10-25T01:15:00Z",
            Pending,
            Some("2026-10-25T01:45:00Z"),
        ),
        (
            "begins anew when the clock goes back",
            berlin(Some("Sun 01:00 - Sun 02:30"), None),
            "2026-10-25T00:40:00Z",
            Pending,
            Some("2026-10-25T01:00:00Z"),
        ),
        // Half an hour, on the other side of the world.
        (
            "Lord Howe",
            [window(None, Some("Sun 01:30 - Sun 02:00"), "Australia/Lord_Howe")],
            "2026-04-04T14:40:00Z",
            Pending,
            Some("2026-04-04T15:30:00Z"),
        ),
    ] {
        assert_eq!(judged(&windows, now), (status, again.map(str::to_owned)), "{what}");
    }
}

/// An opening that exists only while two zones are at their summer distance is found months ahead.
#[test]
fn openings_that_are_rare_are_found() {
    let windows = [window(Some("Mon 10:00 - Mon 11:00"), None, "UTC"), window(None, Some("11:00 - 12:00"), "Europe/Berlin")];
    assert_eq!(judged(&windows, "2026-01-05T00:00:00Z"), (Status::Pending, Some("2026-03-30T10:00:00Z".into())));
}

#[test]
fn the_ends_of_time_are_survived() {
    for now in [Millis(i64::MIN), Millis(i64::MAX), time("9999-12-30T00:00:00Z"), Millis(-377_705_023_201_000)] {
        let policy = super::place::windows(vec![window(None, Some("Mon 00:00 - Sun 23:59"), "Europe/Berlin")]);
        let verdict = at("2026-01-01T00:00:00Z").judge(&policy, now);
        assert!(verdict.ask_again.is_none_or(|again| again > now), "{verdict:?}");
    }
}

/// The most that a file may ask for, and no opening in it.
#[test]
fn a_search_in_vain_is_short() {
    let many: Vec<Window> = (0..20)
        .map(|i| {
            window(
                Some(&format!("{:02}:{i:02} - {:02}:{i:02}", i % 24, (i + 1) % 24)),
                Some("Mon 00:01 - Mon 00:00"),
                "Europe/Berlin",
            )
        })
        .chain([window(None, Some("Sun 23:00 - Mon 01:00"), "Europe/Berlin")])
        .collect();
    let start = std::time::Instant::now();
    let verdict = at("2026-01-01T00:00:00Z").judge(&super::place::windows(many), time("2026-01-01T00:00:00Z"));
    assert_eq!(verdict.code, "window_never_opens");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Openness by the clock on the wall, minute after minute; the gate must agree at every change and name the next opening.
#[test]
fn a_walk_over_every_minute_agrees() {
    const MINUTE: i64 = 60_000;
    let sets = |zone: &str| {
        [
            vec![window(None, Some("Fri 15:00 - Mon 07:00"), zone)],
            vec![window(Some("Sat-Sun 01:10 - 02:40"), None, zone), window(Some("Sun 22:00 - 03:00"), None, "UTC")],
            vec![
                window(Some("Mon-Fri 09:00 - 17:00"), Some("22:00 - 02:30"), zone),
                window(Some("Sun 01:30 - Sun 04:00"), None, zone),
            ],
        ]
    };
    let (from, to) = (time("2025-01-01T00:00:00Z"), time("2027-01-01T00:00:00Z"));
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"] {
        for windows in sets(zone) {
            let policy = super::place::windows(windows.clone());
            let world = at("2025-01-01T00:00:00Z");
            let mut walls: Vec<Wall> = windows.iter().map(Wall::new).collect();
            // The gate's answer in the stretch that is walked through: open, or until when it is closed.
            let mut said: Option<(bool, Option<Millis>)> = None;
            for now in (from.0..to.0).step_by(60_000) {
                let open = open_by_walking(&mut walls, now);
                if said.is_some_and(|(was, _)| was == open) {
                    continue;
                }
                if let Some((false, again)) = said {
                    assert_eq!(again, Some(Millis(now)), "{zone} opens at {}", Millis(now).rfc3339());
                }
                let judge = |at: i64| world.judge(&policy, Millis(at));
                let verdict = judge(now);
                assert_eq!(verdict.status == Status::Pass, open, "{zone} at {}", Millis(now).rfc3339());
                if said.is_some() {
                    assert_ne!(judge(now - 1).status, verdict.status, "{zone} before {}", Millis(now).rfc3339());
                    assert_eq!(judge(now + MINUTE / 2).status, verdict.status, "{zone} after {}", Millis(now).rfc3339());
                }
                said = Some((open, verdict.ask_again));
            }
        }
    }
}

/// A clock on the wall, by its offset from UTC, which is looked up each quarter of an hour: no zone here changes in between.
struct Wall<'a> {
    window: &'a Window,
    zone: jiff::tz::TimeZone,
    offset_minutes: i64,
}

impl<'a> Wall<'a> {
    fn new(window: &'a Window) -> Self {
        let zone = crate::config::repo::time_zone(&window.timezone).unwrap();
        Self { window, zone, offset_minutes: 0 }
    }

    /// Counted from a Monday; 1 January 1970 was a Thursday.
    fn minute_of_week(&mut self, now: i64) -> u16 {
        if now % 900_000 == 0 {
            let offset = self.zone.to_offset(jiff::Timestamp::from_millisecond(now).unwrap());
            self.offset_minutes = i64::from(offset.seconds() / 60);
        }
        u16::try_from((now / 60_000 + self.offset_minutes + 3 * 1440).rem_euclid(7 * 1440)).unwrap()
    }
}

fn open_by_walking(walls: &mut [Wall<'_>], now: i64) -> bool {
    let (mut allowing, mut allowed, mut denied) = (false, false, false);
    for wall in walls {
        let minute = wall.minute_of_week(now);
        allowing |= wall.window.allow.is_some();
        allowed |= wall.window.allow.as_ref().is_some_and(|span| span.contains(minute));
        denied |= wall.window.deny.as_ref().is_some_and(|span| span.contains(minute));
    }
    !denied && (allowed || !allowing)
}
