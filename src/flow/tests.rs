//! The kernel's rules, one by one.

use super::*;
use crate::domain::{Millis, Refusal};
use serde_json::{Value, json};
use std::time::Duration;

mod lines;

fn at(ms: i64) -> Millis {
    Millis(ms)
}

fn done(name: &str, value: Value) -> Message {
    Message::Done { name: name.into(), result: Ok(value) }
}

fn failed(name: &str, dead: bool) -> Message {
    let refusal = Refusal::world("no", "No.", "Wait.");
    Message::Done { name: name.into(), result: Err(StepFailure { step: name.into(), refusal, dead }) }
}

fn signal(id: u64, name: &str, value: Value) -> Message {
    Message::Signal { id, name: name.into(), value }
}

fn calls(advance: &Advance) -> Vec<&str> {
    let name = |command: &Command| matches!(command, Command::Call { .. });
    advance
        .commands
        .iter()
        .filter(|c| name(c))
        .map(|c| if let Command::Call { name, .. } = c { name.as_str() } else { "" })
        .collect()
}

struct Run {
    state: State,
    workflow: WorkflowFn,
}

impl Run {
    fn start(workflow: WorkflowFn) -> (Self, Advance) {
        let mut run = Self { state: State::new(json!({"v": 1}), 1), workflow };
        let first = run.send(0, Message::Start);
        (run, first)
    }
    fn send(&mut self, now: i64, message: Message) -> Advance {
        advance(&mut self.state, message, at(now), self.workflow)
    }
    fn outcome(&self) -> Option<&Outcome> {
        self.state.outcome.as_ref()
    }
}

#[test]
fn steps_go_one_by_one_and_see_results() {
    fn flow(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
        let a: u64 = f.step("a", &json!({"from": input["v"]}))?;
        let b: u64 = f.step("b", &json!({"a": a}))?;
        f.finish(&(a + b))
    }
    let (mut run, first) = Run::start(flow);
    assert_eq!(first.commands, [Command::Call { name: "a".into(), call: json!({"from": 1}) }]);
    assert_eq!(first.changed.iter().collect::<Vec<_>>(), ["a"]);
    let second = run.send(1, done("a", json!(2)));
    assert_eq!(second.commands, [Command::Call { name: "b".into(), call: json!({"a": 2}) }]);
    assert_eq!(second.changed.len(), 2, "only the rows of a and b");
    assert_eq!(run.send(1, done("a", json!(9))), Advance::default(), "a second result is nothing new");
    assert_eq!(run.send(1, done("zzz", json!(9))), Advance::default(), "nobody asked");
    let last = run.send(2, done("b", json!(3)));
    assert_eq!(last.commands, [Command::Finish { outcome: Outcome::Finished(json!(5)) }]);
    assert_eq!(run.send(3, Message::Resume), Advance::default());
}

#[test]
fn all_runs_side_by_side_and_gives_the_first_failure_in_order() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let got: Vec<u64> = f.all(&[("a", 1), ("b", 2), ("c", 3)])?;
        f.finish(&got)
    }
    let (mut run, first) = Run::start(flow);
    assert_eq!(calls(&first), ["a", "b", "c"]);
    assert!(run.send(1, failed("c", false)).commands.is_empty());
    assert!(run.send(2, failed("b", true)).commands.is_empty());
    run.send(3, done("a", json!(1)));
    assert_eq!(run.outcome(), Some(&Outcome::Failed(Refusal::world("no", "No.", "Wait."))));
    assert!(run.state.has_dead_step());
}

#[test]
fn a_failure_can_be_taken_by_the_workflow() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        match f.try_step::<Value>("a", &1)? {
            Ok(value) => Ok(value),
            Err(failure) => {
                f.step::<Value>("report", &failure.refusal.code)?;
                f.finish(&failure.step)
            }
        }
    }
    let (mut run, _) = Run::start(flow);
    assert_eq!(calls(&run.send(1, failed("a", false))), ["report"]);
    run.send(1, done("report", json!(null)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!("a"))));
}

#[test]
fn a_recorded_value_is_computed_once() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let now = f.now();
        let began: Millis = f.record("began", || now)?;
        f.step::<Value>("a", &1)?;
        f.finish(&began)
    }
    let (mut run, _) = Run::start(flow);
    run.send(500, done("a", json!(1)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!(0))));
}

#[test]
fn sleeping_ends_by_timer_by_lateness_and_even_when_the_clock_was_set_back() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.sleep("nap", Duration::from_millis(100))?;
        f.finish(&f.now().0)
    }
    let (mut run, first) = Run::start(flow);
    assert_eq!(first.commands, [Command::SetTimer { name: "nap".into(), at: at(100) }]);
    assert!(run.send(50, Message::Resume).commands.is_empty());
    let mut late = Run { state: run.state.clone(), workflow: flow };
    let advance = late.send(101, Message::Resume);
    assert_eq!(advance.commands[0], Command::ClearTimer { name: "nap".into() });
    assert!(late.outcome().is_some());
    run.send(-9000, Message::Timer { name: "nap".into() });
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!(-9000))));
}

fn waiting(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
    f.step::<Value>("a", &1)?;
    let mut seen = vec![];
    for round in 0.. {
        match f.signal_or_timeout(&format!("wait-{round}"), "news", Some(at(100)))? {
            Waited::Signalled(values) => seen.extend(values),
            Waited::TimedOut => break,
            Waited::Cancelled(reason) => {
                let _: Waited = f.signal_or_timeout("clean", "cleaned", None)?;
                return f.finish(&reason);
            }
        }
    }
    f.finish(&seen)
}

#[test]
fn early_signals_wait_and_are_consumed_together() {
    let (mut run, _) = Run::start(waiting);
    run.send(1, signal(7, "news", json!(1)));
    run.send(1, signal(7, "news", json!(1)));
    run.send(1, signal(8, "other", json!(0)));
    run.send(2, signal(9, "news", json!(2)));
    let advance = run.send(3, done("a", json!(1)));
    assert_eq!(advance.taken, [7, 9]);
    assert_eq!(advance.commands, [Command::SetTimer { name: "wait-1".into(), at: at(100) }]);
    let advance = run.send(4, signal(10, "news", json!(3)));
    assert_eq!(advance.commands[0], Command::ClearTimer { name: "wait-1".into() });
    run.send(100, Message::Timer { name: "wait-2".into() });
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!([1, 2, 3]))));
}

#[test]
fn a_signal_that_is_there_wins_over_a_deadline_that_passed() {
    let (mut run, _) = Run::start(waiting);
    run.send(1, signal(1, "news", json!(1)));
    run.send(500, done("a", json!(1)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!([1]))));
}

#[test]
fn a_cancellation_interrupts_one_wait_only() {
    let (mut run, _) = Run::start(waiting);
    run.send(1, done("a", json!(1)));
    let advance = run.send(2, Message::Cancel { reason: "stop".into() });
    assert_eq!(advance.commands, [Command::ClearTimer { name: "wait-0".into() }]);
    run.send(2, Message::Cancel { reason: "again".into() });
    assert!(run.outcome().is_none(), "cleaning up waits");
    run.send(3, signal(1, "cleaned", json!(null)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!("stop"))));
}

#[test]
fn a_look_at_the_cancellation_does_not_turn_off_at_an_earlier_point() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        for stage in 0..3 {
            f.step::<Value>(&format!("apply-{stage}"), &stage)?;
            f.on_undo(&format!("undo-{stage}"), &stage)?;
            if let Some(reason) = f.cancelled(&format!("look-{stage}"))? {
                f.unwind()?;
                return f.finish(&reason);
            }
        }
        f.finish(&"done")
    }
    let (mut run, _) = Run::start(flow);
    run.send(1, done("apply-0", json!(1)));
    assert!(run.send(2, Message::Cancel { reason: "stop".into() }).commands.is_empty(), "a step is in flight");
    assert_eq!(calls(&run.send(3, done("apply-1", json!(1)))), ["undo-1"], "not only stage 0 is undone");
    assert_eq!(calls(&run.send(4, failed("undo-1", false))), ["undo-0"], "a failed undo does not stop the others");
    run.send(5, done("undo-0", json!(1)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!("stop"))));
}

#[test]
fn a_run_that_fails_unwinds_by_itself_also_before_the_registration() {
    fn v1(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.step::<Value>("a", &1)?;
        f.on_undo("undo-a", &1)?;
        f.step::<Value>("b", &1)?;
        f.finish(&"done")
    }
    fn v2(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
        f.step::<Value>("before", &1)?;
        v1(f, input)
    }
    let (mut run, _) = Run::start(v1);
    run.send(1, done("a", json!(1)));
    run.workflow = v2;
    assert_eq!(calls(&run.send(2, Message::Resume)), ["before"]);
    assert_eq!(calls(&run.send(3, failed("before", false))), ["undo-a"]);
    run.send(4, done("undo-a", json!(1)));
    assert!(matches!(run.outcome(), Some(Outcome::Failed(refusal)) if refusal.code == "no"));
}

#[test]
fn a_new_version_runs_its_extra_step_late_or_not_at_all() {
    fn v1(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.step::<Value>("a", &1)?;
        f.step::<Value>("b", &1)
    }
    fn v2(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.step::<Value>("extra", &1)?;
        if f.flow_version() >= 2 {
            f.step::<Value>("guarded", &1)?;
        }
        f.step::<Value>("a", &1)?;
        f.step::<Value>("b", &1)
    }
    let (mut run, _) = Run::start(v1);
    run.send(1, done("a", json!(1)));
    run.workflow = v2;
    assert_eq!(calls(&run.send(2, done("b", json!("end")))), ["extra"]);
    run.send(3, done("extra", json!(1)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!("end"))));
}

#[test]
fn locks_give_tokens_and_are_let_go_where_the_workflow_says() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let first = f.lock("one", "env")?;
        f.step::<Value>("a", &1)?;
        f.unlock("env");
        let second = f.lock("two", "env")?;
        f.step::<Value>("b", &1)?;
        f.unlock("env");
        f.finish(&(first, second))
    }
    let (mut run, first) = Run::start(flow);
    assert_eq!(first.commands, [Command::Lock { name: "one".into(), key: "env".into() }]);
    assert_eq!(calls(&run.send(1, Message::Locked { name: "one".into(), token: 4 })), ["a"]);
    let advance = run.send(2, done("a", json!(1)));
    assert_eq!(advance.commands[0], Command::Unlock { name: "one".into(), key: "env".into() });
    assert_eq!(advance.commands[1], Command::Lock { name: "two".into(), key: "env".into() });
    assert_eq!(calls(&run.send(3, Message::Locked { name: "two".into(), token: 9 })), ["b"], "two is not let go early");
    let advance = run.send(4, done("b", json!(1)));
    assert_eq!(advance.commands[0], Command::Unlock { name: "two".into(), key: "env".into() });
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!([4, 9]))));
}

#[test]
fn a_cancelled_run_leaves_the_queue_of_a_lock() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.lock("one", "env")?;
        f.finish(&"held")
    }
    let (mut run, _) = Run::start(flow);
    let advance = run.send(1, Message::Cancel { reason: "stop".into() });
    assert_eq!(advance.commands[0], Command::Unlock { name: "one".into(), key: "env".into() });
    assert!(matches!(run.outcome(), Some(Outcome::Failed(refusal)) if refusal.code == "cancelled"));
    assert_eq!(run.send(2, Message::Locked { name: "one".into(), token: 1 }), Advance::default());
}

#[test]
fn children_are_started_joined_and_told_to_stop() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.spawn("kid", "deploy", "deploy:1", &json!({"n": 1}))?;
        f.step::<Value>("a", &1)?;
        match f.join("kid")? {
            Outcome::Finished(value) => Ok(value),
            Outcome::Failed(refusal) => f.finish(&refusal.code),
        }
    }
    let (mut run, first) = Run::start(flow);
    assert_eq!(first.commands.len(), 2);
    let advance = run.send(1, Message::Cancel { reason: "stop".into() });
    assert_eq!(advance.commands, [Command::CancelChild { name: "kid".into(), reason: "stop".into() }]);
    run.send(2, done("a", json!(1)));
    assert!(run.outcome().is_none());
    run.send(3, Message::ChildDone { name: "kid".into(), outcome: Outcome::Finished(json!(5)) });
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!(5))));
}

#[test]
fn mistakes_of_a_workflow_end_the_run_with_a_code() {
    fn twice(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.record("a", || 1)?;
        f.record("a", || 1)?;
        f.finish(&1)
    }
    fn kinds(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.step::<Value>("a", &1)
    }
    fn other_kind(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.lock("a", "k").map(|token| json!(token))
    }
    fn stuck(_: &mut Flow, _: &Value) -> Result<Value, Stop> {
        Err(Stop::Suspended)
    }
    fn relock(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.lock("a", "k")?;
        f.lock("b", "k").map(|token| json!(token))
    }
    fn unreadable(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let number: u64 = f.step("a", &1)?;
        f.finish(&number)
    }
    let code = |run: &Run| match run.outcome() {
        Some(Outcome::Failed(refusal)) => refusal.code.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(code(&Run::start(twice).0), "flow_name_reused");
    assert_eq!(code(&Run::start(stuck).0), "flow_stuck");
    let (mut run, _) = Run::start(kinds);
    run.workflow = other_kind;
    run.send(1, Message::Resume);
    assert_eq!(code(&run), "flow_name_reused");
    let (mut run, _) = Run::start(relock);
    run.send(1, Message::Locked { name: "a".into(), token: 1 });
    assert_eq!(code(&run), "flow_lock_held");
    let (mut run, _) = Run::start(unreadable);
    run.send(1, done("a", json!("text")));
    assert_eq!(code(&run), "flow_result_unreadable");
}

#[test]
fn a_swallowed_suspension_decides_nothing() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let got: Option<Value> = f.step("a", &1).ok();
        let more: Option<Value> = f.step("b", &1).ok();
        f.finish(&(got, more))
    }
    let (mut run, first) = Run::start(flow);
    assert_eq!(calls(&first), ["a"], "b is not asked for before a is known");
    assert!(run.outcome().is_none());
    run.send(1, done("a", json!(1)));
    run.send(2, done("b", json!(2)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!([1, 2]))));
}
