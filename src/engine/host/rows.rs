//! Between the kernel's state and the store's rows. Only what an advance changed is written.

use crate::domain::{Millis, Refusal};
use crate::flow::{Advance, Entry, LockEnd, Named, Outcome, Queued, State, StepFailure, WaitEnd};
use crate::store::runs::{self, Run};
use crate::store::{Rx, StoreError, Tx, signals, steps};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The state of a run as it is stored.
///
/// # Errors
/// Those of the store; `Sql` when a row cannot be understood.
pub(super) fn load(rx: &Rx<'_>, run: &Run) -> Result<State, StoreError> {
    let input = runs::input(rx, &run.id)?.unwrap_or(Value::Null);
    let mut state = State::new(input, run.flow_version);
    state.cancel = run.cancel.clone().map(read).transpose()?;
    state.outcome = run.outcome.clone().map(read).transpose()?;
    for step in steps::of(rx, &run.id)? {
        let (name, seq) = (step.name.clone(), step.seq);
        state.entries.insert(name, Named { seq, entry: entry(step)? });
    }
    for signal in signals::of(rx, &run.id)? {
        state.signals.insert(signal.id, Queued { name: signal.name, value: signal.value, taken_by: signal.taken_by });
    }
    Ok(state)
}

/// Writes what changed, deletes what was forgotten, and gives (name, kind, state) of each entry written.
///
/// # Errors
/// Those of the store.
pub(super) fn save(
    tx: &Tx<'_>,
    run: &Run,
    state: &State,
    advance: &Advance,
    now: Millis,
) -> Result<Vec<(String, &'static str, &'static str)>, StoreError> {
    let mut written = Vec::with_capacity(advance.changed.len());
    let mut changed: Vec<_> = advance.changed.iter().filter_map(|name| state.entries.get_key_value(name)).collect();
    changed.sort_unstable_by_key(|(_, named)| named.seq);
    for (name, named) in changed {
        let row = row(&named.entry)?;
        let change = steps::Change {
            name,
            seq: named.seq,
            kind: row.kind,
            state: row.state,
            body: &row.body,
            result: row.result,
            finished: !matches!(row.state, steps::PENDING | ARMED | HELD | GOING),
        };
        steps::put(tx, &run.id, &change, now)?;
        written.push((name.clone(), row.kind, row.state));
    }
    for id in &advance.taken {
        if let Some(wait) = state.signals.get(id).and_then(|queued| queued.taken_by.as_deref()) {
            signals::take(tx, *id, wait)?;
        }
    }
    advance.forgotten.entries.iter().try_for_each(|name| steps::forget_one(tx, &run.id, name))?;
    advance.forgotten.signals.iter().try_for_each(|id| signals::forget_one(tx, *id))?;
    Ok(written)
}

const ARMED: &str = "armed";
const HELD: &str = "held";
const RELEASED: &str = "released";
const TIMED_OUT: &str = "timed_out";
/// A loop that is not over.
const GOING: &str = "going";
const FOLD: &str = "fold";

struct Row {
    kind: &'static str,
    state: &'static str,
    body: Value,
    result: Option<Value>,
}

fn row(entry: &Entry) -> Result<Row, StoreError> {
    let row = match entry {
        Entry::Call { call, result } => called(steps::CALL, call, true, result)?,
        Entry::Undo { call, called: started, result } => called(steps::UNDO, call, *started, result)?,
        Entry::Record { value } => Row { kind: "record", state: "done", body: Value::Null, result: Some(value.clone()) },
        Entry::Look { reason } => Row { kind: "look", state: "done", body: Value::Null, result: Some(write(reason)?) },
        Entry::Sleep { at, over } => ended("sleep", json!({ "at": at }), over.as_ref())?,
        Entry::Wait { signal, deadline, over } => {
            ended("wait", json!({ "signal": signal, "deadline": deadline }), over.as_ref())?
        }
        Entry::Lock { key, token, until, over } => Row {
            kind: "lock",
            state: match over {
                Some(LockEnd::Released) => RELEASED,
                Some(LockEnd::TimedOut) => TIMED_OUT,
                None => token.map_or(steps::PENDING, |_| HELD),
            },
            body: json!({ "key": key, "until": until }),
            result: token.map(|token| json!(token)),
        },
        Entry::Fold { over, .. } => {
            Row { kind: FOLD, state: if *over { "done" } else { GOING }, body: Value::Null, result: Some(write(entry)?) }
        }
        Entry::Child { workflow, key, input, outcome } => Row {
            kind: steps::CHILD,
            state: outcome.as_ref().map_or(steps::PENDING, |_| "done"),
            body: json!({ "workflow": workflow, "key": key, "input": input }),
            result: outcome.as_ref().map(write).transpose()?,
        },
    };
    Ok(row)
}

fn called(
    kind: &'static str,
    call: &Value,
    started: bool,
    result: &Option<Result<Value, StepFailure>>,
) -> Result<Row, StoreError> {
    let state = match result {
        None if started => steps::PENDING,
        None => ARMED,
        Some(Ok(_)) => "done",
        Some(Err(failure)) if failure.dead => "dead",
        Some(Err(_)) => "failed",
    };
    let result = match result {
        None => None,
        Some(Ok(value)) => Some(value.clone()),
        Some(Err(failure)) => Some(write(failure)?),
    };
    Ok(Row { kind, state, body: call.clone(), result })
}

fn ended(kind: &'static str, body: Value, over: Option<&WaitEnd>) -> Result<Row, StoreError> {
    let state = match over {
        None => steps::PENDING,
        Some(WaitEnd::Signalled) => "signalled",
        Some(WaitEnd::TimedOut) if kind == "sleep" => "done",
        Some(WaitEnd::TimedOut) => TIMED_OUT,
        Some(WaitEnd::Cancelled(_)) => "cancelled",
    };
    Ok(Row { kind, state, body, result: over.map(write).transpose()? })
}

fn entry(step: steps::Step) -> Result<Entry, StoreError> {
    let result = step.result;
    let end = |result: Option<Value>| -> Result<Option<Result<Value, StepFailure>>, StoreError> {
        Ok(match step.state.as_str() {
            steps::PENDING | ARMED => None,
            "done" => Some(Ok(result.unwrap_or(Value::Null))),
            _ => Some(Err(read(result.unwrap_or(Value::Null))?)),
        })
    };
    let field = |name: &str| step.body.get(name).cloned().unwrap_or(Value::Null);
    Ok(match step.kind.as_str() {
        steps::CALL => Entry::Call { call: step.body.clone(), result: end(result)? },
        steps::UNDO => Entry::Undo { call: step.body.clone(), called: step.state != ARMED, result: end(result)? },
        "record" => Entry::Record { value: result.unwrap_or(Value::Null) },
        FOLD => read(result.unwrap_or(Value::Null))?,
        "look" => Entry::Look { reason: read(result.unwrap_or(Value::Null))? },
        "sleep" => Entry::Sleep { at: read(field("at"))?, over: result.map(read).transpose()? },
        "wait" => Entry::Wait {
            signal: read(field("signal"))?,
            deadline: read(field("deadline"))?,
            over: result.map(read).transpose()?,
        },
        "lock" => Entry::Lock {
            key: read(field("key"))?,
            token: result.map(read).transpose()?,
            until: read(field("until"))?,
            over: match step.state.as_str() {
                RELEASED => Some(LockEnd::Released),
                TIMED_OUT => Some(LockEnd::TimedOut),
                _ => None,
            },
        },
        steps::CHILD => Entry::Child {
            workflow: read(field("workflow"))?,
            key: read(field("key"))?,
            input: field("input"),
            outcome: result.map(read).transpose()?,
        },
        other => return Err(unreadable(&format!("its kind is {other}"))),
    })
}

/// The outcome in a run's row, if it has ended.
///
/// # Errors
/// `Sql` when it cannot be understood.
pub(super) fn outcome(run: &Run) -> Result<Option<Outcome>, StoreError> {
    run.outcome.clone().map(read).transpose()
}

pub(super) fn write(value: &impl Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|why| StoreError::Sql(format!("a value cannot be written as JSON: {why}")))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|why| unreadable(&why.to_string()))
}

fn unreadable(why: &str) -> StoreError {
    StoreError::Refused(Refusal::us("run_unreadable", format!("A stored step cannot be understood: {why}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(dead: bool) -> StepFailure {
        StepFailure { step: "a".into(), refusal: Refusal::world("no", "No.", "Wait."), dead }
    }

    #[test]
    fn every_entry_comes_back_as_it_was() {
        let call = json!({"call": 1});
        let mut entries = vec![
            Entry::Record { value: Value::Null },
            Entry::Record { value: json!([1]) },
            Entry::Look { reason: None },
            Entry::Look { reason: Some("stop".into()) },
            Entry::Sleep { at: Millis(5), over: None },
            Entry::Sleep { at: Millis(5), over: Some(WaitEnd::TimedOut) },
            Entry::Sleep { at: Millis(5), over: Some(WaitEnd::Cancelled("stop".into())) },
            Entry::Undo { call: call.clone(), called: false, result: None },
        ];
        for result in [None, Some(Ok(Value::Null)), Some(Ok(json!(1))), Some(Err(failure(false))), Some(Err(failure(true)))] {
            entries.push(Entry::Call { call: call.clone(), result: result.clone() });
            entries.push(Entry::Undo { call: call.clone(), called: true, result });
        }
        for over in [None, Some(WaitEnd::Signalled), Some(WaitEnd::TimedOut), Some(WaitEnd::Cancelled("stop".into()))] {
            entries.push(Entry::Wait { signal: "s".into(), deadline: None, over: over.clone() });
            entries.push(Entry::Wait { signal: "s".into(), deadline: Some(Millis(9)), over });
        }
        for (over, heard) in [(false, None), (true, Some(7)), (false, Some(0))] {
            entries.push(Entry::Fold { round: 3, state: call.clone(), over, dead: heard.is_some(), heard });
        }
        for over in [None, Some(LockEnd::Released), Some(LockEnd::TimedOut)] {
            for (token, until) in [(None, None), (Some(7), None), (None, Some(Millis(9))), (Some(7), Some(Millis(9)))] {
                entries.push(Entry::Lock { key: "k".into(), token, until, over });
            }
        }
        for outcome in [None, Some(Outcome::Finished(json!(1))), Some(Outcome::Failed(Refusal::us("x", "X.")))] {
            entries.push(Entry::Child { workflow: "w".into(), key: "k".into(), input: call.clone(), outcome });
        }
        for one in entries {
            let stored = row(&one).unwrap();
            let step = steps::Step {
                name: "n".into(),
                seq: 0,
                kind: stored.kind.into(),
                state: stored.state.into(),
                attempts: 0,
                first_error: None,
                last_error: None,
                first_error_at: None,
                next_at: None,
                started_at: Millis(0),
                finished_at: None,
                link: None,
                body: stored.body,
                result: stored.result,
            };
            assert_eq!(entry(step).unwrap(), one);
        }
    }
}
