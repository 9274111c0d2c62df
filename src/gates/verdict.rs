//! The answer of a gate.

use crate::domain::Millis;
use serde::{Deserialize, Serialize};

/// Only `Pass` and `Overridden` let a run advance; see [`Status::advances`].
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
    /// Would not have passed; a person whose role allows it opened the gate with a reason.
    Overridden,
}

impl Status {
    pub fn advances(self) -> bool {
        matches!(self, Self::Pass | Self::Overridden)
    }
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
    /// Where to read more about some of the names.
    #[serde(default)]
    pub links: Vec<Link>,
    /// When time alone, or a fresh read, may change the answer. `None` on a verdict that does not advance: waiting cannot help.
    pub ask_again: Option<Millis>,
}

/// A page about one of `Verdict::names`; always http or https.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub name: String,
    pub url: String,
}

/// What several gates say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overall {
    pub status: Status,
    /// The earliest time at which one of the open gates may answer differently. `None` on a status other than `Pass`: the
    /// run is refused now, waiting cannot help.
    pub ask_again: Option<Millis>,
}

impl Verdict {
    pub(super) fn new(gate: &str, status: Status, code: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            gate: gate.to_owned(),
            status,
            code: code.to_owned(),
            reason: reason.into(),
            fix: fix.into(),
            names: Vec::new(),
            links: Vec::new(),
            ask_again: None,
        }
    }
    pub(super) fn pass(gate: &str, code: &str, reason: impl Into<String>) -> Self {
        Self::new(gate, Status::Pass, code, reason, "")
    }
    pub(super) fn fail(gate: &str, code: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(gate, Status::Fail, code, reason, fix)
    }
    pub(super) fn unavailable(gate: &str, code: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(gate, Status::Unavailable, code, reason, fix)
    }
    pub(super) fn names(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }
    pub(super) fn links(mut self, links: Vec<Link>) -> Self {
        self.links = links;
        self
    }
    pub(super) fn again(mut self, at: Millis) -> Self {
        self.ask_again = Some(at);
        self
    }
}

/// `Pass` only if every gate passes or is overridden; no gate at all was asked for: `Pass`.
///
/// Any `Fail` decides. Then any gate that waiting cannot help (its own status). Otherwise the run waits: `Pending`, or
/// `Unavailable` or `Inconclusive` if no gate is `Pending`.
pub fn overall(verdicts: &[Verdict]) -> Overall {
    let open = || verdicts.iter().filter(|v| !v.status.advances());
    let decided = |status| Overall { status, ask_again: None };
    if open().any(|v| v.status == Status::Fail) {
        return decided(Status::Fail);
    }
    if let Some(stuck) = open().find(|v| v.ask_again.is_none()) {
        return decided(stuck.status);
    }
    let waiting = open().find(|v| v.status == Status::Pending).or_else(|| open().next());
    let Some(waiting) = waiting else { return decided(Status::Pass) };
    Overall { status: waiting.status, ask_again: open().filter_map(|v| v.ask_again).min() }
}
