//! The refusals of all doors in the few codes that agents are promised; what the others show stays beside it.

use super::catalog::Tool;
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
            message: here(&refusal.message),
            retryable,
            retry_after_s: None,
            changed: Vec::new(),
            fix: here(&refusal.fix),
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

/// What the command line has a word for, and the tool that does the same here.
const TOOLS: [(&str, Tool); 14] = [
    ("abort", Tool::ControlRollout),
    ("deploy", Tool::PlanDeployment),
    ("health", Tool::CheckDeploymentHealth),
    ("lock", Tool::LockEnvironment),
    ("notes", Tool::GenerateReleaseNotes),
    ("pause", Tool::ControlRollout),
    ("promote", Tool::ControlRollout),
    ("publish", Tool::PublishRelease),
    ("resume", Tool::ControlRollout),
    ("rollback", Tool::PlanRollback),
    ("runs", Tool::ListDeployments),
    ("status", Tool::GetStatus),
    ("unlock", Tool::UnlockEnvironment),
    ("validate", Tool::ValidateDeployment),
];

/// What a text says to type on the command line, as it is called here. What only the operator can type stays as it is.
pub(super) fn here(text: &str) -> String {
    let mut pieces = text.split("`lockkeeper ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |before, piece| {
        let (command, rest) = piece.split_once('`').unwrap_or((piece, ""));
        let is_it = |word: &str| command.strip_prefix(word).is_some_and(|more| more.is_empty() || more.starts_with(' '));
        // A run that is looked at there need not be a deployment.
        let tool = TOOLS.iter().find(|(word, _)| is_it(word) && !is_it("runs show"));
        match tool {
            // What others have locked is for people.
            Some((_, Tool::UnlockEnvironment)) => {
                format!(
                    "{before}`{}` (only a lock of your own; ask a person to end another){rest}",
                    Tool::UnlockEnvironment.face().name
                )
            }
            Some((_, tool)) => format!("{before}`{}`{rest}", tool.face().name),
            None => format!("{before}`lockkeeper {piece}"),
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_elsewhere_is_called_here() {
        for (told, said) in [
            (
                "Deploy to it first; `lockkeeper status` shows what is live.",
                "Deploy to it first; `get_status` shows what is live.",
            ),
            ("Bring it there: `lockkeeper deploy staging --repo acme/shop --ref abc`.", "Bring it there: `plan_deployment`."),
            (
                "Ask again; `lockkeeper runs show r1` says how far it came.",
                "Ask again; `lockkeeper runs show r1` says how far it came.",
            ),
            (
                "`lockkeeper runs`, then `lockkeeper unlock production --reason …`.",
                "`list_deployments`, then `unlock_environment` (only a lock of your own; ask a person to end another).",
            ),
            ("Stop it with `lockkeeper abort r1`, or wait.", "Stop it with `control_rollout`, or wait."),
            ("`lockkeeper keys create` makes one.", "`lockkeeper keys create` makes one."),
            ("`lockkeeper statuses` and `lockkeeper doctor`", "`lockkeeper statuses` and `lockkeeper doctor`"),
            ("an end: `lockkeeper status", "an end: `get_status`"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(here(told), said);
        }
    }
}
