//! What a workflow may wait for besides steps: time, signals, locks and other runs.

use super::context::{reused, write};
use super::{Command, Entry, Flow, Outcome, StepFailure, Stop, WaitEnd};
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
    /// takes them in a fixed order.
    ///
    /// # Errors
    /// `Suspended` while others hold it; `Failed` with code `cancelled` when a cancellation ends the waiting.
    pub fn lock(&mut self, name: &str, key: &str) -> Result<u64, Stop> {
        let name = &*self.ask_for_long(name)?;
        match self.state.entry(name).cloned() {
            Some(Entry::Lock { token: Some(token), .. }) => Ok(token),
            Some(Entry::Lock { released: true, .. }) => {
                let reason = self.state.cancel.as_ref().map_or("while it waited", |cancel| &cancel.reason);
                Err(cancelled(name, reason))
            }
            Some(Entry::Lock { key, .. }) => match self.interrupt() {
                Some(WaitEnd::Cancelled(reason)) => {
                    self.commands.push(Command::Unlock { name: name.to_owned(), key: key.clone() });
                    self.state.put(name, Entry::Lock { key, token: None, released: true });
                    Err(cancelled(name, &reason))
                }
                _ => Err(self.suspend()),
            },
            Some(_) => Err(reused(name)),
            None if self.holds(key) => {
                let text = format!("The run asked for the lock `{key}` that it holds already.");
                Err(Stop::Failed(StepFailure::bug(name, "flow_lock_held", text)))
            }
            None => {
                let key = key.to_owned();
                self.commands.push(Command::Lock { name: name.to_owned(), key: key.clone() });
                self.state.put(name, Entry::Lock { key, token: None, released: false });
                Err(self.suspend())
            }
        }
    }

    /// Lets a lock go that this evaluation has taken; nothing happens when it holds none of this key.
    pub fn unlock(&mut self, key: &str) {
        if self.is_suspended() {
            return;
        }
        let held: Vec<String> = (self.state.entries.iter())
            .filter(|(name, named)| {
                let mine = matches!(&named.entry, Entry::Lock { key: k, token: Some(_), released: false } if k == key);
                mine && self.was_asked(name)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in held {
            if let Some(Entry::Lock { key, token, .. }) = self.state.entry(&name).cloned() {
                self.state.put(&name, Entry::Lock { key: key.clone(), token, released: true });
                self.commands.push(Command::Unlock { name, key });
            }
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
        let mine = |entry: &Entry| matches!(entry, Entry::Lock { key: k, released: false, .. } if k == key);
        self.state.entries.values().any(|named| mine(&named.entry))
    }
}

fn cancelled(name: &str, reason: &str) -> Stop {
    let refusal = Refusal::user("cancelled", format!("The run was cancelled: {reason}."), "Start it again when it is wanted.");
    Stop::Failed(StepFailure { step: name.to_owned(), refusal, dead: false })
}
