//! Answers the operator's questions from the store; the same for a running server and for a command without one.

use super::view::{DeliveryDetail, DeliveryRow, RunDetail, RunRow, Status, StepRow};
use crate::actions::access::{About, Caller};
use crate::domain::{DeliveryId, Millis, Refusal, RunId, hex};
use crate::store::audit::{self, Record};
use crate::store::chain::{self, Link};
use crate::store::inbox::{self, Delivery, DeliveryStatus};
use crate::store::runs::{self, Run, RunState};
use crate::store::steps::{self, Step};
use crate::store::{Rx, Store, StoreError};
use crate::workflow::look;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::Notify;

/// How many runs are listed at most.
const MOST: u32 = 1_000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeliveryFilter {
    pub status: Option<DeliveryStatus>,
    pub limit: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunFilter {
    pub state: Option<RunState>,
    pub limit: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct AuditFilter {
    pub after: u64,
    pub limit: u32,
}

#[derive(Clone)]
pub struct Desk {
    pub(super) store: Store,
    /// Rung when a delivery waits for its turn again.
    bell: Arc<Notify>,
}

impl Desk {
    pub fn new(store: Store, bell: Arc<Notify>) -> Self {
        Self { store, bell }
    }

    /// Newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, Refusal> {
        let list = self.read(move |rx| inbox::list(rx, filter.status, filter.limit)).await?;
        Ok(list.into_iter().map(delivery_row).collect())
    }

    /// # Errors
    /// `delivery_unknown`, or those of the store.
    pub async fn delivery(&self, id: &str) -> Result<DeliveryDetail, Refusal> {
        let id = DeliveryId::parse(id).ok_or_else(delivery_unknown)?;
        let found = self.read(move |rx| Ok((inbox::get(rx, &id)?, inbox::payload(rx, &id)?, inbox::runs(rx, &id)?))).await?;
        let (delivery, payload, runs) = found;
        let delivery = delivery.ok_or_else(delivery_unknown)?;
        let waits = delivery.status == DeliveryStatus::Pending && delivery.attempts > 0;
        Ok(DeliveryDetail {
            installation: delivery.installation.map(|id| id.0),
            next_attempt_at: waits.then(|| delivery.next_at.rfc3339()),
            size: delivery.size,
            runs: runs.into_iter().map(String::from).collect(),
            payload: payload.and_then(|payload| serde_json::from_slice(&payload).ok()),
            row: delivery_row(delivery),
        })
    }

    /// Lets a delivery wait for its turn again, whatever became of it before.
    ///
    /// # Errors
    /// `delivery_unknown`, `delivery_pending` (its turn has not come yet), or those of the store.
    pub async fn replay(&self, id: &str) -> Result<DeliveryRow, Refusal> {
        let id = DeliveryId::parse(id).ok_or_else(delivery_unknown)?;
        let bell = self.bell.clone();
        let replayed = self.store.write(move |tx| {
            let delivery = inbox::get(tx, &id)?.ok_or_else(delivery_unknown)?;
            if delivery.status == DeliveryStatus::Pending && delivery.attempts == 0 {
                return Err(delivery_pending().into());
            }
            inbox::replay(tx, &id)?;
            tx.after_commit(move || bell.notify_one());
            inbox::get(tx, &id)?.ok_or_else(|| delivery_unknown().into())
        });
        Ok(delivery_row(replayed.await.map_err(|error| error.refusal())?))
    }

    /// Puts on record what was asked at a door and how it was answered.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn note(&self, record: Record) -> Result<(), Refusal> {
        self.store.write(move |tx| audit::add(tx, &record)).await.map_err(|error| error.refusal())
    }

    /// Rows of the audit after this one, in order.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn audit(&self, filter: AuditFilter) -> Result<Vec<Link>, Refusal> {
        self.read(move |rx| chain::after(rx, filter.after, filter.limit)).await
    }

    /// # Errors
    /// Those of the store.
    pub async fn status(&self) -> Result<Status, Refusal> {
        let depth = self.read(inbox::depth).await?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Status { version, inbox_depth: depth.pending, dead_letters: depth.dead })
    }

    pub(in crate::surfaces) async fn read<T, F>(&self, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Rx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.store.read(work).await.map_err(|error| error.refusal())
    }

    /// Those that this caller may see, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn runs(&self, filter: RunFilter, caller: &Caller) -> Result<Vec<RunRow>, Refusal> {
        let wanted = filter.limit.min(MOST);
        // Whoever may not see all of a repository's runs gets as many as they asked for of their own.
        let read = if caller.only_repo().is_some() { MOST } else { wanted };
        let filter =
            runs::Filter { repo: caller.only_repo(), state: filter.state, limit: Some(read), ..runs::Filter::default() };
        let list = self.read(move |rx| runs::list(rx, &filter)).await?;
        let seen = list.iter().filter(|run| sees(caller, run));
        Ok(seen.take(usize::try_from(wanted).unwrap_or(usize::MAX)).map(run_row).collect())
    }

    /// # Errors
    /// `run_unknown`, also where it is not for this caller, or those of the store.
    pub async fn run(&self, id: &str, caller: &Caller) -> Result<RunDetail, Refusal> {
        let unknown = || {
            let message = "There is no run with this id.";
            Refusal::user("run_unknown", message, "List the runs with `lockkeeper runs` and copy the id from there.")
        };
        let id = RunId::parse(id).ok_or_else(unknown)?;
        let read = self.read(move |rx| match runs::get(rx, &id)? {
            Some(run) => Ok(Some((steps::of(rx, &run.id)?, run))),
            None => Ok(None),
        });
        let (steps, run) = read.await?.filter(|(_, run)| sees(caller, run)).ok_or_else(unknown)?;
        let detail = RunDetail {
            row: run_row(&run),
            actor: run.subject.actor,
            delivery: run.subject.delivery.map(String::from),
            parent: run.parent.map(String::from),
            steps: steps.into_iter().map(step_row).collect(),
            outcome: run.outcome,
            mark: String::new(),
        };
        let text = serde_json::to_vec(&detail).map_err(|why| Refusal::us("json", format!("The run cannot be told: {why}.")))?;
        let mark = hex(&Sha256::digest(text)[..8]);
        Ok(RunDetail { mark, ..detail })
    }
}

/// Whether a run is this caller's to see. A question says what was asked: it is for whoever asked it.
pub fn sees(caller: &Caller, run: &Run) -> bool {
    let subject = &run.subject;
    let about = About { repo: Some(subject.repo.id), environment: subject.environment.as_ref() };
    let question = run.workflow == look::WORKFLOW.name;
    caller.sees(about, &subject.actor) && (!question || caller.only_repo().is_none() || caller.actor == subject.actor)
}

fn delivery_unknown() -> Refusal {
    let message = "There is no delivery with this id.";
    Refusal::user("delivery_unknown", message, "List them with `lockkeeper deliveries` and copy the id from there.")
}

fn delivery_pending() -> Refusal {
    let message = "The delivery has not been worked on yet.";
    Refusal::user("delivery_pending", message, "Wait; if nothing happens, look at the server's log.")
}

fn delivery_row(delivery: Delivery) -> DeliveryRow {
    DeliveryRow {
        delivery: delivery.id.to_string(),
        event: delivery.event,
        action: delivery.action,
        repository: delivery.repo_name,
        received_at: delivery.received_at.rfc3339(),
        status: delivery.status.as_str().to_owned(),
        attempts: delivery.attempts,
        note: delivery.note,
    }
}

fn run_row(run: &Run) -> RunRow {
    RunRow {
        run: run.id.to_string(),
        workflow: run.workflow.clone(),
        repository: run.subject.repo.name.to_string(),
        tag: run.subject.tag.as_ref().map(ToString::to_string),
        sha: run.subject.sha.as_ref().map(ToString::to_string),
        environment: run.subject.environment.as_ref().map(ToString::to_string),
        state: run.state.as_str().to_owned(),
        created_at: run.created_at.rfc3339(),
        updated_at: run.updated_at.rfc3339(),
    }
}

fn step_row(step: Step) -> StepRow {
    StepRow {
        name: step.name,
        kind: step.kind,
        state: step.state,
        attempts: step.attempts,
        last_error: step.last_error,
        started_at: step.started_at.rfc3339(),
        finished_at: step.finished_at.map(Millis::rfc3339),
        next_attempt_at: step.next_at.map(Millis::rfc3339),
    }
}
