//! Runs that somebody asks for by hand, under the same natural keys as those that events start.

use super::{Accept, Start, generation, outcome};
use crate::domain::{Actor, Override, Refusal, RepoRef, RunId, Sha, Tag};
use crate::plan::Plan;
use crate::store::audit::{self, Record};
use crate::store::runs::{self, Run, RunState, Subject};
use crate::store::{Rx, StoreError, reviews, steps};
use crate::workflow::{State, deploy};
use serde_json::json;

/// A run that does what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub run: RunId,
    /// It was started by this question.
    pub new: bool,
}

impl Accept<'_> {
    /// The release of a tag that stands at `sha`. One that was refused or failed is tried again as it was first asked for,
    /// so that a tag that moved since is refused again; one that runs is told to look; one that succeeded stays as it is.
    ///
    /// # Errors
    /// Those of the store.
    pub fn publish(&self, repo: &RepoRef, tag: &Tag, sha: &Sha, actor: &Actor) -> Result<Asked, StoreError> {
        let last = self.releases_of(repo, tag)?.into_iter().max_by_key(|run| (run.created_at, run.id.clone()));
        let Some(last) = last else {
            let start = Start { nth: 1, moved_from: None, found: false };
            return started(self.start_release(repo, tag, Some(sha), actor, start)?, None);
        };
        let over = outcome(&last).is_some_and(|o| o.state == State::Nothing);
        // A tag that had been left alone is asked for by name now.
        let runs = if self.wake(&last)? {
            Vec::new()
        } else if over {
            let nth = self.releases_of(repo, tag)?.len() + 1;
            self.start_release(repo, tag, Some(sha), actor, Start { nth, moved_from: None, found: false })?
        } else {
            self.again(&last)?
        };
        started(runs, Some(last.id))
    }

    /// Given up, and asked for as it was: it goes on with what is stored, so it must be what this actor asks for now.
    fn is_the_same(&self, run: &Run, asked: &deploy::Input) -> Result<bool, StoreError> {
        if run.state != RunState::Dead {
            return Ok(false);
        }
        let stored = runs::input(self.tx, &run.id)?.and_then(|value| serde_json::from_value::<deploy::Input>(value).ok());
        let of = |input: &deploy::Input| (input.actor.id_of(), input.rollback, input.reason.clone(), input.strategy.clone());
        Ok(stored.is_some_and(|stored| of(&stored) == of(asked)))
    }

    /// It goes on, and by the same way: gates that hold a deployment up do not hold up a way back.
    fn goes_there(&self, run: &Run, asked: &deploy::Input) -> Result<bool, StoreError> {
        if run.state != RunState::Active {
            return Ok(false);
        }
        let stored = runs::input(self.tx, &run.id)?.and_then(|value| serde_json::from_value::<deploy::Input>(value).ok());
        Ok(stored.is_none_or(|stored| stored.rollback == asked.rollback))
    }

    /// A deployment. While one of the same commit to the same place is not over, that is the one; afterwards it is done again.
    ///
    /// # Errors
    /// Those of the store.
    pub fn deploy(&self, input: &deploy::Input) -> Result<Asked, StoreError> {
        let stem = deploy::stem(&input.repo, &input.environment, &input.subject.sha, input.subject.tag.as_ref());
        let last = runs::latest_by_prefix(self.tx, &format!("{stem}:"))?;
        if let Some(last) = last.as_ref()
            && (self.goes_there(last, input)? || self.is_the_same(last, input)?)
        {
            self.wake(last)?;
            return Ok(Asked { run: last.id.clone(), new: false });
        }
        let nth = last.and_then(|run| generation(&run.key).map(|(_, nth)| nth)).unwrap_or(0) + 1;
        let subject = Subject {
            tag: input.subject.tag.clone(),
            sha: Some(input.subject.sha.clone()),
            environment: Some(input.environment.clone()),
            ..self.subject(&input.repo, &input.actor)
        };
        started(self.submit(deploy::WORKFLOW.name, format!("{stem}:{nth}"), subject, input)?, None)
    }
}

impl Accept<'_> {
    /// A deployment, with a gate that somebody opens for it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn deploy_opened(&self, input: &deploy::Input, opened: Option<Override>) -> Result<Asked, StoreError> {
        let asked = self.deploy(input)?;
        opened.map_or(Ok(()), |opened| self.open_gate(&asked.run, &opened))?;
        Ok(asked)
    }

    /// Opens a gate of a run for the plan that was shown. A run that goes by another plan is not the one that was meant.
    ///
    /// # Errors
    /// Those of the store; `plan_stale`.
    pub fn open_gate(&self, run: &RunId, opened: &Override) -> Result<(), StoreError> {
        if planned(self.tx, run)?.is_some_and(|plan| plan.digest.as_str() != opened.digest) {
            return Err(StoreError::Refused(another_plan(run)));
        }
        reviews::open_gate(self.tx, run, opened)?;
        let record = Record {
            at: self.now,
            actor: opened.by.clone(),
            door: "run".to_owned(),
            action: "override".to_owned(),
            run: Some(run.clone()),
            repo: runs::get(self.tx, run)?.map(|run| run.subject.repo.id),
            decision: "accepted".to_owned(),
            detail: json!({
                "gate": opened.gate, "role": opened.role, "reason": opened.reason, "digest": opened.digest,
            }),
        };
        audit::add(self.tx, &record)
    }
}

/// The plan of a run, once it has one.
///
/// # Errors
/// Those of the store.
pub fn planned(rx: &Rx<'_>, run: &RunId) -> Result<Option<Plan>, StoreError> {
    let stored = steps::get(rx, run, "plan")?.and_then(|step| step.result);
    let plan = stored.and_then(|value| serde_json::from_value::<Result<Plan, Refusal>>(value).ok());
    Ok(plan.and_then(Result::ok))
}

fn another_plan(run: &RunId) -> Refusal {
    let text = format!("The run {run}, which does this already, goes by another plan than the one that was looked at.");
    Refusal::user("plan_stale", text, "Abort that run, or wait for its end, and ask again.")
}

/// The first of the runs that were started, or the one that was there before.
fn started(runs: Vec<RunId>, known: Option<RunId>) -> Result<Asked, StoreError> {
    let new = runs.into_iter().next();
    let asked = match (new, known) {
        (Some(run), _) => Asked { run, new: true },
        (None, Some(run)) => Asked { run, new: false },
        (None, None) => return Err(StoreError::Sql("a run was submitted and has no id".to_owned())),
    };
    Ok(asked)
}
