//! The settings of gates, typed. Every [`Duration`] is whole seconds, at most 366 days.

use super::window::WindowSpan;
use crate::domain::{EnvName, canonical};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// One gate with its settings; each kind has one file in `gates`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GatePolicy {
    /// The tag is a version, stands where it may stand and has not moved.
    Tag,
    /// Check runs and commit statuses of the commit.
    Checks(ChecksPolicy),
    /// Every commit of the range can be classified.
    Commits,
    /// An older commit never replaces a newer one.
    Order,
    /// The same commit runs in another environment.
    Soak(After),
    /// Times of the week.
    Window(WindowPolicy),
    /// Nobody has locked the environment. Not a kind that a file can list: it is always asked.
    Lock,
    /// People who must agree.
    Approvals(ApprovalsPolicy),
    /// An answer of a web service.
    Http(HttpGate),
    /// An answer of a peer.
    Peer(PeerGate),
    /// Artifact attestations.
    Attestation(AttestationPolicy),
    /// A kind that this version knows by name and cannot judge.
    Unsupported { name: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChecksPolicy {
    /// Names that must be there and pass; empty: all that appear.
    pub names: Vec<String>,
    /// How long a commit without any check waits before it passes.
    pub wait: Duration,
    /// How long checks may stay pending, from when the run was asked for.
    pub deadline: Duration,
}

impl Default for ChecksPolicy {
    fn default() -> Self {
        Self { names: Vec::new(), wait: Duration::from_secs(60), deadline: Duration::from_secs(6 * 3600) }
    }
}

/// An environment in which the same commit must run first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct After {
    pub environment: EnvName,
    /// How long it must have run there without a break, until now; nothing: it must be live there.
    pub soak: Duration,
    /// How long to wait for the commit to get there, from when the run was asked for.
    pub deadline: Duration,
}

/// Open when nothing that is denied holds and, if anything is allowed, one of those holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowPolicy {
    pub windows: Vec<Window>,
}

/// At least one of `allow` and `deny` is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub allow: Option<WindowSpan>,
    pub deny: Option<WindowSpan>,
    /// Name in the IANA database; [`super::time_zone`] knows it.
    pub timezone: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalsPolicy {
    /// How many different people; at least one.
    pub count: u8,
    /// Slugs of teams whose members may approve. Without teams and users: whoever may deploy.
    pub teams: Vec<String>,
    /// Logins of people who may approve.
    pub users: Vec<String>,
    /// The author of the commit does not count.
    pub not_author: bool,
    /// How long an approval counts, and how long to wait for one.
    pub expiry: Duration,
}

impl ApprovalsPolicy {
    /// One person who may deploy, within a week.
    pub fn one_person() -> Self {
        let expiry = Duration::from_secs(7 * 24 * 3600);
        Self { count: 1, teams: Vec::new(), users: Vec::new(), not_author: false, expiry }
    }
}

/// What an agent may do in an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agents {
    /// As a person.
    Allow,
    /// An agent asks, a person approves, and moves users on. Agents may stop what goes on.
    #[default]
    Request,
    /// Neither deploy nor roll back.
    Deny,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpGate {
    /// May hold `{{ environment_url }}`, `{{ version }}`, `{{ sha }}`, `{{ environment }}`.
    pub url: String,
    /// CEL over `status`, `body` (JSON or text), `headers`, `latency_ms`, `version`, `sha`, `environment`.
    pub expect: String,
    /// For one request.
    pub timeout: Duration,
    /// How long to go on asking.
    pub within: Duration,
    pub interval: Duration,
}

/// A question to a tool of a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerGate {
    /// The operator's name for it.
    pub peer: String,
    pub tool: String,
    /// Texts in it may hold placeholders.
    pub arguments: Map<String, Value>,
    /// CEL over `result`, `version`, `sha`, `environment`.
    pub expect: String,
    /// Whether it blocks.
    pub required: bool,
    /// How long to go on asking one that does not answer.
    pub within: Duration,
    pub interval: Duration,
}

/// Who supplies the configuration of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigurationPeer {
    /// The operator's name for it.
    pub peer: String,
    pub tool: String,
    /// Texts in it may hold placeholders.
    pub arguments: Map<String, Value>,
}

impl PeerGate {
    /// The same for gates that ask the same.
    pub fn key(&self) -> String {
        canonical(&json!({ "peer": self.peer, "tool": self.tool, "arguments": self.arguments }))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttestationPolicy {
    /// File name in `.github/workflows` of this repository; `None`: any workflow of this repository.
    pub workflow: Option<String>,
    /// Pattern of the files of the tag's release that are deployed.
    pub assets: String,
    /// How long to wait for files and attestations, from the first look.
    pub deadline: Duration,
}

/// What is asked of a release or an environment that does not list gates.
pub fn default_gates() -> Vec<GatePolicy> {
    vec![GatePolicy::Tag, GatePolicy::Checks(ChecksPolicy::default())]
}
