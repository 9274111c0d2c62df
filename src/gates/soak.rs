//! The gate `soak`: the same commit is live in an earlier environment, and has been without a break for the time that is asked
//! for, until now.
//!
//! Decided: a commit that is not there yet, or not any more, waits until the deadline, since somebody may still bring it there;
//! the sentence says what stands there instead. A second deployment of the same commit is no break; any other commit is, however
//! short. A commit that is there has all the time that its soak needs, whatever the deadline.
//!
//! Invariants: only our own record counts. A commit has been there for no longer than the record was read and the clock says,
//! so a clock that jumps forward cannot pass an old read, and one that jumps back waits longer. A record that contradicts
//! itself (two commits at once) counts for the commit that came last, and not at all if neither did.

use super::patience::Patience;
use super::{EnvironmentHistory, GateView, Occupancy, Status, Verdict};
use crate::config::repo::After;
use crate::domain::{Millis, Sha};
use std::time::Duration;

pub(super) const GATE: &str = "soak";
const SOON: Duration = Duration::from_secs(1);
/// How soon to ask whether the commit has come; a deployment that ends wakes the run before that.
const LOOK: Duration = Duration::from_secs(3600);

pub(super) fn judge(policy: &After, view: &GateView<'_>, now: Millis) -> Verdict {
    let place = policy.environment.as_str();
    // Two reads of one environment: the newer one counts, and of equal ones the one in which the commit has been shorter.
    let reads = view.deploy.occupancy.iter().filter(|read| read.environment == policy.environment);
    let newest = reads
        .map(|read| (read, live_since(&read.history, view.pinned)))
        .max_by_key(|(read, since)| (read.at, since.map_or(i64::MAX, |since| since.0), read.history.len()));
    let verdict = match newest {
        None => Verdict::unavailable(
            GATE,
            "history_not_read",
            format!("What has been live in {place} was not read, so whether this commit ran there is unknown."),
            "Ask for a deployment to an environment; if this was one, report it to the authors of Lockkeeper.",
        ),
        Some((read, Some(since))) => there(policy, view, read, since, now),
        Some((read, None)) => absent(policy, view, read, now),
    };
    verdict.names(vec![place.to_owned()])
}

fn there(policy: &After, view: &GateView<'_>, read: &EnvironmentHistory, since: Millis, now: Millis) -> Verdict {
    let (place, pinned, end) = (policy.environment.as_str(), view.pinned.short(), since.plus(policy.soak));
    if now >= end && read.at >= end {
        let long = since.until(read.at.min(now));
        let reason = match policy.soak.is_zero() {
            true => format!("Commit {pinned} is live in {place}."),
            false => format!("Commit {pinned} has run in {place} for {} without a break.", span(long)),
        };
        return Verdict::pass(GATE, "soaked", reason);
    }
    let reason = format!("Commit {pinned} runs in {place} and must stay there until {}.", end.rfc3339());
    let fix = format!("Wait; nothing need be done. Another commit in {place} would start the {} anew.", span(policy.soak));
    Verdict::new(GATE, Status::Pending, "soaking", reason, fix).again(end.max(now.plus(SOON)))
}

fn absent(policy: &After, view: &GateView<'_>, read: &EnvironmentHistory, now: Millis) -> Verdict {
    let (place, pinned) = (policy.environment.as_str(), view.pinned.short());
    let was = read.history.iter().any(|o| o.sha == *view.pinned);
    let instead = match now_there(&read.history) {
        Some(other) if other != view.pinned => format!("; {} is there", other.short()),
        _ => String::new(),
    };
    let how = if was { "does not run in" } else { "has not come to" };
    let ending = if was { "any more" } else { "yet" };
    let what = format!("Commit {pinned} {how} {place} {ending}{instead}.");
    let repo = view.deploy.repo.map_or("<owner/name>", |repo| repo.as_str());
    let fix = format!("Bring it there: `lockkeeper deploy {place} --repo {repo} --ref {}`.", view.pinned);
    let patience = Patience::within(policy.deadline, view, now);
    if patience.over() {
        return Verdict::fail(GATE, "soak_deadline", format!("The deadline passed. {what}"), fix);
    }
    let code = if was { "no_longer_in_environment" } else { "not_yet_in_environment" };
    Verdict::new(GATE, Status::Pending, code, what, fix).again(patience.again(LOOK))
}

/// Since when the commit has been live without a break; `None` if it is not.
fn live_since(history: &[Occupancy], sha: &Sha) -> Option<Millis> {
    let others = || history.iter().filter(|o| o.sha != *sha);
    // Whatever came after another commit; what that left open ends where ours begins.
    let last_other = others().map(|o| o.from).max();
    let ours: Vec<&Occupancy> =
        history.iter().filter(|o| o.sha == *sha && last_other.is_none_or(|last| o.from > last)).collect();
    let mut since = ours.iter().filter(|o| o.until.is_none()).map(|o| o.from).min()?;
    while let Some(before) = ours.iter().find(|o| o.from < since && o.until.is_none_or(|until| until >= since)) {
        since = before.from;
    }
    Some(others().filter_map(|o| o.until).max().map_or(since, |until| since.max(until)))
}

fn now_there(history: &[Occupancy]) -> Option<&Sha> {
    history.iter().filter(|o| o.until.is_none()).max_by_key(|o| (o.from, o.sha.as_str())).map(|o| &o.sha)
}

/// `2 d`, `1 h 30 min`, `45 s`: the two largest units.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let shown: Vec<String> =
        parts.iter().skip_while(|p| p.0 == 0).take(2).filter(|p| p.0 > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if shown.is_empty() { "0 s".into() } else { shown.join(" ") }
}
