//! The refusals of all doors in the few codes that agents are promised; what the others show stays beside it.

use super::envelope::Refused;
use crate::domain::{Blame, Refusal};
use std::time::Duration;

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let code = code(&refusal);
        let retryable =
            refusal.blame == Blame::World || matches!(code, "rate_limited" | "environment_locked" | "window_closed");
        Self {
            code,
            cause: (refusal.code != code).then_some(refusal.code),
            message: refusal.message,
            retryable,
            retry_after_s: None,
            changed: Vec::new(),
            fix: refusal.fix,
        }
    }
}

impl Refused {
    pub fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let text = "This key has called this tool too often in a short time.";
        let refusal = Refusal::world("rate_limited", text, format!("Call it again in {seconds} s."));
        Self { retry_after_s: Some(seconds), ..Self::from(refusal) }
    }
}

/// Codes of gates and rules by what an agent can do about them.
fn code(refusal: &Refusal) -> &'static str {
    match refusal.code.as_str() {
        "insufficient_scope" | "key_ended" | "not_allowed" => "insufficient_scope",
        "agents_denied" => "agents_denied",
        "approval_required" | "approvals_missing" => "approval_required",
        "environment_locked" | "held_after_rollback" | "deployment_goes_on" => "environment_locked",
        "window_closed" | "window_never_opens" => "window_closed",
        "older_than_live" | "diverged_from_live" | "not_yet_in_environment" | "no_longer_in_environment" | "soak_deadline" => {
            "order_violation"
        }
        "nothing_live" | "nothing_to_roll_back_to" | "not_a_good_version" | "rollback_forbidden" => "rollback_target_unsafe",
        "tag_gone" | "tag_moved" | "commit_unknown" | "ref_invalid" => "ref_not_found",
        "rate_limited" => "rate_limited",
        "plan_consumed" => "plan_consumed",
        "plan_stale" => "plan_stale",
        "plan_expired" => "plan_expired",
        "plan_mismatch" => "plan_mismatch",
        "idempotency_conflict" => "idempotency_conflict",
        "gate_failed" => "gate_failed",
        _ if refusal.blame == Blame::User => "input_invalid",
        _ => "upstream_unavailable",
    }
}
