//! What is said of GitHub deployments. Runs that wait for a reporter look for themselves; of the rest it is noted where GitHub's
//! page says something else than our record.

use super::{Accept, Runs};
use crate::domain::{EnvPlace, Millis, RepoRef, Reported};
use crate::engine::intent::Report;
use crate::store::{StoreError, elsewhere, ledger, locks};
use crate::workflow::deploy;

/// GitHub's words for a deployment that is not there any more. Source: "Create a deployment status". It tells nobody of
/// `inactive`, so that a report may stand here longer than it is true: until we deploy again.
const OVER: [&str; 2] = ["failure", "error"];

impl Accept<'_> {
    pub(super) fn reported(&self, repo: &RepoRef, report: &Report) -> Runs {
        if report.deploys {
            self.note_report(repo, report)?;
        }
        self.wake_deployments(repo, "report")
    }

    /// When it was said, by our own clock: a delivery may come long after that. GitHub counts whole seconds.
    fn said_here(&self, report: &Report) -> Result<Millis, StoreError> {
        let received = self.received_here()?;
        let ours = |at: Millis| Millis(at.0.saturating_sub(self.skew.saturating_mul(1_000)).saturating_add(999));
        Ok(report.at.map_or(received, |at| received.min(ours(at))))
    }

    fn note_report(&self, repo: &RepoRef, report: &Report) -> Result<(), StoreError> {
        let live = ledger::live(self.tx, repo.id)?.into_iter().map(|(name, _)| name);
        let Some(environment) = live.into_iter().find(|name| name.as_str().eq_ignore_ascii_case(&report.environment)) else {
            return Ok(());
        };
        // What is reported while we deploy there is about that.
        let place = EnvPlace { repo: repo.id, environment };
        let goes_on = locks::queue(self.tx, &deploy::lock_key(&place))?.first().is_some_and(|first| first.held);
        match report.state.as_str() {
            "success" if !goes_on => {
                let (deployment, sha, by) = (report.deployment, report.sha.clone(), report.actor.login.clone());
                elsewhere::note(self.tx, &place, &Reported { deployment, sha, by, at: self.said_here(report)? })
            }
            state if OVER.contains(&state) => elsewhere::forget(self.tx, &place, report.deployment),
            _ => Ok(()),
        }
    }
}
