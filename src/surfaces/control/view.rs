//! What the control door answers, as JSON: read by the command line and by scripts (`--format json`).
//!
//! Times are RFC 3339 in UTC.

use crate::domain::Actor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A delivery in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// `X-GitHub-Delivery`.
    pub delivery: String,
    /// `X-GitHub-Event`.
    pub event: String,
    pub action: Option<String>,
    pub repository: Option<String>,
    pub received_at: String,
    /// `pending`, `done`, `ignored` or `dead`.
    pub status: String,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Why it is ignored, refused, waiting or dead; empty if there is nothing to say.
    pub note: String,
}

/// One delivery with everything that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryDetail {
    #[serde(flatten)]
    pub row: DeliveryRow,
    pub installation: Option<u64>,
    /// When it is tried again, if it waits.
    pub next_attempt_at: Option<String>,
    /// Bytes of the payload as received.
    pub size: u64,
    /// The runs that it started or woke.
    pub runs: Vec<String>,
    /// Nothing if the payload is no longer kept.
    pub payload: Option<Value>,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    pub run: String,
    pub workflow: String,
    pub repository: String,
    pub tag: Option<String>,
    pub sha: Option<String>,
    pub environment: Option<String>,
    /// `active`, `finished` or `dead`.
    pub state: String,
    pub created_at: String,
    pub updated_at: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    #[serde(flatten)]
    pub row: RunRow,
    /// Who asked.
    pub actor: Actor,
    /// The delivery that started it.
    pub delivery: Option<String>,
    /// The run that it is part of.
    pub parent: Option<String>,
    pub steps: Vec<StepRow>,
    pub outcome: Option<Value>,
    /// Changes whenever something above does.
    #[serde(default)]
    pub mark: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    pub name: String,
    pub kind: String,
    pub state: String,
    pub attempts: u32,
    pub last_error: Option<String>,
    pub started_at: String,
    pub finished_at: Option<String>,
    pub next_attempt_at: Option<String>,
}

/// The server in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub inbox_depth: u64,
    pub dead_letters: u64,
}
