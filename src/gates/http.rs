//! The gate `http`: the answer of a web service is as expected.
//!
//! A step of the workflow asks, through the guarded prober; this judges what it brought (in CEL). An answer that is not as
//! expected, or none, is asked for again until the policy's time is up. An answer from before the run was asked for does not
//! count. Nothing of an answer but its status is repeated in a text.

use super::patience::Patience;
use super::text::{plain, sentence};
use super::{GateView, HttpAnswer, HttpSeen, Status, Verdict};
use crate::config::repo::HttpGate;
use crate::domain::{EnvName, Millis};
use crate::expect::{self, Variables};
use serde_json::json;

pub(super) const GATE: &str = "http";
const DEADLINE: &str = "http_deadline";

pub(super) fn judge(policy: &HttpGate, view: &GateView<'_>, now: Millis) -> Verdict {
    let expression = match expect::compile(&policy.expect) {
        Ok(expression) => expression,
        Err(why) => {
            let reason = format!("The expectation `{}` cannot be used: {}.", plain(&policy.expect), plain(&why));
            let fix = "Mend `expect` of the gate `http` in .github/lockkeeper.toml.";
            return Verdict::unavailable(GATE, "bad_expectation", reason, fix);
        }
    };
    let asking = Asking { policy, patience: Patience::within(policy.within, view, now), url: address(&policy.url) };
    let answers = view.deploy.http.iter().filter(|a| a.url == policy.url);
    let Some(newest) = answers.max_by_key(|a| (a.at, worse(a), format!("{:?}", a.answer))) else {
        return not_asked(&asking, view, now);
    };
    if newest.at < view.asked_at {
        let reason = format!("{} has not been asked since this run was asked for.", asking.url);
        return asking.again(Status::Unavailable, "http_unreadable", reason, "Wait; it is asked again.");
    }
    let seen = match &newest.answer {
        Ok(seen) => seen,
        Err(missed) if missed.hopeless => {
            return Verdict::unavailable(GATE, "http_refused", sentence(&missed.reason), sentence(&missed.fix));
        }
        Err(missed) => {
            return asking.again(Status::Unavailable, "http_unreadable", sentence(&missed.reason), &missed.fix);
        }
    };
    let answered = format!("{} answered {}", asking.url, seen.status);
    let wanted = plain(&policy.expect);
    match expression.evaluate(&variables(seen, view)) {
        Ok(true) => Verdict::pass(GATE, "http_as_expected", format!("{answered}, as expected.")),
        Ok(false) => {
            let reason = format!("{answered}, but `{wanted}` does not hold.");
            asking.again(Status::Pending, "http_not_as_expected", reason, "See what the service answers and why.")
        }
        Err(error) => {
            let reason = format!("{answered}, but `{wanted}` cannot be judged: {}.", plain(&error.to_string()));
            let fix = "See what the service answers, or mend `expect` of the gate `http`.";
            asking.again(Status::Inconclusive, "http_unclear", reason, fix)
        }
    }
}

/// Whoever asks services waits for every other gate first, so that this alone never keeps a run.
fn not_asked(asking: &Asking<'_>, view: &GateView<'_>, now: Millis) -> Verdict {
    if view.deploy.environment.is_none() {
        let reason = format!("{} has not been asked.", asking.url);
        return Verdict::unavailable(GATE, "http_not_asked", reason, "Ask for a deployment to an environment.");
    }
    let reason = format!("{} is asked once every other gate passes.", asking.url);
    let again = now.plus(asking.policy.interval);
    Verdict::new(GATE, Status::Pending, "http_not_asked", reason, "See what the other gates wait for.").again(again)
}

struct Asking<'a> {
    policy: &'a HttpGate,
    patience: Patience,
    url: String,
}

impl Asking<'_> {
    fn again(&self, status: Status, code: &str, reason: String, fix: &str) -> Verdict {
        let fix = if fix.is_empty() { "See whether the service runs and answers".to_owned() } else { sentence(fix) };
        if !self.patience.over() {
            return Verdict::new(GATE, status, code, reason, fix).again(self.patience.again(self.policy.interval));
        }
        // Looked at to the end: what was merely not as expected is a no.
        let status = if status == Status::Pending { Status::Fail } else { status };
        Verdict::new(GATE, status, DEADLINE, format!("The deadline passed. {reason}"), fix)
    }
}

/// Of two answers of one moment the worse one counts.
fn worse(answer: &HttpAnswer) -> (bool, u16) {
    match &answer.answer {
        Ok(seen) => (false, seen.status),
        Err(_) => (true, 0),
    }
}

fn variables(seen: &HttpSeen, view: &GateView<'_>) -> Variables {
    let mut variables = Variables::new()
        .with("status", &json!(seen.status))
        .with("latency_ms", &json!(seen.latency_ms))
        .with("headers", &json!(seen.headers))
        .with("body", &seen.body)
        .with("sha", &json!(view.pinned));
    if let Some(version) = view.tag.and_then(|tag| tag.version) {
        variables = variables.with("version", &json!(version.to_string()));
    }
    if let Some(environment) = view.deploy.environment {
        variables = variables.with("environment", &json!(EnvName::as_str(environment)));
    }
    variables
}

/// Without the query: what stands there is for the service and not for readers.
fn address(url: &str) -> String {
    plain(url.split(['?', '#']).next().unwrap_or_default())
}
