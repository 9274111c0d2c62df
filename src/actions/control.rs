//! Control: a person steers a deployment that goes on. Abort beats everything.

use crate::domain::RunId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Steer a deployment that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    /// The run's id
    pub run: RunId,
    pub verb: Verb,
    /// Why, for the record
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Wait after this step.
    Pause,
    /// Go on with the next step.
    Resume,
    /// Move everybody now.
    Promote,
    /// Stop, and give users back what they had.
    Abort,
}

/// What the four commands take.
#[derive(Clone, Debug, clap::Args)]
pub struct Steer {
    /// The run's id, as `lockkeeper status` shows it
    #[arg(value_parser = |s: &str| RunId::parse(s).ok_or("not the id of a run"))]
    pub run: RunId,
    /// Why, for the record
    #[arg(long)]
    pub reason: Option<String>,
}

impl Steer {
    pub fn with(self, verb: Verb) -> Control {
        Control { run: self.run, verb, reason: self.reason }
    }
}
