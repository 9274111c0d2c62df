//! What GitHub told us, as plain data: the common language of the adapter that reads it, the gates that judge it, the
//! notes that describe it and the sandbox that pretends to be it.
//!
//! Invariant: "could not be read" is a value of its own ([`Unreadable`]), never an empty list.

use super::{InstallationId, Millis, RepoId, RepoName, Sha, Tag, UserId};
use serde::{Deserialize, Serialize};

/// A repository as a payload names it; the id decides, the name is for paths and people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoRef {
    pub id: RepoId,
    pub name: RepoName,
    pub installation: InstallationId,
}

/// Something that GitHub refused or failed to tell; a gate that needs it is Unavailable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// One sentence: what could not be read and why.
    pub reason: String,
}

/// A tag with its target peeled to a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagRef {
    pub name: Tag,
    /// The commit, after peeling annotated tags.
    pub commit: Sha,
    /// What the reference itself names, as a push event does: the tag object or the commit. `None` where it was not read.
    #[serde(default)]
    pub object: Option<Sha>,
    pub annotated: bool,
    /// The annotation's message or nothing.
    pub message: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchRef {
    pub name: String,
    pub head: Sha,
}

/// How a commit stands to a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ancestry {
    /// The commit is the branch's head or one of its ancestors.
    Contained,
    NotContained,
}

/// How a commit stands to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Same,
    /// It contains the other one.
    Ahead,
    /// The other one contains it.
    Behind,
    /// Each has commits that the other has not.
    Diverged,
    /// One of them is not in the repository any more, or they have no history in common.
    Unrelated,
}

/// A file's text at a commit; `None` where the file does not exist is up to the holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAt {
    pub path: String,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    Pending,
    Success,
    /// Neutral or skipped: GitHub lets these pass a required check.
    Neutral,
    /// Failure, error, cancelled, timed out, action required, stale, start-up failure.
    Failure,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CheckSource {
    /// A check run, with its own id and the App that made it.
    CheckRun { id: u64, app_id: u64, app_slug: String },
    /// A commit status.
    Status { creator: String },
}

/// One check run or commit status on a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckItem {
    /// The check run's name or the status's context.
    pub name: String,
    pub source: CheckSource,
    pub state: CheckState,
    /// GitHub's word for it: `success`, `timed_out`, `queued`, …
    pub conclusion: String,
    /// When it started or was last changed; the newest of one name and App wins.
    pub at: Millis,
    pub url: Option<String>,
}

/// The check that changed, as an event tells it: a rerun of a failed one starts its gates again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckChange {
    pub name: String,
    /// The check run's id; nothing for a status.
    pub check_run: Option<u64>,
    pub state: CheckState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    pub number: u64,
    pub title: String,
    pub author: Option<String>,
    #[serde(default)]
    pub labels: Vec<String>,
}

/// One commit of a range, as the compare API or git gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub sha: Sha,
    pub message: String,
    #[serde(default)]
    pub parents: Vec<Sha>,
    #[serde(default)]
    pub author_name: String,
    #[serde(default)]
    pub author_email: String,
    /// Author time in seconds since the epoch.
    #[serde(default)]
    pub time: i64,
    /// GitHub account, where GitHub knows one.
    #[serde(default)]
    pub login: Option<String>,
    /// Its number, which stays when the login changes hands.
    #[serde(default)]
    pub account: Option<UserId>,
    #[serde(default)]
    pub pull_request: Option<PullRequest>,
    /// Whether this is the account's first contribution; `None` where it was not asked.
    #[serde(default)]
    pub first_contribution: Option<bool>,
}

/// The commits that a release adds, oldest first (parents before children).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The previous tag, or nothing for a first release.
    pub from: Option<Tag>,
    pub head: Sha,
    pub commits: Vec<Commit>,
    /// Set when commits are missing from the list; says why, for the reader of the notes.
    pub incomplete: Option<String>,
}

/// A GitHub release, drafts included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseInfo {
    pub id: u64,
    pub tag: String,
    pub draft: bool,
    pub prerelease: bool,
    pub body: String,
    pub url: String,
    pub author: Option<UserId>,
}

/// A file of a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Artifact {
    pub name: String,
    /// As `sha256:` and 64 hexadecimal digits; `None` while it is uploaded, or where GitHub has not computed it.
    pub digest: Option<String>,
}

/// What an artifact attestation that GitHub keeps proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// What it is about, as `sha256:` and 64 hexadecimal digits.
    pub subject_digest: String,
    /// Path of the workflow that made it, for example `.github/workflows/release.yml`.
    pub workflow: String,
    /// Repository of that workflow, as owner/name.
    pub repository: String,
    /// Whether the signature over all of the above was checked, down to GitHub's or Sigstore's root, and the above was read
    /// from what is signed. False unless somebody did exactly that.
    pub verified: bool,
}
