//! The head of a pull request: what GitHub says of it now, and what we have heard of it before.

use super::{Millis, RepoId, Sha};
use serde::{Deserialize, Serialize};

/// As GitHub has it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullHead {
    pub sha: Sha,
    pub branch: String,
    /// Neither closed nor merged.
    pub open: bool,
    /// Where the branch is; nothing when that repository was deleted.
    pub repo: Option<RepoId>,
}

/// A head that a delivery has told us of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHead {
    pub sha: Sha,
    /// When the first delivery of it came, by GitHub's clock as far as we know it.
    pub at: Millis,
}
