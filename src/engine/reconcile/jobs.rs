//! Jobs that have waited for our answer while nobody listened: looked for once after each start, in repositories where jobs have
//! waited for us before. Nobody else's rules are answered.

use super::{Reconciler, Round, unread};
use crate::domain::{Actor, Millis, Refusal, RepoRef};
use crate::engine::accept::Accept;
use crate::engine::intent::Job;
use crate::github::WaitingRun;
use crate::store::runs::{self, Filter};
use crate::workflow::protect;
use std::sync::atomic::Ordering;

impl Reconciler {
    pub(super) async fn jobs(&self, repositories: &[RepoRef], now: Millis, round: &mut Round) {
        if self.jobs_listed.swap(true, Ordering::Relaxed) {
            return;
        }
        for repo in repositories {
            match self.waiting(repo, now).await {
                Ok(found) => round.jobs_found += found,
                Err(why) => {
                    // Nobody else asks for these: the next round does.
                    self.jobs_listed.store(false, Ordering::Relaxed);
                    unread(round, repo.name.as_str(), &why);
                }
            }
        }
    }

    async fn waiting(&self, repo: &RepoRef, now: Millis) -> Result<usize, Refusal> {
        let workflow = Some(protect::WORKFLOW.name.to_owned());
        let filter = Filter { repo: Some(repo.id), workflow, limit: Some(1), ..Filter::default() };
        let before = self.store.read(move |rx| runs::list(rx, &filter)).await.map_err(|why| why.refusal())?;
        if before.is_empty() {
            return Ok(0);
        }
        let at = self.github.installation(repo.installation);
        let mut found = 0;
        for run in at.waiting_runs((repo.id, &repo.name), None).await.map_err(Refusal::from)? {
            for environment in at.pending_environments(&repo.name, run.id).await.map_err(Refusal::from)? {
                found += usize::from(self.take_up(repo, &run, environment, now).await?);
            }
        }
        Ok(found)
    }

    /// False when it is known, or none of ours.
    async fn take_up(&self, repo: &RepoRef, run: &WaitingRun, environment: String, now: Millis) -> Result<bool, Refusal> {
        let at = self.github.installation(repo.installation);
        let job = Job {
            deployment: 0,
            environment,
            sha: run.sha.clone(),
            git_ref: run.git_ref.clone(),
            workflow_run: Some(run.id),
            forged: None,
            actor: Actor::schedule(),
        };
        if self.knows(repo, &job, run.since, now).await? {
            return Ok(false);
        }
        if !at.is_asked_about(&repo.name, &job.environment).await.map_err(Refusal::from)? {
            return Ok(false);
        }
        let (host, repo, since) = (self.host.clone(), repo.clone(), run.since);
        let started = self.store.write(move |tx| {
            let accept = Accept { host: &host, tx, delivery: None, now, skew: 0 };
            accept.job_found(&repo, &job, since)
        });
        Ok(!started.await.map_err(|why| why.refusal())?.is_empty())
    }

    async fn knows(&self, repo: &RepoRef, job: &Job, since: Millis, now: Millis) -> Result<bool, Refusal> {
        let (host, repo, job) = (self.host.clone(), repo.clone(), job.clone());
        let known = self.store.write(move |tx| {
            let accept = Accept { host: &host, tx, delivery: None, now, skew: 0 };
            accept.knows_job(&repo, &job, since)
        });
        known.await.map_err(|why| why.refusal())
    }
}
