//! Each run's story as a plain function over the kernel: what happens in which order, what is waited for, what is undone.
//!
//! Invariants: pure; the world is read through steps; everything that a person sees is written by `render`; whatever can end
//! a run leaves its check run and its deployment in a final state.

mod asking;
mod attesting;
pub mod button;
pub mod comment;
mod configuration;
pub mod deploy;
pub mod environment_review;
pub mod gating;
pub mod ground;
pub mod group;
pub mod look;
pub mod merge;
pub mod mirror;
mod pace;
mod place;
pub mod preview;
pub mod protect;
mod questions;
pub mod range;
pub mod release;
pub mod released;
mod report;
pub mod reviews;
pub mod supplied;
pub mod taken;
mod users;
mod waking;

use crate::domain::Refusal;
use crate::flow::{StepFailure, Stop, Workflow};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Every workflow, for the host.
pub const ALL: [Workflow; 13] = [
    release::WORKFLOW,
    released::WORKFLOW,
    deploy::WORKFLOW,
    merge::WORKFLOW,
    mirror::WORKFLOW,
    preview::WORKFLOW,
    group::WORKFLOW,
    protect::WORKFLOW,
    taken::WORKFLOW,
    look::WORKFLOW,
    comment::WORKFLOW,
    button::WORKFLOW,
    environment_review::WORKFLOW,
];

pub use report::{FailedCheck, Outcome, State};

/// An action, or what it is asked with, as a call keeps it: actions stand above plans.
fn kept(value: &impl Serialize) -> Result<Value, Stop> {
    serde_json::to_value(value).map_err(|why| {
        let refusal = Refusal::us("action_unwritable", format!("It cannot be kept: {why}."));
        deploy::refused_step("kept", refusal)
    })
}

/// The stored input of a run.
fn read_input<T: DeserializeOwned>(input: &Value) -> Result<T, Stop> {
    serde_json::from_value(input.clone()).map_err(|why| {
        let refusal = Refusal::us("input_unreadable", format!("The stored input of the run cannot be read: {why}."));
        Stop::Failed(StepFailure { step: "input".to_owned(), refusal, dead: false })
    })
}
