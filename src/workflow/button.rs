//! Somebody has pressed a button of one of our check runs.
//!
//! Invariant: nothing is done before GitHub has said what the person may do. Who may not is not answered: there is no place
//! for it; what was refused is on record.

use super::report::{Outcome, State};
use crate::actions;
use crate::domain::{Actor, Millis, Person, RepoRef, Role, RunId};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::plan::Call;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "button", version: 1, run };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    /// The run that the check run shows.
    pub of: RunId,
    pub identifier: String,
    pub actor: Actor,
    pub pressed_at: Millis,
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let Input { repo, of, identifier, actor, pressed_at } = input;
    by_person(f, repo, actor, |by| Ok(Call::Press { run: of, identifier, by, pressed_at }))
}

/// Asks GitHub what somebody may do, and does for them what they ask for.
pub(super) fn by_person(
    f: &mut Flow,
    repo: RepoRef,
    actor: Actor,
    act: impl FnOnce(Person) -> Result<Call, Stop>,
) -> Result<Value, Stop> {
    let ask = Call::ReadRole { repo, account: actor.id, login: actor.login.clone() };
    let now = f.now();
    let role_read: Millis = f.record("role.asked", || now)?;
    let role: Result<Role, StepFailure> = f.try_step("role", &ask)?;
    let role = match role {
        Ok(role) => role,
        Err(failure) => return f.finish(&Outcome::refused(State::Failed, failure.refusal)),
    };
    let call = act(Person { actor, role, role_read })?;
    let done: Result<actions::outcome::Outcome, StepFailure> = f.try_step("act", &call)?;
    f.finish(&match done {
        Ok(_) => Outcome::new(State::Succeeded),
        Err(failure) => Outcome::refused(State::Rejected, failure.refusal),
    })
}
