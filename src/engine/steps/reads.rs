//! Reads of GitHub and of our own store.

use super::{Done, Steps, answer, stored, trouble};
use crate::config::repo::{CONFIG_PATH, glob};
use crate::domain::{CommitFacts, EnvName, Refusal, RepoRef, Sha, Tag, TagRef, Unreadable};
use crate::engine::accept::outcome;
use crate::engine::host::{StepCtx, StepError};
use crate::engine::known;
use crate::gates::BranchStanding;
use crate::github::{RangeBase, RecheckAsk, TagOrSha};
use crate::plan::{Base, Ground, Settings};
use crate::store::runs::{self, Filter, RunState};
use crate::store::{keys, locks};
use crate::workflow::{self, range, release};

/// How many of our own releases are remembered as possible baselines.
const RELEASES: u32 = 200;

/// A commit that no repository has: beside it GitHub tells what else is asked.
pub(super) fn nowhere() -> Result<Sha, StepError> {
    Sha::parse(&"0".repeat(40)).map_err(|why| StepError::Fail(Refusal::us("no_zero", why.to_string())))
}

impl Steps {
    pub(super) async fn read_commit(&self, ctx: &StepCtx, repo: &RepoRef, tag: Option<&Tag>, sha: Option<&Sha>) -> Done {
        let ask = match (tag, sha) {
            (Some(tag), _) => TagOrSha::Tag(tag.clone()),
            (None, Some(sha)) => TagOrSha::Sha(sha.clone()),
            (None, None) => TagOrSha::Sha(self.head(repo).await?),
        };
        let mut facts = self.at(repo).commit_facts(&repo.name, &ask).await.map_err(trouble)?;
        if tag.is_some_and(|tag| range::needs_more_tags(&facts, tag)) {
            self.complete_tags(repo, &mut facts).await?;
        }
        let released = self.released(repo).await?;
        let app_id = self.github.own_app_id().await.map_err(trouble)?;
        // A rehearsal stands on a machine that lends nothing, and asks nobody.
        let lent = (!self.rehearsal).then(|| self.resources.lent_to(&repo.name));
        answer(&Ground { run: ctx.run.clone(), app_id, facts, released, lent, pull: None })
    }

    /// The default branch's head: told beside whatever is asked for, here a commit that no repository has.
    async fn head(&self, repo: &RepoRef) -> Result<Sha, StepError> {
        let nowhere = nowhere()?;
        let facts = self.at(repo).commit_facts(&repo.name, &TagOrSha::Sha(nowhere)).await.map_err(trouble)?;
        Ok(facts.default_branch.head)
    }

    /// GitHub lists the newest hundred tags with their commits; the rest by name, in one more request.
    async fn complete_tags(&self, repo: &RepoRef, facts: &mut CommitFacts) -> Result<(), StepError> {
        let names = self.at(repo).tag_names(&repo.name).await.map_err(trouble)?;
        for found in names {
            if !facts.tags.iter().any(|tag| tag.name == found.name) {
                facts.tags.push(TagRef {
                    name: found.name,
                    commit: found.commit,
                    object: None,
                    annotated: false,
                    message: None,
                });
            }
        }
        facts.tags_complete = true;
        Ok(())
    }

    /// Tags that we have released ourselves, newest first.
    async fn released(&self, repo: &RepoRef) -> Result<Vec<Tag>, StepError> {
        let filter = Filter {
            repo: Some(repo.id),
            state: Some(RunState::Finished),
            workflow: Some(release::WORKFLOW.name.to_owned()),
            limit: Some(RELEASES),
            ..Filter::default()
        };
        let ended = self.store.read(move |rx| runs::list(rx, &filter)).await.map_err(stored)?;
        let released = ended.into_iter().filter(|run| outcome(run).is_some_and(|o| o.state == workflow::State::Succeeded));
        Ok(released.filter_map(|run| run.subject.tag).collect())
    }

    pub(super) async fn read_settings(&self, repo: &RepoRef, sha: &Sha) -> Done {
        let asked = [CONFIG_PATH.to_owned()];
        let mut files = self.at(repo).files(&repo.name, sha, &asked).await.map_err(trouble)?;
        let config = files.pop().unwrap_or_else(|| Err(Unreadable { reason: "GitHub said nothing about it".to_owned() }));
        answer(&Settings { config })
    }

    pub(super) async fn recheck(&self, repo: &RepoRef, ask: RecheckAsk<'_>) -> Done {
        answer(&self.at(repo).recheck(&repo.name, ask).await.map_err(trouble)?)
    }

    pub(super) async fn read_branches(&self, repo: &RepoRef, sha: &Sha, globs: &[String]) -> Done {
        let all = self.at(repo).branches(&repo.name, sha).await.map_err(trouble)?;
        let wanted = |name: &str| globs.iter().any(|pattern| glob::matches(pattern, name));
        let named = all.into_iter().filter(|b| wanted(&b.branch.name));
        let standings: Vec<BranchStanding> =
            named.map(|b| BranchStanding { name: b.branch.name, ancestry: b.standing }).collect();
        answer(&standings)
    }

    pub(super) async fn is_locked(&self, ctx: &StepCtx, key: String) -> Done {
        let queue = self.store.read(move |rx| locks::queue(rx, &key)).await.map_err(stored)?;
        answer(&queue.first().is_some_and(|place| place.run != ctx.run))
    }

    pub(super) async fn is_key_good(&self, number: u64) -> Done {
        let now = self.now();
        answer(&self.store.read(move |rx| keys::is_good(rx, number, now)).await.map_err(stored)?)
    }

    pub(super) async fn is_environment_known(&self, repo: RepoRef, environment: EnvName) -> Done {
        let exists = self.store.read(move |rx| known::exists(rx, &repo, &environment)).await.map_err(stored)?;
        answer(&exists.is_ok())
    }

    pub(super) async fn read_range(&self, repo: &RepoRef, candidates: &[Base], head: &Sha) -> Done {
        let bases: Vec<RangeBase> =
            candidates.iter().map(|b| RangeBase { tag: b.tag.clone(), commit: b.commit.clone() }).collect();
        answer(&self.at(repo).range(&repo.name, &bases, head).await.map_err(trouble)?)
    }
}
