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
    /// Somebody agrees to a deployment that waits for people: there, of this id, or of the pull request.
    Approve { at: Option<String>, plan: Option<String> },
    /// Or does not.
    Reject { at: Option<String>, plan: Option<String>, reason: String },
}

impl Ask {
    /// Stable name, as in the audit.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Help { .. } => "help",
            Self::Look { action } | Self::Act { action } => action.name(),
            Self::Steer { .. } => "control",
            Self::Why { .. } => "why",
            Self::Approve { .. } | Self::Reject { .. } => "approve",
        }
    }
}

/// A command of comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Status,
    Why,
    Deploy,
    Rollback,
    Approve,
    Reject,
    Lock,
    Unlock,
    Pause,
    Resume,
    Promote,
    Abort,
    Validate,
    Health,
    Notes,
    Release,
    Help,
}

impl Word {
    /// In the order in which people meet them.
    pub const ALL: [Self; 17] = [
        Self::Status,
        Self::Why,
        Self::Deploy,
        Self::Rollback,
        Self::Approve,
        Self::Reject,
        Self::Lock,
        Self::Unlock,
        Self::Pause,
        Self::Resume,
        Self::Promote,
        Self::Abort,
        Self::Validate,
        Self::Health,
        Self::Notes,
        Self::Release,
        Self::Help,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Why => "why",
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Abort => "abort",
            Self::Validate => "validate",
            Self::Health => "health",
            Self::Notes => "notes",
            Self::Release => "release",
            Self::Help => "help",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }

    /// One clause, for the list of commands.
    pub fn about(self) -> &'static str {
        match self {
            Self::Status => "show what is live, what runs and what it waits for",
            Self::Why => "say why something waits or was refused",
            Self::Deploy => "deploy the pull request's head, or another version",
            Self::Rollback => "go back to a version that was live before",
            Self::Approve => "agree to a deployment that waits for people",
            Self::Reject => "end a deployment that waits for people",
            Self::Lock => "keep deployments out of an environment",
            Self::Unlock => "let deployments into an environment again",
            Self::Pause => "let a deployment wait after this step",
            Self::Resume => "let a deployment go on with its next step",
            Self::Promote => "move everybody to the new version now",
            Self::Abort => "stop a deployment and give users back what they had",
            Self::Validate => "judge the gates of an environment; nothing moves",
            Self::Health => "ask an environment's health checks once",
            Self::Notes => "write the notes that a tag would be released with",
            Self::Release => "release a tag that exists",
            Self::Help => "list the commands, or explain one",
        }
    }
}
