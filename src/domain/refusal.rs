//! What a person reads when something did not happen: a stable code, one plain sentence, and what to do next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose problem it is; decides where it is shown and whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The person who asked can mend it.
    User,
    /// Whoever runs Lockkeeper or installed the App can mend it.
    Operator,
    /// The world (GitHub, the network) was in the way; the same request may pass later.
    World,
    /// A bug of ours.
    Us,
}

/// The code of a commit that the repository has not, or not any more.
pub const COMMIT_GONE: &str = "commit_gone";
/// The workflow run is not there any more.
pub const WORKFLOW_RUN_GONE: &str = "workflow_run_gone";
/// A workflow may have been started, and nobody can say which run it is.
pub const WORKFLOW_RUN_AMBIGUOUS: &str = "workflow_run_ambiguous";

/// A stable code, one sentence, and what to do next. Texts never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Refusal {
    /// Lower-case words joined by `_`; never changes its meaning.
    pub code: String,
    /// One plain sentence.
    pub message: String,
    /// What to do next, as an instruction.
    pub fix: String,
    pub blame: Blame,
}

impl Refusal {
    pub fn user(code: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Blame::User, code, message, fix)
    }
    pub fn operator(code: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Blame::Operator, code, message, fix)
    }
    pub fn world(code: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Blame::World, code, message, fix)
    }
    pub fn us(code: &str, message: impl Into<String>) -> Self {
        Self::new(Blame::Us, code, message, "Report this to the operator of Lockkeeper; nothing else was changed.")
    }
    fn new(blame: Blame, code: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), fix: fix.into(), blame }
    }
}
