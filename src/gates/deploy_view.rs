//! What a gate may know of the environment that a run goes to. The workflow reads it; nothing here asks anybody.
//!
//! Invariant: everything begins as not known ([`DeployView::default`]), and no gate takes "not known" for a pass. What is
//! known comes from our own store, or from a read that says when it was made; a deployment that GitHub lists opens nothing.

use crate::domain::{Actor, Artifact, Attestation, EnvName, Millis, Override, RepoName, Sha, Unreadable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The facts of one deployment at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeployView<'a> {
    pub repo: Option<&'a RepoName>,
    pub environment: Option<&'a EnvName>,
    /// Digest of the run's plan: approvals and overrides of another plan do not count.
    pub digest: Option<&'a str>,
    pub asked: Asked<'a>,
    /// Whoever asks would rather queue than be refused by a lock.
    pub wait: bool,
    /// A job of a workflow waits for the answer, so that its own check run is not waited for.
    pub for_job: bool,
    /// It is a rollback or an abort, which no window holds up.
    pub ignores_windows: bool,
    /// Deadlines of what is tried again and again count from here; `None`: from when the run was asked for. To be moved on
    /// when a long wait that was planned (a soak, a window, an approval) is over.
    pub counts_from: Option<Millis>,
    pub live: Option<&'a Live>,
    /// Of the environments that must have run the commit first; one that is not listed is not known.
    pub occupancy: &'a [EnvironmentHistory],
    /// Locks, freezes and holds of the environment. Of holds only those that cover the pinned commit.
    pub holds: Option<&'a [HoldView]>,
    pub approvals: Option<&'a [Approval]>,
    pub rejections: &'a [Rejection],
    pub overrides: &'a [Override],
    /// The newest answers of web services; one that is not listed has not been asked yet.
    pub http: &'a [HttpAnswer],
    /// The same of peers.
    pub peers: &'a [PeerAnswer],
    /// The files of the tag's release, by the newest read.
    pub artifacts: Option<&'a Result<Vec<Artifact>, Unreadable>>,
    /// Of those that a gate is about.
    pub attestations: Option<&'a Result<Vec<Attestation>, Unreadable>>,
}

/// Who asked. A request of an agent or a bot is automatic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked<'a> {
    #[default]
    Automatic,
    ByPerson {
        reason: Option<&'a str>,
    },
}

/// What is live in the environment, by our own record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Live {
    /// Nothing has been deployed there.
    Nothing,
    Version(LiveView),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveView {
    pub sha: Sha,
    /// How the pinned commit stands to it.
    pub standing: Standing,
}

/// How one commit stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It contains the other.
    Ahead,
    Same,
    /// The other contains it.
    Behind,
    /// Each has commits that the other has not.
    Diverged,
    /// It could not be read.
    Unknown,
}

/// What has been live in another environment, by our own record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentHistory {
    pub environment: EnvName,
    /// When it was read, by our clock: nothing is known of what came after.
    pub at: Millis,
    /// In any order. It reaches back at least as far as the longest soak.
    pub history: Vec<Occupancy>,
}

/// One commit was live without a break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupancy {
    pub sha: Sha,
    pub from: Millis,
    /// `None`: it still is.
    pub until: Option<Millis>,
}

/// From the strictest to the mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// A person has locked the environment.
    Lock,
    /// Nothing may move for a time.
    Freeze,
    /// The commit, or one that it contains, was rolled back. A person who gives a reason goes ahead.
    Hold,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    pub kind: HoldKind,
    /// Who holds it, for people.
    pub owner: String,
    pub reason: String,
    pub since: Millis,
    /// `None`: until somebody ends it.
    pub until: Option<Millis>,
}

/// Somebody agreed. The door that took it has made sure who that was and that they may deploy here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub by: Actor,
    pub at: Millis,
    /// Of the plan that was agreed to.
    pub digest: String,
    /// Slugs of the teams that they were a member of at that time.
    pub teams: Vec<String>,
    /// They asked for the deployment, themselves or through an agent.
    pub is_requester: bool,
    /// They wrote the commit.
    pub is_author: bool,
}

/// Somebody who may approve wants it not to be deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    pub by: Actor,
    pub at: Millis,
    /// Of the plan that was rejected.
    pub digest: String,
    /// Theirs, to be shown as nothing but their words.
    pub reason: String,
}

/// What a web service answered, read through the guarded prober.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// As the policy writes it, placeholders included.
    pub url: String,
    /// When it was read, by our clock.
    pub at: Millis,
    pub answer: Result<HttpSeen, HttpMissed>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpSeen {
    pub status: u16,
    pub latency_ms: u64,
    /// Names in lower case; several values of one name are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// JSON or text; null if the expectation does not look at it.
    pub body: serde_json::Value,
}

/// There was no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpMissed {
    /// One plain sentence that holds nothing of the answer.
    pub reason: String,
    /// What to do next.
    pub fix: String,
    /// Asking again cannot end otherwise: the address is at fault.
    pub hopeless: bool,
}

/// What a tool of a peer answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerAnswer {
    /// [`crate::config::repo::PeerGate::key`]
    pub key: String,
    /// When it was read, by our clock.
    pub at: Millis,
    pub answer: Result<PeerSaid, PeerMissed>,
}

/// All of it is the peer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerSaid {
    /// Data, never shown.
    pub result: serde_json::Value,
    /// For people; to be shown in quotation marks.
    pub words: String,
}

/// There was no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerMissed {
    /// Stable, lower-case words joined by `_`.
    pub code: String,
    /// One plain sentence.
    pub reason: String,
    /// What to do next.
    pub fix: String,
    /// Asking again cannot end otherwise before somebody has mended something.
    pub hopeless: bool,
}

impl DeployView<'_> {
    /// The environment, for a sentence.
    pub(super) fn place(&self) -> &str {
        self.environment.map_or("the environment", EnvName::as_str)
    }

    /// `lockkeeper VERB production --repo acme/app`
    pub(super) fn command(&self, verb: &str) -> String {
        let environment = self.environment.map_or("<environment>", EnvName::as_str);
        let repo = self.repo.map_or("<owner/name>", RepoName::as_str);
        format!("lockkeeper {verb} {environment} --repo {repo}")
    }
}
