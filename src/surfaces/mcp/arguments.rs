//! Arguments of a call: checked against the list of what the tool takes, then read by the type that the schema came from.

use super::catalog::Face;
use crate::domain::{Refusal, RunId};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What tools take beside what actions take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Own {
    /// Id of the deployment
    pub deployment_id: Option<RunId>,
    /// Only events after this number; `last_seq` of the answer before
    pub after_seq: u64,
    /// Seconds to wait for news, at most 25
    #[schemars(range(max = 25))]
    pub wait_s: u64,
    /// `plan.digest` of a plan of yours
    pub plan_digest: Option<String>,
    /// A text of your own, new for each request; repeating a call with it is safe
    #[schemars(length(min = 1, max = 100))]
    pub idempotency_key: Option<String>,
    /// Only those that go on, or that are over
    pub state: Option<Which>,
    /// At most so many, 20 without it
    #[schemars(range(min = 1, max = 50))]
    pub limit: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Which {
    Active,
    Ended,
}

pub(super) struct Arguments(JsonObject);

/// No argument of ours is longer than this.
const LONGEST: usize = 2_000;

impl Arguments {
    /// # Errors
    /// `input_invalid`, with everything that is wrong with the names and sizes.
    pub fn new(face: &Face, given: JsonObject) -> Result<Self, Refusal> {
        let takes = face.takes();
        let unknown = given.keys().filter(|name| !takes.contains(name)).map(|name| format!("`{}` is not taken", cut(name)));
        let missing = face.needs().iter().filter(|name| !given.contains_key(**name)).map(|name| format!("`{name}` is missing"));
        let long = given.iter().filter(|(_, value)| value.as_str().is_some_and(|text| text.len() > LONGEST));
        let long = long.map(|(name, _)| format!("`{}` is longer than {LONGEST} bytes", cut(name)));
        let problems: Vec<String> = unknown.chain(missing).chain(long).take(10).collect();
        if problems.is_empty() {
            return Ok(Self(given));
        }
        Err(invalid(&format!("{}: {}.", face.name, problems.join(", ")), &takes))
    }

    /// The type reads the fields that it knows; the others are for another one.
    ///
    /// # Errors
    /// `input_invalid`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_value(Value::Object(self.0.clone())).map_err(|why| {
            let names: Vec<String> = self.0.keys().cloned().collect();
            invalid(&format!("An argument cannot be read: {}.", cut(&why.to_string())), &names)
        })
    }

    /// Under the name that the action's own field has.
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        if let Some(value) = self.0.remove(from) {
            self.0.insert(to.to_owned(), value);
        }
        self
    }

    /// With a field that the tool does not take.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// Everything that was given, for a digest over it.
    pub fn all(&self) -> &JsonObject {
        &self.0
    }

    pub fn own(&self) -> Result<Own, Refusal> {
        let own: Own = self.read()?;
        let bad = |what: &str| Err(invalid(&format!("{what}."), &[]));
        match &own {
            Own { wait_s: 26.., .. } => bad("`wait_s` is at most 25"),
            Own { limit: Some(0 | 51..), .. } => bad("`limit` is between 1 and 50"),
            Own { idempotency_key: Some(key), .. } if key.is_empty() || key.len() > 100 => {
                bad("`idempotency_key` has 1 to 100 bytes")
            }
            _ => Ok(own),
        }
    }
}

fn invalid(what: &str, takes: &[String]) -> Refusal {
    let fix = match takes {
        [] => "Correct the argument; tools/list shows what each tool takes.".to_owned(),
        takes => format!(
            "The arguments are: {}; tools/list describes them.",
            takes.iter().map(|n| cut(n)).collect::<Vec<_>>().join(", ")
        ),
    };
    Refusal::user("input_invalid", what, fix)
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}
