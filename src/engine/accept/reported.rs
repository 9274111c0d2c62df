//! What is said of GitHub deployments. Runs that wait for a reporter look for themselves; of the rest it is noted where GitHub's
//! page says something else than our record.

use super::{Accept, Runs};
use crate::domain::{EnvPlace, RepoRef, Reported};
use crate::engine::intent::Report;
use crate::store::{StoreError, elsewhere, ledger};
use crate::workflow::deploy;

/// GitHub's words for a deployment that is not there any more. Source: "Create a deployment status". It tells nobody of
/// `inactive`, so that a report may stand here longer than it is true: until we deploy again.
const OVER: [&str; 2] = ["failure", "error"];

impl Accept<'_> {
    pub(super) fn reported(&self, repo: &RepoRef, report: &Report) -> Runs {
        self.note_report(repo, report)?;
        self.wake_deployments(repo, "report")
    }

    fn note_report(&self, repo: &RepoRef, report: &Report) -> Result<(), StoreError> {
        let live = ledger::live(self.tx, repo.id)?.into_iter().map(|(name, _)| name);
        let Some(environment) = live.into_iter().find(|name| name.as_str().eq_ignore_ascii_case(&report.environment)) else {
            return Ok(());
        };
        // What is reported while a run of ours goes on there is about that run.
        let ours = |run: &crate::store::runs::Run| {
            run.workflow == deploy::WORKFLOW.name && run.subject.environment.as_ref() == Some(&environment)
        };
        let goes_on = self.active(repo)?.iter().any(ours);
        let place = EnvPlace { repo: repo.id, environment };
        match report.state.as_str() {
            "success" if !goes_on => {
                let (deployment, sha, by) = (report.deployment, report.sha.clone(), report.actor.login.clone());
                elsewhere::note(self.tx, &place, &Reported { deployment, sha, by, at: self.received_here()? })
            }
            state if OVER.contains(&state) => elsewhere::forget(self.tx, &place, report.deployment),
            _ => Ok(()),
        }
    }
}
