//! What the calls are made of.

use crate::config::repo::{HaproxyTraffic, HealthCheck, Target};
use crate::domain::{EnvName, EnvPlace, Lease, LedgerEntry, Millis, RepoRef, RunId, Sha, Slot, Tag};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The step of another run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Given {
    pub run: RunId,
    pub step: String,
}

/// A tag that may be the previous release, with its commit where it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Base {
    pub tag: Tag,
    pub commit: Option<Sha>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotesCall {
    pub repo: RepoRef,
    pub tag: Tag,
    pub head: Sha,
    pub base: Option<Base>,
    /// The range was read by the step `range`; otherwise it is computed from the history in the step `facts`.
    pub fetched: bool,
    /// Accounts whose first contribution this is.
    pub first_time: Vec<String>,
    /// The only commits of the range to tell of; nothing for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<Sha>>,
    /// Path of the repository's own git-cliff configuration, if its settings name one.
    pub config: Option<String>,
    /// When the release is dated.
    pub at: Millis,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DraftCall {
    pub repo: RepoRef,
    pub tag: Tag,
    pub sha: Sha,
    pub name: String,
    pub body: String,
    pub prerelease: bool,
}

/// Whether a release becomes the one that GitHub shows as latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latest {
    Yes,
    No,
    /// We have not seen every tag: GitHub compares versions itself.
    ByVersion,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishCall {
    pub repo: RepoRef,
    pub release: u64,
    pub tag: Tag,
    pub sha: Sha,
    pub latest: Latest,
    pub prerelease: bool,
    /// When the tag was last seen to stand at `sha`; an older sight is renewed before publishing.
    pub verified_at: Millis,
}

/// One thing that a deploy hook or a command is asked to do. `(run, step)` is its idempotency key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrandCall {
    pub target: Target,
    pub repo: RepoRef,
    /// The step that it is carried out under, also while it is followed.
    pub step: String,
    /// `bring_up`, `shift` or `take_down`.
    pub action: String,
    pub environment: EnvName,
    pub slot: Option<Slot>,
    pub weight: Option<u8>,
    pub sha: Sha,
    pub tag: Option<Tag>,
    pub version: Option<String>,
    /// It ends when the run is asked to stop. What brings users back goes on to its end.
    #[serde(default)]
    pub stoppable: bool,
    /// As for [`Call::Shift`](super::Call::Shift).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_until: Option<Millis>,
    /// What a peer has supplied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<serde_json::Value>,
}

/// A balancer that moves the users of a repository's environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficCall {
    pub repo: RepoRef,
    pub haproxy: HaproxyTraffic,
}

/// A question to one of the operator's Prometheus servers, and the same about the stable copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasureCall {
    pub repo: RepoRef,
    /// The operator's name for it.
    pub prometheus: String,
    /// With every placeholder filled in, or why that cannot be done.
    pub query: Result<String, String>,
    pub baseline: Option<Result<String, String>>,
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LandCall {
    pub place: EnvPlace,
    pub lease: Lease,
    pub entry: LedgerEntry,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskCall {
    /// As the gate writes it.
    pub url: String,
    /// With every placeholder filled in.
    pub address: String,
    /// Whether the gate looks at them.
    pub headers: bool,
    pub body: bool,
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskPeerCall {
    /// What tells this question from others.
    pub key: String,
    pub repo: RepoRef,
    /// The operator's name for it.
    pub peer: String,
    pub tool: String,
    /// With every placeholder filled in.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// For a way back to there: where nobody answers, what was supplied last counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or_last_of: Option<EnvPlace>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeCall {
    /// With every placeholder filled in.
    pub check: HealthCheck,
    pub version: Option<String>,
    pub sha: Sha,
    pub environment: String,
}

/// A comment of ours on a pull request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyCall {
    pub repo: RepoRef,
    pub pull: u64,
    /// Markdown, within GitHub's 65,536 characters.
    pub body: String,
    /// When the question was asked; our answer cannot be older.
    pub since: Millis,
    /// It is edited as what it tells of goes on.
    #[serde(default)]
    pub follows: bool,
    /// Nobody waits for it: half of what may be made is left to others.
    #[serde(default)]
    pub spare: bool,
}
