//! The gate `lock`: nobody keeps the environment as it is. Every environment asks it; a rollback leaves it out.
//!
//! A lock or a freeze refuses, and says who holds it, why and until when; whoever asked to wait is queued instead, for a week at
//! most. A hold (after a rollback, on the commits that it concerns) refuses merges, tags and agents; a person who gives a reason
//! goes ahead, which is [`Status::Overridden`].
//!
//! Known race: somebody may lock after the read; the run judges again when it holds the environment's lock.

use super::patience::Patience;
use super::text::{join, plain};
use super::{Asked, GateView, HoldKind, HoldView, Status, Verdict};
use crate::domain::Millis;
use std::time::Duration;

pub(super) const GATE: &str = "lock";
/// How long a run waits for a lock to be opened.
const WAIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How soon to look again at a lock without an end; its opening wakes the run before that.
const LOOK: Duration = Duration::from_secs(3600);

pub(super) fn judge(view: &GateView<'_>, now: Millis) -> Verdict {
    let place = view.deploy.place();
    let Some(holds) = view.deploy.holds else {
        return Verdict::unavailable(
            GATE,
            "locks_not_read",
            format!("Whether {place} is locked was not read."),
            "Ask for a deployment to an environment; if this was one, report it to the authors of Lockkeeper.",
        );
    };
    let mut holds: Vec<&HoldView> = holds.iter().filter(|hold| hold.until.is_none_or(|until| until > now)).collect();
    holds.sort_by_key(|h| (h.kind, h.since, &h.owner, &h.reason, h.until));
    let reason = match view.deploy.asked {
        Asked::ByPerson { reason } => reason.filter(|reason| !reason.trim().is_empty()),
        Asked::Automatic => None,
    };
    match (holds.as_slice(), reason) {
        ([], _) => Verdict::pass(GATE, "not_locked", format!("Nobody has locked {place}.")),
        ([first, ..], Some(reason)) if first.kind == HoldKind::Hold => {
            let reason = plain(reason);
            let text = format!("A person goes ahead in spite of {}: {}.", named(first, place), reason.trim_end_matches('.'));
            Verdict::new(GATE, Status::Overridden, "hold_overridden", text, "").names(owners(&holds))
        }
        ([first, ..], _) => locked(first, &holds, view, now),
    }
}

fn locked(first: &HoldView, holds: &[&HoldView], view: &GateView<'_>, now: Millis) -> Verdict {
    let deploy = &view.deploy;
    let said: Vec<String> = holds.iter().map(|hold| named(hold, deploy.place())).collect();
    let reason = format!("Nothing is deployed because of {}.", join(&said));
    let hold = first.kind == HoldKind::Hold;
    let code = if hold { "held_after_rollback" } else { "environment_locked" };
    let fix = match hold {
        true => format!(
            "Deploy a commit that mends it, or go ahead by hand: `{} --ref {} --reason …`.",
            deploy.command("deploy"),
            view.pinned
        ),
        false => format!(
            "Ask {}, or open it: `{}`; with `--wait` a deployment queues.",
            plain(&first.owner),
            deploy.command("unlock")
        ),
    };
    if !deploy.wait {
        return Verdict::fail(GATE, code, reason, fix).names(owners(holds));
    }
    let patience = Patience::within(WAIT, view, now);
    if patience.over() {
        return Verdict::fail(GATE, "lock_deadline", format!("The deadline passed. {reason}"), fix).names(owners(holds));
    }
    // When all have an end, nothing changes by time alone before the last of them.
    let end = holds.iter().map(|hold| hold.until).max().flatten().filter(|_| holds.iter().all(|h| h.until.is_some()));
    let again = end.map_or_else(|| patience.again(LOOK), |end| end.min(patience.again(WAIT)));
    Verdict::new(GATE, Status::Pending, code, reason, fix).names(owners(holds)).again(again)
}

/// `the lock on production by alice ("database moves") until 2026-01-02T03:04:05Z`
fn named(hold: &HoldView, place: &str) -> String {
    let what = match hold.kind {
        HoldKind::Lock => "lock on",
        HoldKind::Freeze => "freeze of",
        HoldKind::Hold => "hold after a rollback in",
    };
    let why = match hold.reason.trim().is_empty() {
        true => String::new(),
        false => format!(" (\"{}\")", plain(&hold.reason).trim_end_matches('.')),
    };
    let end = hold.until.map_or_else(|| "until somebody ends it".to_owned(), |until| format!("until {}", until.rfc3339()));
    format!("the {what} {place} by {}{why} {end}", plain(&hold.owner))
}

fn owners(holds: &[&HoldView]) -> Vec<String> {
    let mut owners: Vec<String> = holds.iter().map(|hold| plain(&hold.owner)).collect();
    owners.dedup();
    owners
}
