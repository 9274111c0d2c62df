//! The one shape of every answer: what came of it, what it is about, why it was refused, and what to call next.

use super::audited::AuditEntry;
use super::views::{Approval, Deployment, Health, Lock, Notes, PlanShown, Release, Status, Validation};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Envelope {
    pub outcome: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployments: Option<Vec<Deployment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<Vec<Release>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<Notes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locks: Option<Vec<Lock>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refused>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Next>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// Nothing was done yet; the plan can be.
    Planned,
    /// It goes on without the caller.
    Accepted,
    /// As accepted, once a person has approved.
    PendingApproval,
    InProgress,
    Succeeded,
    Failed,
    Refused,
}

/// Why nothing was done.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Refused {
    pub code: &'static str,
    /// The code that the other doors show, where it says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    pub message: String,
    /// The same call may pass later.
    pub retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// What is not any more as it was planned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    pub fix: String,
}

/// A call that makes sense now.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Next {
    pub tool: &'static str,
    pub args: Map<String, Value>,
}

impl Envelope {
    pub fn new(outcome: Word) -> Self {
        Self {
            outcome,
            status: None,
            deployment: None,
            deployments: None,
            releases: None,
            notes: None,
            health: None,
            validation: None,
            plan: None,
            approval: None,
            release: None,
            locks: None,
            audit: None,
            refusal: None,
            next: Vec::new(),
        }
    }

    pub fn refused(refusal: Refused) -> Self {
        Self { refusal: Some(refusal), ..Self::new(Word::Refused) }
    }

    pub fn next(mut self, tool: &'static str, args: &[(&str, &str)]) -> Self {
        let args = args.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        self.next.push(Next { tool, args });
        self
    }
}
