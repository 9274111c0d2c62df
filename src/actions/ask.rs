//! What people ask for in a comment.

use super::Action;
use super::control::Verb;
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
    /// Something that changes something.
    Act { action: Box<Action> },
    /// A deployment that goes on is steered: the one to this environment, of this id, or the only one.
    Steer { verb: Verb, at: Option<String>, reason: Option<String> },
    /// Why something waits or was refused: there, in this run, or anywhere.
    Why { about: Option<String> },
}

/// Every command of comments, in the order in which people meet them.
pub const COMMANDS: [&str; 14] = [
    "status", "why", "deploy", "rollback", "lock", "unlock", "pause", "resume", "promote", "abort", "validate", "health",
    "notes", "help",
];
