//! Shows a run's steps while it goes on, and how it ended.

use super::operator::{self, Place};
use super::table::{facts, plain};
use super::{act_text, fail};
use crate::actions::Action;
use crate::actions::outcome::{Outcome, Started};
use crate::domain::Refusal;
use crate::surfaces::control::{RunDetail, Seen, StepRow};
use crate::workflow::{Outcome as Ended, State};
use serde::Serialize;
use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

/// How often a server that does not answer is asked again before that is told, and how soon.
const PATIENCE: u32 = 15;
const AGAIN: Duration = Duration::from_secs(2);

/// What came of it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Followed {
    /// A dry run.
    Answer(Outcome),
    Run {
        #[serde(flatten)]
        started: Box<Started>,
        ended: Box<Ended>,
    },
}

/// Asks for the action, and follows the run that it starts to its end.
pub(super) async fn act(place: &Place, action: &Action) -> Result<Followed, Refusal> {
    let server = operator::running(place).await?;
    let started = match server.act(action).await? {
        Outcome::Started(started) => started,
        other => return Ok(Followed::Answer(other)),
    };
    progress(&format!("run {}", started.run));
    started.remarks.iter().for_each(|remark| progress(remark));
    let (mut told, mut seen, mut silent) = (HashSet::new(), Seen::default(), 0);
    loop {
        let run = match server.news(started.run.as_str(), &seen).await {
            Ok(run) => run,
            // The run goes on without us: a moment without a network is no reason to look away.
            Err(refusal) if refusal.code == "server_silent" && silent < PATIENCE => {
                silent += 1;
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Err(refusal) => return Err(goes_on(&started, refusal)),
        };
        silent = 0;
        for step in run.steps.iter().filter(|step| is_news(step)) {
            if told.insert((step.name.clone(), step.state.clone())) {
                progress(&line(step));
            }
        }
        if let Some(ended) = ended(&run) {
            return Ok(Followed::Run { started, ended: Box::new(ended?) });
        }
        seen.mark = Some(run.mark);
    }
}

fn goes_on(started: &Started, refusal: Refusal) -> Refusal {
    let fix = format!("The run goes on; `lockkeeper runs show {}` says how far it is. {}", started.run, refusal.fix);
    Refusal { fix, ..refusal }
}

pub(super) fn well(followed: &Followed) -> bool {
    match followed {
        Followed::Answer(Outcome::Planned(planned)) => planned.gates.status == crate::gates::Status::Pass,
        Followed::Answer(_) => true,
        Followed::Run { ended, .. } => matches!(ended.state, State::Succeeded),
    }
}

pub(super) fn text(followed: &Followed) -> String {
    let (started, ended) = match followed {
        Followed::Answer(outcome) => return act_text::text(outcome),
        Followed::Run { started, ended } => (started, ended),
    };
    if let Some(refusal) = &ended.refusal {
        // The sentence goes to standard error, where a script looks for it; its exit code is that of the answer.
        let _ = fail(refusal);
    }
    facts(&[
        ("run", started.run.to_string()),
        ("ended", word(ended.state)),
        ("commit", ended.sha.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("version", ended.version.clone().unwrap_or_default()),
        ("page", ended.url.clone().unwrap_or_default()),
    ])
}

fn word(state: State) -> String {
    serde_json::to_value(state).ok().and_then(|value| value.as_str().map(|word| word.replace('_', " "))).unwrap_or_default()
}

/// The end of the run as its workflow told it.
fn ended(run: &RunDetail) -> Option<Result<Ended, Refusal>> {
    if run.row.state == "active" {
        return None;
    }
    let outcome = run.outcome.clone()?;
    Some(match serde_json::from_value(outcome) {
        Ok(crate::flow::Outcome::Finished(value)) => serde_json::from_value(value)
            .map_err(|why| Refusal::us("outcome_unreadable", format!("The end of the run cannot be read: {why}."))),
        Ok(crate::flow::Outcome::Failed(refusal)) => Err(refusal),
        Err(why) => Err(Refusal::us("outcome_unreadable", format!("The end of the run cannot be read: {why}."))),
    })
}

/// Records are notes of the run to itself.
fn is_news(step: &StepRow) -> bool {
    let state = step.state.as_str();
    let as_ever = is_of_a_round(&step.name) && matches!(state, "pending" | "going" | "done" | "timed_out");
    step.kind != "record" && (state != "pending" || step.kind != "call") && !as_ever
}

/// Loops give their rounds names such as `bake/17/wait`; a loop may have thousands.
fn is_of_a_round(name: &str) -> bool {
    name.split('/').nth(1).is_some_and(|round| !round.is_empty() && round.bytes().all(|byte| byte.is_ascii_digit()))
}

fn line(step: &StepRow) -> String {
    let error = step.last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{:<8} {}{error}", step.state, step.name)
}

fn progress(text: &str) {
    // Whoever closed standard error does not want to know.
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
}
