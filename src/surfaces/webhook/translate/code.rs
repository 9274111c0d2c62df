//! Pushes, references, pull requests and groups of them.

use super::{Delivery, Intents, Translation, nothing, one, sha, tag};
use crate::domain::RepoId;
use crate::engine::intent::Intent;
use crate::surfaces::webhook::event;

impl Delivery<'_> {
    pub(super) fn push(&self) -> Intents {
        let push: event::Push = self.payload()?;
        // GitHub writes zeros for what is no more.
        let deleted = push.deleted.unwrap_or_else(|| push.after.bytes().all(|digit| digit == b'0'));
        if let Some(name) = push.git_ref.strip_prefix("refs/tags/") {
            let (repo, tag) = (self.repo()?, tag(name)?);
            if deleted {
                return one(Intent::TagDeleted { repo, tag });
            }
            let object = push.head_commit.map_or(push.after, |commit| commit.id);
            return one(Intent::TagPushed { repo, tag, sha: Some(sha(&object)?), actor: self.actor() });
        }
        match push.git_ref.strip_prefix("refs/heads/") {
            Some(branch) if branch == self.default_branch()? && !deleted => {
                one(Intent::Merged { repo: self.repo()?, sha: sha(&push.after)?, actor: self.actor() })
            }
            _ => nothing("the push is neither to a tag nor to the default branch"),
        }
    }

    pub(super) fn reference(&self) -> Intents {
        let reference: event::Reference = self.payload()?;
        if reference.ref_type != "tag" {
            return nothing("only tags matter here; a branch is seen by its push");
        }
        let (repo, tag) = (self.repo()?, tag(&reference.name)?);
        match self.event {
            "delete" => one(Intent::TagDeleted { repo, tag }),
            _ => one(Intent::TagPushed { repo, tag, sha: None, actor: self.actor() }),
        }
    }

    pub(super) fn pull_request(&self) -> Intents {
        if !matches!(self.action, "opened" | "reopened" | "synchronize" | "edited" | "ready_for_review" | "closed") {
            return nothing("this change of a pull request changes nothing here");
        }
        let pull = self.payload::<event::PullRequestEvent>()?.pull_request;
        let base_repo = pull.base.repo.as_ref();
        if self.action == "closed" {
            let default =
                base_repo.and_then(|repo| repo.default_branch.as_deref()).map_or_else(|| self.default_branch(), Ok)?;
            let (repo, actor) = (self.repo()?, self.actor());
            let closed =
                |merged| Intent::PullRequestClosed { repo: repo.clone(), number: pull.number, merged, actor: actor.clone() };
            if !pull.merged.unwrap_or(false) || pull.base.branch != default {
                return one(closed(None));
            }
            let commit = pull.merge_commit_sha.ok_or_else(|| self.missing("pull_request.merge_commit_sha"))?;
            let sha = sha(&commit)?;
            let all = vec![closed(Some(sha.clone())), Intent::Merged { repo: repo.clone(), sha, actor: actor.clone() }];
            return Ok(Translation::Intents(all));
        }
        if pull.state.as_deref().is_some_and(|state| state != "open") {
            return nothing("the pull request is closed");
        }
        let repo = self.repo()?;
        // The head's repository is null when the fork was deleted.
        let from_fork = pull.head.repo.as_ref().is_none_or(|head| RepoId(head.id) != repo.id);
        one(Intent::PullRequestChanged {
            repo,
            number: pull.number,
            head: sha(&pull.head.sha)?,
            base_branch: pull.base.branch,
            from_fork,
            actor: self.actor(),
        })
    }

    pub(super) fn merge_group(&self) -> Intents {
        let group = self.payload::<event::MergeGroupEvent>()?.merge_group;
        let (repo, head) = (self.repo()?, sha(&group.head_sha)?);
        match self.action {
            "destroyed" => one(Intent::GroupGone { repo, head }),
            _ => one(Intent::GroupMade { repo, head, actor: self.actor() }),
        }
    }
}
