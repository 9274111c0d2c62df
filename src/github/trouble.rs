//! What went wrong with a call, and whether trying again can help.

use super::Operation;
use crate::domain::{Blame, COMMIT_GONE, Refusal, Sha};
use std::fmt;
use std::time::Duration;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same call may pass later, not before `after` if GitHub named a time.
    Retryable { after: Option<Duration> },
    /// GitHub understood and said no; the same call will be refused again.
    Refused,
    /// What the call was about does not exist, or not for us.
    Gone,
    /// The App, its key, its permissions or its installation are not as they must be.
    Misconfigured,
}

/// A failed call. Texts hold no secret and nothing that GitHub said beyond its own short message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub class: Class,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Stable, for people and tests.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What to do next.
    pub fix: String,
    /// The call, if it got as far as being one.
    pub operation: Option<Operation>,
}

impl std::error::Error for Trouble {}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl Trouble {
    pub(super) fn new(class: Class, code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { class, status: None, code, message: message.into(), fix: fix.into(), operation: None }
    }
    pub(super) fn retry(after: Option<Duration>, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Class::Retryable { after }, code, message, "Nothing: Lockkeeper tries again by itself.")
    }
    pub(super) fn at(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }
    /// GitHub answered something that we cannot read as what it should be.
    pub(super) fn nonsense(operation: Operation, what: &str) -> Self {
        let message = format!("GitHub's answer to {} could not be read: {what}.", operation.name());
        Self::retry(None, "github_answer_unreadable", message).at(operation)
    }
    /// The repository has not this commit, or not any more.
    pub(super) fn commit_gone(sha: &Sha) -> Self {
        let message = format!("The repository has no commit {} (any more).", sha.short());
        Self::new(Class::Gone, COMMIT_GONE, message, "Name a commit that is there, or push it again.")
    }
    pub fn is_retryable(&self) -> bool {
        matches!(self.class, Class::Retryable { .. })
    }
    /// The call was held back, or GitHub asked for it later: it has made nothing.
    pub fn made_nothing(&self) -> bool {
        ["github_paced", "github_quota", "github_secondary_limit", "github_rate_limit"].contains(&self.code)
    }
    pub fn is_gone(&self) -> bool {
        self.class == Class::Gone
    }
    /// How long GitHub asks us to wait.
    pub fn after(&self) -> Option<Duration> {
        match self.class {
            Class::Retryable { after } => after,
            _ => None,
        }
    }
    /// A page was too much for GitHub, which says so by a status or inside a 200: half of it may pass.
    pub(super) fn asks_for_less(&self) -> bool {
        matches!(self.code, "github_unavailable" | "github_query_timeout") && self.after().is_none()
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        let blame = match trouble.class {
            _ if trouble.status == Some(400) => Blame::Us,
            Class::Retryable { .. } => Blame::World,
            Class::Misconfigured => Blame::Operator,
            Class::Refused | Class::Gone => Blame::User,
        };
        Refusal { code: trouble.code.to_owned(), message: trouble.message, fix: trouble.fix, blame }
    }
}
