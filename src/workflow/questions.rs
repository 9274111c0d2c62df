//! What gates want to know of others: of web services and of peers. Each is asked once for all gates that want the same.

use super::deploy::values_of;
use super::gating::Case;
use crate::actions::deploy::Subject;
use crate::config::repo::{CONFIG_PATH, GatePolicy, HttpGate, PeerGate};
use crate::domain::Millis;
use crate::expect;
use crate::gates::{HttpAnswer, HttpMissed, PeerAnswer, PeerMissed};
use crate::plan::{AskCall, AskPeerCall, Call};
use crate::targets::{Values, fill, fill_address};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question<'a> {
    /// The address as the policy writes it, or what tells one question to a peer from another.
    pub key: Cow<'a, str>,
    pub within: Duration,
    pub interval: Duration,
    to: To<'a>,
}

#[derive(Clone, Debug, PartialEq)]
enum To<'a> {
    Service { timeout: Duration, headers: bool, body: bool },
    Peer(&'a PeerGate),
}

/// An answer, whoever gave it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Heard {
    Service(HttpAnswer),
    Peer(PeerAnswer),
}

/// The name of a question's step begins with what it is asked of.
pub(super) struct Asking {
    pub kind: &'static str,
    /// What to do, or what is heard without asking.
    pub call: Result<Call, Heard>,
}

pub(super) fn questions(policies: &[GatePolicy]) -> Vec<Question<'_>> {
    let mut all: Vec<Question<'_>> = Vec::new();
    for asked in policies.iter().filter_map(question) {
        match all.iter_mut().find(|known| known.key == asked.key) {
            None => all.push(asked),
            Some(known) => known.join(&asked),
        }
    }
    all
}

pub(super) fn is_asked(policy: &GatePolicy) -> bool {
    matches!(policy, GatePolicy::Http(_) | GatePolicy::Peer(_))
}

fn question(policy: &GatePolicy) -> Option<Question<'_>> {
    match policy {
        GatePolicy::Http(HttpGate { url, expect, timeout, within, interval }) => {
            let names = expect::compile(expect).map(|expression| expression.uses()).unwrap_or_default();
            let (headers, body) = (names.contains(&"headers"), names.contains(&"body"));
            let to = To::Service { timeout: *timeout, headers, body };
            Some(Question { key: Cow::Borrowed(url), within: *within, interval: *interval, to })
        }
        GatePolicy::Peer(gate) => {
            Some(Question { key: Cow::Owned(gate.key()), within: gate.within, interval: gate.interval, to: To::Peer(gate) })
        }
        _ => None,
    }
}

impl Question<'_> {
    fn join(&mut self, other: &Self) {
        self.within = self.within.min(other.within);
        self.interval = self.interval.max(other.interval);
        if let (To::Service { timeout, headers, body }, To::Service { timeout: t, headers: h, body: b }) =
            (&mut self.to, &other.to)
        {
            *timeout = (*timeout).max(*t);
            *headers |= h;
            *body |= b;
        }
    }

    /// Whether the gate wants to know this.
    pub fn is_of(&self, policy: &GatePolicy) -> bool {
        match policy {
            GatePolicy::Http(gate) => self.key == gate.url,
            GatePolicy::Peer(gate) => self.key == gate.key(),
            _ => false,
        }
    }

    /// With every placeholder filled in.
    pub fn asking(&self, case: &Case<'_>, since: Millis) -> Asking {
        match &self.to {
            To::Service { timeout, headers, body } => {
                let address = case.values().and_then(|values| fill_address(&self.key, &values));
                let url = self.key.clone().into_owned();
                let call = address.map(|address| {
                    Call::AskService(AskCall { url: url.clone(), address, headers: *headers, body: *body, timeout: *timeout })
                });
                let unfilled = |why: String| Heard::Service(HttpAnswer { url, at: since, answer: Err(no_address(&why)) });
                Asking { kind: "ask", call: call.map_err(unfilled) }
            }
            To::Peer(gate) => {
                let key = self.key.clone().into_owned();
                let arguments = case.values().and_then(|values| filled(&gate.arguments, &values));
                let call = arguments.map(|arguments| {
                    let (repo, peer, tool) = (case.repo.clone(), gate.peer.clone(), gate.tool.clone());
                    Call::AskPeer(AskPeerCall { key: key.clone(), repo, peer, tool, arguments, or_last_of: None })
                });
                let unfilled = |why: String| Heard::Peer(PeerAnswer { key, at: since, answer: Err(no_arguments(&why)) });
                Asking { kind: "ask.peer", call: call.map_err(unfilled) }
            }
        }
    }
}

impl Case<'_> {
    fn values(&self) -> Result<Values, String> {
        let going = self.going.as_ref().ok_or_else(|| "there is no environment".to_owned())?;
        let subject = Subject {
            sha: self.pinned.clone(),
            tag: self.tag.cloned(),
            version: self.parsed.map(|parsed| parsed.version.to_string()),
            component: self.parsed.and_then(|parsed| parsed.component.clone()),
        };
        let mut values = values_of(going.environment, &subject, self.ground, None);
        values.insert("repository", self.repo.name.to_string());
        values.insert("tag", self.tag.map(ToString::to_string).unwrap_or_default());
        Ok(values)
    }
}

/// Values go into texts, and no text becomes anything else.
pub(super) fn filled(arguments: &Arguments, values: &Values) -> Result<Arguments, String> {
    arguments.iter().map(|(name, value)| Ok((name.clone(), one(value, values)?))).collect()
}

type Arguments = serde_json::Map<String, Value>;

fn one(value: &Value, values: &Values) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(fill(text, values)?),
        Value::Array(all) => Value::Array(all.iter().map(|value| one(value, values)).collect::<Result<_, _>>()?),
        Value::Object(all) => Value::Object(filled(all, values)?),
        plain => plain.clone(),
    })
}

fn no_address(why: &str) -> HttpMissed {
    HttpMissed {
        reason: format!("The address of the gate `http` cannot be filled in: {why}"),
        fix: format!("Mend `url` of the gate `http` in {CONFIG_PATH}."),
        hopeless: true,
    }
}

fn no_arguments(why: &str) -> PeerMissed {
    PeerMissed {
        code: "peer_arguments_unfilled".to_owned(),
        reason: format!("The arguments of the gate `peer` cannot be filled in: {why}"),
        fix: format!("Mend `arguments` of the gate `peer` in {CONFIG_PATH}."),
        hopeless: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn http(url: &str, expect: &str, interval: u64, within: u64) -> GatePolicy {
        let of = Duration::from_secs;
        GatePolicy::Http(HttpGate {
            url: url.to_owned(),
            expect: expect.to_owned(),
            timeout: of(10),
            within: of(within),
            interval: of(interval),
        })
    }

    fn peer(tool: &str, arguments: Value, within: u64) -> GatePolicy {
        let Value::Object(arguments) = arguments else { panic!("{arguments}") };
        let (peer, tool, expect) = ("security".to_owned(), tool.to_owned(), "true".to_owned());
        let (within, interval) = (Duration::from_secs(within), Duration::from_secs(30));
        GatePolicy::Peer(PeerGate { peer, tool, arguments, expect, required: true, within, interval })
    }

    #[test]
    fn gates_that_want_the_same_ask_once_for_what_all_of_them_need() {
        let gates = [
            http("a", "status == 200", 30, 60),
            http("b", "headers.etag == 'x'", 30, 60),
            http("a", "body.ok", 60, 30),
            peer("scan", json!({ "a": 1, "b": 2 }), 60),
            peer("scan", json!({ "b": 2, "a": 1 }), 30),
            peer("scan", json!({ "a": 1 }), 60),
            peer("look", json!({ "a": 1 }), 60),
        ];
        let all = questions(&gates);
        let of = |index: usize| {
            (all[index].within.as_secs(), all[index].interval.as_secs(), gates.iter().filter(|g| all[index].is_of(g)).count())
        };
        assert_eq!(
            (0..all.len()).map(of).collect::<Vec<_>>(),
            [(30, 60, 2), (60, 30, 1), (30, 30, 2), (60, 30, 1), (60, 30, 1)]
        );
        let needs = |index: usize| match &all[index].to {
            To::Service { headers, body, .. } => Some((*headers, *body)),
            To::Peer(_) => None,
        };
        assert_eq!((needs(0), needs(1), needs(2)), (Some((false, true)), Some((true, false)), None));
    }

    #[test]
    fn a_value_stays_a_text_whatever_it_holds() {
        let values = Values::from([("ref", "\"], \"admin\": true, \"{{ sha }}".to_owned()), ("sha", "abc".to_owned())]);
        let Value::Object(given) = json!({ "{{ sha }}": 1, "all": [{ "ref": "v {{ ref }}" }, true, null, "{{sha}}"] }) else {
            panic!()
        };
        let expected = json!({ "{{ sha }}": 1, "all": [{ "ref": "v \"], \"admin\": true, \"{{ sha }}" }, true, null, "abc"] });
        assert_eq!(Value::Object(filled(&given, &values).unwrap()), expected);
        assert!(filled(json!({ "a": "{{ secret }}" }).as_object().unwrap(), &values).is_err());
    }
}
