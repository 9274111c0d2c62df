//! How a version is brought up in an environment, and how users are moved to it: one file for each kind.
//!
//! The targets `workflow` and `deployment` are pure: they say what to call on GitHub and judge what came back; the engine
//! calls. The others reach the world themselves.

pub mod callback;
pub mod command;
pub mod deployment;
pub mod errand;
pub mod haproxy;
pub mod hook;
mod placeholders;
mod report;
pub mod sign;
pub mod traffic;
mod trouble;
pub mod workflow;

pub use errand::{Action, Errand, Running, Target, Ticket};
pub use placeholders::{Values, fill, fill_address};
pub use traffic::{Split, Traffic};
pub use trouble::{Again, Trouble};

use serde::{Deserialize, Serialize};

/// How far a target has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "progress", rename_all = "snake_case")]
pub enum Progress {
    Working,
    Done {
        /// Where the version can be seen, if the target said so.
        url: Option<String>,
    },
    Failed {
        reason: String,
    },
    /// Somebody stopped the deployment while the target worked.
    Stopped {
        reason: String,
    },
}
