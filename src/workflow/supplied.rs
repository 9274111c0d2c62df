//! The configuration of an environment that a peer supplies: plain values, and where secrets are found.
//!
//! Invariants: it is read when the run is pinned and again when it is the run's turn; what is another one then makes the plan
//! stale. A way back is held up by neither: where the peer does not answer, what it supplied last counts. People are told the names of what has changed, never the values.

use super::deploy::values_of;
use super::questions::filled;
use crate::actions::deploy::Subject;
use crate::config::repo::{CONFIG_PATH, Environment};
use crate::domain::{EnvPlace, Refusal, RepoRef};
use crate::flow::{Flow, StepFailure, Stop};
use crate::gates::shown;
use crate::plan::{AskPeerCall, Call, Configured, Ground};
use serde_json::Value;

/// A workflow is given it as an input, which has a limit.
const LARGEST: usize = 32 << 10;
const MOST_PARTS: usize = 200;
/// So many names are told.
const NAMED: usize = 10;

/// For what it is read.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub repo: &'a RepoRef,
    pub environment: &'a Environment,
    pub subject: &'a Subject,
    pub ground: &'a Ground,
    /// For a way back, which waits for nobody.
    pub back: bool,
}

/// Nothing where the environment names no peer for it, and in a rehearsal.
pub(super) fn read(f: &mut Flow, step: &str, about: About<'_>) -> Result<Result<Option<Value>, Refusal>, Stop> {
    let Some(from) = &about.environment.configuration else { return Ok(Ok(None)) };
    let mut values = values_of(about.environment, about.subject, about.ground, None);
    values.insert("repository", about.repo.name.to_string());
    values.insert("tag", about.subject.tag.as_ref().map(ToString::to_string).unwrap_or_default());
    let arguments = match filled(&from.arguments, &values) {
        Ok(arguments) => arguments,
        Err(why) => return Ok(Err(unfilled(about.environment, &why))),
    };
    let (repo, peer, tool) = (about.repo.clone(), from.peer.clone(), from.tool.clone());
    let or_last_of = about.back.then(|| EnvPlace { repo: repo.id, environment: about.environment.name.clone() });
    let call = Call::ReadConfiguration(AskPeerCall { key: String::new(), repo, peer, tool, arguments, or_last_of });
    let read: Result<Value, StepFailure> = f.try_step(step, &call)?;
    Ok(match read {
        Ok(Value::Null) => Ok(None),
        Ok(value) => usable(about.environment, value).map(Some),
        Err(failure) => Err(failure.refusal),
    })
}

fn usable(environment: &Environment, value: Value) -> Result<Value, Refusal> {
    let parts = Configured::of(&value).parts.len();
    if !value.is_object() || value.to_string().len() > LARGEST || parts > MOST_PARTS {
        let text = format!("The configuration that a peer gives for {} cannot be used.", environment.name);
        let fix = format!("Let it give a table of at most {MOST_PARTS} entries and {} KB.", LARGEST >> 10);
        return Err(Refusal::user("configuration_unusable", text, fix));
    }
    Ok(value)
}

/// Nothing when it is what was pinned.
pub(super) fn drift(pinned: &Configured, now: &Value) -> Option<Refusal> {
    let changed = pinned.changed(&Configured::of(now));
    if changed.is_empty() {
        return None;
    }
    let text = format!("The configuration is another one than was planned with: {}.", names(&changed));
    Some(Refusal::user("plan_stale", text, "Ask for it again, and look at what the new plan would do."))
}

/// As a list for people.
pub fn names(changed: &[String]) -> String {
    let mut all: Vec<String> = changed.iter().take(NAMED).map(|name| format!("`{}`", shown(name))).collect();
    let more = changed.len() - all.len();
    all.extend((more > 0).then(|| format!("{more} more")));
    all.join(", ")
}

fn unfilled(environment: &Environment, why: &str) -> Refusal {
    let text = format!("The arguments of `configuration` of {} cannot be filled in: {why}.", environment.name);
    let fix = format!("Mend `configuration` of [environments.{}] in {CONFIG_PATH}.", environment.name);
    Refusal::user("configuration_unusable", text, fix)
}
