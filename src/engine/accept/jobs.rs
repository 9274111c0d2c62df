//! Jobs of workflows that wait for our answer before they deploy.

use super::{Accept, Runs};
use crate::domain::{Actor, EnvName, Millis, RepoRef, RunId};
use crate::engine::intent::Job;
use crate::engine::known;
use crate::store::audit::{self, Record};
use crate::store::runs::{self, Filter, Run, RunState, Subject};
use crate::store::{StoreError, steps};
use crate::workflow::{protect, taken};
use serde_json::json;

impl Accept<'_> {
    /// One run for each job that waits, by the deployment that GitHub has made for it.
    pub fn job_waits(&self, repo: &RepoRef, job: &Job) -> Runs {
        if let Some(address) = &job.forged {
            self.note_forged(repo, job, address)?;
        }
        match self.found_before(repo, job)? {
            Some(run) => Ok(vec![run]),
            None => self.take_up(repo, job, protect::key(repo, job.deployment)),
        }
    }

    /// A job that GitHub has told nobody of, or whose run could not be told from others. Which deployment is its own is not known:
    /// it is known by its run and the attempt that began then.
    ///
    /// # Errors
    /// Those of the store.
    pub fn job_found(&self, repo: &RepoRef, job: &Job, since: Millis) -> Runs {
        let run = job.workflow_run.unwrap_or_default();
        self.take_up(repo, job, format!("protect:{}:run:{run}:{}:{}", repo.id, job.environment.to_ascii_lowercase(), since.0))
    }

    /// GitHub tells late of a job that was found meanwhile.
    fn found_before(&self, repo: &RepoRef, job: &Job) -> Result<Option<RunId>, StoreError> {
        for run in self.jobs(repo, Some(RunState::Active))? {
            let same = |input: protect::Input| {
                let of_run = job.workflow_run.is_some() && input.workflow_run == job.workflow_run;
                of_run && input.actor == Actor::schedule() && input.environment.eq_ignore_ascii_case(&job.environment)
            };
            if self.input_of_job(&run)?.is_some_and(same) {
                return Ok(Some(run.id));
            }
        }
        Ok(None)
    }

    fn take_up(&self, repo: &RepoRef, job: &Job, key: String) -> Runs {
        let input = protect::Input {
            repo: repo.clone(),
            deployment: job.deployment,
            environment: job.environment.clone(),
            sha: job.sha.clone(),
            git_ref: job.git_ref.clone(),
            workflow_run: job.workflow_run,
            actor: job.actor.clone(),
            asked_at: self.now,
        };
        // As our own settings write it, so that people find it by that name.
        let settings = known::settings(self.tx, repo)?;
        let ours = settings.as_ref().and_then(|config| taken::ours(config, &job.environment));
        let environment = ours.or_else(|| EnvName::parse(&job.environment).ok());
        let subject = Subject { sha: Some(job.sha.clone()), environment, ..self.subject(repo, &job.actor) };
        self.submit(protect::WORKFLOW.name, key, subject, &input)
    }

    fn note_forged(&self, repo: &RepoRef, job: &Job, address: &str) -> Result<(), StoreError> {
        let record = Record {
            at: self.now,
            actor: job.actor.clone(),
            door: "webhook".to_owned(),
            action: "protection_rule".to_owned(),
            run: None,
            repo: Some(repo.id),
            decision: "refused:callback_forged".to_owned(),
            detail: json!({ "address": address, "environment": job.environment, "deployment": job.deployment }),
        };
        audit::add(self.tx, &record)
    }

    /// Nobody waits for the answers of its jobs any more.
    pub(super) fn job_over(&self, repo: &RepoRef, workflow_run: u64) -> Result<(), StoreError> {
        for run in self.jobs(repo, Some(RunState::Active))? {
            if self.run_of_job(&run)? == Some(workflow_run) {
                self.host.cancel_in(self.tx, &run.id, protect::RUN_OVER)?;
            }
        }
        Ok(())
    }

    /// Whether a job of this run to this environment has been taken up since.
    ///
    /// # Errors
    /// Those of the store.
    pub fn knows_job(&self, repo: &RepoRef, job: &Job, since: Millis) -> Result<bool, StoreError> {
        for run in self.jobs(repo, None)? {
            let input = self.input_of_job(&run)?;
            let same = |known: protect::Input| {
                known.workflow_run == job.workflow_run && known.environment.eq_ignore_ascii_case(&job.environment)
            };
            if input.is_some_and(same) && (run.state == RunState::Active || run.created_at >= since) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn jobs(&self, repo: &RepoRef, state: Option<RunState>) -> Result<Vec<Run>, StoreError> {
        let workflow = Some(protect::WORKFLOW.name.to_owned());
        let filter = Filter { repo: Some(repo.id), state, workflow, limit: Some(runs::RECENT), ..Filter::default() };
        runs::list(self.tx, &filter)
    }

    pub(super) fn run_of_job(&self, run: &Run) -> Result<Option<u64>, StoreError> {
        if let Some(told) = self.input_of_job(run)?.and_then(|input| input.workflow_run) {
            return Ok(Some(told));
        }
        // It was looked for where the address was not GitHub's.
        let found = steps::get(self.tx, &run.id, protect::AWAITING)?.and_then(|step| step.result);
        Ok(found.and_then(|found| found.get("workflow_run")?.as_u64()))
    }

    fn input_of_job(&self, run: &Run) -> Result<Option<protect::Input>, StoreError> {
        Ok(runs::input(self.tx, &run.id)?.and_then(|value| serde_json::from_value(value).ok()))
    }
}
