//! Places in lines, and calls whose end is awaited later.

use super::*;

fn in_line(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
    f.line_up("line", "l", Some(at(100)))?;
    f.step::<Value>("a", &1)?;
    let first = f.turn("line")?;
    f.line_up("lease", "k", None)?;
    f.unlock("l");
    f.step::<Value>("b", &2)?;
    let token = f.turn("lease")?;
    f.finish(&json!([first, token]))
}

fn locked(name: &str, token: u64) -> Message {
    Message::Locked { name: name.into(), token }
}

fn lock_command(name: &str, key: &str) -> Command {
    Command::Lock { name: name.into(), key: key.into() }
}

fn unlock_command(name: &str, key: &str) -> Command {
    Command::Unlock { name: name.into(), key: key.into() }
}

#[test]
fn a_place_in_a_line_is_kept_while_the_run_does_something_else() {
    let (mut run, first) = Run::start(in_line);
    let timer = Command::SetTimer { name: "line".into(), at: at(100) };
    let call = Command::Call { name: "a".into(), call: json!(1) };
    assert_eq!(first.commands, [lock_command("line", "l"), timer, call]);
    assert!(run.send(1, locked("line", 7)).commands.is_empty());
    assert_eq!(run.send(2, locked("line", 8)), Advance::default(), "it is held once");
    let next = run.send(3, done("a", json!(1)));
    let moves = [lock_command("lease", "k"), unlock_command("line", "l"), Command::ClearTimer { name: "line".into() }];
    assert_eq!(next.commands[..3], moves, "into one, out of the other");
    run.send(4, done("b", json!(1)));
    assert_eq!(run.send(5, Message::Timer { name: "line".into() }), Advance::default(), "too late to be late");
    run.send(6, locked("lease", 9));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!([7, 9]))));
}

#[test]
fn a_place_in_a_line_is_lost_in_time_and_nothing_else_is() {
    let (mut run, _) = Run::start(in_line);
    assert!(run.send(1, done("a", json!(1))).commands.is_empty(), "others are before it");
    let lost = run.send(100, Message::Timer { name: "line".into() });
    assert_eq!(lost.commands[..2], [unlock_command("line", "l"), lock_command("lease", "k")]);
    assert_eq!(run.send(101, locked("line", 7)), Advance::default(), "it has left");
    run.send(102, locked("lease", 9));
    run.send(103, done("b", json!(1)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!([null, 9]))));
}

#[test]
fn who_is_first_in_a_line_and_does_not_come_on_makes_way() {
    let (mut run, _) = Run::start(in_line);
    run.send(1, locked("line", 7));
    let lost = run.send(100, Message::Timer { name: "line".into() });
    assert_eq!(lost.commands, [unlock_command("line", "l")], "others go ahead, and the step goes on");
    assert_eq!(run.send(101, done("a", json!(1))).commands[0], lock_command("lease", "k"));
    run.send(102, locked("lease", 9));
    run.send(103, done("b", json!(1)));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!([null, 9]))));
}

#[test]
fn who_is_stopped_leaves_the_line() {
    let (mut run, _) = Run::start(in_line);
    run.send(1, Message::Cancel { reason: "enough".into() });
    assert!(run.outcome().is_none(), "a step is not interrupted");
    let end = run.send(2, done("a", json!(1)));
    assert_eq!(end.commands[..2], [unlock_command("line", "l"), Command::ClearTimer { name: "line".into() }]);
    assert!(matches!(run.outcome(), Some(Outcome::Failed(refusal)) if refusal.code == "cancelled"));
}

#[test]
fn a_place_can_be_given_up_before_its_turn() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.line_up("line", "l", None)?;
        f.step::<Value>("a", &1)?;
        f.unlock("l");
        f.line_up("again", "l", None)?;
        let token = f.turn("again")?;
        f.finish(&token)
    }
    let (mut run, _) = Run::start(flow);
    let next = run.send(1, done("a", json!(1)));
    assert_eq!(next.commands, [unlock_command("line", "l"), lock_command("again", "l")]);
    run.send(2, locked("again", 5));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!(5))));
}

#[test]
fn a_call_can_be_begun_and_its_end_awaited_later() {
    fn flow(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.begin("slow", &1)?;
        let a: u64 = f.step("a", &2)?;
        let slow: Result<u64, StepFailure> = f.end_of("slow")?;
        f.finish(&json!([a, slow.is_err()]))
    }
    let (mut run, first) = Run::start(flow);
    assert_eq!(calls(&first), ["slow", "a"]);
    assert!(run.send(1, done("a", json!(3))).commands.is_empty());
    run.send(2, failed("slow", false));
    assert_eq!(run.outcome(), Some(&Outcome::Finished(json!([3, true]))));

    let (unasked, _) = Run::start(|f, _| f.end_of::<Value>("never")?.map_err(Stop::Failed));
    assert!(matches!(unasked.outcome(), Some(Outcome::Failed(refusal)) if refusal.code == "flow_name_reused"));
}
