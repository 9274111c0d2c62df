//! Runs the real deploy workflow in the model world: one message at a time, from the stored state after a crash.

use super::case::{Case, Crash, Said};
use super::world::{Mutation, RUN, START, World, input};
use crate::domain::Millis;
use crate::flow::{Command, Entry, Flow, Message, Outcome, State, Stop, WorkflowFn, advance};
use crate::workflow::deploy::{LOCKS, WORKFLOW};
use crate::workflow::report;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// More calls than any deployment makes.
const CALLS: usize = 2_000;
/// Whoever should decide and does not is waited for no longer in the model either: timers are late by more than a day.
const NOBODY: i64 = 10 * 60 * 1000;
const TWO_DAYS: i64 = 2 * 24 * 60 * 60 * 1000;

pub struct Driver<'c> {
    case: &'c Case,
    pub world: World<'c>,
    workflow: WorkflowFn,
    pub state: State,
    /// Calls that are given out, in order.
    open: Vec<(String, Value)>,
    timers: BTreeMap<String, Millis>,
    waits_for_lock: Option<String>,
    said: Vec<(Millis, Said)>,
    finished: Vec<Outcome>,
    calls: usize,
    fired: usize,
    signals: u64,
    aborted: Option<Millis>,
    tired: bool,
}

/// What a run came to.
pub struct End {
    pub state: report::State,
    /// Of everything that others can see.
    pub scene: String,
}

impl<'c> Driver<'c> {
    pub fn new(case: &'c Case, mutation: Mutation) -> Self {
        let mut said: Vec<(Millis, Said)> =
            case.said.iter().map(|(at, said)| (Millis(START.0 + i64::from(*at) * 1000), *said)).collect();
        said.sort_by_key(|(at, _)| *at);
        let version = if mutation == Mutation::AsksOnce { 1 } else { WORKFLOW.version };
        Self {
            case,
            world: World::new(case, mutation),
            workflow: workflow(mutation),
            state: State::new(input(case), version),
            open: Vec::new(),
            timers: BTreeMap::new(),
            waits_for_lock: None,
            said,
            finished: Vec::new(),
            calls: 0,
            fired: 0,
            signals: 0,
            aborted: None,
            tired: false,
        }
    }

    /// How many calls it makes to its end.
    pub fn count(mut self) -> Result<usize, String> {
        self.go_on()?;
        Ok(self.calls)
    }

    fn go_on(&mut self) -> Result<(), String> {
        self.deliver(Message::Start);
        while self.finished.is_empty() {
            self.step()?;
            self.world.broken.first().map_or(Ok(()), |what| Err(what.clone()))?;
        }
        Ok(())
    }

    /// To the end, or what is wrong.
    pub fn run(mut self) -> Result<End, String> {
        self.go_on()?;
        let outcome = self.state.outcome.clone();
        self.deliver(Message::Resume);
        let [Outcome::Finished(value)] = self.finished.as_slice() else {
            return Err(format!("law 10: it ends as {:?}", self.finished));
        };
        if outcome != self.state.outcome {
            return Err("law 10: an end that does not stay".to_owned());
        }
        let end: report::Outcome = serde_json::from_value(value.clone()).map_err(|why| why.to_string())?;
        self.world.at_the_end(&end);
        self.world.broken.first().map_or(Ok(()), |what| Err(what.clone()))?;
        Ok(End { state: end.state, scene: self.world.scene() })
    }

    fn step(&mut self) -> Result<(), String> {
        self.hear();
        if self.calls > CALLS {
            return Err(format!("law 4: it spins; open: {:?}", self.open.first().map(|(name, _)| name)));
        }
        if !self.finished.is_empty() {
            return Ok(());
        }
        if !self.open.is_empty() {
            self.call();
            return self.in_time();
        }
        let lock = self.waits_for_lock.is_some().then(|| self.world.free_at());
        let timer = self.timers.iter().min_by_key(|(name, at)| (**at, (*name).clone())).map(|(name, at)| (name.clone(), *at));
        let next = [self.said.first().map(|(at, _)| *at), lock, timer.as_ref().map(|(_, at)| *at)].into_iter().flatten().min();
        let Some(at) = next else {
            return Err(format!("law 4: it waits for nothing that comes: {:?}", self.state.entries.keys().last()));
        };
        self.world.now = self.world.now.max(at);
        if self.said.first().is_some_and(|(said, _)| *said == at) {
            self.hear();
        } else if lock == Some(at) {
            let name = self.waits_for_lock.take().unwrap_or_default();
            let token = self.world.lock();
            self.deliver(Message::Locked { name, token });
        } else if let Some((name, _)) = timer {
            self.timers.remove(&name);
            self.late();
            self.deliver(Message::Timer { name });
        }
        self.in_time()
    }

    /// The clock jumps before some timers, and once when nobody decides.
    fn late(&mut self) {
        self.fired += 1;
        let here = |(at, _): &&(u8, u16)| usize::from(*at) == self.fired;
        let jump: i64 = self.case.jumps.iter().filter(here).map(|(_, seconds)| i64::from(*seconds) * 1000).sum();
        let tired = !self.tired && self.aborted.is_none() && self.world.now.0 - START.0 > NOBODY;
        self.tired |= tired;
        self.world.now.0 += jump + if tired { TWO_DAYS } else { 0 };
    }

    /// An abort needs nobody and no metric: a drain and a way back are the longest that may follow.
    fn in_time(&self) -> Result<(), String> {
        let jumps: i64 = self.case.jumps.iter().map(|(_, seconds)| i64::from(*seconds) * 1000).sum();
        match self.aborted {
            Some(at) if self.finished.is_empty() && self.world.now.0 - at.0 > 2 * 60 * 60 * 1000 + jumps => {
                Err("law 4: stopped, and it goes on for hours".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn hear(&mut self) {
        while self.finished.is_empty() && self.said.first().is_some_and(|(at, _)| *at <= self.world.now) {
            let (at, said) = self.said.remove(0);
            self.signals += 1;
            let id = self.signals;
            let control = |verb: &str| Message::Signal { id, name: "control".into(), value: json!({ "verb": verb }) };
            let message = match said {
                Said::Abort => {
                    self.aborted.get_or_insert(at);
                    if self.world.mutation == Mutation::Deaf {
                        continue;
                    }
                    Message::Cancel { reason: "somebody said so".into() }
                }
                Said::Pause => control("pause"),
                Said::Resume => control("resume"),
                Said::Promote => control("promote"),
                Said::Wake => Message::Signal { id, name: "wake".into(), value: json!({}) },
                Said::Report => Message::Signal { id, name: "report".into(), value: json!({}) },
                Said::Restart => {
                    self.world.restart_balancer();
                    continue;
                }
            };
            self.world.heard(said);
            self.deliver(message);
        }
    }

    fn call(&mut self) {
        let (name, call) = self.open[0].clone();
        let crash = self.case.crashes.iter().find(|(at, _)| usize::from(*at) == self.calls).map(|(_, crash)| *crash);
        self.calls += 1;
        if crash == Some(Crash::BeforeAct) {
            return self.restart();
        }
        let answer = self.world.perform(&name, &call);
        if crash == Some(Crash::Unrecorded) {
            return self.restart();
        }
        self.world.now.0 += 1000 * self.world.slowness(&name);
        self.open.remove(0);
        self.deliver(Message::Done { name, result: answer });
        if crash == Some(Crash::Recorded) {
            self.restart();
        }
    }

    /// Everything in memory is gone: what is stored goes on.
    fn restart(&mut self) {
        let stored = serde_json::to_string(&self.state).unwrap();
        self.state = serde_json::from_str(&stored).unwrap();
        let mut entries: Vec<_> = self.state.entries.iter().collect();
        entries.sort_by_key(|(_, named)| named.seq);
        self.open.clear();
        self.timers.clear();
        self.waits_for_lock = None;
        for (name, named) in entries {
            match &named.entry {
                Entry::Call { call, result: None } => self.open.push((name.clone(), call.clone())),
                Entry::Sleep { at, over: None } | Entry::Wait { deadline: Some(at), over: None, .. } => {
                    self.timers.insert(name.clone(), *at);
                }
                Entry::Lock { token: None, over: None, .. } => self.waits_for_lock = Some(name.clone()),
                _ => {}
            }
        }
        if self.finished.is_empty() {
            self.deliver(Message::Resume);
        }
    }

    fn deliver(&mut self, message: Message) {
        let advance = advance(&mut self.state, message, self.world.now, self.workflow);
        let mut first_in_line = None;
        for command in advance.commands {
            match command {
                // Nobody else is on the way to this environment.
                Command::Lock { name, key } if !key.starts_with(LOCKS) => first_in_line = Some(name),
                Command::Unlock { key, .. } if !key.starts_with(LOCKS) => {}
                Command::Call { name, call } => self.open.push((name, call)),
                Command::SetTimer { name, at } => drop(self.timers.insert(name, at)),
                Command::ClearTimer { name } => drop(self.timers.remove(&name)),
                Command::Lock { name, .. } => self.waits_for_lock = Some(name),
                Command::Unlock { .. } => {
                    self.waits_for_lock = None;
                    self.world.unlock();
                }
                Command::Finish { outcome } => self.finished.push(outcome),
                // What pull requests show is a run of its own.
                Command::Child { .. } => {}
                other => self.world.broken.push(format!("law 0: nobody starts other runs here: {other:?}")),
            }
        }
        if let Some(name) = first_in_line {
            self.deliver(Message::Locked { name, token: 1 });
        }
    }
}

/// The real one, or one that breaks a law.
fn workflow(mutation: Mutation) -> WorkflowFn {
    match mutation {
        Mutation::Drifts => |f, input| {
            // As if the branch were read again when the run goes on.
            let mut input = input.clone();
            if f.now() > Millis(START.0 + 60_000) {
                input["sha"] = json!(super::world::sha(super::case::NEWER));
            }
            (WORKFLOW.run)(f, &input)
        },
        Mutation::GoesBackTwice => |f, input| {
            let outcome = (WORKFLOW.run)(f, input)?;
            if outcome["state"] == json!("rolled_back") {
                again(f)?;
            }
            Ok(outcome)
        },
        Mutation::SaysItTwice => |f, input| {
            let outcome = (WORKFLOW.run)(f, input)?;
            if let Some(deployment) = outcome["deployment"].as_u64() {
                let call = json!({"call": "deployment_status", "repo": input["repo"], "deployment": deployment, "state": "success",
                    "description": "", "environment_url": null, "log_url": null, "beside": false});
                f.step::<Value>("status.again", &call)?;
            }
            Ok(outcome)
        },
        _ => WORKFLOW.run,
    }
}

/// A second way back.
fn again(f: &mut Flow) -> Result<(), Stop> {
    let call = json!({"call": "create_deployment", "repo": super::world::repo(), "sha": super::world::sha(super::case::OLDER),
        "tag": null, "environment": "live", "production": false, "description": RUN, "plan": "", "task": "rollback"});
    f.step::<Value>("back.again.deployment", &call).map(|_| ())
}
