//! The tasks that make calls and fire timers, and store what came of it. Nothing that happened is forgotten because it could
//! not be stored at once: it is kept and tried again until the store takes it or closes.

use super::core::{Core, bury};
use super::queue::{CallJob, Place, Slot};
use super::timers::{Due, Watch};
use super::types::{Executor, Options, StepCtx, StepError, What};
use crate::domain::{Blame, Millis, Refusal, RunId};
use crate::flow::{Message, StepFailure};
use crate::store::{Store, StoreError, Tx, runs, steps, timers};
use futures::FutureExt;
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

#[derive(Clone)]
pub(super) struct Worker {
    pub core: Arc<Core>,
    pub store: Store,
    pub executor: Arc<dyn Executor>,
}

impl Worker {
    /// Makes calls while there are free slots. Dropping it cuts off the calls in flight.
    pub(super) async fn make_calls(self) {
        let mut tasks = JoinSet::new();
        loop {
            while let Some((job, slot)) = self.core.queue.next() {
                tasks.spawn(self.clone().attempt(job, slot));
            }
            tokio::select! {
                () = self.core.queue.changed() => {}
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            }
        }
    }

    pub(super) async fn fire_timers(self) {
        let mut watch = Watch::new();
        let mut tasks = JoinSet::new();
        let clock = Arc::clone(&self.core.options.clock);
        loop {
            tokio::select! {
                due = self.core.timers.next(&*clock, &mut watch) => match due {
                    Due::Retry(job) => self.core.queue.push(*job),
                    Due::Timer { run, name, .. } => drop(tasks.spawn(self.clone().fire(run, name))),
                },
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            }
        }
    }

    async fn fire(self, run: RunId, name: String) {
        let core = Arc::clone(&self.core);
        self.insist(move |tx| {
            if timers::clear(tx, &run, &name)? {
                core.deliver(tx, &run, Message::Timer { name: name.clone() })?;
            }
            Ok(())
        })
        .await;
    }

    async fn attempt(self, mut job: CallJob, slot: Slot) {
        let call = match job.call.take() {
            Some(call) => call,
            None => match self.read_call(&job).await {
                Some(call) => call,
                None => return,
            },
        };
        let ctx = StepCtx {
            run: job.run.clone(),
            step: job.step.clone(),
            workflow: job.workflow.clone(),
            first: job.fresh,
            attempt: job.attempts + 1,
            subject: Arc::clone(&job.subject),
            place: Place::of(slot),
        };
        let place = ctx.place.clone();
        let attempt = AssertUnwindSafe(self.executor.execute(ctx, call)).catch_unwind().await;
        let result = attempt.unwrap_or_else(|_| {
            tracing::error!(run = %job.run, step = job.step, "a step panicked");
            Err(StepError::Fail(Refusal::us("step_panicked", "A step of the run met a bug in Lockkeeper.")))
        });
        // The call is over: its place is free while the result is stored.
        place.leave();
        let core = Arc::clone(&self.core);
        self.insist(move |tx| settle(&core, tx, &job, &result)).await;
    }

    /// The call as it is stored; nothing when it has been answered meanwhile or the store is closing.
    async fn read_call(&self, job: &CallJob) -> Option<Value> {
        let mut wait = Duration::from_millis(50);
        loop {
            let (run, step) = (job.run.clone(), job.step.clone());
            match self.store.read(move |rx| steps::get(rx, &run, &step)).await {
                Ok(step) => return step.filter(|step| step.state == steps::PENDING).map(|step| step.body),
                Err(StoreError::Closed) => return None,
                Err(why) => tracing::error!(run = %job.run, step = job.step, %why, "a call cannot be read"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(30));
        }
    }

    /// Writes until it is stored.
    async fn insist(&self, work: impl Fn(&Tx<'_>) -> Result<(), StoreError> + Send + Sync + 'static) {
        let work = Arc::new(work);
        let mut wait = Duration::from_millis(50);
        loop {
            let piece = Arc::clone(&work);
            match self.store.write(move |tx| piece(tx)).await {
                Ok(()) | Err(StoreError::Closed) => return,
                Err(why) => tracing::error!(%why, "what happened to a run cannot be stored; it is kept and tried again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(30));
        }
    }
}

/// Stores what came of an attempt: the result, the failure, or when to try again.
fn settle(core: &Arc<Core>, tx: &Tx<'_>, job: &CallJob, result: &Result<Value, StepError>) -> Result<(), StoreError> {
    // A run that was started again meanwhile does not want the results of its earlier life.
    if runs::get(tx, &job.run)?.is_none_or(|run| run.starts != job.starts) {
        return Ok(());
    }
    let now = core.now();
    let fresh = job.fresh && matches!(result, Err(StepError::Untried { .. }));
    match result {
        Ok(value) => answer(core, tx, job, Ok(value.clone())),
        Err(StepError::Fail(refusal)) => {
            steps::failed(tx, &job.run, &job.step, &refusal.to_string(), now, None)?;
            give_up(core, tx, job, refusal.clone(), refusal.blame == Blame::Us)
        }
        Err(StepError::Retry { after, refusal } | StepError::Untried { after, refusal }) => {
            let first = job.first_error_at.unwrap_or(now);
            let job = CallJob { attempts: job.attempts + 1, first_error_at: Some(first), fresh, ..job.clone() };
            if job.attempts >= core.options.least_attempts && first.until(now) >= core.options.dead_after {
                steps::failed(tx, &job.run, &job.step, &refusal.to_string(), now, None)?;
                let note = format!("Step {} of run {} was given up: {refusal}", job.step, job.run);
                bury(tx, &job.subject, &note, now)?;
                return give_up(core, tx, &job, too_long(refusal, first.until(now), job.attempts), true);
            }
            let wait = after.unwrap_or_else(|| backoff(&core.options, job.attempts, rand::random()));
            let next_at = now.plus(wait);
            steps::failed(tx, &job.run, &job.step, &refusal.to_string(), now, Some(next_at))?;
            let (name, attempt, code) = (job.step.clone(), job.attempts, refusal.code.clone());
            core.tell(tx, &job.run, now, What::Retry { name, attempt, next_at, code });
            let core = Arc::clone(core);
            tx.after_commit(move || core.timers.retry(job, wait));
            Ok(())
        }
    }
}

fn give_up(core: &Arc<Core>, tx: &Tx<'_>, job: &CallJob, refusal: Refusal, dead: bool) -> Result<(), StoreError> {
    answer(core, tx, job, Err(StepFailure { step: job.step.clone(), refusal, dead }))
}

fn answer(core: &Arc<Core>, tx: &Tx<'_>, job: &CallJob, result: Result<Value, StepFailure>) -> Result<(), StoreError> {
    core.deliver(tx, &job.run, Message::Done { name: job.step.clone(), result })
}

fn too_long(refusal: &Refusal, since: Duration, attempts: u32) -> Refusal {
    let text = format!("{} Lockkeeper gave up after {} and {attempts} attempts.", refusal.message, span(since));
    Refusal { message: text, ..refusal.clone() }
}

/// A span for people, in its largest whole unit.
fn span(span: Duration) -> String {
    let (count, unit) = match span.as_secs() {
        s @ 0..120 => (s, "second"),
        s @ 120..7200 => (s / 60, "minute"),
        s => (s / 3600, "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Full jitter: a random part (`dice` of 1) of a bound that doubles from attempt to attempt.
pub(super) fn backoff(options: &Options, attempts: u32, dice: f64) -> Duration {
    let doubled = options.first_retry.saturating_mul(1_u32 << attempts.saturating_sub(1).min(16));
    doubled.min(options.longest_retry).mul_f64(dice.clamp(0.0, 1.0))
}

/// How long until a stored time, as far as the clock can be believed: one that was set back must not make it a day.
pub(super) fn remaining(now: Millis, next_at: Option<Millis>) -> Duration {
    next_at.map_or(Duration::ZERO, |at| now.until(at)).min(Duration::from_secs(60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_with_full_jitter() {
        let options = Options::default();
        let longest: Vec<u64> = (1..9).map(|n| backoff(&options, n, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff(&options, 1, 0.0), Duration::ZERO);
        assert_eq!(backoff(&options, 3, 0.5), Duration::from_secs(2));
        assert_eq!(backoff(&options, u32::MAX, 1.0), Duration::from_secs(30));
    }

    #[test]
    fn a_stored_time_is_believed_for_an_hour() {
        assert_eq!(remaining(Millis(1_000), Some(Millis(3_000))), Duration::from_secs(2));
        assert_eq!(remaining(Millis(5_000), Some(Millis(3_000))), Duration::ZERO);
        assert_eq!(remaining(Millis(0), Some(Millis(i64::MAX))), Duration::from_secs(3600));
    }

    #[test]
    fn spans_read_well() {
        let text = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([text(1), text(90), text(600), text(86_400)], ["1 second", "90 seconds", "10 minutes", "24 hours"]);
    }
}
