//! What a command on a pull request means: what we have heard of its heads, and what GitHub says of them.

use super::{Done, Steps, answer, stored, trouble};
use crate::domain::{RepoRef, Sha};
use crate::engine::host::StepCtx;
use crate::plan::{Given, Ground};
use crate::store::{heads, steps};
use serde_json::Value;
use std::time::Duration;

/// What was read longer ago is read anew.
const FRESH: Duration = Duration::from_secs(60);

impl Steps {
    pub(super) async fn read_heads(&self, ctx: &StepCtx, pull: u64) -> Done {
        let repo = ctx.subject.repo.id;
        answer(&self.store.read(move |rx| heads::of(rx, repo, pull)).await.map_err(stored)?)
    }

    /// By our own record a head that was pushed over since is known, too; that it was merged, and from here, only GitHub says.
    pub(super) async fn read_merges_of(&self, repo: &RepoRef, head: &Sha) -> Done {
        let (id, sha) = (repo.id, head.clone());
        let recorded = self.store.read(move |rx| heads::pull_of(rx, id, &sha)).await.map_err(stored)?;
        answer(&self.at(repo).merges_of_head(repo, head, recorded).await.map_err(trouble)?)
    }

    pub(super) async fn read_pull(&self, ctx: &StepCtx, repo: &RepoRef, pull: u64, sha: Option<&Sha>) -> Done {
        let nowhere = super::reads::nowhere()?;
        let sha = sha.unwrap_or(&nowhere);
        let (facts, pull) = self.at(repo).pull_facts(&repo.name, sha, pull).await.map_err(trouble)?;
        let app_id = self.github.own_app_id().await.map_err(trouble)?;
        let lent = (!self.rehearsal).then(|| self.resources.lent_to(&repo.name));
        answer(&Ground { run: ctx.run.clone(), app_id, facts, released: Vec::new(), lent, pull })
    }

    pub(super) async fn read_move(&self, repo: &RepoRef, branch: &str, sha: &Sha) -> Done {
        answer(&self.at(repo).moved_at(&repo.name, branch, sha).await.map_err(trouble)?)
    }

    pub(super) async fn read_given(&self, ctx: &StepCtx, repo: &RepoRef, sha: &Sha, given: Given) -> Done {
        let found = self.store.read(move |rx| steps::get(rx, &given.run, &given.step)).await.map_err(stored)?;
        let ground = found.and_then(|step| serde_json::from_value::<Ground>(step.result.unwrap_or(Value::Null)).ok());
        let now = self.now();
        match ground.filter(|ground| ground.facts.sha.as_ref() == Some(sha) && ground.facts.at.until(now) <= FRESH) {
            Some(ground) => answer(&Ground { run: ctx.run.clone(), pull: None, ..ground }),
            None => self.read_commit(ctx, repo, None, Some(sha)).await,
        }
    }
}
