//! Drafts and their publication.
//!
//! Known race: a person can publish or delete our draft between our read and our write; GitHub's answer then decides.

use super::{Done, Steps, answer, stored, trouble};
use crate::domain::{Refusal, ReleaseInfo, RepoRef};
use crate::engine::host::{StepCtx, StepError};
use crate::github::{MakeLatest, NewRelease, RecheckAsk};
use crate::plan::{DraftCall, DraftMade, Latest, MARKER, PublishCall, PublishMade};
use crate::store::runs::{self, Run};
use crate::workflow::release;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How old the last look at the tag may be when it is published.
const FRESH: Duration = Duration::from_secs(10);

impl Steps {
    pub(super) async fn create_draft(&self, ctx: &StepCtx, call: DraftCall) -> Done {
        let at = self.at(&call.repo);
        let marker = format!("{MARKER}run={} -->", ctx.run);
        let body = format!("{}\n\n{marker}\n", call.body.trim_end());
        let earlier = if ctx.first { None } else { self.earlier_draft(&call, &marker).await? };
        if let Some(draft) = earlier {
            return answer(&DraftMade { id: draft.id, url: draft.url });
        }
        let new = NewRelease { tag: &call.tag, sha: &call.sha, name: &call.name, body: &body, prerelease: call.prerelease };
        let made = at.create_draft(&call.repo.name, &new).await;
        let made = made.map_err(trouble)?;
        answer(&DraftMade { id: made.id, url: made.url })
    }

    async fn earlier_draft(&self, call: &DraftCall, marker: &str) -> Result<Option<ReleaseInfo>, StepError> {
        self.at(&call.repo).find_marked_release(&call.repo.name, &call.tag, marker).await.map_err(trouble)
    }

    /// Publishes once, and only while the tag stands where it was judged.
    pub(super) async fn publish(&self, ctx: &StepCtx, call: PublishCall) -> Done {
        let at = self.at(&call.repo);
        let repo = &call.repo.name;
        if !ctx.first {
            match at.release(repo, call.release).await.map_err(trouble)? {
                Some(release) if !release.draft => return answer(&PublishMade { url: release.url }),
                Some(_) => {}
                None => return Err(StepError::Fail(draft_gone())),
            }
        }
        if !ctx.first || self.is_old(&call) {
            let ask = RecheckAsk { tag: Some(&call.tag), sha: &call.sha, base: None, authors: &[], folder: None };
            let look = at.recheck(repo, ask).await.map_err(trouble)?;
            if look.tag.is_none_or(|tag| tag.commit != call.sha) {
                return Err(StepError::Fail(moved(&call)));
            }
        }
        if self.told_of_a_move(ctx, &call).await? {
            return Err(StepError::Fail(moved(&call)));
        }
        let latest = match call.latest {
            _ if call.prerelease => MakeLatest::False,
            Latest::Yes => MakeLatest::True,
            Latest::No => MakeLatest::False,
            Latest::ByVersion => MakeLatest::Legacy,
        };
        let released = at.publish_release(repo, call.release, call.prerelease, latest).await.map_err(trouble)?;
        answer(&PublishMade { url: released.url })
    }

    /// A later run for the same tag exists only because an event said that the tag moved.
    async fn told_of_a_move(&self, ctx: &StepCtx, call: &PublishCall) -> Result<bool, StepError> {
        let (run, repo, tag) = (ctx.run.clone(), call.repo.id, call.tag.clone());
        let told = self.store.read(move |rx| {
            let mine = runs::get(rx, &run)?.map(|run| run.created_at);
            let all = runs::by_tag(rx, repo, &tag)?;
            let later =
                |other: &Run| other.workflow == release::WORKFLOW.name && other.id != run && Some(other.created_at) > mine;
            Ok(all.iter().any(later))
        });
        told.await.map_err(stored)
    }

    fn is_old(&self, call: &PublishCall) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seen = Duration::from_millis(u64::try_from(call.verified_at.0).unwrap_or(0));
        now.checked_sub(seen).is_none_or(|age| age > FRESH)
    }

    pub(super) async fn delete_draft(&self, repo: &RepoRef, release: u64) -> Done {
        answer(&self.at(repo).delete_draft(&repo.name, release).await.map_err(trouble)?)
    }
}

fn moved(call: &PublishCall) -> Refusal {
    Refusal::user(
        "tag_moved",
        format!("The tag {} does not stand at {} any more; it moved while the release was made.", call.tag, call.sha.short()),
        "Never move a tag that may have been used: put it back, or release a new version.",
    )
}

fn draft_gone() -> Refusal {
    Refusal::user("draft_gone", "The draft release was deleted before it was published.", "Re-run this check to make it again.")
}
