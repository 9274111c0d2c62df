//! The gate `peer`: the answer of a tool of another MCP server is as expected.
//!
//! A step of the workflow asks; this judges what it brought (in CEL). An answer decides: what is not as expected, or cannot
//! be judged, is a no. Only where there was no answer is the peer asked again, until the policy's time is up. An answer from
//! before the run was asked for does not count. What is repeated of an answer are its words, as the peer's.

use super::patience::Patience;
use super::text::{plain, sentence};
use super::{GateView, PeerSaid, Status, Verdict};
use crate::config::repo::PeerGate;
use crate::domain::{EnvName, Millis};
use crate::expect::{self, Variables};
use serde_json::json;

pub(super) const GATE: &str = "peer";
const DEADLINE: &str = "peer_deadline";

pub(super) fn judge(policy: &PeerGate, view: &GateView<'_>, now: Millis) -> Verdict {
    let verdict = required(policy, view, now);
    if policy.required || verdict.status.advances() || verdict.code == "peer_not_asked" {
        return verdict;
    }
    Verdict::pass(GATE, "peer_advisory", format!("It only advises. {}", verdict.reason))
}

fn required(policy: &PeerGate, view: &GateView<'_>, now: Millis) -> Verdict {
    let expression = match expect::compile(&policy.expect) {
        Ok(expression) => expression,
        Err(why) => {
            let reason = format!("The expectation `{}` cannot be used: {}.", plain(&policy.expect), plain(&why));
            let fix = "Mend `expect` of the gate `peer` in .github/lockkeeper.toml.";
            return Verdict::unavailable(GATE, "bad_expectation", reason, fix);
        }
    };
    let (who, key) = (format!("{} of the peer {}", plain(&policy.tool), plain(&policy.peer)), policy.key());
    let answers = view.deploy.peers.iter().filter(|answer| answer.key == key);
    let Some(newest) = answers.max_by_key(|a| (a.at, a.answer.is_err(), format!("{:?}", a.answer))) else {
        return not_asked(&who, policy, view, now);
    };
    let patience = Patience::within(policy.within, view, now);
    let again = |code: &str, reason: String, fix: &str| match patience.over() {
        true => Verdict::unavailable(GATE, DEADLINE, format!("The deadline passed. {reason}"), fix),
        false => Verdict::unavailable(GATE, code, reason, fix).again(patience.again(policy.interval)),
    };
    if newest.at < view.asked_at {
        let reason = format!("The tool {who} has not been asked since this run was asked for.");
        return again("peer_unreadable", reason, "Wait; it is asked again.");
    }
    let said = match &newest.answer {
        Ok(said) => said,
        Err(missed) if missed.hopeless => {
            return Verdict::unavailable(GATE, &missed.code, sentence(&missed.reason), sentence(&missed.fix));
        }
        Err(missed) => return again(&missed.code, sentence(&missed.reason), &sentence(&missed.fix)),
    };
    let (wanted, words) = (plain(&policy.expect), words(said));
    match expression.evaluate(&variables(said, view)) {
        Ok(true) => Verdict::pass(GATE, "peer_as_expected", format!("The tool {who} answered as expected.{words}")),
        Ok(false) => {
            let reason = format!("The tool {who} answered, but `{wanted}` does not hold.{words}");
            Verdict::fail(GATE, "peer_not_as_expected", reason, "Mend what it has found, or see why it answers so.")
        }
        Err(error) => {
            let error = plain(&error.to_string());
            let reason = format!("The tool {who} answered, but `{wanted}` cannot be judged: {error}.{words}");
            let fix = "See what the tool answers, or mend `expect` of the gate `peer`.";
            Verdict::new(GATE, Status::Inconclusive, "peer_unclear", reason, fix)
        }
    }
}

/// Whoever asks peers waits for every other gate first, so that this alone never keeps a run.
fn not_asked(who: &str, policy: &PeerGate, view: &GateView<'_>, now: Millis) -> Verdict {
    if view.deploy.environment.is_none() {
        let reason = format!("The tool {who} has not been asked.");
        return Verdict::unavailable(GATE, "peer_not_asked", reason, "Ask for a deployment to an environment.");
    }
    let reason = format!("The tool {who} is asked once every other gate passes.");
    let again = now.plus(policy.interval);
    Verdict::new(GATE, Status::Pending, "peer_not_asked", reason, "See what the other gates wait for.").again(again)
}

/// In quotation marks, and never as ours.
fn words(said: &PeerSaid) -> String {
    let words = plain(&said.words).replace(['“', '”'], "\"");
    if words.is_empty() { String::new() } else { format!(" The peer says: “{words}”.") }
}

fn variables(said: &PeerSaid, view: &GateView<'_>) -> Variables {
    let mut variables = Variables::new().with("result", &said.result).with("sha", &json!(view.pinned));
    if let Some(version) = view.tag.and_then(|tag| tag.version) {
        variables = variables.with("version", &json!(version.to_string()));
    }
    if let Some(environment) = view.deploy.environment {
        variables = variables.with("environment", &json!(EnvName::as_str(environment)));
    }
    variables
}
