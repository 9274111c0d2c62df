//! Jobs that wait for our answer, at GitHub and in our own store.

use super::{Done, Steps, answer, stored, trouble};
use crate::domain::{EnvName, Refusal, RepoRef, RunId, Sha};
use crate::engine::host::{StepCtx, StepError};
use crate::plan::{Awaiting, DispatchMade, ReviewCall};
use crate::render::{fit, job, worded};
use crate::store::runs::{self, Filter, RunState};
use crate::store::{Rx, StoreError, steps};
use crate::workflow::deploy;
use std::time::Duration;

/// GitHub tells of a job before it has answered who started its run.
const SOON: Duration = Duration::from_millis(500);

impl Steps {
    pub(super) async fn read_awaiting(&self, repo: &RepoRef, workflow_run: Option<u64>, sha: &Sha, environment: &str) -> Done {
        let (at, name) = (self.at(repo), (repo.id, &repo.name));
        if let Some(id) = workflow_run {
            let found = at.waiting_run(name, id).await.map_err(trouble)?;
            return answer(&found.map(|run| Awaiting { workflow_run: id, fork: run.fork, over: run.over }));
        }
        let mut waits = Vec::new();
        for run in at.waiting_runs(name, Some(sha)).await.map_err(trouble)? {
            let all = at.pending_environments(&repo.name, run.id).await.map_err(trouble)?;
            if all.iter().any(|one| one.eq_ignore_ascii_case(environment)) {
                waits.push(run);
            }
        }
        // Of several nobody can say which one is meant; each of them is asked about by itself.
        let only = if waits.len() == 1 { waits.pop() } else { None };
        answer(&only.map(|run| Awaiting { workflow_run: run.id, fork: run.fork, over: run.over }))
    }

    pub(super) async fn read_starter(&self, ctx: &StepCtx, workflow_run: u64, environment: EnvName) -> Done {
        let repo = ctx.subject.repo.id;
        let found = self.store.read(move |rx| {
            let filter = Filter {
                repo: Some(repo),
                state: Some(RunState::Active),
                workflow: Some(deploy::WORKFLOW.name.to_owned()),
                environment: Some(environment),
                limit: Some(runs::RECENT),
                ..Filter::default()
            };
            starter(rx, &filter, workflow_run)
        });
        match found.await.map_err(stored)? {
            Starter::Known(run) => answer(&Some(run)),
            Starter::Nobody => answer(&None::<RunId>),
            Starter::NotYet => {
                let text = "A deployment is about to start a workflow, and it is not known yet which run that is.";
                let refusal = Refusal::world("workflow_run_unknown", text, "Nothing: Lockkeeper looks again.");
                Err(StepError::Retry { after: Some(SOON), refusal })
            }
        }
    }

    pub(super) async fn review_job(&self, ctx: &StepCtx, call: &ReviewCall) -> Done {
        let (at, repo, run) = (self.at(&call.repo), &call.repo.name, call.workflow_run);
        let comment = fit(worded(call.comment.clone(), self.prefix.as_str()), job::LIMIT);
        let (environment, said) = (call.environment.as_str(), (call.approve, comment.as_str()));
        if !ctx.first && at.find_review(repo, run, environment, said).await.map_err(trouble)? {
            return answer(&true);
        }
        answer(&at.review(repo, run, environment, said).await.map_err(trouble)?)
    }
}

enum Starter {
    Known(RunId),
    Nobody,
    NotYet,
}

fn starter(rx: &Rx<'_>, filter: &Filter, workflow_run: u64) -> Result<Starter, StoreError> {
    let mut open = false;
    for run in runs::list(rx, filter)? {
        for step in steps::of(rx, &run.id)?.into_iter().filter(|step| step.name.ends_with(deploy::DISPATCH)) {
            match step.result.map(serde_json::from_value::<DispatchMade>) {
                Some(Ok(made)) if made.workflow_run == workflow_run => return Ok(Starter::Known(run.id)),
                None => open |= step.state == steps::PENDING,
                Some(_) => {}
            }
        }
    }
    Ok(if open { Starter::NotYet } else { Starter::Nobody })
}
