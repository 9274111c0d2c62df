//! Properties of the kernel under any order of messages, duplicates and crashes; and, for each, a defect that breaks it, so
//! that it is known to be able to fail. What is disturbed folds its loops; the run that it is compared with keeps a list of
//! every round.

use super::*;
use crate::domain::{Millis, Refusal};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// What one run goes through.
#[derive(Clone, Debug)]
struct Case {
    gates: u8,
    signals: u8,
    stages: u8,
    /// The stage that fails, if it is one of them.
    broken: u8,
    healthy: bool,
}

/// A defect: of the kernel's host, of the kernel (played by its host), or of the workflow.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Defect {
    None,
    /// A crash brings back the state before the last message, whose commands were given out.
    StateAndCommandsApart,
    /// A signal that nobody waits for yet is dropped.
    EarlySignalsDropped,
    /// A second result of a step replaces the first.
    DuplicatesCount,
    /// What was done first is undone first.
    UndoneInOrder,
    /// The workflow reads the clock outside of `record`.
    ReadsTheClock,
    /// A crash keeps what a fold forgot, but not what it kept instead.
    ForgottenAndKeptApart,
    /// A signal that a forgotten round has taken is news when it comes again.
    ForgottenSignalsAreNews,
}

fn scenario(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let number = |field: &str| input[field].as_u64().unwrap();
    let began: Value = f.record("began", || json!("recorded"))?;
    let gates: Vec<(String, Value)> = (0..number("gates")).map(|n| (format!("gate-{n}"), json!(n))).collect();
    let gates: Vec<Value> = f.all(&gates)?;
    f.sleep("soak", Duration::from_millis(20))?;
    let (mut news, probed) = if input["folds"] == json!(true) {
        let news = f.fold("news", Vec::new, |f, news| listen(f, "wait", news, number("signals")))?;
        (news, f.fold("probe", Vec::new, |f, probed| probe(f, "it", probed, number("signals")))?)
    } else {
        let mut news = vec![];
        for round in 0.. {
            match listen(f, &format!("wait-{round}"), news, number("signals"))? {
                Turn::Next(more) => news = more,
                Turn::End(all) => {
                    news = all;
                    break;
                }
            }
        }
        let mut probed = vec![];
        for round in 0.. {
            match probe(f, &format!("probe/{round}/it"), probed, number("signals"))? {
                Turn::Next(more) => probed = more,
                Turn::End(all) => {
                    probed = all;
                    break;
                }
            }
        }
        (news, probed)
    };
    news.sort_unstable();
    let token = f.lock("lock", "env")?;
    f.child("kid", "other", "key", &json!({}))?;
    if input["undo_in_order"] == json!(true) {
        (0..number("stages")).rev().try_for_each(|stage| f.on_undo(&format!("undo-{stage}"), &json!({})))?;
    }
    for stage in 0..number("stages") {
        f.step::<Value>(&format!("apply-{stage}"), &json!({}))?;
        if input["undo_in_order"] != json!(true) {
            f.on_undo(&format!("undo-{stage}"), &json!({}))?;
        }
    }
    if input["healthy"] == json!(false) {
        f.unwind()?;
        return f.finish(&"rolled back");
    }
    f.unlock("env");
    let clock = if input["clock"] == json!(true) { f.now().0 } else { 0 };
    f.finish(&json!([began, gates, news, probed, token, clock]))
}

/// A round of waiting for news.
fn listen(f: &mut Flow, name: &str, mut news: Vec<u64>, wanted: u64) -> Result<Turn<Vec<u64>, Vec<u64>>, Stop> {
    if news.len() >= usize::try_from(wanted).unwrap() {
        return Ok(Turn::End(news));
    }
    let Waited::Signalled(values) = f.signal_or_timeout(name, "news", None)? else { return Ok(Turn::End(vec![])) };
    news.extend(values.iter().map(|value| value.as_u64().unwrap()));
    Ok(Turn::Next(news))
}

/// A round of asking.
fn probe(f: &mut Flow, name: &str, mut probed: Vec<Value>, wanted: u64) -> Result<Turn<Vec<Value>, Vec<Value>>, Stop> {
    if probed.len() >= usize::try_from(wanted).unwrap() * 3 {
        return Ok(Turn::End(probed));
    }
    probed.push(f.step(name, &json!({}))?);
    Ok(Turn::Next(probed))
}

/// A host in memory: commits state and commands together, answers commands in the order that the schedule says.
struct Host<'a> {
    case: &'a Case,
    defect: Defect,
    state: State,
    before: State,
    now: i64,
    open: VecDeque<Message>,
    delivered: Vec<Message>,
    commands: Vec<Command>,
    signals_left: u8,
}

impl<'a> Host<'a> {
    fn new(case: &'a Case, defect: Defect, folds: bool) -> Self {
        let input = json!({
            "folds": folds,
            "gates": case.gates, "signals": case.signals, "stages": case.stages, "healthy": case.healthy,
            "undo_in_order": defect == Defect::UndoneInOrder, "clock": defect == Defect::ReadsTheClock,
        });
        let state = State::new(input, 1);
        let open = VecDeque::from([Message::Start]);
        let (before, signals_left) = (state.clone(), case.signals);
        Self { case, defect, state, before, now: 0, open, delivered: vec![], commands: vec![], signals_left }
    }

    fn deliver(&mut self, message: Message) {
        self.now += 1;
        self.before = self.state.clone();
        if self.defect == Defect::DuplicatesCount {
            self.overwrite(&message);
        }
        if self.defect == Defect::ForgottenSignalsAreNews {
            for named in self.state.entries.values_mut() {
                if let Entry::Fold { heard, .. } = &mut named.entry {
                    *heard = None;
                }
            }
        }
        let early = matches!(&message, Message::Signal { .. }) && !self.waits();
        if !(early && self.defect == Defect::EarlySignalsDropped) {
            let advance = advance(&mut self.state, message.clone(), Millis(self.now), scenario);
            advance.commands.iter().for_each(|command| self.answer(command));
            self.commands.extend(advance.commands);
        }
        self.delivered.push(message);
    }

    fn waits(&self) -> bool {
        self.state.entries.values().any(|named| matches!(&named.entry, Entry::Wait { over: None, .. }))
    }

    fn overwrite(&mut self, message: &Message) {
        if let Message::Done { name, result } = message
            && let Some(Named { entry: Entry::Call { result: stored @ Some(_), .. }, .. }) = self.state.entries.get_mut(name)
        {
            *stored = Some(result.clone().map(|_| json!("another")));
        }
    }

    fn answer(&mut self, command: &Command) {
        match command {
            Command::Call { name, .. } => self.open.push_back(self.result(name)),
            Command::SetTimer { name, .. } => self.open.push_back(Message::Timer { name: name.clone() }),
            Command::Lock { name, .. } => self.open.push_back(Message::Locked { name: name.clone(), token: 7 }),
            Command::Child { name, .. } => {
                let outcome = Outcome::Finished(json!("kid"));
                self.open.push_back(Message::ChildDone { name: name.clone(), outcome });
            }
            _ => {}
        }
    }

    fn result(&self, name: &str) -> Message {
        let refusal = Refusal::user("broken", "Broken.", "Mend it.");
        let failed = StepFailure { step: name.to_owned(), refusal, dead: false };
        let result = if name == format!("apply-{}", self.case.broken) { Err(failed) } else { Ok(json!(name)) };
        Message::Done { name: name.to_owned(), result }
    }

    fn next_signal(&mut self) -> Option<Message> {
        self.signals_left = self.signals_left.checked_sub(1)?;
        let id = u64::from(self.case.signals - self.signals_left);
        Some(Message::Signal { id, name: "news".into(), value: json!(id) })
    }

    /// One choice of the schedule.
    fn act(&mut self, choice: u16) {
        let pick = usize::from(choice / 8);
        match choice % 8 {
            // Most often the next answer, whichever it is.
            0..=2 if !self.open.is_empty() => {
                let message = self.open.remove(pick % self.open.len());
                message.into_iter().for_each(|message| self.deliver(message));
            }
            3 => self.next_signal().into_iter().for_each(|signal| self.deliver(signal)),
            4 if !self.delivered.is_empty() => self.deliver(self.delivered[pick % self.delivered.len()].clone()),
            // A crash before the commit: the message was worked on, nothing of it is stored, and it comes again.
            5 if !self.open.is_empty() => {
                let message = self.open[pick % self.open.len()].clone();
                advance(&mut self.state.clone(), message, Millis(self.now), scenario);
            }
            // A crash after a commit: everything comes back from the disk.
            6 => {
                let from = match self.defect {
                    Defect::StateAndCommandsApart => self.before.clone(),
                    Defect::ForgottenAndKeptApart => self.kept_apart(),
                    _ => self.state.clone(),
                };
                self.state = serde_json::from_str(&serde_json::to_string(&from).unwrap()).unwrap();
            }
            _ => self.deliver(Message::Resume),
        }
    }

    fn kept_apart(&self) -> State {
        let mut state = self.state.clone();
        for (name, named) in &self.before.entries {
            if matches!(named.entry, Entry::Fold { .. }) {
                state.entries.insert(name.clone(), named.clone());
            }
        }
        state
    }

    /// Gives every answer that is still open, in order.
    fn settle(&mut self) {
        while self.state.outcome.is_none() {
            match self.open.pop_front().or_else(|| self.next_signal()) {
                Some(message) => self.deliver(message),
                None => return,
            }
        }
    }

    fn called(&self, prefix: &str) -> Vec<String> {
        let name = |command: &Command| match command {
            Command::Call { name, .. } if name.starts_with(prefix) => Some(name[prefix.len()..].to_owned()),
            _ => None,
        };
        self.commands.iter().filter_map(name).collect()
    }
}

fn check(case: &Case, schedule: &[u16], defect: Defect) -> Result<(), TestCaseError> {
    // The clock is read by the workflow: both hosts run that one.
    let mut plain = Host::new(case, if defect == Defect::ReadsTheClock { defect } else { Defect::None }, false);
    plain.settle();
    let mut host = Host::new(case, defect, true);
    schedule.iter().for_each(|choice| host.act(*choice));
    host.settle();
    prop_assert!(host.state.outcome.is_some(), "the run is stuck: {:?}", host.state);
    prop_assert_eq!(&host.state.outcome, &plain.state.outcome, "another end");
    let mut seen = BTreeSet::new();
    for command in &host.commands {
        prop_assert!(seen.insert(serde_json::to_string(command).unwrap()), "given out twice: {command:?}");
    }
    let (mut done, undone) = (host.called("apply-"), host.called("undo-"));
    done.retain(|stage| *stage != case.broken.to_string());
    done.reverse();
    let backward = case.broken < case.stages || !case.healthy;
    prop_assert_eq!(undone, if backward { done } else { vec![] }, "undone in another order");
    let rounds = |fold: &str| host.state.entries.keys().filter(|name| name.starts_with(&format!("{fold}/"))).count();
    prop_assert!(rounds("news") + rounds("probe") <= 2, "rounds are left: {:?}", host.state);
    let names = |host: &Host| host.called("").into_iter().collect::<BTreeSet<_>>();
    prop_assert_eq!(names(&host), names(&plain), "other calls");
    Ok(())
}

fn run(defect: Defect) -> Result<(), String> {
    let case = (0..4_u8, 0..4_u8, 1..4_u8, 0..6_u8, any::<bool>());
    let case = case.prop_map(|(gates, signals, stages, broken, healthy)| Case { gates, signals, stages, broken, healthy });
    let schedule = prop::collection::vec(any::<u16>(), 0..60);
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&(case, schedule), |(case, schedule)| check(&case, &schedule, defect));
    result.map_err(|why| match why {
        TestError::Fail(reason, input) => format!("{reason} with {input:?}"),
        TestError::Abort(reason) => format!("aborted: {reason}"),
    })
}

#[test]
fn any_order_duplicates_and_crashes_end_in_the_same_result_with_each_command_given_out_once() {
    run(Defect::None).unwrap();
}

#[test]
fn each_defect_is_found() {
    for (defect, how) in [
        (Defect::StateAndCommandsApart, ["given out twice", "stuck"]),
        (Defect::EarlySignalsDropped, ["stuck"; 2]),
        (Defect::DuplicatesCount, ["another end"; 2]),
        (Defect::UndoneInOrder, ["undone in another order"; 2]),
        (Defect::ReadsTheClock, ["another end"; 2]),
        (Defect::ForgottenAndKeptApart, ["given out twice", "stuck"]),
        (Defect::ForgottenSignalsAreNews, ["another end"; 2]),
    ] {
        let found = run(defect).expect_err(&format!("{defect:?} was not found"));
        assert!(how.iter().any(|how| found.contains(how)), "{defect:?}: {found}");
    }
}
