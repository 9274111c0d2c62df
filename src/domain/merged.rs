//! Pull requests by what their merges have brought, and how they show where it runs.

use super::Sha;
use serde::{Deserialize, Serialize};

/// A pull request that was merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedPull {
    pub number: u64,
    /// Its newest own commit.
    pub head: Sha,
}

/// The merge of a pull request, looked for by its head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadMerge {
    pub pull: u64,
    /// The head when it was merged.
    pub head: Sha,
    /// What the merge has put onto the base branch.
    pub commit: Sha,
}

/// What a range of commits has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedPulls {
    /// Newest merge first.
    pub pulls: Vec<MergedPull>,
    /// Why there may be more, if that is so.
    pub cut: Option<String>,
}

/// GitHub's deployment by which a pull request's page shows that it runs in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    pub pull: u64,
    /// GitHub's id.
    pub deployment: u64,
}
