//! A run as the kernel sees it: named entries in the order in which they were first asked for, queued signals, and the end.

use super::StepFailure;
use crate::domain::{Millis, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Finished(Value),
    Failed(Refusal),
}

/// How a wait for a signal ended; its signals stay in [`State::signals`] with the wait's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitEnd {
    Signalled,
    TimedOut,
    Cancelled(String),
}

/// How a lock, or a place in its queue, was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockEnd {
    /// Let go, or left the queue.
    Released,
    /// Its time was over.
    TimedOut,
}

/// One named thing that a workflow asked for, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    Call {
        call: Value,
        result: Option<Result<Value, StepFailure>>,
    },
    Record {
        value: Value,
    },
    Sleep {
        at: Millis,
        over: Option<WaitEnd>,
    },
    Wait {
        signal: String,
        deadline: Option<Millis>,
        over: Option<WaitEnd>,
    },
    Lock {
        key: String,
        token: Option<u64>,
        /// How long the run may wait for it and have it.
        until: Option<Millis>,
        over: Option<LockEnd>,
    },
    Child {
        workflow: String,
        key: String,
        input: Value,
        outcome: Option<Outcome>,
    },
    /// Registered; called when the run unwinds.
    Undo {
        call: Value,
        called: bool,
        result: Option<Result<Value, StepFailure>>,
    },
    /// What a look at the cancellation said.
    Look {
        reason: Option<String>,
    },
    /// A loop: the round that it is in, and what has come of those before it, or of all.
    Fold {
        round: u64,
        state: Value,
        over: bool,
        /// A step of a forgotten round was given up.
        dead: bool,
        /// The last signal that a forgotten round has taken.
        heard: Option<u64>,
    },
}

/// An entry with its place in the order of first asking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    pub seq: u64,
    pub entry: Entry,
}

/// A signal that has come; `taken_by` is the wait that consumed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    pub name: String,
    pub value: Value,
    pub taken_by: Option<String>,
}

/// A wish to stop. It interrupts one wait at most, so that cleaning up may wait again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    pub reason: String,
    /// The workflow has been told.
    pub seen: bool,
}

/// What the rounds of a fold have left behind: rows to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub entries: BTreeSet<String>,
    pub signals: BTreeSet<u64>,
}

/// Everything that is known of a run. The host stores it by rows and writes those that [`super::Advance`] names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub input: Value,
    /// The version of the workflow that started this run.
    pub flow_version: u32,
    pub entries: BTreeMap<String, Named>,
    /// By id, which is the order of arrival.
    pub signals: BTreeMap<u64, Queued>,
    pub cancel: Option<Cancel>,
    pub outcome: Option<Outcome>,
    #[serde(skip)]
    pub(super) changed: BTreeSet<String>,
    #[serde(skip)]
    pub(super) taken: Vec<u64>,
    #[serde(skip)]
    pub(super) forgotten: Forgotten,
}

impl State {
    pub fn new(input: Value, flow_version: u32) -> Self {
        Self {
            input,
            flow_version,
            entries: BTreeMap::new(),
            signals: BTreeMap::new(),
            cancel: None,
            outcome: None,
            changed: BTreeSet::new(),
            taken: Vec::new(),
            forgotten: Forgotten::default(),
        }
    }

    /// Some step was given up after the longest time of retries.
    pub fn has_dead_step(&self) -> bool {
        self.entries.values().any(|named| match &named.entry {
            Entry::Call { result, .. } | Entry::Undo { result, .. } => matches!(result, Some(Err(failure)) if failure.dead),
            Entry::Fold { dead, .. } => *dead,
            _ => false,
        })
    }

    /// Signals of this name have come that no wait has consumed.
    pub fn has_queued(&self, signal: &str) -> bool {
        self.signals.values().any(|queued| queued.name == signal && queued.taken_by.is_none())
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name).map(|named| &named.entry)
    }

    /// Adds or replaces an entry; a new one gets the next place in the order.
    pub(super) fn put(&mut self, name: &str, entry: Entry) {
        let next = || self.entries.values().map(|named| named.seq + 1).max().unwrap_or(0);
        let seq = self.entries.get(name).map_or_else(next, |named| named.seq);
        self.entries.insert(name.to_owned(), Named { seq, entry });
        self.changed.insert(name.to_owned());
    }
}
