//! What others may be told of: a release is out, a version is live, it was taken back, it failed, a person is needed.

use super::{EnvName, Millis, RepoName, RunId, Sha, Tag};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewsKind {
    Released,
    Deployed,
    RolledBack,
    /// It was refused, failed, was given up, or nobody can say how it ended.
    Failed,
    NeedsApproval,
}

impl NewsKind {
    pub const ALL: [Self; 5] = [Self::Released, Self::Deployed, Self::RolledBack, Self::Failed, Self::NeedsApproval];

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Deployed => "deployed",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::NeedsApproval => "needs_approval",
        }
    }
}

/// What is told, as it was when it happened. Others wrote much of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    pub kind: NewsKind,
    pub at: Millis,
    pub run: RunId,
    pub repo: RepoName,
    /// Nothing for a release.
    pub environment: Option<EnvName>,
    pub tag: Option<Tag>,
    pub sha: Option<Sha>,
    pub version: Option<String>,
    /// The release's page, or where the version runs.
    pub url: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// `rejected`, `failed`, `indeterminate`, …: how it ended, in one word.
    pub state: Option<String>,
    pub problem: Option<Problem>,
    /// Whose approval is needed.
    pub asks: Option<String>,
}

/// Why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
    pub fix: String,
}
