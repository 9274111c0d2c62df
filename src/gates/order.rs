//! The gate `order`: an older commit never replaces a newer one that contains it. Every environment asks it; a rollback, which
//! goes back on purpose, leaves it out.
//!
//! Where each commit has something that the other has not (a hotfix branch, a rewritten branch), nobody can say which is newer:
//! a merge or a tag is refused, and a person who asks for exactly this commit goes ahead.
//!
//! Known race: another deployment may finish after the read; the run judges again when it holds the environment's lock.

use super::patience::Patience;
use super::{Asked, GateView, Live, LiveView, Standing, Verdict};
use crate::domain::Millis;

const GATE: &str = "order";

pub(super) fn judge(view: &GateView<'_>, now: Millis) -> Verdict {
    let place = view.deploy.place();
    match view.deploy.live {
        None => Verdict::unavailable(
            GATE,
            "live_not_read",
            format!("What is live in {place} was not read, so whether this commit is older is unknown."),
            "Ask for a deployment to an environment; if this was one, report it to the authors of Lockkeeper.",
        ),
        Some(Live::Nothing) => Verdict::pass(GATE, "nothing_live", format!("Nothing is live in {place} yet.")),
        Some(Live::Version(live)) => against(live, view, now),
    }
}

fn against(live: &LiveView, view: &GateView<'_>, now: Millis) -> Verdict {
    let (place, pinned, other) = (view.deploy.place(), view.pinned.short(), live.sha.short());
    let same = live.sha == *view.pinned;
    match live.standing {
        _ if same => Verdict::pass(GATE, "same_as_live", format!("Commit {pinned} is live in {place} already.")),
        Standing::Ahead => {
            Verdict::pass(GATE, "newer_than_live", format!("Commit {pinned} contains {other}, which is live in {place}."))
        }
        Standing::Behind => Verdict::fail(
            GATE,
            "older_than_live",
            format!("Commit {pinned} is older than {other}, which is live in {place} and contains it."),
            format!("To go back on purpose: `{} --to {} --reason …`.", view.deploy.command("rollback"), view.pinned),
        ),
        Standing::Diverged => diverged(live, view),
        // Equal by the comparison and not by name: one of the two reads is wrong.
        Standing::Unknown | Standing::Same => Patience::of(view, now).unread(
            GATE,
            "live_unreadable",
            format!("How commit {pinned} stands to {other}, which is live in {place}, could not be read."),
            "See whether GitHub still knows both commits and answers, then ask again.",
        ),
    }
}

fn diverged(live: &LiveView, view: &GateView<'_>) -> Verdict {
    let (place, pinned, other) = (view.deploy.place(), view.pinned.short(), live.sha.short());
    let reason = format!("Commit {pinned} and {other}, which is live in {place}, each have commits that the other has not");
    if let Asked::ByPerson { .. } = view.deploy.asked {
        return Verdict::pass(GATE, "diverged_by_hand", format!("{reason}; a person asked for this one."));
    }
    let command = view.deploy.command("deploy");
    Verdict::fail(
        GATE,
        "diverged_from_live",
        format!("{reason}."),
        format!("Merge what is live and deploy that, or deploy this commit by hand: `{command} --ref {}`.", view.pinned),
    )
    .names(vec![live.sha.to_string()])
}
