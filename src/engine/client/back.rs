//! Which version an environment can go back to, as its record stands when somebody asks.

use super::{Client, RECENT};
use crate::actions::rollback::{self, Rollback};
use crate::domain::{EnvPlace, LedgerEntry, Refusal, RepoRef, RunId, Sha};
use crate::store::{Rx, StoreError, ledger, locks};
use crate::workflow::deploy;

impl Client {
    /// What a rollback would leave, and the versions to go back to, newest first.
    ///
    /// # Errors
    /// `nothing_live`, `deployment_goes_on`, and those of [`rollback::targets`].
    pub(super) async fn way_back(&self, repo: &RepoRef, ask: &Rollback) -> Result<(Sha, Vec<LedgerEntry>), Refusal> {
        let place = EnvPlace { repo: repo.id, environment: ask.environment.clone() };
        let read = move |rx: &Rx<'_>| Ok((ledger::of(rx, &place, RECENT)?, begun(rx, &place)?));
        let (entries, begun) = self.read(read).await?;
        // What users are being moved to is not on record yet: a way back from the version before it would go one too far.
        if let Some(run) = begun.filter(|run| entries.first().is_none_or(|newest| newest.run != *run)) {
            return Err(goes_on(ask, &run));
        }
        let leaving = entries.first().ok_or_else(|| super::nothing_live(&ask.environment))?;
        let back = rollback::targets(&entries, &leaving.sha, ask.to.as_deref())?;
        Ok((leaving.sha.clone(), back.into_iter().cloned().collect()))
    }
}

/// The run whose turn it is.
fn begun(rx: &Rx<'_>, place: &EnvPlace) -> Result<Option<RunId>, StoreError> {
    Ok(locks::queue(rx, &deploy::lock_key(place))?.into_iter().find(|place| place.held).map(|place| place.run))
}

fn goes_on(ask: &Rollback, run: &RunId) -> Refusal {
    let text = format!("A deployment to {} goes on (run {run}); what it brings is not live yet.", ask.environment);
    let fix = format!("Stop it with `lockkeeper abort {run}`, which gives users back what they had, or wait for its end.");
    Refusal::user("deployment_goes_on", text, fix)
}
