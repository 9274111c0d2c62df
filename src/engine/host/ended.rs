//! What stays on record of a run that is over.
//!
//! Invariant: a run that changes what others see leaves one row at its end, in the transaction that ends it. One that was given
//! up and started again ends twice, and leaves two.

use crate::domain::Millis;
use crate::engine::accept;
use crate::store::audit::{self, Record};
use crate::store::runs::{self, Run};
use crate::store::{StoreError, Tx};
use crate::workflow::{Outcome, deploy, protect, release, taken};

/// No door: the run itself tells.
const DOOR: &str = "run";

/// `run` has its outcome already.
pub(super) fn record(tx: &Tx<'_>, run: &Run, now: Millis) -> Result<(), StoreError> {
    let (Some(action), Some(outcome)) = (action(tx, run)?, accept::outcome(run)) else { return Ok(()) };
    let row = Record {
        at: now,
        actor: run.subject.actor.clone(),
        door: DOOR.to_owned(),
        action: action.to_owned(),
        run: Some(run.id.clone()),
        repo: Some(run.subject.repo.id),
        decision: decision(&outcome)?,
        detail: super::rows::write(&outcome)?,
    };
    audit::add(tx, &row)
}

/// The action that the run carried out; nothing for those that only look.
fn action(tx: &Tx<'_>, run: &Run) -> Result<Option<&'static str>, StoreError> {
    let back = |input: serde_json::Value| input["rollback"] == serde_json::json!(true);
    Ok(match run.workflow.as_str() {
        name if name == release::WORKFLOW.name => Some("publish"),
        name if name == deploy::WORKFLOW.name => {
            Some(if runs::input(tx, &run.id)?.is_some_and(back) { "rollback" } else { "deploy" })
        }
        name if name == taken::WORKFLOW.name => Some("deployment"),
        name if name == protect::WORKFLOW.name => Some("protection_rule"),
        _ => None,
    })
}

/// `succeeded`, `rejected:check_failed`, …
fn decision(outcome: &Outcome) -> Result<String, StoreError> {
    let state = super::rows::write(&outcome.state)?;
    let word = state.as_str().unwrap_or_default();
    Ok(outcome.refusal.as_ref().map_or_else(|| word.to_owned(), |refusal| format!("{word}:{}", refusal.code)))
}
