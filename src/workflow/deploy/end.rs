//! How a deployment ends for everybody who looks: one terminal status, one terminal check run, one outcome.

use super::Input;
use super::leg::status_of;
use super::page::{Shown, sheet, with_buttons};
use crate::actions::button::Button;
use crate::domain::{Blame, Refusal};
use crate::flow::{Flow, StepFailure, Stop};
use crate::gates::Verdict;
use crate::plan::CheckOutcome;
use crate::render::check::Stage;
use crate::workflow::report::{Outcome, State};

/// An end that is not a success.
pub(super) struct Ending<'a> {
    pub state: State,
    pub refusal: Refusal,
    pub verdicts: &'a [Verdict],
}

impl Ending<'_> {
    pub fn new(state: State, refusal: Refusal) -> Self {
        Self { state, refusal, verdicts: &[] }
    }
    /// A gate or a rule said no; nothing was changed.
    pub fn refused(refusal: Refusal) -> Self {
        Self::new(State::Rejected, refusal)
    }
    pub fn failed(refusal: Refusal) -> Self {
        Self::new(State::Failed, refusal)
    }

    pub fn report(self, f: &mut Flow, input: &Input, shown: &mut Shown) -> Result<Outcome, Stop> {
        self.report_as(f, input, shown, "end")
    }

    fn report_as(self, f: &mut Flow, input: &Input, shown: &mut Shown, name: &str) -> Result<Outcome, Stop> {
        input.step_out(f);
        let (word, outcome) = words(self.state);
        if let Some(deployment) = shown.deployment {
            status_of(f, &format!("status.{name}"), input, deployment, word, &self.refusal.message, None)?;
        }
        let text = sheet(input, Stage::UnderWay, Some(&self.refusal), self.verdicts, &shown.progress).text();
        let step = if name == "end" { "check".to_owned() } else { format!("check.{name}") };
        // A way back is asked for by name; what a gate has refused is asked for again with GitHub's own button.
        let again = self.state == State::Failed && !input.rollback;
        let buttons = again.then(|| Button::Retry.shown("")).into_iter().collect();
        let call = with_buttons(input, shown, Some(outcome), text, buttons);
        shown.say(f, &step, call)?;
        Ok(Outcome::refused(self.state, self.refusal).at(&input.subject.sha))
    }
}

/// GitHub's words for an end.
fn words(state: State) -> (&'static str, CheckOutcome) {
    match state {
        State::Cancelled | State::Superseded => ("inactive", CheckOutcome::Cancelled),
        State::Expired => ("inactive", CheckOutcome::TimedOut),
        State::RollbackFailed | State::Indeterminate => ("error", CheckOutcome::Failure),
        State::Rejected | State::Failed | State::RolledBack | State::HaltedForward | State::Succeeded | State::Nothing => {
            ("failure", CheckOutcome::Failure)
        }
    }
}

/// A step failed for good, or the run was stopped while it waited.
pub(super) fn broken(f: &mut Flow, input: &Input, failure: StepFailure, shown: &mut Shown) -> Result<Outcome, Stop> {
    f.unwind()?;
    let state = match () {
        () if failure.refusal.code == "cancelled" => State::Cancelled,
        () if failure.dead && failure.refusal.blame != Blame::Us => State::Expired,
        () => State::Failed,
    };
    Ending::new(state, failure.refusal).report_as(f, input, shown, "broken")
}
