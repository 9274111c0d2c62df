//! What a gate may look at. Everything is borrowed and already read: a gate asks nobody and reads no clock.

use super::DeployView;
use crate::config::repo::RepoConfig;
use crate::domain::{Ancestry, CheckItem, CommitFacts, Millis, ReleaseInfo, RunId, Sha, Tag, TagRef, Unreadable, Version};
use serde::{Deserialize, Serialize};

/// The facts of one run at one moment.
#[derive(Clone, Copy, Debug)]
pub struct GateView<'a> {
    /// The run that asks; a release that carries its marker is our own earlier work.
    pub run: &'a RunId,
    /// What the run will release or deploy; it never changes.
    pub pinned: &'a Sha,
    /// The first read; [`CommitFacts::sha`] must be the pinned commit.
    pub facts: &'a CommitFacts,
    /// The newest read of the checks, ours included.
    pub checks: &'a Result<Vec<CheckItem>, Unreadable>,
    /// When `checks` was read, by our clock: silence counts from what was seen, not from what time it is now.
    pub checks_at: Millis,
    /// The newest read of the releases of the tag, drafts included; empty without a tag.
    pub releases: &'a [ReleaseInfo],
    /// `None` when the run is for a commit without a tag (a merge): then only the branch is judged.
    pub tag: Option<TagView<'a>>,
    /// How the commit stands to the branches that match `release.branches`, the default branch aside; `None` when they were
    /// not read, which is fine as long as the default branch answers the question.
    pub branches: Option<&'a [BranchStanding]>,
    /// Our own App's id: its check runs never count.
    pub app_id: u64,
    pub config: &'a RepoConfig,
    /// When the run was asked for; deadlines count from here.
    pub asked_at: Millis,
    /// What the commits call for; `None` when nothing is to be released or it was not computed.
    pub next_version: Option<&'a Version>,
    /// Commits of the range that could not be classified; `None` when the range was not read completely.
    pub unclassified: Option<&'a [Unclassified]>,
    /// What is known of the environment that the run goes to; nothing for a release.
    pub deploy: DeployView<'a>,
}

/// The tag that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct TagView<'a> {
    pub name: &'a Tag,
    /// The version that the tag pattern reads from the name; `None` when the name does not fit it.
    pub version: Option<&'a Version>,
    /// The component that the tag pattern belongs to.
    pub component: Option<&'a str>,
    /// What the event named: the commit, or the tag object of an annotated tag. `None` when no event named one.
    pub event_sha: Option<&'a Sha>,
    /// The tag by the newest read; `None` when it does not exist any more.
    pub now: Option<&'a TagRef>,
}

/// How the pinned commit stands to one branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchStanding {
    pub name: String,
    /// `None` when it could not be read.
    pub ancestry: Option<Ancestry>,
}

/// A commit that is neither a conventional commit nor a merge that may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unclassified {
    pub sha: Sha,
    pub subject: String,
}
