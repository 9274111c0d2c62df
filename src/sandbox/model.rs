//! What the stand-in remembers, one struct per thing that GitHub shows. Tests read these directly.

use crate::domain::{Millis, Sha};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    User,
    Bot,
    Organization,
}

/// A user, a bot (login ends in `[bot]`) or an organisation.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: u64,
    pub login: String,
    pub kind: AccountKind,
    pub email: String,
}

/// A check run of the App under test or of another one.
#[derive(Clone, Debug)]
pub struct CheckRun {
    pub id: u64,
    pub suite: u64,
    pub app_id: u64,
    pub app_slug: String,
    pub name: String,
    pub sha: Sha,
    pub status: String,
    pub conclusion: Option<String>,
    pub external_id: String,
    pub details_url: Option<String>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub text: Option<String>,
    pub annotations: Vec<Value>,
    pub actions: Vec<Value>,
    pub started_at: Option<String>,
    pub completed_at: Option<String>,
}

/// All check runs of one App on one commit.
#[derive(Clone, Debug)]
pub struct CheckSuite {
    pub id: u64,
    pub app_id: u64,
    pub app_slug: String,
    pub sha: Sha,
    pub branch: Option<String>,
    pub before: Option<Sha>,
    pub at: Millis,
}

/// A commit status.
#[derive(Clone, Debug)]
pub struct Status {
    pub id: u64,
    pub sha: Sha,
    pub context: String,
    pub state: String,
    pub description: Option<String>,
    pub target_url: Option<String>,
    pub creator: String,
    pub at: Millis,
}

#[derive(Clone, Debug)]
pub struct Release {
    pub id: u64,
    pub tag: String,
    pub target: String,
    pub name: Option<String>,
    pub body: String,
    pub draft: bool,
    pub prerelease: bool,
    pub author: String,
    pub created_at: Millis,
    pub published_at: Option<Millis>,
    pub assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Clone, Debug)]
pub struct Asset {
    pub name: String,
    /// Nothing while it is uploaded.
    pub digest: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Deployment {
    pub id: u64,
    pub sha: Sha,
    pub git_ref: String,
    pub task: String,
    pub environment: String,
    pub original_environment: String,
    pub description: Option<String>,
    pub payload: Value,
    pub production: bool,
    pub transient: bool,
    pub creator: String,
    /// Made by the App under test.
    pub by_app: bool,
    pub created_at: Millis,
    pub updated_at: Millis,
    /// Oldest first.
    pub statuses: Vec<DeploymentStatus>,
}

impl Deployment {
    /// The newest status' state; `pending` before the first.
    pub fn state(&self) -> &str {
        self.statuses.last().map_or("pending", |s| s.state.as_str())
    }
}

#[derive(Clone, Debug)]
pub struct DeploymentStatus {
    pub id: u64,
    pub state: String,
    pub description: String,
    pub environment: String,
    pub environment_url: String,
    pub log_url: String,
    pub creator: String,
    pub by_app: bool,
    pub at: Millis,
}

/// A run of GitHub Actions; `inputs` are those of its dispatch.
#[derive(Clone, Debug)]
pub struct WorkflowRun {
    pub id: u64,
    pub workflow_id: u64,
    pub workflow: String,
    /// `run-name` of the workflow, or its name.
    pub title: String,
    pub path: String,
    pub number: u64,
    pub suite: u64,
    pub event: String,
    pub branch: String,
    pub sha: Sha,
    pub status: String,
    pub conclusion: Option<String>,
    pub inputs: Value,
    pub actor: String,
    /// Of a pull request from a fork.
    pub fork: bool,
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// What the App under test has said about a job that waits for it.
#[derive(Clone, Debug)]
pub struct Review {
    pub run: u64,
    pub environment: String,
    /// `approved` or `rejected`.
    pub state: Option<String>,
    /// With the decision.
    pub comment: String,
    pub by: String,
    /// Reports before it, oldest first.
    pub reports: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Pull {
    pub id: u64,
    pub number: u64,
    pub title: String,
    pub body: String,
    pub author: String,
    pub labels: Vec<String>,
    pub open: bool,
    pub draft: bool,
    /// Branch names without `refs/heads/`.
    pub head: String,
    pub base: String,
    pub head_sha: Sha,
    pub base_sha: Sha,
    /// The fork that the head branch lives in; nothing for a branch of the same repository.
    pub head_repo: Option<String>,
    pub merged_at: Option<Millis>,
    pub merge_commit: Option<Sha>,
    pub merged_by: Option<String>,
    pub created_at: Millis,
    pub updated_at: Millis,
    /// Every commit that it brought to its base, known once it was merged.
    pub commits: Vec<Sha>,
}

/// A comment on a pull request.
#[derive(Clone, Debug)]
pub struct Comment {
    pub id: u64,
    pub pull: u64,
    pub author: String,
    pub body: String,
    /// Made by the App under test.
    pub by_app: bool,
    pub created_at: Millis,
    pub updated_at: Millis,
    /// How often it was edited.
    pub edits: usize,
    pub reactions: Vec<Reaction>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    pub id: u64,
    pub by: String,
    /// GitHub's word: `eyes`, `rocket`, …
    pub content: String,
}

/// A move of a branch or tag, as the activity of a repository lists it.
#[derive(Clone, Debug)]
pub struct Push {
    pub id: u64,
    pub by: String,
    pub git_ref: String,
    /// Zeros where there was or is nothing.
    pub before: String,
    pub after: String,
    pub forced: bool,
    pub at: Millis,
}
