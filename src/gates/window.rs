//! The gate `window`: times of the week at which nothing, or only then something, is deployed.
//!
//! A window is read from a clock on the wall of its time zone. So an hour that the clock skips in spring belongs to no window,
//! and one that it shows twice in autumn is inside both times or outside both times. Open when no denied window holds and, if
//! any window is allowed, one of those holds.
//!
//! A rollback or an abort ignores windows: the caller leaves the gate out, or says so in
//! [`DeployView::ignores_windows`](super::DeployView). Somebody whose role allows it may override a closed window of one plan
//! with a reason; that is [`Status::Overridden`], and the sentence says who and why.
//!
//! Known race: countries change their rules; the time zones are those that this version was built with.

use super::text::{join, plain};
use super::{GateView, Status, Verdict};
use crate::config::repo::{WEEK, Window, WindowPolicy, WindowSpan, time_zone};
use crate::domain::{Millis, Overridable, Override};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

pub(super) const GATE: &str = "window";
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Windows repeat each week, but for the clocks' changes.
const HORIZON_WEEKS: usize = 54;

/// A window and its zone.
struct Zoned<'a> {
    window: &'a Window,
    zone: TimeZone,
}

pub(super) fn judge(policy: &WindowPolicy, view: &GateView<'_>, now: Millis) -> Verdict {
    let place = view.deploy.place();
    if view.deploy.ignores_windows {
        return Verdict::pass(GATE, "windows_ignored", "A rollback does not wait for a window.");
    }
    let mut zoned = Vec::new();
    for window in &policy.windows {
        let Some(zone) = time_zone(&window.timezone) else { return unknown_zone(&window.timezone) };
        zoned.push(Zoned { window, zone });
    }
    let Ok(instant) = Timestamp::from_millisecond(now.0) else {
        let fix = "Set the clock of the machine that Lockkeeper runs on.";
        return Verdict::unavailable(GATE, "time_unreadable", "The clock shows a time that no calendar has.", fix);
    };
    if is_open(&zoned, instant) {
        return Verdict::pass(GATE, "window_open", format!("No window keeps deployments from {place} now."));
    }
    if let Some(by) = overridden(view) {
        return opened_by(by);
    }
    closed(&zoned, view, instant)
}

fn unknown_zone(name: &str) -> Verdict {
    let reason = format!("This version of Lockkeeper does not know the time zone \"{}\".", plain(name));
    let fix = "Use a name such as Europe/Berlin or UTC as `timezone`, or update Lockkeeper.";
    Verdict::unavailable(GATE, "timezone_unknown", reason, fix)
}

fn closed(windows: &[Zoned<'_>], view: &GateView<'_>, now: Timestamp) -> Verdict {
    let place = view.deploy.place();
    let (names, zone) = in_the_way(windows, now);
    let shut = format!("Deployments to {place} are closed ({})", join(&names));
    let Some(opens) = next_opening(windows, now) else {
        return Verdict::fail(
            GATE,
            "window_never_opens",
            format!("{shut}, and the windows together leave no time in the coming year."),
            "Change `windows` in .github/lockkeeper.toml so that some time is left.",
        )
        .names(names);
    };
    let local = zone.to_datetime(opens).strftime("%a %Y-%m-%d %H:%M").to_string();
    let zone = zone.iana_name().unwrap_or("UTC");
    Verdict::new(
        GATE,
        Status::Pending,
        "window_closed",
        format!("{shut} until {local} ({zone})."),
        "Wait for that time, or have a maintainer override the window with a reason; a rollback need not wait.",
    )
    .names(names)
    .again(Millis(opens.as_millisecond()))
}

/// The newest override of a person for this plan.
fn overridden<'a>(view: &GateView<'a>) -> Option<&'a Override> {
    let deploy = &view.deploy;
    let counts = |o: &&Override| {
        o.gate == Overridable::Window
            && o.by.is_person()
            && !o.reason.trim().is_empty()
            && Some(o.digest.as_str()) == deploy.digest
    };
    deploy.overrides.iter().filter(counts).max_by_key(|o| (o.at, o.by.id, &o.reason))
}

fn opened_by(by: &Override) -> Verdict {
    let (who, role, why) = (plain(&by.by.login), plain(&by.role), plain(&by.reason));
    let reason = format!("{who} ({role}) overrode the window: {}.", why.trim_end_matches('.'));
    Verdict::new(GATE, Status::Overridden, "window_overridden", reason, "").names(vec![who])
}

impl Zoned<'_> {
    fn holds(&self, span: Option<&WindowSpan>, at: Timestamp) -> bool {
        span.is_some_and(|span| span.contains(minute_of_week(self.zone.to_datetime(at))))
    }
}

fn is_open(windows: &[Zoned<'_>], at: Timestamp) -> bool {
    let denied = windows.iter().any(|w| w.holds(w.window.deny.as_ref(), at));
    let mut allowing = windows.iter().filter(|w| w.window.allow.is_some()).peekable();
    !denied && (allowing.peek().is_none() || allowing.any(|w| w.holds(w.window.allow.as_ref(), at)))
}

/// What stands in the way at a moment that is not open, and the zone in which to tell when that ends.
fn in_the_way(windows: &[Zoned<'_>], at: Timestamp) -> (Vec<String>, TimeZone) {
    let told = |word: &str, span: &WindowSpan| format!("{word} \"{}\"", plain(span.as_str()));
    let denying: Vec<&Zoned<'_>> = windows.iter().filter(|w| w.holds(w.window.deny.as_ref(), at)).collect();
    let named = |(w, word, span): (&Zoned<'_>, &str, &WindowSpan)| (told(word, span), w.zone.clone());
    let denied: Vec<_> = denying.iter().filter_map(|w| Some(named((w, "deny", w.window.deny.as_ref()?)))).collect();
    let found = match denied.is_empty() {
        false => denied,
        true => windows.iter().filter_map(|w| Some(named((w, "allow", w.window.allow.as_ref()?)))).collect(),
    };
    let zone = found.first().map_or(TimeZone::UTC, |(_, zone)| zone.clone());
    (found.into_iter().map(|(name, _)| name).collect(), zone)
}

fn minute_of_week(local: DateTime) -> u16 {
    let number = |n: i8| u16::try_from(n).unwrap_or(0);
    let day = number(local.weekday().to_monday_zero_offset());
    (day * 24 + number(local.hour())) * 60 + number(local.minute())
}

/// The first moment after `now` that is open: openness changes only where a window begins or ends or a clock is changed.
fn next_opening(windows: &[Zoned<'_>], now: Timestamp) -> Option<Timestamp> {
    let mut from = now;
    for _ in 0..HORIZON_WEEKS {
        let to = from.checked_add(DAY * 7).ok()?;
        let mut moments: Vec<Timestamp> = windows.iter().flat_map(|w| changes(w, from, to)).collect();
        moments.sort_unstable();
        moments.dedup();
        if let Some(opening) = moments.into_iter().find(|at| is_open(windows, *at)) {
            return Some(opening);
        }
        from = to;
    }
    None
}

/// Every moment after `from`, up to `to`, at which the window may change; some at which it does not.
fn changes(zoned: &Zoned<'_>, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let Zoned { window, zone } = zoned;
    let mut moments: Vec<Timestamp> = zone.following(from).map(|t| t.timestamp()).take_while(|t| *t <= to).collect();
    let local = zone.to_datetime(from);
    let monday = local.date().checked_sub(i64::from(local.weekday().to_monday_zero_offset()).days());
    let Ok(monday) = monday else { return moments };
    let edges = window.allow.iter().chain(&window.deny).flat_map(WindowSpan::edges);
    for edge in edges {
        for week in 0..=2 {
            let minutes = week * i64::from(WEEK) + i64::from(edge);
            let Ok(local) = monday.to_datetime(jiff::civil::Time::midnight()).checked_add(minutes.minutes()) else { continue };
            // A time that the clock shows twice is two moments.
            let ambiguous = zone.to_ambiguous_timestamp(local);
            moments.extend([ambiguous.earlier(), ambiguous.later()].into_iter().flatten());
        }
    }
    moments.retain(|at| from < *at && *at <= to);
    moments
}
