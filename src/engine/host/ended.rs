//! What stays on record of a run that is over.
//!
//! Invariant: a run that changes what others see leaves one row at its end, in the transaction that ends it. One that was given
//! up and started again ends twice, and leaves two.

use crate::domain::{Millis, Said};
use crate::engine::accept;
use crate::store::audit::{self, Record};
use crate::store::runs::{self, Run};
use crate::store::{StoreError, Tx, reviews};
use crate::workflow::{Outcome, deploy, protect, release, taken};
use serde_json::{Value, json};

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
        detail: with_approvers(tx, run, super::rows::write(&outcome)?)?,
    };
    audit::add(tx, &row)
}

/// Who has agreed to the plan that the run went by.
fn with_approvers(tx: &Tx<'_>, run: &Run, mut detail: Value) -> Result<Value, StoreError> {
    let said = reviews::of(tx, &run.id)?.said;
    if said.is_empty() {
        return Ok(detail);
    }
    let digest = accept::planned(tx, &run.id)?.map(|plan| plan.digest.to_string());
    let agreed = said.iter().filter(|review| review.said == Said::Approved && Some(&review.digest) == digest.as_ref());
    let agreed: Vec<Value> = agreed.map(|review| json!({ "by": review.by, "at": review.at })).collect();
    if let Some(detail) = detail.as_object_mut().filter(|_| !agreed.is_empty()) {
        detail.insert("approvers".to_owned(), Value::from(agreed));
        detail.insert("plan".to_owned(), Value::from(digest));
    }
    Ok(detail)
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
