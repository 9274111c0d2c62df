//! Deploy: a commit goes to an environment.

use super::publish::config_digest;
use crate::config::repo::{Environment, GatePolicy, RepoConfig, Rollback, Strategy, Target, Traffic, default_gates};
use crate::domain::{Actor, EnvName, Refusal, RepoName, RepoRef, Sha, Tag};
use crate::plan::{Pin, Plan, PlannedStep, Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Deploy a version to an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Deploy {
    /// Environment to deploy to
    #[arg(value_parser = |s: &str| EnvName::parse(s))]
    pub environment: EnvName,
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// Tag or whole commit id to deploy; the default branch's head without it
    #[arg(long = "ref")]
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    /// Say what would happen and stop
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    pub sha: Sha,
    pub tag: Option<Tag>,
    pub version: Option<String>,
    pub component: Option<String>,
}

/// A rollback has no gates: its version passed them when it was first deployed.
pub fn plan(
    repo: &RepoRef,
    env: &EnvName,
    subject: &Subject,
    actor: &Actor,
    config: &RepoConfig,
    rollback: bool,
) -> Result<Plan, Refusal> {
    let environment = find(env, config)?;
    enforceable(environment)?;
    let target = config.targets.get(&environment.target).ok_or_else(|| no_target(environment))?;
    wired(environment, target)?;
    let pin = Pin {
        sha: subject.sha.clone(),
        tag: subject.tag.clone(),
        version: subject.version.clone(),
        component: subject.component.clone(),
        config: config_digest(config),
    };
    let gates = if rollback { Vec::new() } else { gates(environment) };
    let steps = steps(environment, target);
    Ok(Plan::new(
        if rollback { "rollback" } else { "deploy" },
        repo.clone(),
        actor.clone(),
        pin,
        Some(env.to_string()),
        Work { gates, steps },
    ))
}

/// The environment of this name.
pub fn find<'c>(env: &EnvName, config: &'c RepoConfig) -> Result<&'c Environment, Refusal> {
    config.environment(env).ok_or_else(|| unknown(env, config))
}

/// The gates of an environment; the default ones where its file does not say.
pub fn gates(environment: &Environment) -> Vec<GatePolicy> {
    environment.gates.clone().unwrap_or_else(default_gates)
}

fn steps(environment: &Environment, target: &Target) -> Vec<PlannedStep> {
    let bring_up = match target {
        Target::Workflow(t) => format!("start the workflow {} and follow it", t.workflow),
        Target::Deployment(_) => "wait for a named reporter to deploy".to_owned(),
        Target::Http(_) => "ask the deploy hook and follow it".to_owned(),
        Target::Command(t) => format!("run the operator's command {}", t.command),
    };
    let mut steps = vec![
        step("deployment", "create a GitHub deployment".to_owned()),
        step("lease", format!("take the lock of {}", environment.name)),
        step("bring_up", bring_up),
    ];
    if !environment.health.is_empty() {
        steps.push(step("health", format!("ask {} health check(s) until they hold", environment.health.len())));
    }
    steps.push(step("report", "report success on the deployment and the commit".to_owned()));
    steps
}

fn step(name: &str, what: String) -> PlannedStep {
    PlannedStep { name: name.to_owned(), effect: matches!(name, "deployment" | "bring_up" | "report"), what }
}

/// Fail closed: what the configuration can say and the workflow does not do yet.
fn wired(environment: &Environment, target: &Target) -> Result<(), Refusal> {
    let mut keys = Vec::new();
    keys.extend((environment.strategy != Strategy::Direct).then_some("strategy"));
    keys.extend((environment.traffic != Traffic::Target).then_some("traffic"));
    keys.extend((!environment.analysis.is_empty()).then_some("analysis"));
    keys.extend((environment.rollback != Rollback::Manual).then_some("rollback"));
    keys.extend(matches!(target, Target::Http(_) | Target::Command(_)).then_some("its target"));
    if keys.is_empty() { Ok(()) } else { Err(not_available(environment, &keys.join(", "))) }
}

/// Fail closed: what the file asks for and this version cannot do is refused, not left out.
fn enforceable(environment: &Environment) -> Result<(), Refusal> {
    if environment.unsupported.is_empty() {
        return Ok(());
    }
    Err(not_available(environment, &environment.unsupported.join(", ")))
}

fn not_available(environment: &Environment, keys: &str) -> Refusal {
    Refusal::user(
        "not_available",
        format!("{} asks for {keys}, which this version of Lockkeeper cannot do.", environment.name),
        format!("Remove {keys} from [environments.{}], or run a version that can.", environment.name),
    )
}

fn unknown(env: &EnvName, config: &RepoConfig) -> Refusal {
    let known: Vec<&str> = config.environments.iter().map(|e| e.name.as_str()).collect();
    let fix = if known.is_empty() {
        "Add it to .github/lockkeeper.toml on the default branch.".to_owned()
    } else {
        format!("Use one of {}, or add it to .github/lockkeeper.toml on the default branch.", known.join(", "))
    };
    Refusal::user("unknown_environment", format!("There is no environment {env}."), fix)
}

fn no_target(environment: &Environment) -> Refusal {
    Refusal::user(
        "unknown_target",
        format!("{} names the target {}, which does not exist.", environment.name, environment.target),
        format!("Add [targets.{}] to .github/lockkeeper.toml.", environment.target),
    )
}
