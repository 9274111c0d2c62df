//! What an agent, or a script with a key, may do in an environment by itself: `agents` of the environment.
//!
//! It is about who asks, not about what is deployed, so it holds for a way back too: gates of review do not hold up a person's
//! rollback, and none is left to an agent that the environment does not trust. Nobody but a person approves.

use crate::config::repo::{Agents, ApprovalsPolicy, Environment, GatePolicy};
use crate::domain::{Actor, Refusal};

/// # Errors
/// `agents_denied`.
pub fn check(environment: &Environment, actor: &Actor) -> Result<(), Refusal> {
    if !actor.is_agent() || environment.agents.unwrap_or_default() != Agents::Deny {
        return Ok(());
    }
    let name = &environment.name;
    Err(Refusal::user(
        "agents_denied",
        format!("Agents deploy nothing to {name}, and roll nothing back there: its `agents` is `deny`."),
        format!("Ask a person to do it, or to set `agents` of [environments.{name}] to `request`."),
    ))
}

/// Whether users may be moved on because an agent says so. Whoever may only ask for a deployment decides nothing of it, and
/// anybody may stop it.
///
/// # Errors
/// `agents_denied`.
pub fn steers(environment: &Environment, actor: &Actor) -> Result<(), Refusal> {
    if !actor.is_agent() || environment.agents.unwrap_or_default() == Agents::Allow {
        return Ok(());
    }
    let name = &environment.name;
    Err(Refusal::user(
        "agents_denied",
        format!("Agents move no users on in {name}: its `agents` is not `allow`."),
        "Ask a person to resume or promote it. Pausing and aborting need nobody.",
    ))
}

/// With the agreement of one person, where an agent may only ask. Gates that ask people already are enough; of the
/// environment's own, a way back keeps who may approve, and neither how many nor who wrote what.
pub fn ask_a_person(gates: &mut Vec<GatePolicy>, environment: &Environment, actor: &Actor) {
    let asked = gates.iter().any(|gate| matches!(gate, GatePolicy::Approvals(_)));
    if asked || !actor.is_agent() || environment.agents.unwrap_or_default() == Agents::Allow {
        return;
    }
    let one = ApprovalsPolicy::one_person();
    let policy = environment
        .approvals
        .clone()
        .map_or_else(|| one.clone(), |own| ApprovalsPolicy { count: one.count, not_author: one.not_author, ..own });
    gates.push(GatePolicy::Approvals(policy));
}
