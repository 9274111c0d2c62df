//! The host's words: what is submitted, what an executor is told and answers.

use super::queue::Place;
use crate::domain::{Millis, Refusal, RunId};
use crate::store::runs::{RunState, Subject};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A run to start.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// The name of a registered workflow.
    pub workflow: String,
    /// The natural key: a second submission with the same one is the same run.
    pub key: String,
    pub subject: Subject,
    /// A versioned serde type of the workflow.
    pub input: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    New(RunId),
    /// A run has this key already; nothing was started.
    Existing(RunId, RunState),
}

impl Submitted {
    pub fn id(&self) -> &RunId {
        match self {
            Self::New(id) | Self::Existing(id, _) => id,
        }
    }
}

/// What an executor is told about the call that it is to make. `(run, step)` is the idempotency key of its effect.
#[derive(Clone, Debug)]
pub struct StepCtx {
    pub run: RunId,
    pub step: String,
    pub workflow: String,
    /// True only if the call was asked for in this process and nobody has tried it: then no earlier work of ours can be
    /// there. Otherwise look for it before acting.
    pub first: bool,
    /// 1 for the first; attempts that a crash cut off are not counted.
    pub attempt: u32,
    pub subject: Arc<Subject>,
    /// Its place among the calls in flight.
    pub place: Place,
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq)]
pub enum StepError {
    /// Trying again may help. `after` is the time that GitHub named; without it the host chooses.
    Retry { after: Option<Duration>, refusal: Refusal },
    /// As `Retry`, and nothing was made for certain: the next attempt need not look for what this one has done.
    Untried { after: Option<Duration>, refusal: Refusal },
    /// Trying again cannot help; the workflow gets the refusal.
    Fail(Refusal),
}

/// Makes the calls that workflows ask for. An attempt may be cut off anywhere (a crash, a drain that ran out of time) and is
/// made again then.
pub trait Executor: Send + Sync + 'static {
    fn execute(&self, ctx: StepCtx, call: Value) -> BoxFuture<'_, Result<Value, StepError>>;
}

/// Reads the wall clock; tests set their own.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

#[derive(Clone)]
pub struct Options {
    /// A step is given up when its first failure is older than this, and it failed [`Options::least_attempts`] times.
    pub dead_after: Duration,
    /// So that neither a clock that jumped nor a long time out of service gives up a step that was hardly tried.
    pub least_attempts: u32,
    /// The longest wait before the second attempt; doubled for each further one. The wait is random below that.
    pub first_retry: Duration,
    /// The longest wait between two attempts, unless GitHub names a time.
    pub longest_retry: Duration,
    /// Calls in flight at most.
    pub concurrency: usize,
    /// Calls in flight at most for one repository, so that a slow one cannot starve the others.
    pub per_repository: usize,
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dead_after: Duration::from_secs(24 * 60 * 60),
            least_attempts: 8,
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(30),
            concurrency: 64,
            per_repository: 8,
            clock: Arc::new(wall_clock),
        }
    }
}

fn wall_clock() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Something that happened to a run and is on the disk; for those who watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Millis,
    pub run: RunId,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    Started {
        workflow: String,
        key: String,
    },
    /// A step, wait, lock or child is new or has a new state (`pending`, `done`, `failed`, `dead`, `held`, …).
    Step {
        name: String,
        kind: String,
        state: String,
    },
    /// An attempt failed and another one follows.
    Retry {
        name: String,
        attempt: u32,
        next_at: Millis,
        code: String,
    },
    Ended {
        state: RunState,
    },
}
