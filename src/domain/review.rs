//! What people have said about the plan of a run, and the gates that somebody has opened for it.
//!
//! Invariant: here stands who said what of which plan, and nothing that follows from it: whether somebody asked for the
//! deployment or wrote the commit is for those to find out who judge it.

use super::{Actor, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One person's word about one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub by: Actor,
    pub at: Millis,
    /// Of the plan that it is about.
    pub digest: String,
    /// Of the teams that were asked for: slugs of those that they were a member of at that time.
    pub teams: Vec<String>,
    #[serde(flatten)]
    pub said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    Approved,
    Rejected { reason: String },
}

/// A gate that a person whose role allows it may open for one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overridable {
    /// Times at which nothing is deployed.
    Window,
}

/// Somebody opened a gate. The door that took it has made sure that the role allows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub gate: Overridable,
    pub by: Actor,
    /// For the record: the role that allowed it.
    pub role: String,
    /// Never empty.
    pub reason: String,
    pub at: Millis,
    /// Of the plan that it is for.
    pub digest: String,
}

/// All that was said to one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviews {
    /// In the order in which it was said.
    pub said: Vec<Review>,
    pub overrides: Vec<Override>,
}

impl Overridable {
    pub const ALL: [Self; 1] = [Self::Window];

    /// The gate's kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gate| gate.as_str() == text)
    }
}
