//! A group of a merge queue: pull requests merged into one commit, which is merged once its checks are there. What pull requests
//! get of us by default is reported on the group's head too, so that no queue waits for us in vain.
//!
//! Invariants: both check runs end, whatever happens, as far as GitHub takes them; a group that is no more ends quietly, and so
//! does one whose commit is gone.

use super::report::{Outcome, State};
use super::{configuration, preview};
use crate::domain::{Millis, Refusal, RepoRef, Sha};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::plan::{Call, CheckOutcome, CheckRunMade, Ground};
use crate::render::check::Text;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "group", version: 1, run };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub head: Sha,
    pub asked_at: Millis,
}

/// The natural key of the first look at a group.
pub fn key(repo: &RepoRef, head: &Sha) -> String {
    format!("group:{}:{head}", repo.id)
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let outcome = match story(f, &input) {
        Err(Stop::Failed(failure)) => unread(f, &input, failure.refusal)?,
        other => other?,
    };
    f.finish(&outcome)
}

fn story(f: &mut Flow, input: &Input) -> Result<Outcome, Stop> {
    let read = Call::ReadCommit { repo: input.repo.clone(), tag: None, sha: Some(input.head.clone()) };
    let ground: Ground = f.step("facts", &read)?;
    // Nobody may wait any more for what took its time to be read.
    if ground.facts.sha.is_none() || f.cancelled("given_up")?.is_some() {
        return Ok(Outcome::new(State::Nothing).at(&input.head));
    }
    configuration::report_any(f, &input.repo, &input.head, &ground.facts.config_here)?;
    let text = preview::text(f, &input.repo, &input.head, &ground)?;
    preview::put(f, &input.repo, &input.head, CheckOutcome::Success, text)?;
    Ok(Outcome::new(State::Succeeded).at(&input.head))
}

/// Nobody knows what merging the group would do: it does not pass, and says how to go on.
fn unread(f: &mut Flow, input: &Input, refusal: Refusal) -> Result<Outcome, Stop> {
    for name in [preview::CHECK, configuration::CHECK] {
        let summary =
            format!("{}\n\nWhat to do: {} Then add the pull request to the queue again.", refusal.message, refusal.fix);
        let text = Text { title: "The group could not be looked at".to_owned(), summary };
        let call = preview::check_run(&input.repo, &input.head, name, CheckOutcome::Failure, text);
        let made: Result<CheckRunMade, StepFailure> = f.try_step(&format!("unread.{name}"), &call)?;
        // Where GitHub takes no check run either, the queue gives up by itself.
        drop(made);
    }
    Ok(Outcome::refused(State::Failed, refusal).at(&input.head))
}
