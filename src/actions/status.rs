//! Status: what is live, what runs and what it waits for.

use crate::domain::RepoName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show what is live, what runs and what it waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Status {
    /// Repository, as owner/name; all of them without it
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: Option<RepoName>,
}
