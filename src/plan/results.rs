//! What the calls answer, where `domain` has no word for it.

use crate::config::settings::Lent;
use crate::domain::{CommitFacts, FileAt, PullHead, RunId, Sha, Tag, Unreadable};
use serde::{Deserialize, Serialize};

/// What a run stands on: the first read, and what only the engine knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ground {
    pub run: RunId,
    /// Our own App's id; its checks never count.
    pub app_id: u64,
    pub facts: CommitFacts,
    /// Tags of this repository that we have released, newest first.
    pub released: Vec<Tag>,
    /// What of the operator's the repository may use; nothing where it does not matter, as in a rehearsal.
    #[serde(default)]
    pub lent: Option<Lent>,
    /// The head of the pull request that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullHead>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `.github/lockkeeper.toml` at the default branch's head.
    pub config: Result<Option<FileAt>, Unreadable>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRunMade {
    pub id: u64,
    pub url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DraftMade {
    pub id: u64,
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishMade {
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotesMade {
    pub markdown: String,
    /// Options of the repository's git-cliff configuration that were not followed.
    pub refused_options: Vec<String>,
    /// Why the repository's own configuration was not used, if it was not.
    pub fell_back: Option<String>,
    pub truncated: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentMade {
    pub id: u64,
    /// The sha that GitHub answered; compared with the pin.
    pub sha: Sha,
}

/// A run of a workflow, one of whose jobs waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaiting {
    pub workflow_run: u64,
    /// It runs what a pull request from a fork brings.
    pub fork: bool,
    pub over: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DispatchMade {
    pub workflow_run: u64,
    pub url: Option<String>,
    /// The workflow took the input `sha`, so it knows which commit to deploy whatever its ref points to.
    pub told_sha: bool,
}

/// Our comment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replied {
    pub id: u64,
    pub url: String,
}

/// What one probe found, as far as a run needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeAnswer {
    pub ok: bool,
    /// Stable, lower-case words joined by `_`.
    pub code: String,
    pub reason: String,
    pub fix: Option<String>,
    /// Asking again cannot help: the address is not allowed, the expectation is broken.
    pub hopeless: bool,
}
