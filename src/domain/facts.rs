//! What one read of GitHub brings back, grouped by the question it answers. Each struct is one request where that is
//! possible: GitHub calls are the scarcest resource.

use super::{Ancestry, BranchRef, CheckItem, Commit, FileAt, Millis, ReleaseInfo, Sha, Tag, TagRef, Unreadable};
use serde::{Deserialize, Serialize};

/// Everything that judging and releasing one commit needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitFacts {
    /// Read at this time by our clock.
    pub at: Millis,
    pub default_branch: BranchRef,
    /// The commit itself, peeled from the tag if a tag was asked for.
    pub sha: Option<Sha>,
    /// How the commit stands to the default branch.
    pub on_default_branch: Option<Ancestry>,
    /// The tag as it is now, if one was asked for; `None` when it does not exist.
    pub tag: Option<TagRef>,
    /// Tags, newest commit first; all of them if `tags_complete`.
    pub tags: Vec<TagRef>,
    pub tags_complete: bool,
    /// Releases of the tag that was asked for, drafts included.
    pub releases: Vec<ReleaseInfo>,
    /// Check runs and commit statuses of the commit, our own included.
    pub checks: Result<Vec<CheckItem>, Unreadable>,
    /// `.github/lockkeeper.toml` at the default branch's head.
    pub config: Result<Option<FileAt>, Unreadable>,
    /// The same file at the commit itself.
    pub config_here: Result<Option<FileAt>, Unreadable>,
    /// Of Cargo.toml, package.json, pyproject.toml at the commit: those that exist.
    pub manifests: Vec<FileAt>,
    /// Of cliff.toml, .cliff.toml, .config/cliff.toml, at the default branch: those that exist.
    pub notes_config: Vec<FileAt>,
    /// Up to 100 commits that the commit contains, newest first, itself included.
    pub history: Vec<Commit>,
    /// The history reaches the first commit of the repository.
    pub history_complete: bool,
}

/// A second look at what may have changed while a run waited; one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recheck {
    pub at: Millis,
    pub tag: Option<TagRef>,
    pub releases: Vec<ReleaseInfo>,
    pub checks: Result<Vec<CheckItem>, Unreadable>,
    /// How far the commit is ahead of the base that was asked about, and behind it; nothing if no base was given or the
    /// base is gone.
    pub ahead: Option<u64>,
    pub behind: Option<u64>,
    /// Of the accounts that were asked about: those with no commit in the base's history.
    pub first_time: Vec<String>,
    /// The commits that touch the folder that was asked about; nothing if none was, or if they are not all known.
    #[serde(default)]
    pub touched: Option<Vec<Sha>>,
}

/// A folder of the repository, and the time from which on it is asked which commits touch it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Relative to the root, without a slash at its end.
    pub path: String,
    pub since: Millis,
}

/// A deployment as GitHub has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentInfo {
    pub id: u64,
    pub sha: Sha,
    pub environment: String,
    /// Our own run's id from the payload, if the deployment is ours.
    pub run: Option<String>,
    pub statuses: Vec<DeploymentStatusInfo>,
}

/// One report on a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentStatusInfo {
    pub id: u64,
    /// GitHub's word: `success`, `failure`, `error`, `in_progress`, …
    pub state: String,
    pub description: String,
    pub creator_login: String,
    pub creator_id: u64,
    /// The App that posted it, if one did.
    pub app_id: Option<u64>,
    pub at: Millis,
    pub environment_url: Option<String>,
    pub log_url: Option<String>,
}

/// A run of GitHub Actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowRunInfo {
    pub id: u64,
    /// `queued`, `in_progress`, `completed`, …
    pub status: String,
    pub conclusion: Option<String>,
    pub head_sha: Sha,
    pub url: String,
    pub created_at: Millis,
}

/// A tag's name and commit, from a listing of all tags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagName {
    pub name: Tag,
    /// The commit, after peeling annotated tags.
    pub commit: Sha,
}
