//! Why runs wait, or did not come about: from our own store.

use super::accept::outcome;
use super::client::waits_for;
use crate::actions::outcome::Reason;
use crate::domain::{Refusal, RepoId};
use crate::gates::Verdict;
use crate::store::runs::{self, Filter, Run, RunState};
use crate::store::steps::{self, Step};
use crate::store::{Rx, StoreError, timers};
use crate::workflow::gating::LOOP;
use crate::workflow::{State, comment, deploy, release};
use serde::Deserialize;
use serde_json::Value;

/// How many runs are looked through, and told of.
const RECENT: u32 = 200;
const TOLD: usize = 5;

/// What waits, else what did not come about lately; newest first. `about` is the name of an environment or the id of a run.
///
/// # Errors
/// Those of the store; `nothing_like_it` inside.
pub(super) fn of(rx: &Rx<'_>, repo: RepoId, about: Option<&str>) -> Result<Result<Vec<Reason>, Refusal>, StoreError> {
    let filter = Filter { repo: Some(repo), but: Some(comment::WORKFLOW.name), limit: Some(RECENT), ..Filter::default() };
    let named = |run: &Run| match about {
        None => true,
        Some(text) => run.id.as_str() == text || run.subject.environment.as_ref().is_some_and(|env| env.as_str() == text),
    };
    let mut all = runs::list(rx, &filter)?;
    all.retain(|run| [deploy::WORKFLOW.name, release::WORKFLOW.name].contains(&run.workflow.as_str()) && named(run));
    if let Some(text) = about.filter(|_| all.is_empty()) {
        return Ok(Err(nothing_like(text)));
    }
    let goes_on = all.iter().any(|run| run.state == RunState::Active);
    // Who asks for a run by its id means that one, whatever else goes on.
    let by_id = |run: &Run| about == Some(run.id.as_str());
    all.retain(|run| by_id(run) || (run.state == RunState::Active) == goes_on);
    if !goes_on {
        let fell = |run: &Run| outcome(run).is_some_and(|ended| ended.state != State::Succeeded && ended.refusal.is_some());
        // Only the last of each place: what was mended since is no news.
        let mut seen = Vec::new();
        all.retain(|run| {
            let place = (run.workflow.clone(), run.subject.environment.clone());
            let first = !seen.contains(&place);
            seen.push(place);
            by_id(run) || (first && fell(run))
        });
    }
    all.truncate(TOLD);
    all.iter().map(|run| reason(rx, run)).collect::<Result<Vec<_>, _>>().map(Ok)
}

fn reason(rx: &Rx<'_>, run: &Run) -> Result<Reason, StoreError> {
    let steps = steps::of(rx, &run.id)?;
    let active = run.state == RunState::Active;
    Ok(Reason {
        run: run.id.clone(),
        workflow: run.workflow.clone(),
        tag: run.subject.tag.clone(),
        sha: run.subject.sha.clone(),
        environment: run.subject.environment.clone(),
        active,
        at: if active { run.created_at } else { run.updated_at },
        gates: gates(&steps),
        // Anybody who may read the repository reads this.
        waits_for: if active { waits_for(&steps, &timers::of(rx, &run.id)?, None, false) } else { Vec::new() },
        refusal: outcome(run).and_then(|ended| ended.refusal),
    })
}

/// As they were judged last.
pub(super) fn gates(steps: &[Step]) -> Vec<Verdict> {
    let judged = |step: &Step| match step.name.as_str() {
        name if name.ends_with("/judged") => verdicts(step.result.as_ref()?),
        // The rounds of a loop that is over are forgotten, and what came of them is kept.
        name if name.ends_with(LOOP) && step.state == "done" => {
            verdicts(step.result.as_ref()?["state"][0].as_object()?.values().next()?)
        }
        _ => None,
    };
    steps.iter().rev().find_map(judged).unwrap_or_default()
}

fn verdicts(value: &Value) -> Option<Vec<Verdict>> {
    #[derive(Deserialize)]
    struct Judged {
        verdicts: Vec<Verdict>,
    }
    Judged::deserialize(value).ok().map(|judged| judged.verdicts)
}

fn nothing_like(text: &str) -> Refusal {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    let text = format!("Nothing was deployed to an environment or by a run called \"{shown}\".");
    Refusal::user("nothing_like_it", text, "Name an environment or the id of a run; `lockkeeper status` shows both.")
}
