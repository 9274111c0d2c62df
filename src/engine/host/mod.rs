//! Runs workflows on the store: messages in, calls out, and everything in between on the disk.
//!
//! Invariants:
//! - A run's new state, what it asks for and the message that caused it are one transaction. Whatever starts from it starts
//!   after the commit, at once, without polling.
//! - A call is made at least once. After a crash it is made again, with `first` false; an attempt that a crash cut off does
//!   not count.
//! - A result that cannot be stored (disk full) is kept and stored later; the call is not made again for it.
//! - The database is the truth: nothing is kept in memory but what is ready, due or in flight.
//!
//! Known race: an attempt that a drain cut off may still have its effect at GitHub; the next attempt finds it.

mod core;
mod ended;
mod queue;
mod rows;
mod timers;
mod types;
mod work;

#[cfg(test)]
mod tests;

pub use types::{Clock, Event, Executor, NewRun, Options, StepCtx, StepError, Submitted, What};

use crate::domain::{DeliveryId, Millis, Refusal, RunId};
use crate::flow::{Cancel, Message, Workflow};
use crate::store::runs::{Filter, Run, RunState};
use crate::store::steps::{OpenCall, Step};
use crate::store::{Store, StoreError, Tx, inbox, runs, steps, timers as stored_timers};
use core::Core;
use queue::CallJob;
use serde::Serialize;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use work::Worker;

/// The one door to runs. Clones share it.
#[derive(Clone)]
pub struct Host {
    core: Arc<Core>,
    store: Store,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// A run with all that is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct RunView {
    pub run: Run,
    pub input: Value,
    pub steps: Vec<Step>,
    /// Runs that it started.
    pub children: Vec<Run>,
}

/// What a replay did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// These dead runs of the delivery were started again.
    Runs(Vec<RunId>),
    /// It had no dead run: the delivery is pending again, for whoever works on the inbox.
    Pending,
    Unknown,
}

/// How much there is to do, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Load {
    pub running: usize,
    pub waiting: usize,
    /// Timers and repeated attempts.
    pub timed: usize,
}

impl Host {
    /// Takes up what the last process left and starts to work. Nothing else writes runs before this returns.
    ///
    /// # Errors
    /// Those of the store. A single run that cannot be read is logged and left alone.
    pub async fn start(
        store: Store,
        workflows: Vec<Workflow>,
        executor: Arc<dyn Executor>,
        options: Options,
    ) -> Result<Self, Refusal> {
        let core = Arc::new(Core::new(workflows, options));
        let host = Self { core, store, tasks: Arc::default() };
        host.recover().await.map_err(|why| why.refusal())?;
        let worker = Worker { core: Arc::clone(&host.core), store: host.store.clone(), executor };
        let tasks = vec![tokio::spawn(worker.clone().make_calls()), tokio::spawn(worker.fire_timers())];
        *host.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
        host.resume().await.map_err(|why| why.refusal())?;
        Ok(host)
    }

    /// Starts a run in the caller's transaction, unless one has its key. Its first calls are made after the commit.
    ///
    /// # Errors
    /// Those of the store; `Refused` when the workflow is not registered.
    pub fn submit_in(&self, tx: &Tx<'_>, new: NewRun) -> Result<Submitted, StoreError> {
        self.core.submit(tx, new)
    }

    /// Hands a signal to a run in the caller's transaction; false when the run is over or unknown.
    ///
    /// # Errors
    /// Those of the store.
    pub fn signal_in(&self, tx: &Tx<'_>, run: &RunId, name: &str, value: &Value) -> Result<bool, StoreError> {
        self.core.signal(tx, run, name, value)
    }

    /// Asks a run to stop, in the caller's transaction; it does so where its workflow looks or waits next. The first reason
    /// counts.
    ///
    /// # Errors
    /// Those of the store.
    pub fn cancel_in(&self, tx: &Tx<'_>, run: &RunId, reason: &str) -> Result<(), StoreError> {
        self.core.deliver(tx, run, Message::Cancel { reason: reason.to_owned() })
    }

    /// Starts a dead run again from its beginning, in the caller's transaction; false when it is not dead.
    ///
    /// # Errors
    /// Those of the store.
    pub fn replay_in(&self, tx: &Tx<'_>, run: &RunId) -> Result<bool, StoreError> {
        self.core.restart(tx, run)
    }

    /// # Errors
    /// As [`Host::submit_in`].
    pub async fn submit(&self, new: NewRun) -> Result<Submitted, StoreError> {
        let host = self.clone();
        self.store.write(move |tx| host.submit_in(tx, new)).await
    }

    /// # Errors
    /// As [`Host::signal_in`].
    pub async fn signal(&self, run: &RunId, name: &str, value: Value) -> Result<bool, StoreError> {
        let (host, run, name) = (self.clone(), run.clone(), name.to_owned());
        self.store.write(move |tx| host.signal_in(tx, &run, &name, &value)).await
    }

    /// # Errors
    /// As [`Host::cancel_in`].
    pub async fn cancel(&self, run: &RunId, reason: &str) -> Result<(), StoreError> {
        let (host, run, reason) = (self.clone(), run.clone(), reason.to_owned());
        self.store.write(move |tx| host.cancel_in(tx, &run, &reason)).await
    }

    /// Takes a delivery up again: its dead runs, or the delivery itself when it has none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn replay(&self, delivery: &DeliveryId) -> Result<Replayed, StoreError> {
        let (host, delivery) = (self.clone(), delivery.clone());
        self.store.write(move |tx| host.replay_delivery(tx, &delivery)).await
    }

    fn replay_delivery(&self, tx: &Tx<'_>, delivery: &DeliveryId) -> Result<Replayed, StoreError> {
        let mut dead = runs::by_delivery(tx, delivery)?;
        dead.retain(|run| run.state == RunState::Dead);
        // Children of a dead run are started again by it.
        let parents: Vec<RunId> = dead.iter().map(|run| run.id.clone()).collect();
        dead.retain(|run| run.parent.as_ref().is_none_or(|parent| !parents.contains(parent)));
        for run in &dead {
            self.replay_in(tx, &run.id)?;
        }
        if !dead.is_empty() {
            return Ok(Replayed::Runs(dead.into_iter().map(|run| run.id).collect()));
        }
        Ok(if inbox::replay(tx, delivery)? { Replayed::Pending } else { Replayed::Unknown })
    }

    /// # Errors
    /// Those of the store.
    pub async fn get(&self, run: &RunId) -> Result<Option<RunView>, StoreError> {
        let id = run.clone();
        let view = self.store.read(move |rx| {
            let Some(run) = runs::get(rx, &id)? else { return Ok(None) };
            let input = runs::input(rx, &id)?.unwrap_or(Value::Null);
            Ok(Some(RunView { run, input, steps: steps::of(rx, &id)?, children: runs::children(rx, &id)? }))
        });
        view.await
    }

    /// Newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Run>, StoreError> {
        self.store.read(move |rx| runs::list(rx, &filter)).await
    }

    /// Waits until the run has ended, at most `timeout`, and gives it as it is then; nothing when there is no such run.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn wait(&self, run: &RunId, timeout: Duration) -> Result<Option<Run>, StoreError> {
        let ended = self.core.listen(run);
        let read = || {
            let id = run.clone();
            self.store.read(move |rx| runs::get(rx, &id))
        };
        let now = read().await?;
        if now.as_ref().is_none_or(|run| run.state != RunState::Active) {
            return Ok(now);
        }
        // Whether it ended or time is up, the store says how it is.
        let _ = tokio::time::timeout(timeout, ended).await;
        read().await
    }

    /// Why the run was asked to stop, if its workflow has not been told yet.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn asked_to_stop(&self, run: &RunId) -> Result<Option<String>, StoreError> {
        let id = run.clone();
        let cancel = self.store.read(move |rx| runs::get(rx, &id)).await?.and_then(|run| run.cancel);
        let cancel = cancel.and_then(|value| serde_json::from_value::<Cancel>(value).ok());
        Ok(cancel.filter(|cancel| !cancel.seen).map(|cancel| cancel.reason))
    }

    /// Waits until the run is asked to stop, and tells why; for calls that can be ended early.
    pub async fn stopped(&self, run: &RunId) -> String {
        let mut stops = self.core.stops.subscribe();
        loop {
            if let Ok(Some(reason)) = self.asked_to_stop(run).await {
                return reason;
            }
            // The sender lives as long as the host.
            if stops.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// What happens from now on. A watcher that is more than 1,024 events behind misses the oldest.
    pub fn watch(&self) -> broadcast::Receiver<Event> {
        self.core.events.subscribe()
    }

    /// The time by the clock that runs go by.
    pub fn now(&self) -> Millis {
        self.core.now()
    }

    pub fn load(&self) -> Load {
        let (running, waiting) = self.core.queue.depth();
        Load { running, waiting, timed: self.core.timers.len() }
    }

    /// Starts no more calls, gives those in flight `grace` to end, cuts the others off and gives their number. What is left
    /// is taken up at the next start.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.core.queue.close();
        let deadline = tokio::time::Instant::now() + grace;
        while self.core.queue.depth().0 > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let left = self.core.queue.depth().0;
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            task.abort();
            // It was told to end; how it ends is of no interest.
            let _ = task.await;
        }
        left
    }

    /// Lines up what the last process left: calls without an answer, and timers.
    async fn recover(&self) -> Result<(), StoreError> {
        let (calls, timers) = self.store.read(|rx| Ok((steps::open_calls(rx)?, stored_timers::all(rx)?))).await?;
        let now = self.core.now();
        for (run, name, at) in timers {
            self.core.timers.set(run, name, at, now);
        }
        for call in calls {
            let wait = work::remaining(now, call.next_at);
            let job = left_over(call);
            if wait.is_zero() { self.core.queue.push(job) } else { self.core.timers.retry(job, wait) }
        }
        Ok(())
    }

    /// Evaluates every active run, because this program may ask for more than the one that stored it.
    async fn resume(&self) -> Result<(), StoreError> {
        let active = self.store.read(runs::active).await?;
        let resumed = active.into_iter().map(|run| async move {
            let (host, id) = (self.clone(), run.clone());
            if let Err(why) = self.store.write(move |tx| host.core.deliver(tx, &id, Message::Resume)).await {
                tracing::error!(%run, %why, "a run cannot be taken up");
            }
        });
        futures::future::join_all(resumed).await;
        Ok(())
    }
}

fn left_over(call: OpenCall) -> CallJob {
    CallJob {
        run: call.run,
        step: call.step,
        workflow: call.workflow,
        subject: Arc::new(call.subject),
        call: None,
        fresh: false,
        starts: call.starts,
        attempts: call.attempts,
        first_error_at: call.first_error_at,
    }
}
