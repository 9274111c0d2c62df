//! Opening a gate for one plan: by a person whose role allows it, with a reason, and never by an agent.

use super::access::{Caller, Rights};
use crate::domain::{Actor, Millis, Overridable, Override, Refusal, Role};
use serde::{Deserialize, Serialize};

/// The least role that opens gates.
const OPENS: Role = Role::Maintain;

/// A gate that this caller may open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    pub gate: Overridable,
    pub by: Actor,
    /// The role that allows it.
    pub role: String,
    pub reason: String,
}

impl Opening {
    /// # Errors
    /// `override_not_allowed`, `reason_missing`.
    pub fn new(gate: Overridable, reason: Option<&str>, caller: &Caller) -> Result<Self, Refusal> {
        let role = role(caller).ok_or_else(|| not_allowed(gate, caller))?;
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).ok_or_else(|| no_reason(gate))?;
        Ok(Self { gate, by: caller.actor.clone(), role, reason: reason.chars().take(200).collect() })
    }

    /// For this plan and no other.
    pub fn of(self, digest: &str, at: Millis) -> Override {
        let Self { gate, by, role, reason } = self;
        Override { gate, by, role, reason, at, digest: digest.to_owned() }
    }
}

fn role(caller: &Caller) -> Option<String> {
    if !caller.actor.is_person() {
        return None;
    }
    match &caller.rights {
        Rights::All => Some("operator".to_owned()),
        Rights::In { role, .. } if *role >= OPENS => Some(role.as_str().to_owned()),
        Rights::In { .. } | Rights::Only(_) | Rights::Through(_) => None,
    }
}

fn not_allowed(gate: Overridable, caller: &Caller) -> Refusal {
    let text = format!("{} may not override the gate {}.", caller.actor.login, gate.as_str());
    let fix = "Ask somebody with the role maintain or admin, or the operator.";
    Refusal::user("override_not_allowed", text, fix)
}

fn no_reason(gate: Overridable) -> Refusal {
    let text = format!("Nobody overrides the gate {} without saying why.", gate.as_str());
    Refusal::user("reason_missing", text, "Say it with `--reason \"…\"`: it stands in the check run and the audit.")
}
