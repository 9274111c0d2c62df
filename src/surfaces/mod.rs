//! The doors: webhook, callbacks of deployers, agents, command line. Each is thin: it reads a request, asks the engine and shows the answer.

pub mod callback;
pub mod cli;
pub mod comment;
pub mod control;
pub mod http;
pub mod mcp;
pub mod webhook;

use crate::domain::Millis;

/// The time by the system's clock.
fn now() -> Millis {
    Millis(jiff::Timestamp::now().as_millisecond())
}
