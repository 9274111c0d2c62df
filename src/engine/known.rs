//! Which environments a repository has, as far as our own store tells: by the newest settings that a run has read. Every push
//! to the default branch is read, so this is what GitHub has, unless its webhooks were lost.
//!
//! Known race: settings that were pushed and not read yet.

use crate::actions::deploy;
use crate::config::repo::RepoConfig;
use crate::domain::{EnvName, Refusal, RepoName, RepoRef};
use crate::plan::{Ground, Settings};
use crate::store::runs::{self, Filter};
use crate::store::{Rx, StoreError, steps};
use crate::workflow::{comment, ground};

/// How many runs are looked through for settings.
const RECENT: u32 = 50;

/// The newest settings that could be read; nothing if there are none.
///
/// # Errors
/// Those of the store.
pub fn settings(rx: &Rx<'_>, repo: &RepoRef) -> Result<Option<RepoConfig>, StoreError> {
    let filter = Filter { repo: Some(repo.id), but: Some(comment::WORKFLOW.name), limit: Some(RECENT), ..Filter::default() };
    for run in runs::list(rx, &filter)? {
        for (step, read) in [("facts", of_ground as Read), ("settings", of_settings as Read)] {
            let found = steps::get(rx, &run.id, step)?.and_then(|step| step.result).and_then(read);
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

/// Nobody has installed the App there.
pub fn not_known(name: &RepoName) -> Refusal {
    Refusal::user(
        "repo_unknown",
        format!("Lockkeeper does not look after {name}."),
        "Write it as owner/name, and install the App on it; `lockkeeper status` lists what is known.",
    )
}

/// `unknown_environment` where the settings that we know have no such environment; where we know none, nobody can say.
///
/// # Errors
/// Those of the store.
pub fn exists(rx: &Rx<'_>, repo: &RepoRef, environment: &EnvName) -> Result<Result<(), Refusal>, StoreError> {
    Ok(settings(rx, repo)?.map_or(Ok(()), |config| deploy::find(environment, &config).map(drop)))
}

type Read = fn(serde_json::Value) -> Option<RepoConfig>;

fn of_ground(value: serde_json::Value) -> Option<RepoConfig> {
    ground::settings(&serde_json::from_value::<Ground>(value).ok()?.facts.config).ok()
}

fn of_settings(value: serde_json::Value) -> Option<RepoConfig> {
    ground::settings(&serde_json::from_value::<Settings>(value).ok()?.config).ok()
}
