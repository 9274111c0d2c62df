//! What a fold keeps and what it forgets.

use crate::domain::{Millis, Refusal};
use crate::flow::{
    Advance, Command, Entry, Flow, Message, Outcome, State, StepFailure, Stop, Turn, Waited, WorkflowFn, advance,
};
use serde_json::{Value, json};
use std::time::Duration;

struct Run {
    state: State,
    workflow: WorkflowFn,
}

impl Run {
    fn start(workflow: WorkflowFn) -> (Self, Advance) {
        let mut run = Self { state: State::new(json!({}), 1), workflow };
        let first = run.send(0, Message::Start);
        (run, first)
    }
    /// As a host does it: the state is written and read back between any two messages.
    fn send(&mut self, now: i64, message: Message) -> Advance {
        let done = advance(&mut self.state, message, Millis(now), self.workflow);
        self.state = serde_json::from_str(&serde_json::to_string(&self.state).unwrap()).unwrap();
        done
    }
    fn names(&self) -> Vec<&str> {
        self.state.entries.keys().map(String::as_str).collect()
    }
    fn code(&self) -> String {
        match &self.state.outcome {
            Some(Outcome::Failed(refusal)) => refusal.code.clone(),
            other => format!("{other:?}"),
        }
    }
}

fn done(name: &str, value: Value) -> Message {
    Message::Done { name: name.into(), result: Ok(value) }
}

fn timer(name: &str) -> Message {
    Message::Timer { name: name.into() }
}

fn signal(id: u64, value: Value) -> Message {
    Message::Signal { id, name: "news".into(), value }
}

/// Waits a second and asks, until the sum is 10,000.
fn sums(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
    f.step::<Value>("before", &json!(0))?;
    let sum: u64 = f.fold(
        "sum",
        || 0_u64,
        |f, sum| {
            if sum >= 10_000 {
                return Ok(Turn::End(sum));
            }
            if let Waited::Signalled(_) = f.signal_or_timeout("wait", "news", Some(f.now().plus(Duration::from_secs(1))))? {
                return Ok(Turn::Next(sum));
            }
            let more: u64 = f.step("ask", &json!({ "sum": sum }))?;
            Ok(Turn::Next(sum + more))
        },
    )?;
    let after: u64 = f.step("after", &json!(sum))?;
    f.finish(&(sum + after))
}

#[test]
fn ten_thousand_rounds_leave_what_one_leaves() {
    let (mut run, _) = Run::start(sums);
    run.send(0, done("before", json!(0)));
    for round in 0..10_000_i64 {
        let name = |inner: &str| format!("sum/{round}/{inner}");
        assert_eq!(run.names(), ["before", "sum", &name("wait")]);
        let asked = run.send(round, timer(&name("wait")));
        assert!(matches!(&asked.commands[..], [Command::Call { name: n, .. }] if *n == name("ask")), "{asked:?}");
        let next = run.send(round, done(&name("ask"), json!(1)));
        assert_eq!(next.forgotten.entries.into_iter().collect::<Vec<_>>(), [name("ask"), name("wait")]);
        assert!(serde_json::to_string(&run.state).unwrap().len() < 800);
        // An answer that comes again is nobody's.
        assert_eq!(run.send(round, done(&name("ask"), json!(7))), Advance::default());
        assert_eq!(run.send(round, timer(&name("wait"))), Advance::default());
    }
    run.send(10_001, done("after", json!(5)));
    assert_eq!(run.state.outcome, Some(Outcome::Finished(json!(10_005))));
    assert_eq!(run.names(), ["after", "before", "sum"]);
}

#[test]
fn signals_of_forgotten_rounds_are_forgotten_and_do_not_count_again() {
    let (mut run, _) = Run::start(sums);
    run.send(0, done("before", json!(0)));
    for id in 1..50 {
        let heard = run.send(0, signal(id, json!(id)));
        assert_eq!(heard.forgotten.signals.into_iter().collect::<Vec<_>>(), [id]);
        assert!(heard.taken.is_empty(), "what is deleted is not written first");
        assert!(run.state.signals.is_empty());
        assert_eq!(run.send(0, signal(id, json!(id))), Advance::default(), "{id} came twice");
    }
    assert_eq!(run.names(), ["before", "sum", "sum/49/wait"]);
}

#[test]
fn what_ends_the_loop_stays_to_be_seen_and_a_step_given_up_is_remembered() {
    fn tries(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let all: Vec<String> = f.fold("try", Vec::new, |f, mut all: Vec<String>| {
            match f.try_step::<bool>("it", &json!(0))? {
                Err(failure) => all.push(failure.refusal.code),
                Ok(true) => return Ok(Turn::End(all)),
                Ok(false) => {}
            }
            Ok(Turn::Next(all))
        })?;
        f.step::<Value>("after", &json!(0))?;
        f.finish(&all)
    }
    let (mut run, _) = Run::start(tries);
    let failure = StepFailure { step: "try/0/it".into(), refusal: Refusal::world("no", "No.", "Wait."), dead: true };
    run.send(0, Message::Done { name: "try/0/it".into(), result: Err(failure) });
    assert!(run.state.has_dead_step() && !run.names().contains(&"try/0/it"));
    run.send(0, done("try/1/it", json!(true)));
    assert_eq!(run.names(), ["after", "try", "try/1/it"]);
    run.send(0, done("after", json!(0)));
    assert_eq!(run.state.outcome, Some(Outcome::Finished(json!(["no"]))));
    assert!(run.state.has_dead_step());
}

#[test]
fn folds_stand_in_folds() {
    fn nested(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let all: Vec<u64> = f.fold("outer", Vec::new, |f, mut all: Vec<u64>| {
            let inner: u64 = f.fold(
                "inner",
                || 0,
                |f, sum: u64| {
                    let Waited::Signalled(told) = f.signal_or_timeout("wait", "news", None)? else { return Ok(Turn::End(0)) };
                    let sum = sum + told.iter().filter_map(Value::as_u64).sum::<u64>();
                    Ok(if sum >= 3 { Turn::End(sum) } else { Turn::Next(sum) })
                },
            )?;
            all.push(inner);
            Ok(if all.len() == 3 { Turn::End(all) } else { Turn::Next(all) })
        })?;
        f.finish(&all)
    }
    let (mut run, _) = Run::start(nested);
    for id in 1..=9 {
        run.send(0, signal(id, json!(1)));
        assert_eq!(run.send(0, signal(id, json!(1))), Advance::default());
    }
    assert_eq!(run.state.outcome, Some(Outcome::Finished(json!([3, 3, 3]))));
    assert_eq!(run.names(), ["outer", "outer/2/inner", "outer/2/inner/2/wait"]);
}

#[test]
fn a_failure_inside_is_a_failure_of_the_run_and_comes_again_at_each_evaluation() {
    fn fails(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let end: Result<u64, Stop> = f.fold("try", || 0_u64, |f, sum| Ok(Turn::Next(sum + f.step::<u64>("it", &json!(0))?)));
        let Err(Stop::Failed(failure)) = end else { return end.map(|sum| json!(sum)) };
        f.step::<Value>("report", &failure.refusal.code)?;
        f.finish(&failure.step)
    }
    let (mut run, _) = Run::start(fails);
    run.send(0, done("try/0/it", json!(1)));
    let refusal = Refusal::world("no", "No.", "Wait.");
    let failure = StepFailure { step: "try/1/it".into(), refusal, dead: false };
    run.send(0, Message::Done { name: "try/1/it".into(), result: Err(failure) });
    run.send(0, Message::Resume);
    run.send(0, done("report", json!(0)));
    assert_eq!(run.state.outcome, Some(Outcome::Finished(json!("try/1/it"))));
}

#[test]
fn mistakes_in_a_fold_end_the_run_with_a_code() {
    fn spins(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.fold("loop", || 0, |_, n: u64| Ok(Turn::<u64, Value>::Next(n + 1)))
    }
    fn locks(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.fold("loop", || 0, |f, _: u64| f.lock("lock", "key").map(|token| Turn::<u64, Value>::End(json!(token))))
    }
    fn undoes(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.fold("loop", || 0, |f, _: u64| f.on_undo("undo", &0).map(|()| Turn::<u64, Value>::End(json!(0))))
    }
    fn spawns(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.fold("loop", || 0, |f, _: u64| f.spawn("kid", "w", "k", &0).map(|()| Turn::<u64, Value>::End(json!(0))))
    }
    fn swallows(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.fold(
            "loop",
            || 0,
            |f, n: u64| {
                let got: Option<Value> = f.step("a", &1).ok();
                Ok(if got.is_some() { Turn::End(json!(got)) } else { Turn::Next(n + 1) })
            },
        )
    }
    assert_eq!(Run::start(spins).0.code(), "flow_fold_spins");
    for workflow in [locks as WorkflowFn, undoes, spawns] {
        let (run, first) = Run::start(workflow);
        assert_eq!((run.code().as_str(), first.commands.len()), ("flow_fold_keeps", 1), "only the end is told");
    }
    let (mut run, _) = Run::start(swallows);
    assert!(matches!(run.state.entries["loop"].entry, Entry::Fold { round: 0, over: false, .. }));
    run.send(1, done("loop/0/a", json!("late")));
    assert_eq!(run.state.outcome, Some(Outcome::Finished(json!("late"))));
}
