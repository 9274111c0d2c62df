//! What the calls answer, where `domain` has no word for it.

use crate::domain::Sha;
use serde::{Deserialize, Serialize};

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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DispatchMade {
    pub workflow_run: u64,
    pub url: Option<String>,
    /// The workflow took the input `sha`, so it knows which commit to deploy whatever its ref points to.
    pub told_sha: bool,
}
