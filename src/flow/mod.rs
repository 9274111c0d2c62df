//! The workflow kernel: a workflow is a plain synchronous function that is evaluated again on every message over a map of
//! NAMED results, until it comes to something that it must wait for.
//!
//! Invariants:
//! - Nothing here reads a clock or the world. The world is read through steps only; time comes with each message.
//! - [`advance`] turns (state, message) into (new state, commands). The host commits the new state, the commands and the
//!   consumed message together, so that each command is given out exactly once.
//! - A name never changes its meaning, and is asked for at most once in one evaluation. A loop that may go on for long is a
//!   [`Flow::fold`], which keeps what has come of its rounds and forgets the rounds; a short one numbers them.
//! - A step that a new version inserts before the point where a run stands runs late, when the run is next woken. Guard it
//!   with [`Flow::flow_version`] (stored at the start) when the order matters.
//! - Inputs, calls and results outlive the program that wrote them: they are versioned serde types.
//!
//! A step is executed at least once; whoever executes it looks for its own earlier work first.

mod advance;
mod context;
mod fold;
mod message;
mod state;
mod undo;
mod waits;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use advance::{Advance, Workflow, WorkflowFn, advance};
pub use context::Flow;
pub use fold::Turn;
pub use message::{Command, Message, StepFailure, Stop};
pub use state::{Cancel, Entry, Forgotten, LockEnd, Named, Outcome, Queued, State, WaitEnd};
pub use waits::Waited;
