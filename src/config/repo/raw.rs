//! The file as it is written: one definition that gives the parser, the JSON Schema and the reference in the README.
//!
//! A doc comment here is what users read. `x-later` marks what this version can read but not enforce: it is checked for
//! its shape, reported as a warning and refused by plans. `x-format` names a check in [`super::format`].

use super::raw_analysis::Analysis;
use super::raw_gate::{After, Approvals, Configuration, Gate, Window};
use super::raw_health::{Health, Smoke};
use super::text::{
    Duration, EnvRef, Glob, HaproxyName, RepoPath, Reporter, TagPattern, TargetRef, Template, Url, Who, Workflow,
};
use super::{Agents, Trigger};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What Lockkeeper does for this repository. It is read at the default branch, never from a pull request. Without the
/// file, every tag that is a version becomes a release once its checks have passed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub release: Release,
    /// For repositories that release several things: each has its own tags. Without any, the repository is one thing.
    #[serde(default)]
    pub component: Vec<Component>,
    /// Places to deploy to, each under its own name, for example `[environments.production]`.
    #[serde(default)]
    #[schemars(extend("x-keys" = "environment"))]
    pub environments: BTreeMap<String, Environment>,
    /// How a version is brought to an environment; environments name one of them.
    #[serde(default)]
    #[schemars(extend("x-keys" = "name"))]
    pub targets: BTreeMap<String, Target>,
}

/// What becomes a release, and what is asked of it first.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// What a release tag looks like. Without it every tag that ends in a version counts: `v1.2.3`, `1.2.3`.
    pub tag: Option<TagPattern>,
    /// Branches that a released commit must be on. Without it: the default branch.
    #[serde(default)]
    pub branches: Vec<Glob>,
    /// Tags that Lockkeeper leaves alone.
    #[serde(default)]
    pub ignore: Vec<Glob>,
    /// Path of a git-cliff configuration for the notes. Without it `cliff.toml`, `.cliff.toml` and `.config/cliff.toml`
    /// are looked for. Nothing in it may run a command or reach the network.
    pub notes: Option<RepoPath>,
    /// Gates of a release. Without it: `tag` and `checks`. An empty list asks for nothing.
    pub gates: Option<Vec<Gate>>,
    /// Environments that must have had this version with success before the release is published; until then it is a
    /// draft.
    pub publish_after: Option<EnvRefs>,
    /// Whether each pull request that a release has brought is told so by a comment: "Released in v1.2.3". Prereleases tell nobody.
    #[serde(default)]
    pub comment_on_pull_requests: bool,
}

/// One environment or several.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EnvRefs {
    One(EnvRef),
    Many(Vec<EnvRef>),
}

/// One thing that the repository releases on its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    #[schemars(extend("x-format" = "name"))]
    pub name: String,
    /// Its folder; commits that touch it are its commits.
    #[serde(default = "root")]
    #[schemars(extend("examples" = ["services/api"]))]
    pub path: RepoPath,
    /// What its tags look like.
    pub tag: TagPattern,
}

fn root() -> RepoPath {
    RepoPath(".".into())
}

/// A place to deploy to, with one lock and one live version.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// What starts a deployment.
    #[serde(default = "manual")]
    pub on: Vec<Trigger>,
    /// One of `[targets]`. May be left out when there is only one.
    pub target: Option<TargetRef>,
    /// Where users find it; GitHub shows it as the deployment's link.
    pub url: Option<Url>,
    /// Whether GitHub shows it as production. Without it: when its name is `production`.
    pub production: Option<bool>,
    /// Gates of a deployment. Without it: `tag` (if a tag started it) and `checks`. An empty list asks for nothing.
    pub gates: Option<Vec<Gate>>,
    /// Questions that the new version must answer before the deployment counts as a success.
    #[serde(default)]
    pub health: Vec<Health>,
    /// Tests that the new version must pass after its health checks, in this order, before users get it.
    #[serde(default)]
    pub smoke: Vec<Smoke>,
    /// How users are moved to the new version.
    pub strategy: Option<Strategy>,
    /// Who moves users. Without it: the target itself, which is told the slot and its share.
    pub traffic: Option<Traffic>,
    /// What happens when a new version fails after it has got all users; before that they go back in any case. Without
    /// it: `manual`.
    pub rollback: Option<Rollback>,
    /// Environments in which the same commit must run first.
    #[serde(default)]
    pub after: Vec<After>,
    /// People who must agree: never the one who asked, never a bot or an agent. Without teams and users: whoever may deploy.
    pub approvals: Option<Approvals>,
    /// Who may deploy here, lock it and move users on, by comments: a role or more, a team, a person. All of them need the
    /// role `write` too. Without it: whoever has that role; an empty list: nobody.
    pub who: Option<Vec<Who>>,
    /// What an AI agent, or a script with a key, may do here. Without it: `request`.
    pub agents: Option<Agents>,
    /// Times when deployments are allowed or denied.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// Metrics that are watched while users are moved.
    #[serde(default)]
    pub analysis: Vec<Analysis>,
    /// Whether each merged pull request gets a GitHub deployment of its own, with the task `mirror`, when a deployment here has
    /// brought its merge, so that its page shows where it runs. Without it: yes, but for a target of the kind `deployment`,
    /// whose deployer must know that there is nothing to do for that task.
    pub mirror: Option<bool>,
    /// Who supplies its configuration: a tool of a peer that the operator lends, which answers with a table. It is read when a
    /// deployment is planned and again when its turn comes; what has changed in between makes the plan stale. The target gets
    /// it as `configuration`.
    pub configuration: Option<Configuration>,
}

fn manual() -> Vec<Trigger> {
    vec![Trigger::Manual]
}

pub(super) fn ten_seconds() -> Duration {
    Duration("10s".into())
}
pub(super) fn five_minutes() -> Duration {
    Duration("5m".into())
}
fn ten_minutes() -> Duration {
    Duration("10m".into())
}
fn one_hour() -> Duration {
    Duration("1h".into())
}

/// How a version is brought to an environment.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// Lockkeeper starts a workflow of this repository (`on: workflow_dispatch`) and follows its run.
    Workflow {
        /// File name in `.github/workflows`.
        workflow: Workflow,
        /// Inputs for the workflow; values may hold the same placeholders as a health check's URL.
        #[serde(default)]
        inputs: BTreeMap<String, Template>,
        /// How long the workflow may take; its run is cancelled then.
        #[serde(default = "one_hour")]
        #[schemars(extend("x-min" = "1m", "x-max" = "1d"))]
        timeout: Duration,
    },
    /// Somebody else, for example a workflow with `on: deployment`, acts on the GitHub deployment and reports its status.
    Deployment {
        /// Whose status counts; nobody else's does.
        #[schemars(length(min = 1))]
        reporters: Vec<Reporter>,
        /// How long to wait for a final status.
        #[serde(default = "one_hour")]
        #[schemars(extend("x-min" = "1m", "x-max" = "1d"))]
        timeout: Duration,
    },
    /// A signed request to your own deployer, which answers when it is done or says how far it is.
    Http {
        /// One of the operator's `[hooks]`. Either this or `url`.
        #[schemars(extend("x-format" = "name"))]
        hook: Option<String>,
        /// An address that the server may reach; may hold placeholders, but not `{{ environment_url }}`.
        #[schemars(extend("x-format" = "errand_url", "examples" = ["https://deploy.example.com/hook"]))]
        url: Option<String>,
        /// How long the deployer may take.
        #[serde(default = "one_hour")]
        #[schemars(extend("x-min" = "1m", "x-max" = "1d"))]
        timeout: Duration,
        /// Pause between two questions how far it is.
        #[serde(default = "ten_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
        interval: Duration,
    },
    /// A command that the operator of Lockkeeper has named.
    Command {
        /// One of the operator's `[commands]`.
        #[schemars(extend("x-format" = "name"))]
        command: String,
        /// How long the command may take; never longer than the operator allows.
        #[serde(default = "one_hour")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1d"))]
        timeout: Duration,
    },
}

/// Who moves users: a word or, with settings, a table.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Traffic {
    Word(TrafficWord),
    Table(TrafficTable),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrafficWord {
    /// The target itself.
    Target,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TrafficTable {
    /// The target itself.
    Target {},
    /// An HAProxy, through its runtime API.
    Haproxy {
        /// One of the operator's `[balancers]`.
        #[schemars(extend("x-format" = "name"))]
        balancer: String,
        /// The backend of HAProxy's configuration that users reach.
        #[schemars(extend("examples" = ["web"]))]
        backend: HaproxyName,
        /// Which servers of the backend make up which slot; all of its servers belong to one of the two.
        slots: Slots,
    },
}

/// Servers of the two slots, by their names in HAProxy's configuration.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slots {
    #[schemars(length(min = 1))]
    pub blue: Vec<HaproxyName>,
    #[schemars(length(min = 1))]
    pub green: Vec<HaproxyName>,
}

/// The strategy as a word or, with settings, as a table.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Strategy {
    Word(StrategyWord),
    Table(StrategyTable),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StrategyWord {
    /// All users at once.
    Direct,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StrategyTable {
    /// All users at once.
    Direct {},
    /// A growing share of users, step by step; after the last step all of them.
    Gradual {
        /// Each with a greater weight than the one before.
        #[schemars(length(min = 1))]
        steps: Vec<Step>,
    },
    /// A second copy takes over from the first.
    BlueGreen {
        /// How long the first copy is kept, ready to take over again.
        #[serde(default = "ten_minutes")]
        #[schemars(extend("x-max" = "7d"))]
        bake: Duration,
    },
}

/// One step of a gradual rollout.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Share of users in percent.
    #[schemars(range(min = 1, max = 100))]
    pub weight: u8,
    /// How long the step is watched.
    #[serde(default = "five_minutes")]
    #[schemars(extend("x-max" = "7d"))]
    pub bake: Duration,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rollback {
    /// A person decides.
    Manual,
    /// Back to the version before, at once.
    Automatic,
    /// Only forward, for example after a migration of data.
    Forbidden,
}
