//! Somebody has reviewed a job on GitHub's own page of its environment, where a plan of ours waits for people.
//!
//! Invariant: nothing counts before GitHub has said what the person may do. Who may not is not answered: there is no place for
//! it; what was refused is on record.

use crate::actions::ask::Ask;
use crate::domain::{Actor, Millis, RepoRef};
use crate::flow::{Flow, Stop, Workflow};
use crate::plan::Call;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "environment_review", version: 1, run };
/// Its name in the audit.
pub const DOOR: &str = "environment_review";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    /// To approve or to reject a run by its id and its plan.
    pub ask: Ask,
    pub actor: Actor,
    /// By GitHub's clock.
    pub said_at: Millis,
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let Input { repo, ask, actor, said_at } = super::read_input(input)?;
    super::button::by_person(f, repo, actor, |by| Ok(Call::Act { ask: super::kept(&ask)?, by, said_at, pull: None }))
}
