//! Compensation: what was done is undone in reverse order.

use super::context::{reused, write};
use super::{Command, Entry, Flow, StepFailure, Stop};
use serde::Serialize;

impl Flow<'_> {
    /// Registers a call that undoes something done; it runs when the run unwinds. `name` is the name of the undoing step.
    ///
    /// # Errors
    /// `Failed` when the call cannot be written as JSON or the name is in use for something else.
    pub fn on_undo(&mut self, name: &str, call: &impl Serialize) -> Result<(), Stop> {
        let name = self.ask_for_long(name)?;
        match self.state.entry(&name) {
            Some(Entry::Undo { .. }) => Ok(()),
            Some(_) => Err(reused(&name)),
            None => {
                let call = write(&name, call)?;
                self.state.put(&name, Entry::Undo { call, called: false, result: None });
                Ok(())
            }
        }
    }

    /// Undoes, one by one and last first, what this evaluation has registered up to here. One failed undo does not stop the
    /// others; the failures are given to the workflow. (A run that ends with `Failed` unwinds by itself.)
    ///
    /// # Errors
    /// `Suspended` until all are done.
    pub fn unwind(&mut self) -> Result<Vec<StepFailure>, Stop> {
        self.unwind_where(|flow, name| flow.was_asked(name))
    }

    /// As [`Flow::unwind`], for everything that is registered at all: a failure before the point where an undo was
    /// registered (in a step that a new version inserted) must not forget it.
    pub(super) fn unwind_all(&mut self) -> Result<Vec<StepFailure>, Stop> {
        self.unwind_where(|_, _| true)
    }

    fn unwind_where(&mut self, chosen: impl Fn(&Self, &str) -> bool) -> Result<Vec<StepFailure>, Stop> {
        if self.is_suspended() {
            return Err(Stop::Suspended);
        }
        let mut order: Vec<(u64, String)> = (self.state.entries.iter())
            .filter(|(name, named)| matches!(named.entry, Entry::Undo { .. }) && chosen(self, name))
            .map(|(name, named)| (named.seq, name.clone()))
            .collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let mut failures = Vec::new();
        for (_, name) in order {
            match self.state.entry(&name).cloned() {
                Some(Entry::Undo { result: Some(Err(failure)), .. }) => failures.push(failure),
                Some(Entry::Undo { called: true, result: None, .. }) => return Err(self.suspend()),
                Some(Entry::Undo { call, called: false, .. }) => {
                    self.state.put(&name, Entry::Undo { call: call.clone(), called: true, result: None });
                    self.commands.push(Command::Call { name, call });
                    return Err(self.suspend());
                }
                _ => {}
            }
        }
        Ok(failures)
    }
}
