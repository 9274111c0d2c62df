//! What is asked of GitHub's deployments.

use crate::domain::{EnvName, RepoRef, RunId, Sha, Tag};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentCall {
    pub repo: RepoRef,
    pub sha: Sha,
    /// The tag, if a tag is what is deployed; for people, in the payload.
    pub tag: Option<Tag>,
    pub environment: EnvName,
    pub production: bool,
    pub description: String,
    pub plan: String,
    /// GitHub's `task`.
    pub task: Task,
    /// More for whoever deploys: `slot`, `step`, `weight`, `version`, …
    #[serde(default)]
    pub payload: BTreeMap<String, String>,
    /// Somebody deploys as soon as it is made: it is not made any more once the run is asked to stop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stoppable: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MirrorCall {
    pub deployment: DeploymentCall,
    pub pull: u64,
    /// The run that has brought it, and what is live since.
    pub of: RunId,
    pub live: Sha,
}

/// Why a version goes to an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    Deploy,
    Rollback,
    /// Nothing is deployed: it shows on a pull request what another deployment has brought.
    Mirror,
}

impl Task {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Mirror => "mirror",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusCall {
    pub repo: RepoRef,
    pub deployment: u64,
    /// `pending`, `queued`, `in_progress`, `success`, `failure`, `error`, `inactive`.
    pub state: String,
    /// Cut to GitHub's 140 characters.
    pub description: String,
    pub environment_url: Option<String>,
    pub log_url: Option<String>,
    /// It is told of beside another deployment: the others of the environment stay as they are, and it gives way to every
    /// other call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
}

/// A job of a workflow that waits for the rules of its environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewCall {
    pub repo: RepoRef,
    pub workflow_run: u64,
    /// As GitHub writes it.
    pub environment: String,
    /// Nothing is decided without it.
    pub approve: Option<bool>,
    /// Markdown, within GitHub's 1,024 characters.
    pub comment: String,
}
