//! What each action answers: the same for every door.

use super::control::Verb;
use crate::domain::{EnvName, Hold, Millis, Refusal, RepoName, Reported, RunId, Said, Sha, Tag};
use crate::gates::{self, Status as GateStatus, Verdict};
use crate::plan::{Digest, Plan};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Publish, Deploy or Rollback with `dry_run`.
    Planned(Box<Planned>),
    /// Publish, Deploy or Rollback.
    Started(Box<Started>),
    Validated(Validated),
    Health(HealthReport),
    Notes(Written),
    Status(Overview),
    /// Lock or Unlock.
    Locks(Locked),
    Steered(Steered),
    /// Approve.
    Reviewed(Reviewed),
}

/// What would happen now, and what stands in the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Where the plan is kept: its step `plan`.
    pub run: RunId,
    pub plan: Plan,
    pub gates: Gates,
    /// Only for a release.
    pub notes: Option<Written>,
    /// What else there is to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// A run that does what was asked; its gates decide when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    pub run: RunId,
    /// False when a run was already doing or had done the same; then nothing was started.
    pub new: bool,
    pub plan: Digest,
    /// As they stood when it was asked for.
    pub gates: Gates,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// What keeps deployments out of an environment now, or out of all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Locked {
    /// Nothing: all of them.
    pub environment: Option<EnvName>,
    pub holds: Vec<Hold>,
    /// How many were ended.
    pub ended: usize,
}

/// A run that was told something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steered {
    pub run: RunId,
    pub verb: Verb,
    #[serde(default)]
    pub environment: Option<EnvName>,
}

/// What somebody has said about a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reviewed {
    pub run: RunId,
    pub environment: Option<EnvName>,
    pub sha: Option<Sha>,
    pub tag: Option<Tag>,
    /// Of the plan.
    pub digest: String,
    pub said: Said,
}

/// Answers of gates at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gates {
    pub status: GateStatus,
    pub verdicts: Vec<Verdict>,
}

impl Gates {
    pub fn of(verdicts: Vec<Verdict>) -> Self {
        Self { status: gates::overall(&verdicts).status, verdicts }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validated {
    pub environment: EnvName,
    pub sha: Sha,
    pub tag: Option<Tag>,
    pub gates: Gates,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    pub environment: EnvName,
    pub sha: Sha,
    pub version: Option<String>,
    /// True only if every check holds.
    pub healthy: bool,
    /// In the order of the file, and then whether users are where our record says; empty when there is nothing to look at.
    pub checks: Vec<CheckReport>,
}

/// One attempt of one health check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    pub url: String,
    pub ok: bool,
    pub code: String,
    pub reason: String,
    pub fix: Option<String>,
}

/// The notes of a release, and the version that its commits call for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub tag: Tag,
    /// The release before it.
    pub previous: Option<Tag>,
    pub version: String,
    /// Nothing when no commit calls for a release.
    pub next_version: Option<String>,
    pub markdown: String,
    pub remarks: Vec<String>,
}

/// What is live, what runs and what it waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    pub repositories: Vec<RepoOverview>,
    /// Deliveries that are stored and not yet done, of all repositories: only for those who look after all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_depth: Option<u64>,
    /// Deliveries given up; for the same people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<u64>,
    pub quota: Vec<QuotaLeft>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepoOverview {
    pub repo: RepoName,
    /// The newest release that we made.
    pub release: Option<Live>,
    /// By our own ledger: what each environment runs.
    pub live: Vec<Live>,
    /// What keeps deployments out of environments.
    pub holds: Vec<Hold>,
    pub active: Vec<Active>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    pub run: RunId,
    /// Nothing for a release.
    pub environment: Option<EnvName>,
    pub tag: Option<Tag>,
    pub sha: Option<Sha>,
    pub version: Option<String>,
    pub url: Option<String>,
    pub since: Millis,
    /// Who asked for it.
    #[serde(default)]
    pub by: Option<String>,
    /// It is live although it was found to be bad: nothing was put back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bad: bool,
    /// What others have reported on GitHub as deployed here since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Reported>,
}

/// A run that is not over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Active {
    pub run: RunId,
    pub workflow: String,
    pub tag: Option<Tag>,
    pub sha: Option<Sha>,
    pub environment: Option<EnvName>,
    pub since: Millis,
    /// Who asked for it.
    #[serde(default)]
    pub by: Option<String>,
    /// It holds its environment's lock.
    pub holds_lock: bool,
    /// How many have their turn before it; nothing when it does not stand in the environment's queue, or holds its lock.
    #[serde(default)]
    pub before: Option<u32>,
    /// One sentence for each thing; empty when it works.
    pub waits_for: Vec<String>,
}

/// Why something waits, or did not come about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub run: RunId,
    pub workflow: String,
    pub tag: Option<Tag>,
    pub sha: Option<Sha>,
    pub environment: Option<EnvName>,
    /// It is not over.
    pub active: bool,
    /// Since when it goes on, or when it ended.
    pub at: Millis,
    /// The gates as they were judged last.
    pub gates: Vec<Verdict>,
    /// One sentence for each thing that it waits for.
    pub waits_for: Vec<String>,
    /// Why it ended as it did.
    pub refusal: Option<Refusal>,
}

/// What is left of an installation's calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaLeft {
    /// Nothing: calls as the App itself.
    pub installation: Option<u64>,
    pub resource: String,
    pub limit: u64,
    pub remaining: u64,
    pub reset: Millis,
}
