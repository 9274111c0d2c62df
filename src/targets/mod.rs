//! How a version is brought up in an environment: one file for each kind of target, pure. A target says what to call and
//! judges what came back; the engine calls.

pub mod deployment;
mod placeholders;
pub mod workflow;

pub use placeholders::{Values, fill};

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
