//! Health: ask an environment's health checks once.

use crate::domain::{EnvName, RepoName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ask an environment's health checks once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Health {
    /// Environment to look at
    #[arg(value_parser = |s: &str| EnvName::parse(s))]
    pub environment: EnvName,
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// Tag or whole commit id; without it what is live by our ledger, or the default branch's head
    #[arg(long = "ref")]
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
}
