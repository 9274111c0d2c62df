//! Control: a person steers a deployment that goes on. Abort beats everything.

use crate::domain::{EnvName, RunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Steer a deployment that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    /// The run's id
    pub run: RunId,
    /// What to do with it
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

/// What they take in a comment, where what goes on is known by its environment.
#[derive(Clone, Debug, clap::Args)]
pub struct SteerHere {
    /// Environment or run, where more than one deployment goes on
    #[arg(value_name = "ENVIRONMENT", value_parser = place)]
    pub at: Option<String>,
    /// Why, for the record
    #[arg(long)]
    pub reason: Option<String>,
}

/// The name of an environment, or the id of a run.
///
/// # Errors
/// It is neither.
pub fn place(text: &str) -> Result<String, &'static str> {
    let known = EnvName::parse(text).is_ok() || RunId::parse(text).is_some();
    if known { Ok(text.to_owned()) } else { Err("neither the name of an environment nor the id of a run") }
}

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Abort => "abort",
        }
    }
}

impl Steer {
    pub fn with(self, verb: Verb) -> Control {
        Control { run: self.run, verb, reason: self.reason }
    }
}
