//! What people ask for in a comment.

use super::Action;
use crate::domain::Refusal;
use serde::{Deserialize, Serialize};

/// One line of a comment that is meant for us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// As it was written, cut to what a reply can hold.
    pub line: String,
    pub what: Result<Ask, Refusal>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ask {
    /// A page about the commands, in Markdown of our own.
    Help { page: String },
    /// Something that changes nothing.
    Look { action: Box<Action> },
}
