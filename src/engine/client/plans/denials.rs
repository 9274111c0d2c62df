//! Why a plan is not done, in words.

use super::Denied;
use crate::domain::{Millis, Refusal, Sha};
use crate::gates::{Status, Verdict};

/// A gate that is shut now. A run would wait for a window, and for the commit to come to the environment before, but an agent
/// that comes back then has a plan of that time.
pub(super) fn in_the_way(verdict: &Verdict) -> Option<Denied> {
    let elsewhere = matches!(verdict.code.as_str(), "not_yet_in_environment" | "no_longer_in_environment");
    let shut = verdict.status == Status::Fail || verdict.code == "window_closed" || elsewhere;
    let own = matches!(verdict.gate.as_str(), "lock" | "window" | "soak");
    let code = if own { verdict.code.as_str() } else { "gate_failed" };
    let message = if own { verdict.reason.clone() } else { format!("The gate {} fails: {}", verdict.gate, verdict.reason) };
    let refusal = (shut && !verdict.status.advances()).then(|| Refusal::user(code, message, verdict.fix.clone()))?;
    let again = verdict.ask_again.filter(|_| verdict.code == "window_closed");
    Some(Denied { again, ..refusal.into() })
}

pub(super) fn backwards(pinned: &Sha, live: &Sha, both: bool) -> Refusal {
    let (pinned, live) = (pinned.short(), live.short());
    if both {
        let text = format!("Commit {pinned} and {live}, which is live, each have commits that the other has not.");
        return Refusal::user(
            "diverged_from_live",
            text,
            "Merge what is live and deploy that, or have a person deploy this one.",
        );
    }
    let text = format!("Commit {pinned} is older than {live}, which is live and contains it.");
    Refusal::user("older_than_live", text, "To go back on purpose, plan a rollback.")
}

pub(super) fn mismatch() -> Refusal {
    let text = "There is no plan of yours with this digest for this.";
    Refusal::user("plan_mismatch", text, "Plan first, and use the digest of that plan as it was told.")
}

pub(super) fn expired(at: Millis) -> Refusal {
    Refusal::user("plan_expired", format!("The time of this plan was over at {}.", at.rfc3339()), "Plan again.")
}

pub(super) fn taken() -> Refusal {
    Refusal::user(
        "plan_consumed",
        "This plan has just been done; each is done once.",
        "Look at what became of it, or plan again.",
    )
}

pub(super) fn stale(changed: &[String]) -> Refusal {
    let text = format!("The plan does not fit the world any more: {}.", changed.join("; "));
    Refusal::user("plan_stale", text, "Plan again, and look at what the new plan would do.")
}

pub(super) fn gone(what: &str) -> Denied {
    let changed = vec![what.trim_end_matches('.').to_owned()];
    Denied { changed: changed.clone(), ..stale(&changed).into() }
}

pub(super) fn nothing_to_plan() -> Refusal {
    Refusal::us("nothing_to_plan", "Only deployments and rollbacks are planned.")
}
