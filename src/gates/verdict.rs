//! The answer of a gate.

use crate::domain::Millis;
use serde::{Deserialize, Serialize};

/// Only `Pass` (and, later, `Overridden`) lets a run advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pass,
    Fail,
    /// Not yet decided; ask again when something changes or at [`Verdict::ask_again`].
    Pending,
    /// Looked at and could not be decided.
    Inconclusive,
    /// Could not be looked at.
    Unavailable,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The gate's kind: `tag`, `checks`, …
    pub gate: String,
    pub status: Status,
    /// Stable, lower-case words joined by `_`; for example `check_failed`.
    pub code: String,
    /// One plain sentence that names what was looked at.
    pub reason: String,
    /// What to do next; empty when nothing need be done.
    pub fix: String,
    /// Names that the verdict rests on, for example the failed checks.
    pub names: Vec<String>,
    /// When time alone may change the answer.
    pub ask_again: Option<Millis>,
}
