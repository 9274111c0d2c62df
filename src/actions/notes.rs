//! Notes: what a tag would be released with.

use crate::domain::{RepoName, Tag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Write the notes that a tag would be released with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Notes {
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// The tag
    #[arg(value_parser = |s: &str| Tag::parse(s))]
    pub tag: Tag,
    /// Tag to count from; the release before it without one
    #[arg(long, value_parser = |s: &str| Tag::parse(s))]
    #[serde(default)]
    pub from: Option<Tag>,
}
