//! GraphQL over the same path as REST: documents from `queries/`, errors inside a 200, and pages that shrink when GitHub
//! gives up on them.
//!
//! Invariant: an error never vanishes. It either becomes a [`Trouble`] or stays in [`Answered::errors`] with its path, and a
//! reader that tolerates a null field asks [`Answered::denied`] about it first.

use super::classify::{permission_texts, printable};
use super::client::{Call, Reply};
use super::{Class, Installation, Operation, Trouble};
use crate::domain::Unreadable;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// One entry of `errors`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct GraphError {
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub message: String,
    /// Field names and list positions from the top.
    #[serde(default)]
    pub path: Vec<Value>,
}

impl GraphError {
    /// Whether the error stands at or below a field (or alias) of this name.
    fn below(&self, field: &str) -> bool {
        self.path.iter().any(|part| part.as_str() == Some(field))
    }
}

/// Data with the errors that did not spoil all of it.
#[derive(Debug)]
pub(super) struct Answered<T> {
    pub data: T,
    pub errors: Vec<GraphError>,
    pub operation: Operation,
}

impl<T> Answered<T> {
    /// Why a field may be null: the first error at or below it.
    pub fn denied(&self, field: &str) -> Option<Unreadable> {
        let error = self.errors.iter().find(|e| e.below(field))?;
        Some(Unreadable { reason: trouble_of(self.operation, error).message })
    }

    /// Takes "there is none" for an answer at these fields, however GitHub puts it: null alone, or null with NOT_FOUND.
    pub fn absent_is_none(mut self, fields: &[&str]) -> Self {
        let ends_at = |e: &GraphError, field: &str| e.path.last().and_then(Value::as_str) == Some(field);
        self.errors.retain(|e| e.kind != "NOT_FOUND" || !fields.iter().any(|f| ends_at(e, f)));
        self
    }

    /// Fails on the first error that is not at or below one of these fields.
    pub fn tolerating(self, fields: &[&str]) -> Result<Self, Trouble> {
        match self.errors.iter().find(|e| !fields.iter().any(|f| e.below(f))) {
            Some(error) => Err(trouble_of(self.operation, error)),
            None => Ok(self),
        }
    }
}

impl Installation {
    /// Sends a document; `operation` is its name.
    pub(super) async fn query<T>(&self, operation: Operation, document: &str, variables: Value) -> Result<Answered<T>, Trouble>
    where
        T: DeserializeOwned,
    {
        let body = json!({"query": document, "variables": variables, "operationName": operation.name()});
        let target = self.github.inner.bases.graphql.clone();
        let reply = self.call(Call::new(operation, target).with(body)).await?;
        let answered = read(&reply);
        if let Err(trouble) = &answered
            && trouble.code == "github_secondary_limit"
        {
            self.lane().hold(trouble.after().unwrap_or_default());
        }
        answered
    }
}

fn read<T: DeserializeOwned>(reply: &Reply) -> Result<Answered<T>, Trouble> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default)]
        data: Value,
        #[serde(default)]
        errors: Vec<GraphError>,
        /// Some of GitHub's failures have only this.
        #[serde(default)]
        message: String,
    }
    let operation = reply.operation;
    let raw: Raw = reply.json()?;
    let fatal = |e: &&GraphError| e.path.is_empty() || is_limit(e) || is_timeout(&e.message);
    if let Some(error) = raw.errors.iter().find(fatal) {
        return Err(limited(operation, reply, error));
    }
    // `{"data": {"repository": null}}` with an error is about the repository itself.
    let repository_gone = raw.data.get("repository").is_some_and(Value::is_null);
    if (raw.data.is_null() || repository_gone)
        && let Some(error) = raw.errors.first()
    {
        return Err(trouble_of(operation, error));
    }
    if raw.data.is_null() {
        let what = if is_timeout(&raw.message) { return Err(query_timeout(operation)) } else { "it has no data" };
        return Err(Trouble::nonsense(operation, what));
    }
    let data = serde_json::from_value(raw.data)
        .map_err(|e| Trouble::nonsense(operation, &format!("{:?} error in the data", e.classify())))?;
    Ok(Answered { data, errors: raw.errors, operation })
}

fn is_limit(error: &GraphError) -> bool {
    matches!(error.kind.as_str(), "RATE_LIMITED" | "RATE_LIMIT")
}

fn is_timeout(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    lower.contains("something went wrong while executing your query") || lower.contains("timedout") || lower.contains("timeout")
}

fn query_timeout(operation: Operation) -> Trouble {
    Trouble::retry(None, "github_query_timeout", "GitHub gave up on the query.").at(operation)
}

fn limited(operation: Operation, reply: &Reply, error: &GraphError) -> Trouble {
    if error.message.to_ascii_lowercase().contains("secondary rate limit") {
        let after = super::classify::header(&reply.headers, "retry-after").unwrap_or(60).min(3600);
        let message = "GitHub asks us to slow down.";
        return Trouble::retry(Some(Duration::from_secs(after)), "github_secondary_limit", message).at(operation);
    }
    if is_limit(error) {
        let now = super::clock::now();
        let reset = super::classify::header(&reply.headers, "x-ratelimit-reset").unwrap_or(0);
        let at = crate::domain::Millis(i64::try_from(reset).unwrap_or(0).saturating_add(1).saturating_mul(1000));
        let wait = now.until(at).clamp(Duration::from_secs(1), Duration::from_secs(3660));
        let message = "The installation's GraphQL points for this hour are used up.";
        return Trouble::retry(Some(wait), "github_rate_limit", message).at(operation);
    }
    if is_timeout(&error.message) {
        return query_timeout(operation);
    }
    trouble_of(operation, error)
}

/// An error of a field as a trouble of the whole call.
fn trouble_of(operation: Operation, error: &GraphError) -> Trouble {
    let at: Vec<&str> = error.path.iter().filter_map(Value::as_str).collect();
    let said = printable(&error.message);
    let trouble = match error.kind.as_str() {
        "NOT_FOUND" => {
            let fix = "Check that it exists and that the App is installed on the repository.";
            Trouble::new(Class::Gone, "github_not_found", format!("GitHub knows nothing there: {said}"), fix)
        }
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => {
            let (message, fix) = permission_texts(operation);
            let message = format!("{} GitHub hides {}.", message, at.last().unwrap_or(&"the answer"));
            Trouble::new(Class::Misconfigured, "github_permission_missing", message, fix)
        }
        _ if is_timeout(&error.message) => query_timeout(operation),
        "INTERNAL" | "SERVICE_UNAVAILABLE" => Trouble::retry(None, "github_unavailable", "GitHub failed inside the query."),
        _ => {
            let fix = "Report this: Lockkeeper asked something that this GitHub does not answer.";
            Trouble::new(Class::Refused, "github_query_refused", format!("GitHub refused the query: {said}"), fix)
        }
    };
    trouble.at(operation)
}

/// A page size that shrinks when GitHub gives up: 100, 50, 25, … 1.
pub(super) struct PageSize(u32);

impl PageSize {
    pub fn full() -> Self {
        Self(100)
    }
    pub fn one() -> Self {
        Self(1)
    }
    pub fn get(&self) -> u32 {
        self.0
    }
    /// Halves after a failure of size; gives the trouble back if it is another one or the page holds one item.
    pub fn shrink(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        if !trouble.asks_for_less() || self.0 == 1 {
            return Err(trouble);
        }
        self.0 /= 2;
        tracing::debug!(size = self.0, "github page halved");
        Ok(())
    }
}

/// One page of a connection.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
pub(super) struct Page<T> {
    #[serde(default)]
    pub page_info: PageInfo,
    /// A node that the App may not see is null, with an error at its path.
    #[serde(default)]
    pub nodes: Vec<Option<T>>,
    #[serde(default)]
    pub total_count: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PageInfo {
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { page_info: PageInfo::default(), nodes: Vec::new(), total_count: 0 }
    }
}

impl<T> Page<T> {
    pub fn into_nodes(self) -> impl Iterator<Item = T> {
        self.nodes.into_iter().flatten()
    }
}
