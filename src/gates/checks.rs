//! The gate `checks`: the check runs and commit statuses of the commit.
//!
//! Of one name and App the newest run counts, so that a rerun replaces what it repeats; our own check runs never count.
//! Unreadable is never "none". Silence passes only after a wait, counted to what was really seen: a clock that jumped
//! forward cannot pass an old read, one that jumped back waits again.
//!
//! Known race: without `names`, checks that appear only when others have finished (a job with `needs`) are not known yet
//! when the first ones pass. Listing `names` closes it. Two workflows of one App with equal job names are one check here, as
//! they are for GitHub's required checks.

use super::text::{join, link, list, plain};
use super::{GateView, Link, Status, Verdict};
use crate::config::repo::ChecksPolicy;
use crate::domain::{CheckItem, CheckSource, CheckState, Millis};
use std::collections::BTreeMap;
use std::time::Duration;

const GATE: &str = "checks";
/// How soon to look again at what could not be read.
const RETRY: Duration = Duration::from_secs(30);
/// GitHub's word for a job that waits for the rules of its environment.
const WAITING: &str = "waiting";
const SOON: Duration = Duration::from_secs(1);

pub(super) fn judge(policy: &ChecksPolicy, view: &GateView<'_>, now: Millis) -> Verdict {
    let clock = Clock { now, deadline: view.asked_at.plus(policy.deadline) };
    let items = match view.checks {
        Ok(items) => newest(items, view),
        Err(unreadable) => return unread(&plain(&unreadable.reason), &clock),
    };
    if policy.names.is_empty() {
        let quiet_until = view.asked_at.plus(policy.wait);
        return of_all(&items, view, quiet_until, &clock);
    }
    of_named(&items, &policy.names, &clock)
}

struct Clock {
    now: Millis,
    deadline: Millis,
}

impl Clock {
    fn over(&self) -> bool {
        self.now >= self.deadline
    }
}

/// The newest of each name and App. Equal ones are decided by the worse state, so that no order of the list matters.
fn newest<'v>(items: &'v [CheckItem], view: &GateView<'_>) -> Vec<&'v CheckItem> {
    let (own_app, for_job) = (view.app_id, view.deploy.for_job);
    let mut newest: BTreeMap<(u64, String), &CheckItem> = BTreeMap::new();
    for item in items {
        // Status contexts differ from check runs and are equal in any case, as on GitHub.
        let key = match &item.source {
            CheckSource::CheckRun { app_id, .. } if *app_id == own_app => continue,
            CheckSource::CheckRun { app_id, .. } => (*app_id, item.name.clone()),
            CheckSource::Status { .. } => (0, item.name.to_lowercase()),
        };
        let held = newest.entry(key).or_insert(item);
        if age(item) > age(held) {
            *held = item;
        }
    }
    // A job that waits for its environment waits for exactly this answer.
    newest.into_values().filter(|item| !(for_job && item.conclusion == WAITING)).collect()
}

/// Greater is newer. A rerun has a greater id, even if the run that it repeats finished after it began.
fn age(item: &CheckItem) -> (u64, Millis, u8, &str, Option<&str>, &str) {
    let id = match &item.source {
        CheckSource::CheckRun { id, .. } => *id,
        CheckSource::Status { .. } => 0,
    };
    let worse = match item.state {
        CheckState::Failure => 3,
        CheckState::Pending => 2,
        CheckState::Neutral => 1,
        CheckState::Success => 0,
    };
    (id, item.at, worse, &item.conclusion, item.url.as_deref(), &item.name)
}

fn of_all(items: &[&CheckItem], view: &GateView<'_>, quiet_until: Millis, clock: &Clock) -> Verdict {
    if items.is_empty() {
        return nothing(view, quiet_until, clock);
    }
    of_seen(items, Vec::new(), clock)
}

fn of_named(items: &[&CheckItem], names: &[String], clock: &Clock) -> Verdict {
    let asked: Vec<&CheckItem> = items.iter().filter(|i| names.contains(&i.name)).copied().collect();
    let absent = names.iter().filter(|n| !asked.iter().any(|i| i.name == **n)).map(|n| plain(n)).collect();
    of_seen(&asked, absent, clock)
}

fn of_seen(items: &[&CheckItem], absent: Vec<String>, clock: &Clock) -> Verdict {
    let failed: Vec<&CheckItem> = items.iter().filter(|i| i.state == CheckState::Failure).copied().collect();
    if !failed.is_empty() {
        return fail(&failed);
    }
    let pending: Vec<&CheckItem> = items.iter().filter(|i| i.state == CheckState::Pending).copied().collect();
    if !pending.is_empty() || !absent.is_empty() {
        return wait(&pending, absent, clock);
    }
    let names = names_of(items);
    let reason = match names.as_slice() {
        [one] => format!("The check \"{one}\" passed."),
        many => format!("All {} checks passed: {}.", many.len(), list(many)),
    };
    Verdict::pass(GATE, "checks_passed", reason).names(names).links(links_of(items))
}

fn fail(failed: &[&CheckItem]) -> Verdict {
    let said: Vec<String> = failed.iter().map(|i| format!("\"{}\" ({})", plain(&i.name), plain(&i.conclusion))).collect();
    let noun = if failed.len() == 1 { "check" } else { "checks" };
    Verdict::fail(
        GATE,
        "check_failed",
        format!("The {noun} {} did not pass.", join(&said)),
        format!("See why the {noun} failed, and re-run on this commit once mended; a change to the code needs a new version."),
    )
    .names(names_of(failed))
    .links(links_of(failed))
}

fn wait(pending: &[&CheckItem], absent: Vec<String>, clock: &Clock) -> Verdict {
    let running = names_of(pending);
    let mut parts = Vec::new();
    if !running.is_empty() {
        parts.push(format!("{} to finish", list(&running)));
    }
    if !absent.is_empty() {
        parts.push(format!("{} to appear", list(&absent)));
    }
    let awaited = parts.join(" and for ");
    let names = running.into_iter().chain(absent).collect();
    let verdict = if clock.over() {
        Verdict::fail(
            GATE,
            "checks_deadline",
            format!("The deadline passed while waiting for {awaited}."),
            "See why these checks did not report, and re-run this check; `deadline` and `names` of the gate `checks` can be changed.",
        )
    } else {
        let fix = "Wait for the checks, or start those that have not begun.";
        Verdict::new(GATE, Status::Pending, "checks_pending", format!("Waits for {awaited}."), fix).again(clock.deadline)
    };
    verdict.names(names).links(links_of(pending))
}

fn nothing(view: &GateView<'_>, quiet_until: Millis, clock: &Clock) -> Verdict {
    let short = view.pinned.short();
    if view.checks_at >= quiet_until && clock.now >= quiet_until {
        let waited = view.asked_at.until(quiet_until).as_secs();
        let reason = format!("No check reported on commit {short} within {waited} s; this counts as passed.");
        return Verdict::pass(GATE, "no_checks", reason);
    }
    let again = quiet_until.max(clock.now.plus(SOON));
    let until = quiet_until.rfc3339();
    Verdict::new(
        GATE,
        Status::Pending,
        "checks_awaited",
        format!("No check has reported on commit {short} yet; silence counts as passed at {until}."),
        "Wait, or list the checks that must pass as `names` of the gate `checks`.",
    )
    .again(again)
}

fn unread(why: &str, clock: &Clock) -> Verdict {
    let reason = format!("The checks of the commit could not be read: {}.", why.trim_end_matches('.'));
    if clock.over() {
        let fix = "See that the App may read checks and commit statuses and that GitHub answers. Then re-run this check.";
        return Verdict::unavailable(GATE, "checks_deadline", format!("The deadline passed. {reason}"), fix);
    }
    let fix = "Wait; it is tried again. If it stays so, see that the App may read checks and commit statuses.";
    Verdict::unavailable(GATE, "checks_unreadable", reason, fix).again(clock.now.plus(RETRY).min(clock.deadline))
}

fn names_of(items: &[&CheckItem]) -> Vec<String> {
    items.iter().map(|i| plain(&i.name)).collect()
}

fn links_of(items: &[&CheckItem]) -> Vec<Link> {
    items.iter().filter_map(|i| link(&plain(&i.name), i.url.as_deref())).collect()
}
