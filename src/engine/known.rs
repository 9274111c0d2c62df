//! Which environments a repository has, as far as our own store tells: by the newest settings that a run has read. Every push
//! to the default branch is read, so this is what GitHub has, unless its webhooks were lost.
//!
//! Known race: settings that were pushed and not read yet.

use crate::actions::deploy;
use crate::config::repo::RepoConfig;
use crate::domain::{BranchRef, EnvName, Refusal, RepoName, RepoRef, RunId};
use crate::plan::{Ground, Settings};
use crate::store::runs::{self, Filter};
use crate::store::{Rx, StoreError, steps};
use crate::workflow::{deploy as deploy_run, ground, look, merge, preview, release};

/// How many runs of each kind are looked through for settings.
const RECENT: u32 = 10;

/// The newest settings that could be read; nothing if there are none.
///
/// # Errors
/// Those of the store.
pub fn settings(rx: &Rx<'_>, repo: &RepoRef) -> Result<Option<RepoConfig>, StoreError> {
    newest(rx, repo, of_run)
}

/// The default branch as it was read last; nothing if it never was.
///
/// # Errors
/// Those of the store.
pub fn default_branch(rx: &Rx<'_>, repo: &RepoRef) -> Result<Option<BranchRef>, StoreError> {
    let branch = |value| Some(serde_json::from_value::<Ground>(value).ok()?.facts.default_branch);
    newest(rx, repo, |rx, run| Ok(steps::get(rx, run, "facts")?.and_then(|step| step.result).and_then(branch)))
}

/// What the newest run says that says it.
fn newest<T>(
    rx: &Rx<'_>,
    repo: &RepoRef,
    of: impl Fn(&Rx<'_>, &RunId) -> Result<Option<T>, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut recent = Vec::new();
    // Only those that read settings: no crowd of others pushes them out.
    for workflow in [merge::WORKFLOW, deploy_run::WORKFLOW, release::WORKFLOW, preview::WORKFLOW, look::WORKFLOW] {
        let workflow = Some(workflow.name.to_owned());
        recent.extend(runs::list(rx, &Filter { repo: Some(repo.id), workflow, limit: Some(RECENT), ..Filter::default() })?);
    }
    recent.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    for run in recent {
        if let Some(found) = of(rx, &run.id)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The settings that a run has read.
///
/// # Errors
/// Those of the store.
pub fn of_run(rx: &Rx<'_>, run: &RunId) -> Result<Option<RepoConfig>, StoreError> {
    for (step, read) in [("facts", of_ground as Read), ("settings", of_settings as Read)] {
        let found = steps::get(rx, run, step)?.and_then(|step| step.result).and_then(read);
        if found.is_some() {
            return Ok(found);
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
