//! Whether a deployment that goes on can still do what a person says to it. What it cannot do is refused at the door: an
//! answer of "done" to something that nobody will hear is a lie.
//!
//! Known race: between this look and the word that is left for the run, its last step may end. Before the run has seen who
//! uses the environment now, nobody can say whether it will have steps; what is said then waits for the first of them.

use super::Input;
use super::drive::stages;
use crate::actions::control::Verb;
use crate::actions::deploy;
use crate::domain::Refusal;
use crate::plan::Ground;
use crate::rollout::machine::Rules;
use crate::workflow::ground;
use serde::Deserialize;
use serde_json::Value;

/// What a run keeps its rules under.
pub(super) const RULES: &str = "rules";
/// Its first read.
const FACTS: &str = "facts";
/// What the names of steps begin with that come after the last moment at which anything can be steered.
const TOO_LATE: [&str; 8] = ["land", "back.", "mark_bad", "cleanup", "retire.", "forward", "hold", "status.end"];

/// Something that a run has asked for, by its name.
pub struct Trace {
    pub name: String,
    /// It is waited for.
    pub open: bool,
    pub result: Option<Value>,
}

/// Where a run is, as far as it has left traces.
pub struct Traces {
    pub input: Value,
    pub all: Vec<Trace>,
    /// Somebody has asked for a pause, and the run has not come to it yet.
    pub pause_asked: bool,
}

impl Traces {
    /// # Errors
    /// `nothing_to_pause`, `nothing_to_resume`, `nothing_to_promote`.
    pub fn hear(&self, verb: Verb) -> Result<(), Refusal> {
        let refused = match verb {
            Verb::Abort => None,
            _ if self.is_paused() => None,
            _ if self.is_past() => Some("it is past its last step"),
            _ if self.stops_somewhere() == Some(false) => Some("it moves everybody at once and is not watched afterwards"),
            Verb::Resume if !self.will_pause() => Some("it is not paused"),
            Verb::Pause | Verb::Resume | Verb::Promote => None,
        };
        refused.map_or(Ok(()), |why| Err(nothing(verb, why)))
    }

    fn get(&self, name: &str) -> Option<&Trace> {
        self.all.iter().find(|trace| trace.name == name)
    }

    fn value<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Option<T> {
        T::deserialize(self.get(name)?.result.as_ref()?).ok()
    }

    fn is_paused(&self) -> bool {
        self.all.iter().any(|trace| trace.open && trace.name.starts_with("paused."))
    }

    /// A watch remembers that it is to end in a pause.
    fn will_pause(&self) -> bool {
        let noted =
            |trace: &Trace| trace.result.as_ref().and_then(|kept| kept.pointer("/state/pause")) == Some(&Value::Bool(true));
        self.pause_asked || self.all.iter().any(noted)
    }

    fn is_past(&self) -> bool {
        let begun = |name: &str| self.all.iter().any(|trace| trace.name.starts_with(name));
        let stops = |trace: &Trace| trace.open && trace.name.contains("stop/");
        if TOO_LATE.into_iter().any(begun) || self.all.iter().any(stops) {
            return true;
        }
        let Some(rules) = self.value::<Rules>(RULES) else { return false };
        let baked = self.value::<Value>("bake").is_some_and(|kept| kept.get("over") == Some(&Value::Bool(true)));
        if rules.bake { baked } else { rules.steps > 0 && begun("promote") }
    }

    /// Nothing: nobody can say yet.
    fn stops_somewhere(&self) -> Option<bool> {
        if let Some(rules) = self.value::<Rules>(RULES) {
            return Some(rules.steps > 0 || rules.bake);
        }
        let input = Input::deserialize(&self.input).ok()?;
        let config = ground::settings(&self.value::<Ground>(FACTS)?.facts.config).ok()?;
        let environment = config.environment(&input.environment)?;
        let strategy = deploy::strategy(environment, input.strategy.as_deref(), input.rollback).ok()?;
        let measured = !environment.analysis.is_empty() && !input.rollback;
        let (steps, bake) = stages(&strategy, false, measured);
        Some(steps > 0 || bake)
    }
}

fn nothing(verb: Verb, why: &str) -> Refusal {
    let (code, what, fix) = match verb {
        Verb::Resume => (
            "nothing_to_resume",
            "resumed",
            "Nothing needs to be done: it goes on by itself. `lockkeeper status` shows where it is.",
        ),
        Verb::Promote => ("nothing_to_promote", "promoted", "Let it go on by itself, or stop it with `lockkeeper abort`."),
        Verb::Pause | Verb::Abort => (
            "nothing_to_pause",
            "paused",
            "Stop it with `lockkeeper abort`, or let it go on; a strategy with steps or a bake can be paused the next time.",
        ),
    };
    Refusal::user(code, format!("The deployment cannot be {what}: {why}."), fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::repo::Rollback;
    use crate::rollout::machine::Rules;
    use serde_json::json;

    fn rules(steps: usize, bake: bool) -> (&'static str, bool, Value) {
        let rules = Rules { in_place: false, steps, bake, rollback: Rollback::Automatic, previous: true };
        (RULES, false, serde_json::to_value(rules).unwrap())
    }

    /// The codes for pause, resume and promote.
    fn heard(all: &[(&str, bool, Value)], pause_asked: bool) -> [String; 3] {
        let all = all.iter().map(|(name, open, value)| Trace {
            name: (*name).to_owned(),
            open: *open,
            result: (!value.is_null()).then(|| value.clone()),
        });
        let traces = Traces { input: Value::Null, all: all.collect(), pause_asked };
        assert_eq!(traces.hear(Verb::Abort), Ok(()), "an abort is heard everywhere");
        [Verb::Pause, Verb::Resume, Verb::Promote].map(|verb| match traces.hear(verb) {
            Ok(()) => "ok".to_owned(),
            Err(refusal) => refusal.code.strip_prefix("nothing_to_").unwrap().to_owned(),
        })
    }

    #[test]
    fn what_nobody_would_hear_is_refused() {
        let none = ["pause", "resume", "promote"];
        let runs = ["ok", "resume", "ok"];
        let waits = ["ok", "ok", "ok"];
        let watch = |pause: bool| json!({ "kind": "fold", "over": false, "state": { "pause": pause } });
        let over = json!({ "kind": "fold", "over": true, "state": {} });
        let nothing = Value::Null;
        for (name, all, asked, expected) in [
            ("nothing is known", vec![], false, runs),
            ("no step and no bake", vec![rules(0, false)], false, none),
            ("before the first step", vec![rules(2, false)], false, runs),
            ("before the first step, a pause is asked for", vec![rules(2, false)], true, waits),
            ("at a step", vec![rules(2, false), ("watch.0", false, watch(false))], false, runs),
            ("at a step that ends in a pause", vec![rules(2, false), ("watch.0", false, watch(true))], false, waits),
            ("paused", vec![rules(2, false), ("paused.0/0/wait", true, nothing.clone())], false, waits),
            ("everybody is moved", vec![rules(2, false), ("promote", false, nothing.clone())], false, none),
            ("it bakes", vec![rules(0, true), ("promote", false, nothing.clone())], false, runs),
            ("it has baked", vec![rules(0, true), ("bake", false, over.clone())], false, none),
            (
                "paused after it baked",
                vec![rules(0, true), ("bake", false, over), ("paused.0/3/wait", true, nothing.clone())],
                false,
                waits,
            ),
            ("on its way back", vec![rules(2, false), ("back.shift", true, nothing.clone())], false, none),
            ("it is live", vec![rules(0, true), ("land.at", false, json!(1))], false, none),
        ] {
            assert_eq!(heard(&all, asked), expected, "{name}");
        }
    }
}
