//! What one attempt of a health check found, in words for people. Texts hold nothing of the answer but its status.

use super::guard::Closed;
use super::names::{Blocked, Nowhere};
use super::text::{millis, short, shown};
use crate::expect::{self, Expression, Variables};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

/// No attempt takes longer, whatever is asked for.
pub(super) const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
pub(super) const LONGEST_URL: usize = 2_048;

/// What one attempt found. Texts hold nothing of the answer but its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    pub ok: bool,
    /// `healthy`, or why not; stable, lower-case words joined by `_`.
    pub code: String,
    /// Of the last answer, if there was one.
    pub status: Option<u16>,
    /// From the first request to the last answer's head, or to the end of a failed attempt, in milliseconds.
    pub latency_ms: u64,
    /// One plain sentence.
    pub reason: String,
    /// What to do next; empty when nothing need be done.
    pub fix: String,
    /// Another attempt cannot end otherwise: the address or the expression is at fault, not the service.
    pub hopeless: bool,
}

pub(super) fn expectation(text: &str) -> Result<Expression, ProbeReport> {
    expect::compile(text).map_err(|why| {
        let reason = format!("The expectation of the health check cannot be used: {why}.");
        ProbeReport::not("bad_expectation", reason, "Mend `expect` of the health check in .github/lockkeeper.toml.").hopeless()
    })
}

/// Makes an attempt that began at `start` and may take `timeout`, but no longer than a minute.
pub(super) async fn timed(
    place: &str,
    timeout: Duration,
    start: Instant,
    attempt: impl Future<Output = Result<ProbeReport, ProbeReport>>,
) -> ProbeReport {
    let made = within(place, timeout, attempt).await;
    made.unwrap_or_else(|report| ProbeReport { latency_ms: millis(start), ..report })
}

/// As [`timed`], where the attempt brings something else than a report.
pub(super) async fn within<T>(
    place: &str,
    timeout: Duration,
    attempt: impl Future<Output = Result<T, ProbeReport>>,
) -> Result<T, ProbeReport> {
    let limit = timeout.min(LONGEST_TIMEOUT);
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
        let reason = format!("{place} did not answer within {} ms.", limit.as_millis());
        Err(ProbeReport::not("probe_timed_out", reason, "See whether the service runs and answers in time."))
    })
}

/// What every expectation may look at, beside the answer.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub version: Option<&'a str>,
    pub sha: Option<&'a str>,
    pub environment: Option<&'a str>,
}

impl Subject<'_> {
    pub(super) fn variables(&self, latency_ms: u64) -> Variables {
        let named = [("version", self.version), ("sha", self.sha), ("environment", self.environment)];
        let known = named.into_iter().filter_map(|(name, value)| Some((name, json!(value?))));
        known.fold(Variables::new().with("latency_ms", &json!(latency_ms)), |all, (name, value)| all.with(name, &value))
    }
}

/// The report on an answer; `answered` is the beginning of a sentence.
pub(super) fn settle(
    expression: &Expression,
    variables: &Variables,
    answered: &str,
    status: Option<u16>,
    latency_ms: u64,
) -> ProbeReport {
    let wanted = short(expression.as_str());
    let report = match expression.evaluate(variables) {
        Ok(true) => ProbeReport { ok: true, ..ProbeReport::not("healthy", format!("{answered}, as expected."), "") },
        Ok(false) => {
            let reason = format!("{answered}, but `{wanted}` does not hold.");
            ProbeReport::not("expectation_failed", reason, "See what the service answers and why.")
        }
        Err(error) => {
            let reason = format!("{answered}, but `{wanted}` cannot be judged: {error}.");
            let fix = "See what the service answers, or mend `expect` of the health check.";
            ProbeReport::not(error.code(), reason, fix)
        }
    };
    ProbeReport { status, latency_ms, ..report }
}

/// An address that was given itself, not by a name.
pub(super) fn closed(shown: &str, closed: Closed) -> ProbeReport {
    let fix = match closed.range() {
        Some(range) => {
            format!("Ask the operator to add {range} to LOCKKEEPER_ALLOW_ADDRESSES, or use a public address.")
        }
        None => "Use the public address of the service itself.".into(),
    };
    let reason = format!("{shown} is {}, which a repository may not reach.", closed.what);
    ProbeReport::not("address_not_allowed", reason, fix).hopeless()
}

/// A name one of whose addresses is closed; which it is, is not the repository's business.
pub(super) fn leads_to_closed(shown: &str, closed: Closed) -> ProbeReport {
    let reason = format!("{shown} leads to {}, which a repository may not reach.", closed.what);
    let fix = "Ask the operator to add its address to LOCKKEEPER_ALLOW_ADDRESSES, or use a public address.";
    ProbeReport::not("address_not_allowed", reason, fix).hopeless()
}

pub(super) fn nowhere(shown: &str) -> ProbeReport {
    let reason = format!("The name in {shown} was not found.");
    ProbeReport::not("name_not_found", reason, "See whether the name is right and already published.")
}

pub(super) fn unreachable(url: &Url, error: &reqwest::Error) -> ProbeReport {
    let shown = shown(url.as_str());
    if let Some(blocked) = find::<Blocked>(error) {
        return leads_to_closed(&shown, blocked.0);
    }
    if find::<Nowhere>(error).is_some() {
        return nowhere(&shown);
    }
    let (code, what) = match find::<std::io::Error>(error).map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => ("connection_refused", "refused the connection"),
        Some(std::io::ErrorKind::InvalidData) if error.is_connect() => ("tls_failed", "has no certificate that can be trusted"),
        _ if error.is_connect() => ("not_reachable", "could not be reached"),
        _ => ("answer_broken", "broke off its answer"),
    };
    ProbeReport::not(code, format!("{shown} {what}."), "See whether the service runs and is open to the network.")
}

pub(super) fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut cause = Some(error);
    let mut found = None;
    while let Some(error) = cause {
        // Keep the innermost: outer errors of one type wrap what really happened.
        found = error.downcast_ref::<T>().or(found);
        cause = error.source();
    }
    found
}

impl ProbeReport {
    pub(super) fn not(code: &str, reason: String, fix: impl Into<String>) -> Self {
        Self { ok: false, code: code.into(), status: None, latency_ms: 0, reason, fix: fix.into(), hopeless: false }
    }
    pub(super) fn hopeless(self) -> Self {
        Self { hopeless: true, ..self }
    }
}
