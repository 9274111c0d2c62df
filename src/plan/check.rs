//! What a check run of ours says.

use crate::domain::{RepoRef, Sha};
use serde::{Deserialize, Serialize};

/// How a check run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    Success,
    Neutral,
    Failure,
    ActionRequired,
    Cancelled,
    TimedOut,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRunCall {
    pub repo: RepoRef,
    /// `lockkeeper/release`, `lockkeeper/<environment>`, …
    pub name: String,
    pub sha: Sha,
    /// Our check run from an earlier step of this run, to be updated.
    pub update: Option<u64>,
    /// `None` while it is in progress.
    pub outcome: Option<CheckOutcome>,
    /// It has not begun: others are before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    pub title: String,
    /// Markdown, within GitHub's 65,535 characters.
    pub summary: String,
    pub details_url: Option<String>,
    pub annotations: Vec<Annotation>,
    /// Buttons; at most three.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<CheckAction>,
}

/// A button: texts of at most 20, 40 and 20 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAction {
    pub label: String,
    pub description: String,
    /// What GitHub tells us when it is pressed.
    pub identifier: String,
}

/// A remark on a line of a file; at most 50 are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    pub path: String,
    pub line: u32,
    pub column: u32,
    pub title: String,
    pub message: String,
}
