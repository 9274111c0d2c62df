//! Reviews that people give on GitHub's own page of an environment.
//!
//! Invariants: a review is heard only where exactly one plan waits for people there, for the very commit that was reviewed; where a
//! job waits, it is a job of the very run that was reviewed. Several are not guessed among. While nothing waits, GitHub is
//! asked nothing.
//!
//! Known race: GitHub does not say when a review was given. One that is told late counts for the plan that waits when it comes.

use super::{Accept, Runs};
use crate::actions::ask::Ask;
use crate::domain::{RepoRef, RunId, Said};
use crate::engine::client::asks_about;
use crate::engine::intent::EnvironmentReview;
use crate::store::StoreError;
use crate::store::audit::{self, Record};
use crate::store::runs::{self, Run};
use crate::workflow::{deploy, environment_review, protect};
use serde_json::json;

/// What waits for people: the run, and the digest of its plan.
type Waiting = (RunId, String);

impl Accept<'_> {
    pub(super) fn reviewed(&self, repo: &RepoRef, review: &EnvironmentReview) -> Runs {
        let mut heard = Vec::new();
        for environment in &review.environments {
            let waits = self.waiting_in(repo, review, environment)?;
            match waits.as_slice() {
                [] => {}
                [(of, digest)] => heard.extend(self.hear(repo, review, environment, (of, digest))?),
                several => self.note_unclear(repo, review, environment, several)?,
            }
        }
        Ok(heard)
    }

    fn waiting_in(&self, repo: &RepoRef, review: &EnvironmentReview, name: &str) -> Result<Vec<Waiting>, StoreError> {
        let received = self.received_here()?;
        let mut waits = Vec::new();
        for run in runs::active_by_sha(self.tx, repo.id, &review.sha)? {
            let there = run.subject.environment.as_ref().is_some_and(|known| known.as_str().eq_ignore_ascii_case(name));
            if there
                && self.is_meant(&run, review)?
                && let Some(plan) = asks_about(self.tx, run.clone(), received)?
            {
                waits.push((run.id, plan.digest.to_string()));
            }
        }
        Ok(waits)
    }

    fn is_meant(&self, run: &Run, review: &EnvironmentReview) -> Result<bool, StoreError> {
        match run.workflow.as_str() {
            name if name == deploy::WORKFLOW.name => Ok(true),
            name if name == protect::WORKFLOW.name => Ok(self.run_of_job(run)? == Some(review.workflow_run)),
            _ => Ok(false),
        }
    }

    /// A run for each review and environment: who has given it is asked about first.
    fn hear(&self, repo: &RepoRef, review: &EnvironmentReview, environment: &str, (of, digest): (&RunId, &str)) -> Runs {
        let Some(delivery) = self.delivery else { return Ok(Vec::new()) };
        let (at, plan) = (Some(of.to_string()), Some(digest.to_owned()));
        let ask = match &review.said {
            Said::Approved => Ask::Approve { at, plan },
            Said::Rejected { reason } => Ask::Reject { at, plan, reason: reason.clone() },
        };
        let input =
            environment_review::Input { repo: repo.clone(), ask, actor: review.actor.clone(), said_at: self.received()? };
        let key = format!("environment_review:{}:{delivery}:{}", repo.id, environment.to_ascii_lowercase());
        self.submit(environment_review::WORKFLOW.name, key, self.subject(repo, &review.actor), &input)
    }

    fn note_unclear(
        &self,
        repo: &RepoRef,
        review: &EnvironmentReview,
        environment: &str,
        several: &[Waiting],
    ) -> Result<(), StoreError> {
        let runs: Vec<&str> = several.iter().map(|(run, _)| run.as_str()).collect();
        let record = Record {
            at: self.now,
            actor: review.actor.clone(),
            door: environment_review::DOOR.to_owned(),
            action: "approve".to_owned(),
            run: None,
            repo: Some(repo.id),
            decision: "refused:which_deployment".to_owned(),
            detail: json!({
                "environment": environment, "sha": review.sha, "workflow_run": review.workflow_run, "said": review.said,
                "runs": runs,
            }),
        };
        audit::add(self.tx, &record)
    }
}
