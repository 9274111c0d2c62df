//! Validate: judge the gates of an environment; nothing moves.

use crate::domain::{EnvName, RepoName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Judge the gates of an environment; nothing moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Validate {
    /// Environment to look at
    #[arg(value_parser = |s: &str| EnvName::parse(s))]
    pub environment: EnvName,
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// Tag or whole commit id; the default branch's head without it
    #[arg(long = "ref")]
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
}
