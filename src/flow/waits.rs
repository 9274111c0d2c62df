//! What a workflow may wait for besides steps: time, signals, locks and other runs.

use super::context::{reused, write};
use super::{Command, Entry, Flow, LockEnd, Outcome, StepFailure, Stop, WaitEnd};
use crate::domain::{Millis, Refusal};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// How a wait for a signal ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Waited {
    /// Everything of that name that had come, oldest first; never empty.
    Signalled(Vec<Value>),
    TimedOut,
    /// Somebody asked this run to stop. The next wait is a plain wait again, so that cleaning up may wait.
    Cancelled(String),
}

impl Flow<'_> {
    /// Waits for a span, counted from the first evaluation that comes here.
    ///
    /// # Errors
    /// `Suspended` until it has passed; `Failed` with code `cancelled` when a cancellation interrupts it.
    pub fn sleep(&mut self, name: &str, span: Duration) -> Result<(), Stop> {
        self.sleep_until(name, self.now().plus(span))
    }

    /// Waits until a time. The first time that was named for `name` counts.
    ///
    /// # Errors
    /// As [`Flow::sleep`].
    pub fn sleep_until(&mut self, name: &str, at: Millis) -> Result<(), Stop> {
        let name = &*self.ask(name)?;
        let (at, over, set) = match self.state.entry(name) {
            Some(Entry::Sleep { at, over }) => (*at, over.clone(), true),
            Some(_) => return Err(reused(name)),
            None => (at, None, false),
        };
        let end = over.clone().or_else(|| self.interrupt()).or_else(|| (self.now() >= at).then_some(WaitEnd::TimedOut));
        if over.is_none() && (end.is_some() || !set) {
            self.timer(name, set, Some(at), end.is_some());
            self.state.put(name, Entry::Sleep { at, over: end.clone() });
        }
        match end {
            Some(WaitEnd::Cancelled(reason)) => Err(cancelled(name, &reason)),
            Some(_) => Ok(()),
            None => Err(self.suspend()),
        }
    }

    /// Waits for signals. All that have come under this name since the last wait for it are consumed together, also those
    /// that came before this wait. A signal that is there wins over a deadline that has passed. The deadline named first
    /// for `name` counts; without one the wait has no end.
    ///
    /// # Errors
    /// `Suspended` until one of the ends has come.
    pub fn signal_or_timeout(&mut self, name: &str, signal: &str, deadline: Option<Millis>) -> Result<Waited, Stop> {
        let name = &*self.ask(name)?;
        let (signal, deadline, over, set) = match self.state.entry(name) {
            Some(Entry::Wait { signal, deadline, over }) => (signal.clone(), *deadline, over.clone(), true),
            Some(_) => return Err(reused(name)),
            None => (signal.to_owned(), deadline, None, false),
        };
        let end = match over.clone() {
            Some(end) => Some(end),
            None => self.interrupt().or_else(|| self.take(name, &signal)).or_else(|| self.overdue(deadline)),
        };
        if over.is_none() && (end.is_some() || !set) {
            self.timer(name, set, deadline, end.is_some());
            self.state.put(name, Entry::Wait { signal, deadline, over: end.clone() });
        }
        match end {
            Some(WaitEnd::Signalled) => Ok(Waited::Signalled(self.taken_by(name))),
            Some(WaitEnd::TimedOut) => Ok(Waited::TimedOut),
            Some(WaitEnd::Cancelled(reason)) => Ok(Waited::Cancelled(reason)),
            None => Err(self.suspend()),
        }
    }

    /// Waits until this run holds the lock `key`, first come first served, and gives a fencing token: a later holder of the
    /// same key has a greater one. Locks that a run holds are let go at its end at the latest. A workflow that takes several
    /// takes them in a fixed order, or lines up for all of them before it waits for one.
    ///
    /// # Errors
    /// `Suspended` while others hold it; `Failed` with code `cancelled` when a cancellation ends the waiting.
    pub fn lock(&mut self, name: &str, key: &str) -> Result<u64, Stop> {
        self.line_up(name, key, None)?;
        self.turn(name)?.ok_or_else(|| reused(name))
    }

    /// Takes a place in the queue of the lock `key` and goes on; [`Flow::turn`] waits for the lock. The place, and the lock if it
    /// is held by then, is lost at the time `until`; the one that was first named for `name` counts.
    ///
    /// # Errors
    /// `Failed` when the name is in use for something else, or the run holds this lock or waits for it already.
    pub fn line_up(&mut self, name: &str, key: &str, until: Option<Millis>) -> Result<(), Stop> {
        let name = &*self.ask_for_long(name)?;
        match self.state.entry(name) {
            Some(Entry::Lock { .. }) => Ok(()),
            Some(_) => Err(reused(name)),
            None if self.holds(key) => {
                let text = format!("The run asked for the lock `{key}` that it holds already.");
                Err(Stop::Failed(StepFailure::bug(name, "flow_lock_held", text)))
            }
            None => {
                let (name_, key) = (name.to_owned(), key.to_owned());
                self.commands.push(Command::Lock { name: name_.clone(), key: key.clone() });
                self.commands.extend(until.map(|at| Command::SetTimer { name: name_, at }));
                self.state.put(name, Entry::Lock { key, token: None, until, over: None });
                Ok(())
            }
        }
    }

    /// Waits for the lock for which [`Flow::line_up`] took a place under this name, and gives its fencing token; nothing when
    /// its time is over.
    ///
    /// # Errors
    /// `Suspended` while others are before it; `Failed` with code `cancelled` when a cancellation ends the waiting, or when there
    /// is no such place.
    pub fn turn(&mut self, name: &str) -> Result<Option<u64>, Stop> {
        if self.is_suspended() {
            return Err(Stop::Suspended);
        }
        match self.state.entry(name).filter(|_| self.was_asked(name)).cloned() {
            Some(Entry::Lock { over: Some(LockEnd::TimedOut), .. }) => Ok(None),
            Some(Entry::Lock { token: Some(token), .. }) => Ok(Some(token)),
            Some(Entry::Lock { over: Some(LockEnd::Released), .. }) => {
                let reason = self.state.cancel.as_ref().map_or("while it waited", |cancel| &cancel.reason);
                Err(cancelled(name, reason))
            }
            Some(entry @ Entry::Lock { .. }) => match self.interrupt() {
                Some(WaitEnd::Cancelled(reason)) => {
                    self.give_up(name, entry);
                    Err(cancelled(name, &reason))
                }
                _ => Err(self.suspend()),
            },
            _ => Err(reused(name)),
        }
    }

    /// Lets go what this evaluation has of a lock: the lock, or a place in its queue. Nothing happens when it has neither.
    pub fn unlock(&mut self, key: &str) {
        if self.is_suspended() {
            return;
        }
        let mine = |entry: &Entry| matches!(entry, Entry::Lock { key: k, over: None, .. } if k == key);
        let named = self.state.entries.iter().filter(|(name, named)| mine(&named.entry) && self.was_asked(name));
        let held: Vec<(String, Entry)> = named.map(|(name, named)| (name.clone(), named.entry.clone())).collect();
        for (name, entry) in held {
            self.give_up(&name, entry);
        }
    }

    fn give_up(&mut self, name: &str, entry: Entry) {
        let Entry::Lock { key, token, until, .. } = entry else { return };
        self.state.put(name, Entry::Lock { key: key.clone(), token, until, over: Some(LockEnd::Released) });
        self.commands.push(Command::Unlock { name: name.to_owned(), key });
        if until.is_some() {
            self.commands.push(Command::ClearTimer { name: name.to_owned() });
        }
    }

    /// Starts another run and waits for its end: [`Flow::spawn`] and [`Flow::join`].
    ///
    /// # Errors
    /// `Suspended` until it has ended.
    pub fn child(&mut self, name: &str, workflow: &str, key: &str, input: &impl Serialize) -> Result<Outcome, Stop> {
        self.spawn(name, workflow, key, input)?;
        self.join(name)
    }

    /// Starts another run without waiting. `key` is its natural key: when a run of this key exists, that one is joined.
    /// A cancellation of this run is passed on to the runs that it started.
    ///
    /// # Errors
    /// `Failed` when the input cannot be written as JSON or the name is in use for something else.
    pub fn spawn(&mut self, name: &str, workflow: &str, key: &str, input: &impl Serialize) -> Result<(), Stop> {
        let name = &*self.ask_for_long(name)?;
        match self.state.entry(name) {
            Some(Entry::Child { .. }) => Ok(()),
            Some(_) => Err(reused(name)),
            None => {
                let (workflow, key, input) = (workflow.to_owned(), key.to_owned(), write(name, input)?);
                let (name_, workflow_, key_) = (name.to_owned(), workflow.clone(), key.clone());
                self.commands.push(Command::Child { name: name_, workflow: workflow_, key: key_, input: input.clone() });
                self.state.put(name, Entry::Child { workflow, key, input, outcome: None });
                Ok(())
            }
        }
    }

    /// Waits for the end of a run that [`Flow::spawn`] started under this name. A cancellation does not interrupt it: the
    /// child is asked to stop and its end is awaited.
    ///
    /// # Errors
    /// `Suspended` until it has ended; `Failed` when nothing was started under this name.
    pub fn join(&mut self, name: &str) -> Result<Outcome, Stop> {
        if self.is_suspended() {
            return Err(Stop::Suspended);
        }
        match self.state.entry(name) {
            Some(Entry::Child { outcome: Some(outcome), .. }) if self.was_asked(name) => Ok(outcome.clone()),
            Some(Entry::Child { outcome: None, .. }) if self.was_asked(name) => Err(self.suspend()),
            _ => Err(reused(name)),
        }
    }

    /// Takes the cancellation, if there is one that the workflow has not been told.
    fn interrupt(&mut self) -> Option<WaitEnd> {
        let cancel = self.state.cancel.as_mut().filter(|cancel| !cancel.seen)?;
        cancel.seen = true;
        Some(WaitEnd::Cancelled(cancel.reason.clone()))
    }

    fn take(&mut self, wait: &str, signal: &str) -> Option<WaitEnd> {
        let before = self.state.taken.len();
        for (id, queued) in &mut self.state.signals {
            if queued.name == signal && queued.taken_by.is_none() {
                queued.taken_by = Some(wait.to_owned());
                self.state.taken.push(*id);
            }
        }
        (self.state.taken.len() > before).then_some(WaitEnd::Signalled)
    }

    fn taken_by(&self, wait: &str) -> Vec<Value> {
        let mine = |queued: &&super::Queued| queued.taken_by.as_deref() == Some(wait);
        self.state.signals.values().filter(mine).map(|queued| queued.value.clone()).collect()
    }

    fn overdue(&self, deadline: Option<Millis>) -> Option<WaitEnd> {
        deadline.filter(|at| self.now() >= *at).map(|_| WaitEnd::TimedOut)
    }

    /// Sets the timer of a wait that begins, clears that of one that ends before it.
    fn timer(&mut self, name: &str, set: bool, at: Option<Millis>, over: bool) {
        let name = name.to_owned();
        match at {
            Some(at) if !set && !over => self.commands.push(Command::SetTimer { name, at }),
            Some(_) if set && over => self.commands.push(Command::ClearTimer { name }),
            _ => {}
        }
    }

    fn holds(&self, key: &str) -> bool {
        let mine = |entry: &Entry| matches!(entry, Entry::Lock { key: k, over: None, .. } if k == key);
        self.state.entries.values().any(|named| mine(&named.entry))
    }
}

fn cancelled(name: &str, reason: &str) -> Stop {
    let refusal = Refusal::user("cancelled", format!("The run was cancelled: {reason}."), "Start it again when it is wanted.");
    Stop::Failed(StepFailure { step: name.to_owned(), refusal, dead: false })
}
