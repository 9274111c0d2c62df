//! One message: apply it, evaluate the workflow, collect what it asks for.

use super::{Cancel, Command, Entry, Flow, Forgotten, LockEnd, Message, Outcome, Queued, State, StepFailure, Stop};
use crate::domain::Millis;
use serde_json::Value;
use std::collections::BTreeSet;

/// A workflow's function. It must be free of effects: it is called again for every message.
pub type WorkflowFn = fn(&mut Flow, &Value) -> Result<Value, Stop>;

/// A workflow by name. Raise `version` when a change must be told from runs that were started before it.
#[derive(Clone, Copy, Debug)]
pub struct Workflow {
    pub name: &'static str,
    pub version: u32,
    pub run: WorkflowFn,
}

/// What one message led to: the commands to carry out, and the names of the rows to write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advance {
    pub commands: Vec<Command>,
    /// Names of entries that are new or changed.
    pub changed: BTreeSet<String>,
    /// Ids of signals that a wait consumed.
    pub taken: Vec<u64>,
    pub forgotten: Forgotten,
}

/// Applies `message` at `now` and evaluates the workflow. A message that is known already, or that comes after the end,
/// changes nothing.
pub fn advance(state: &mut State, message: Message, now: Millis, workflow: WorkflowFn) -> Advance {
    if state.outcome.is_some() {
        return Advance::default();
    }
    let mut commands = Vec::new();
    if apply(state, message, &mut commands) {
        evaluate(state, now, workflow, &mut commands);
    }
    Advance {
        commands,
        changed: std::mem::take(&mut state.changed),
        taken: std::mem::take(&mut state.taken),
        forgotten: std::mem::take(&mut state.forgotten),
    }
}

/// Stores what a message says; false when it says nothing new.
fn apply(state: &mut State, message: Message, commands: &mut Vec<Command>) -> bool {
    match message {
        Message::Start | Message::Resume => true,
        Message::Done { name, result } => done(state, &name, result),
        Message::Signal { id, name, value } => {
            let fresh = !state.signals.contains_key(&id) && !state.has_heard(id);
            if fresh {
                state.signals.insert(id, Queued { name, value, taken_by: None });
            }
            fresh
        }
        Message::Timer { name } => timer(state, &name, commands),
        Message::Locked { name, token: granted } => {
            let Some(Entry::Lock { key, token: None, until, over: None }) = state.entry(&name).cloned() else { return false };
            state.put(&name, Entry::Lock { key, token: Some(granted), until, over: None });
            true
        }
        Message::ChildDone { name, outcome: end } => {
            let Some(Entry::Child { workflow, key, input, outcome: None }) = state.entry(&name).cloned() else { return false };
            state.put(&name, Entry::Child { workflow, key, input, outcome: Some(end) });
            true
        }
        Message::Cancel { reason } => cancel(state, reason, commands),
    }
}

fn done(state: &mut State, name: &str, end: Result<Value, StepFailure>) -> bool {
    let entry = match state.entry(name) {
        Some(Entry::Call { call, result: None }) => Entry::Call { call: call.clone(), result: Some(end) },
        Some(Entry::Undo { call, called: true, result: None }) => {
            Entry::Undo { call: call.clone(), called: true, result: Some(end) }
        }
        _ => return false,
    };
    state.put(name, entry);
    true
}

/// The host says that it is time; `now` is not asked again, because the clock may have been set back since.
fn timer(state: &mut State, name: &str, commands: &mut Vec<Command>) -> bool {
    use super::WaitEnd::TimedOut;
    let entry = match state.entry(name) {
        Some(Entry::Sleep { at, over: None }) => Entry::Sleep { at: *at, over: Some(TimedOut) },
        // A signal in the queue was there before the deadline: the evaluation takes it.
        Some(Entry::Wait { signal, over: None, .. }) if state.has_queued(signal) => return true,
        Some(Entry::Wait { signal, deadline, over: None }) => {
            Entry::Wait { signal: signal.clone(), deadline: *deadline, over: Some(TimedOut) }
        }
        // A lock without an end is lost by no timer.
        Some(Entry::Lock { key, token, until: until @ Some(_), over: None }) => {
            commands.push(Command::Unlock { name: name.to_owned(), key: key.clone() });
            Entry::Lock { key: key.clone(), token: *token, until: *until, over: Some(LockEnd::TimedOut) }
        }
        _ => return false,
    };
    state.put(name, entry);
    true
}

fn cancel(state: &mut State, reason: String, commands: &mut Vec<Command>) -> bool {
    if state.cancel.is_some() {
        return false;
    }
    for (name, named) in &state.entries {
        if matches!(named.entry, Entry::Child { outcome: None, .. }) {
            commands.push(Command::CancelChild { name: name.clone(), reason: reason.clone() });
        }
    }
    state.cancel = Some(Cancel { reason, seen: false });
    true
}

fn evaluate(state: &mut State, now: Millis, workflow: WorkflowFn, commands: &mut Vec<Command>) {
    let input = std::mem::take(&mut state.input);
    let mut flow = Flow::new(state, now, commands);
    let answer = workflow(&mut flow, &input);
    // A workflow that swallowed a `Suspended` has decided without knowing: its answer does not count.
    let outcome = match answer {
        _ if flow.is_suspended() => None,
        Ok(value) => Some(Outcome::Finished(value)),
        Err(Stop::Suspended) => Some(Outcome::Failed(Flow::stuck())),
        Err(Stop::Failed(failure)) => flow.unwind_all().ok().map(|_| Outcome::Failed(failure.refusal)),
    };
    state.input = input;
    if let Some(outcome) = outcome {
        commands.push(Command::Finish { outcome: outcome.clone() });
        state.outcome = Some(outcome);
    }
}
