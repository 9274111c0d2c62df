//! `.github/lockkeeper.toml` as types: what a repository asks for, complete and validated.
//!
//! Invariants: a [`RepoConfig`] that exists has no dangling names (every environment's target exists, every `after` names
//! an environment) and all its patterns and expressions parse. A feature that this version cannot enforce is kept in
//! [`Environment::unsupported`], so that a plan refuses it instead of ignoring it (fail closed).

mod analysis;
mod format;
mod gate_rules;
pub mod glob;
mod health;
mod links;
mod lower;
mod lower_gate;
mod parse;
mod policies;
mod query;
mod raw;
mod raw_analysis;
mod raw_gate;
mod raw_health;
mod reference;
mod rollout;
mod schema;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod watch;
mod window;

pub use analysis::{AnalysisPolicy, AnalysisSource, Baseline, HaproxySource, MetricPolicy, NoData, PrometheusSource};
pub use format::duration;
pub use health::{HealthCheck, HttpCheck, McpCheck, SmokeTest, TcpCheck};
pub use parse::{Report, SIZE_LIMIT, check, parse};
pub use policies::{
    After, Agents, ApprovalsPolicy, AttestationPolicy, ChecksPolicy, ConfigurationPeer, GatePolicy, HttpGate, PeerGate, Window,
    WindowPolicy, default_gates,
};
pub use query::{QUERY_PLACEHOLDERS, fill_query};
pub use reference::reference;
pub use schema::json_schema;
pub use shape::ValidateExpression;
pub use window::{WEEK, WindowSpan, time_zone};

use crate::domain::{EnvName, PerSlot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the file is in a repository.
pub const CONFIG_PATH: &str = ".github/lockkeeper.toml";

/// The whole file; [`RepoConfig::default`] is what a repository without the file gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RepoConfig {
    pub release: ReleaseConfig,
    /// `[[component]]`, for repositories that release several things; empty means one component, the repository.
    pub components: Vec<Component>,
    /// In the order of the file.
    pub environments: Vec<Environment>,
    pub targets: BTreeMap<String, Target>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseConfig {
    /// `tag = "v{version}"`; `None` accepts every tag that the tag grammar reads as a version.
    pub tag: Option<String>,
    /// Patterns ([`glob`]) of tags that are none of our business, for example `v1` or `nightly*`.
    pub ignore: Vec<String>,
    /// Patterns ([`glob`]) of branches that a released commit must be on; empty means the default branch.
    pub branches: Vec<String>,
    /// Path of a git-cliff configuration at the default branch; `None` looks in the usual places.
    pub notes: Option<String>,
    pub gates: Vec<GatePolicy>,
    /// Environments that must have had this version with success before the release is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish_after: Vec<EnvName>,
    /// Whether the pull requests of a release are told of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub comment_on_pull_requests: bool,
    /// Keys that are valid but that this version cannot enforce; a release is refused while there is one.
    #[serde(default)]
    pub unsupported: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Component {
    pub name: String,
    /// Directory of the component, `.` for the root.
    pub path: String,
    /// Its tag pattern, for example `api-v{version}`.
    pub tag: String,
}

/// What starts a deployment to an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A merge to the default branch.
    Merge,
    /// A stable release tag.
    Tag,
    /// A prerelease tag.
    Prerelease,
    /// Only when somebody asks.
    Manual,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    pub name: EnvName,
    pub on: Vec<Trigger>,
    /// Key of [`RepoConfig::targets`].
    pub target: String,
    pub url: Option<String>,
    /// Shown by GitHub as production; `None` means: when its name is `production`.
    pub production: Option<bool>,
    /// `None`: the file does not say; the default gates apply. An empty list asks for none.
    pub gates: Option<Vec<GatePolicy>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<ApprovalsPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Agents>,
    /// `write`, `maintain`, `admin`, `team:…`, `user:…`; nothing: whoever may write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Vec<String>>,
    pub health: Vec<HealthCheck>,
    /// Asked in this order after all of `health`; no name twice.
    #[serde(default)]
    pub smoke: Vec<SmokeTest>,
    /// No name twice.
    #[serde(default)]
    pub analysis: Vec<AnalysisPolicy>,
    #[serde(default)]
    pub strategy: Strategy,
    #[serde(default)]
    pub traffic: Traffic,
    #[serde(default)]
    pub rollback: Rollback,
    /// Whether the pages of merged pull requests show it; see [`Environment::mirrors`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<bool>,
    /// Who supplies its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ConfigurationPeer>,
    /// Keys that are valid but that this version cannot enforce, for example a gate.
    pub unsupported: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    Workflow(WorkflowTarget),
    Deployment(DeploymentTarget),
    Http(HttpTarget),
    Command(CommandTarget),
}

/// `workflow_dispatch` of a workflow in the same repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowTarget {
    /// File name in `.github/workflows`.
    pub workflow: String,
    /// Extra inputs; values may hold the same placeholders as a health check's URL.
    pub inputs: BTreeMap<String, String>,
    pub timeout: Duration,
}

/// Somebody else acts on the GitHub deployment and reports its status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentTarget {
    /// Whose status counts: logins, App slugs as `name[bot]`, `team:<slug>`.
    pub reporters: Vec<String>,
    pub timeout: Duration,
}

/// A service that is asked to deploy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpTarget {
    pub at: HttpAddress,
    /// For the whole errand.
    pub timeout: Duration,
    /// Between two questions how far it is.
    pub interval: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpAddress {
    /// Name of one of the operator's hooks.
    Hook(String),
    /// The repository's own choice, so it is guarded; may hold the placeholders of a health check's URL.
    Url(String),
}

/// A command of the operator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandTarget {
    pub command: String,
    /// The operator's own limit may be shorter.
    pub timeout: Duration,
}

/// How users are moved to a new version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Strategy {
    /// All at once, in place.
    #[default]
    Direct,
    /// The idle slot takes over from the serving one, which is kept for a while.
    BlueGreen { bake: Duration },
    /// The idle slot gets a growing share; after the last step everything.
    Gradual {
        /// Never empty; weights grow strictly, from 1 to 100.
        steps: Vec<GradualStep>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GradualStep {
    /// Share of users in percent.
    pub weight: u8,
    /// How long the step is watched.
    pub bake: Duration,
}

/// Who moves users between the slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Traffic {
    /// The target itself, told by an errand with a slot and a weight.
    #[default]
    Target,
    Haproxy(HaproxyTraffic),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaproxyTraffic {
    /// Name of one of the operator's balancers.
    pub balancer: String,
    pub backend: String,
    /// Names of servers; no name twice.
    pub slots: PerSlot<Vec<String>>,
}

/// What follows when a version fails that has all users.
///
/// `Manual` unless the file says otherwise: going back may meet data that the old version cannot read, so nobody gets it who
/// has not asked for it. While users are being moved, the old version serves beside the new one; then they go back in any
/// case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rollback {
    /// A person decides.
    #[default]
    Manual,
    Automatic,
    /// A migration barrier: fix forward.
    Forbidden,
}

impl Default for ReleaseConfig {
    fn default() -> Self {
        Self {
            tag: None,
            ignore: Vec::new(),
            branches: Vec::new(),
            notes: None,
            gates: default_gates(),
            publish_after: Vec::new(),
            comment_on_pull_requests: false,
            unsupported: Vec::new(),
        }
    }
}

impl RepoConfig {
    pub fn environment(&self, name: &EnvName) -> Option<&Environment> {
        self.environments.iter().find(|e| &e.name == name)
    }
}

impl Component {
    /// Its directory, if that is not the whole repository.
    pub fn folder(&self) -> Option<&str> {
        (self.path != ".").then_some(self.path.as_str())
    }
}

impl Environment {
    pub fn is_production(&self) -> bool {
        self.production.unwrap_or(self.name.as_str() == "production")
    }
    /// Whoever acts on GitHub deployments would act on mirrors, too, unless the file says that they do not.
    pub fn mirrors(&self, target: &Target) -> bool {
        self.mirror.unwrap_or(!matches!(target, Target::Deployment(_)))
    }
}
