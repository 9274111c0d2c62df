//! What a workflow may ask for: steps, several at once, recorded values.

use super::{Command, Entry, State, StepFailure, Stop};
use crate::domain::{Millis, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

/// One evaluation of a workflow. Every method that takes a name answers from the stored result of that name, or asks for it
/// and returns [`Stop::Suspended`]. After the first `Suspended` every further question is `Suspended` too, so that a
/// workflow cannot run past something that it does not know.
pub struct Flow<'a> {
    pub(super) state: &'a mut State,
    pub(super) commands: &'a mut Vec<Command>,
    now: Millis,
    asked: BTreeSet<String>,
    suspended: bool,
    /// What all names begin with: the round of a fold.
    pub(super) scope: String,
}

impl<'a> Flow<'a> {
    pub(super) fn new(state: &'a mut State, now: Millis, commands: &'a mut Vec<Command>) -> Self {
        Self { state, commands, now, asked: BTreeSet::new(), suspended: false, scope: String::new() }
    }

    /// Runs one call and gives its result.
    ///
    /// # Errors
    /// `Suspended` until the call has ended, `Failed` when it will not succeed.
    pub fn step<T: DeserializeOwned>(&mut self, name: &str, call: &impl Serialize) -> Result<T, Stop> {
        self.try_step(name, call)?.map_err(Stop::Failed)
    }

    /// As [`Flow::step`], but gives a failure to the workflow.
    ///
    /// # Errors
    /// `Suspended` until the call has ended.
    pub fn try_step<T: DeserializeOwned>(&mut self, name: &str, call: &impl Serialize) -> Result<Result<T, StepFailure>, Stop> {
        let end = self.request(name, call)?;
        let result = end.ok_or_else(|| self.suspend())?;
        Ok(result.and_then(|value| read(name, value)))
    }

    /// Asks for a call and goes on; [`Flow::end_of`] waits for it.
    ///
    /// # Errors
    /// `Failed` when the call cannot be written as JSON or the name is in use for something else.
    pub fn begin(&mut self, name: &str, call: &impl Serialize) -> Result<(), Stop> {
        self.request(name, call).map(drop)
    }

    /// The end of a call that [`Flow::begin`] asked for under this name.
    ///
    /// # Errors
    /// `Suspended` until it has ended; `Failed` when nothing was asked for under this name.
    pub fn end_of<T: DeserializeOwned>(&mut self, name: &str) -> Result<Result<T, StepFailure>, Stop> {
        if self.suspended {
            return Err(Stop::Suspended);
        }
        let name = format!("{}{name}", self.scope);
        match self.state.entry(&name).filter(|_| self.was_asked(&name)) {
            Some(Entry::Call { result: Some(result), .. }) => Ok(result.clone().and_then(|value| read(&name, value))),
            Some(Entry::Call { result: None, .. }) => Err(self.suspend()),
            _ => Err(reused(&name)),
        }
    }

    /// Runs several calls side by side and gives their results in the order of `calls`.
    ///
    /// # Errors
    /// `Suspended` until all have ended; then the first failure in the order of `calls`.
    pub fn all<T: DeserializeOwned, N: AsRef<str>, C: Serialize>(&mut self, calls: &[(N, C)]) -> Result<Vec<T>, Stop> {
        self.try_all(calls)?.into_iter().collect::<Result<_, _>>().map_err(Stop::Failed)
    }

    /// As [`Flow::all`], but gives the failures to the workflow.
    ///
    /// # Errors
    /// `Suspended` until all calls have ended.
    pub fn try_all<T: DeserializeOwned, N: AsRef<str>, C: Serialize>(
        &mut self,
        calls: &[(N, C)],
    ) -> Result<Vec<Result<T, StepFailure>>, Stop> {
        let mut ends = Vec::with_capacity(calls.len());
        for (name, call) in calls {
            let end = self.request(name.as_ref(), call)?;
            ends.push(end.map(|result| result.and_then(|value| read(name.as_ref(), value))));
        }
        let ends: Option<Vec<_>> = ends.into_iter().collect();
        ends.ok_or_else(|| self.suspend())
    }

    /// Computes a value once and remembers it; for what would come out differently another time ([`Flow::now`], a plan).
    ///
    /// # Errors
    /// `Failed` when the value cannot be written as JSON or read back.
    pub fn record<T: Serialize + DeserializeOwned>(&mut self, name: &str, value: impl FnOnce() -> T) -> Result<T, Stop> {
        let name = self.ask(name)?;
        match self.state.entry(&name) {
            Some(Entry::Record { value }) => read(&name, value.clone()).map_err(Stop::Failed),
            Some(_) => Err(reused(&name)),
            None => {
                let value = value();
                self.state.put(&name, Entry::Record { value: write(&name, &value)? });
                Ok(value)
            }
        }
    }

    /// The reason for stopping, if somebody asked this run to stop before this point was first reached. Named, so that a
    /// later evaluation does not turn off at an earlier point. Once told, the cancellation interrupts no wait any more.
    ///
    /// # Errors
    /// `Failed` when the name is in use for something else.
    pub fn cancelled(&mut self, name: &str) -> Result<Option<String>, Stop> {
        let name = self.ask(name)?;
        match self.state.entry(&name) {
            Some(Entry::Look { reason }) => Ok(reason.clone()),
            Some(_) => Err(reused(&name)),
            None => {
                let reason = self.state.cancel.as_mut().map(|cancel| {
                    cancel.seen = true;
                    cancel.reason.clone()
                });
                self.state.put(&name, Entry::Look { reason: reason.clone() });
                Ok(reason)
            }
        }
    }

    /// Ends the run with this outcome: `return flow.finish(&outcome)`. What was registered to be undone stays done.
    ///
    /// # Errors
    /// `Failed` when the outcome cannot be written as JSON.
    pub fn finish(&mut self, outcome: &impl Serialize) -> Result<Value, Stop> {
        write("finish", outcome)
    }

    /// Waits without an end of its own; for a host that does not know the workflow of a run and keeps it for a program that
    /// does.
    pub fn park(&mut self) -> Stop {
        self.suspend()
    }

    /// The time of the message that caused this evaluation. It differs from one evaluation to the next: use it for
    /// deadlines, or inside [`Flow::record`].
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The version of the workflow when this run was started.
    pub fn flow_version(&self) -> u32 {
        self.state.flow_version
    }

    /// The stored end of a call; asks for it when it is new.
    fn request(&mut self, name: &str, call: &impl Serialize) -> Result<Option<Result<Value, StepFailure>>, Stop> {
        let name = self.ask(name)?;
        match self.state.entry(&name) {
            Some(Entry::Call { result, .. }) => Ok(result.clone()),
            Some(_) => Err(reused(&name)),
            None => {
                let call = write(&name, call)?;
                self.state.put(&name, Entry::Call { call: call.clone(), result: None });
                self.commands.push(Command::Call { name, call });
                Ok(None)
            }
        }
    }

    /// Notes that a name is asked for and gives it in full; twice in one evaluation is a mistake of the workflow.
    pub(super) fn ask(&mut self, name: &str) -> Result<String, Stop> {
        if self.suspended {
            return Err(Stop::Suspended);
        }
        let name = format!("{}{name}", self.scope);
        if self.asked.insert(name.clone()) { Ok(name) } else { Err(reused(&name)) }
    }

    /// As [`Flow::ask`], for what may outlive a round: not inside of a fold.
    pub(super) fn ask_for_long(&mut self, name: &str) -> Result<String, Stop> {
        let name = self.ask(name)?;
        if self.scope.is_empty() {
            return Ok(name);
        }
        let text = format!("`{name}` would outlive the round that it stands in.");
        Err(Stop::Failed(StepFailure::bug(&name, "flow_fold_keeps", text)))
    }

    pub(super) fn was_asked(&self, name: &str) -> bool {
        self.asked.contains(name)
    }

    pub(super) fn suspend(&mut self) -> Stop {
        self.suspended = true;
        Stop::Suspended
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// A workflow that says `Suspended` without having asked for anything would wait for ever.
    pub(super) fn stuck() -> Refusal {
        Refusal::us("flow_stuck", "The run stopped without anything to wait for.")
    }
}

pub(super) fn reused(name: &str) -> Stop {
    let text = format!("The name `{name}` stands for two different things in this run.");
    Stop::Failed(StepFailure::bug(name, "flow_name_reused", text))
}

pub(super) fn write(name: &str, value: &impl Serialize) -> Result<Value, Stop> {
    serde_json::to_value(value).map_err(|why| {
        Stop::Failed(StepFailure::bug(name, "flow_not_json", format!("What `{name}` holds cannot be written as JSON: {why}.")))
    })
}

pub(super) fn read<T: DeserializeOwned>(name: &str, value: Value) -> Result<T, StepFailure> {
    serde_json::from_value(value).map_err(|why| {
        StepFailure::bug(name, "flow_result_unreadable", format!("The stored result of `{name}` cannot be read: {why}."))
    })
}
