//! What goes into the kernel and what comes out.

use super::Outcome;
use crate::domain::{Millis, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What can happen to a run. Each is harmless when it comes twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum Message {
    /// The run was made.
    Start,
    /// Nothing new: evaluate again, because the program was restarted and may have changed.
    Resume,
    /// A call came to its end.
    Done {
        name: String,
        result: Result<Value, StepFailure>,
    },
    /// `id` grows in the order of arrival and is unique within the run.
    Signal {
        id: u64,
        name: String,
        value: Value,
    },
    /// The timer of this name is due.
    Timer {
        name: String,
    },
    /// The lock that was asked for under this name is held now.
    Locked {
        name: String,
        token: u64,
    },
    ChildDone {
        name: String,
        outcome: Outcome,
    },
    Cancel {
        reason: String,
    },
}

/// What the host must do, committed together with the state that asked for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Execute a step and answer with [`Message::Done`].
    Call {
        name: String,
        call: Value,
    },
    SetTimer {
        name: String,
        at: Millis,
    },
    ClearTimer {
        name: String,
    },
    /// Join the queue of a lock; answer with [`Message::Locked`] when it is held.
    Lock {
        name: String,
        key: String,
    },
    /// Let a lock go, or leave its queue.
    Unlock {
        name: String,
        key: String,
    },
    /// Start another run (or join one that has this natural key) and answer with [`Message::ChildDone`] at its end.
    Child {
        name: String,
        workflow: String,
        key: String,
        input: Value,
    },
    /// Ask a child that this run started to stop.
    CancelChild {
        name: String,
        reason: String,
    },
    /// The run is over: its timers, locks and places in queues go away.
    Finish {
        outcome: Outcome,
    },
}

/// A step that will not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// The step's name.
    pub step: String,
    pub refusal: Refusal,
    /// It was given up after the longest time of retries, not refused.
    pub dead: bool,
}

impl StepFailure {
    pub(super) fn bug(step: &str, code: &str, message: impl Into<String>) -> Self {
        Self { step: step.to_owned(), refusal: Refusal::us(code, message), dead: false }
    }
}

/// Why a workflow's function ends before its last line. Pass it on with `?`.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// There is something to wait for; the function is evaluated again when it has come.
    Suspended,
    /// A step failed and the workflow did not take the failure with `try_step`. What was to be undone is undone, and the
    /// run ends.
    Failed(StepFailure),
}
