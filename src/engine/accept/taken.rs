//! GitHub deployments that somebody else has made.

use super::{Accept, Runs};
use crate::domain::{EnvName, RepoRef, RunId};
use crate::engine::intent::Made;
use crate::engine::known;
use crate::store::StoreError;
use crate::store::runs::{self, Subject};
use crate::workflow::{deploy, taken};

impl Accept<'_> {
    /// One run for each deployment that is for an environment of ours. Most are not: then nobody is asked.
    pub(super) fn made_elsewhere(&self, repo: &RepoRef, made: &Made) -> Runs {
        let settings = known::settings(self.tx, repo)?;
        let environment = settings.as_ref().map(|config| (config, taken::ours(config, &made.environment)));
        let environment = match environment {
            Some((_, None)) => return Ok(Vec::new()),
            Some((config, Some(name))) if taken::answers_by_itself(config, &name) => return Ok(Vec::new()),
            Some((_, found)) => found,
            None => None,
        };
        if self.is_own(repo, made)? || self.is_about_it(repo, made)? {
            return Ok(Vec::new());
        }
        let input = taken::Input {
            repo: repo.clone(),
            deployment: made.deployment,
            environment: made.environment.clone(),
            sha: made.sha.clone(),
            git_ref: made.git_ref.clone(),
            actor: made.actor.clone(),
            known: environment.is_some(),
            asked_at: self.now,
        };
        let subject = Subject { sha: Some(made.sha.clone()), environment, ..self.subject(repo, &made.actor) };
        self.submit(taken::WORKFLOW.name, taken::key(repo, made.deployment), subject, &input)
    }

    /// Its payload names a run of ours in this repository.
    fn is_own(&self, repo: &RepoRef, made: &Made) -> Result<bool, StoreError> {
        let marked = made.marker.as_deref().and_then(RunId::parse);
        let run = marked.map(|id| runs::get(self.tx, &id)).transpose()?.flatten();
        Ok(run.is_some_and(|run| run.subject.repo.id == repo.id))
    }

    /// A workflow that deploys this commit for us there shows it by a deployment of its own: to take that over would begin it
    /// again, without an end.
    fn is_about_it(&self, repo: &RepoRef, made: &Made) -> Result<bool, StoreError> {
        if !made.actor.is_agent() {
            return Ok(false);
        }
        let going = runs::active_by_sha(self.tx, repo.id, &made.sha)?;
        let here = |name: &EnvName| name.as_str().eq_ignore_ascii_case(&made.environment);
        Ok(going.iter().any(|run| run.workflow == deploy::WORKFLOW.name && run.subject.environment.as_ref().is_some_and(here)))
    }
}
