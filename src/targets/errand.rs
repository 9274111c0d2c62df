//! What a target is asked to do, and what it says runs. Pure.

use super::{Progress, Trouble, Values};
use crate::domain::{EnvName, Refusal, RepoName, RunId, Sha, Slot, Tag};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::future::Future;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The version comes up in its slot; no users are moved by that, unless there is no slot.
    BringUp,
    /// The slot gets its weight of the users, the other slot the rest.
    Shift,
    /// What runs in the slot ends; nobody uses it any more.
    TakeDown,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BringUp => "bring_up",
            Self::Shift => "shift",
            Self::TakeDown => "take_down",
        }
    }
}

/// One thing to do. `(run, step)` is its idempotency key: it is asked again with the same one after a crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errand {
    pub run: RunId,
    pub step: String,
    pub action: Action,
    pub environment: EnvName,
    /// `None`: the environment has no slots, the version replaces the one before in place.
    pub slot: Option<Slot>,
    /// In percent, for a shift.
    pub weight: Option<u8>,
    pub repository: RepoName,
    pub sha: Sha,
    pub tag: Option<Tag>,
    pub version: Option<String>,
    /// What a peer has supplied for the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Value>,
}

impl Errand {
    pub fn key(&self) -> String {
        format!("{}/{}", self.run, self.step)
    }

    /// What a command or URL may name in `{{ … }}`; what does not apply is empty.
    pub fn values(&self) -> Values {
        Values::from([
            ("action", self.action.as_str().to_owned()),
            ("environment", self.environment.to_string()),
            ("repository", self.repository.to_string()),
            ("run", self.run.to_string()),
            ("sha", self.sha.to_string()),
            ("slot", self.slot.map(|slot| slot.to_string()).unwrap_or_default()),
            ("step", self.step.clone()),
            ("tag", self.tag.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("version", self.version.clone().unwrap_or_default()),
            ("weight", self.weight.map(|weight| weight.to_string()).unwrap_or_default()),
        ])
    }
}

/// What a target says about a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// `None`: nothing runs there.
    pub sha: Option<Sha>,
    /// Its share of users in percent, if the target knows.
    pub weight: Option<u8>,
}

impl Running {
    /// Reads `{"sha": "…" or null, "weight": 10}`; a missing `sha` is no answer. The error is half a sentence.
    pub fn read(answer: &Value) -> Result<Self, String> {
        let sha = match answer.get("sha") {
            Some(Value::Null) => None,
            Some(Value::String(text)) => Some(Sha::parse(text).map_err(|why| why.to_string())?),
            _ => return Err("it says no `sha`, neither a commit id nor null".to_owned()),
        };
        let weight = match answer.get("weight") {
            None | Some(Value::Null) => None,
            Some(value) => Some(
                value
                    .as_u64()
                    .and_then(|w| u8::try_from(w).ok())
                    .filter(|w| *w <= 100)
                    .ok_or("its `weight` is no percentage")?,
            ),
        };
        Ok(Self { sha, weight })
    }

    /// Whether the errand is done already.
    pub fn satisfies(&self, errand: &Errand) -> bool {
        let ours = self.sha.as_ref() == Some(&errand.sha);
        match errand.action {
            Action::BringUp => ours,
            Action::Shift => ours && self.weight.is_some() && self.weight == errand.weight,
            Action::TakeDown => self.sha.is_none(),
        }
    }
}

/// An errand that was taken on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub progress: Progress,
    /// Where the target says how far it is, if it told.
    pub status_url: Option<String>,
}

/// Brings versions up and takes them down.
pub trait Target {
    /// What runs in the errand's slot; `None`: the target cannot be asked.
    fn observe(&self, errand: &Errand) -> impl Future<Output = Result<Option<Running>, Trouble>> + Send;

    /// Does it, or has it begun. Looks first where the target can be asked, so that doing it again after a crash is safe.
    fn carry_out(&self, errand: &Errand) -> impl Future<Output = Result<Ticket, Trouble>> + Send;

    /// How far it is.
    fn follow(&self, errand: &Errand, ticket: &Ticket) -> impl Future<Output = Result<Progress, Trouble>> + Send;
}

/// A target said that all is done, and something else runs.
pub(super) fn lied(errand: &Errand, seen: Option<&Sha>) -> Trouble {
    let what = seen.map_or("nothing".to_owned(), |sha| sha.short().to_owned());
    let message = format!("The target reports {what} where {} is asked for.", errand.sha.short());
    let fix = "See what the target really did; this run does not trust it any further.";
    Trouble::never(Refusal::user("target_lied", message, fix))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in crate::targets) fn errand(action: Action) -> Errand {
        Errand {
            run: RunId::parse("run-1").unwrap(),
            step: "bring_up".into(),
            action,
            environment: EnvName::parse("production").unwrap(),
            slot: Some(Slot::Green),
            weight: Some(10),
            repository: RepoName::parse("acme/shop").unwrap(),
            sha: Sha::parse(&"a".repeat(40)).unwrap(),
            tag: Some(Tag::parse("v1.2.3").unwrap()),
            version: Some("1.2.3".into()),
            configuration: None,
        }
    }

    #[test]
    fn only_a_full_answer_is_one() {
        let (ours, other) = ("a".repeat(40), "b".repeat(40));
        for (answer, bring_up, shift, take_down) in [
            (json!({"sha": ours}), true, false, false),
            (json!({"sha": ours, "weight": 10, "more": {}}), true, true, false),
            (json!({"sha": ours, "weight": 11}), true, false, false),
            (json!({"sha": other, "weight": 10}), false, false, false),
            (json!({"sha": null}), false, false, true),
        ] {
            let running = Running::read(&answer).unwrap();
            let done = [Action::BringUp, Action::Shift, Action::TakeDown].map(|action| running.satisfies(&errand(action)));
            assert_eq!(done, [bring_up, shift, take_down], "{answer}");
        }
        for bad in
            [json!({}), json!([]), json!({"sha": "abc"}), json!({"sha": 1}), json!({"sha": null, "weight": 101}), json!(7)]
        {
            assert!(Running::read(&bad).is_err(), "{bad}");
        }
    }
}
