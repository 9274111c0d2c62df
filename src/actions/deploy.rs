//! Deploy: a commit goes to an environment.

use super::agents;
use super::publish::config_digest;
use crate::config::repo::{
    AnalysisSource, CONFIG_PATH, Environment, GatePolicy, HttpAddress, HttpTarget, RepoConfig, Strategy, Target, Traffic,
    WindowPolicy, default_gates,
};
use crate::config::settings::Lent;
use crate::domain::{Actor, EnvName, Overridable, Refusal, RepoName, RepoRef, Sha, Tag};
use crate::plan::{Pin, Plan, PlannedStep, Work};
use crate::rollout::analysis::Metric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a gate that this version cannot judge is named in [`Environment::unsupported`].
const GATE_LABEL: &str = "gates.kind";

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
    /// Deploy exactly what is live in this environment
    #[arg(long, conflicts_with = "git_ref", value_parser = |s: &str| EnvName::parse(s))]
    #[serde(default)]
    pub from: Option<EnvName>,
    /// Move users in another way than the environment's own: direct, blue_green or gradual
    #[arg(long)]
    #[serde(default)]
    pub strategy: Option<String>,
    /// Why, for the record; also goes ahead where a rollback holds this version back
    #[arg(long)]
    #[serde(default)]
    pub reason: Option<String>,
    /// Open this gate once, for this plan only: window; needs --reason and a role that allows it
    #[arg(long = "override", value_name = "GATE", requires = "reason", value_parser = overridable)]
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overriding: Option<Overridable>,
    /// Wait for a lock of the environment to end instead of being refused
    #[arg(long)]
    #[serde(default)]
    pub wait: bool,
    /// Say what would happen and stop
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

fn overridable(text: &str) -> Result<Overridable, String> {
    let known: Vec<&str> = Overridable::ALL.into_iter().map(Overridable::as_str).collect();
    Overridable::parse(text).ok_or_else(|| format!("a gate that can be overridden is one of {}", known.join(", ")))
}

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    pub sha: Sha,
    pub tag: Option<Tag>,
    pub version: Option<String>,
    pub component: Option<String>,
}

impl Subject {
    /// How people call it.
    pub fn name(&self) -> String {
        self.tag.as_ref().map_or_else(|| self.sha.short().to_owned(), ToString::to_string)
    }
}

/// What kind of deployment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Version,
    /// The head of a pull request, because a person has asked for exactly it. It is on no branch that is released from, so that
    /// only an environment that lists the gate `tag` itself asks for that.
    Head,
    /// It has no gates: its version passed them when it was first deployed. Only an agent may need a person for it.
    Rollback,
}

impl Kind {
    fn gates(self, environment: &Environment) -> Vec<GatePolicy> {
        let mut all = if self == Self::Rollback { Vec::new() } else { gates(environment) };
        all.retain(|gate| self != Self::Head || environment.gates.is_some() || *gate != GatePolicy::Tag);
        all
    }
}

pub fn plan(
    repo: &RepoRef,
    env: &EnvName,
    subject: &Subject,
    actor: &Actor,
    (config, lent): (&RepoConfig, Option<&Lent>),
    kind: Kind,
) -> Result<Plan, Refusal> {
    let environment = find(env, config)?;
    let target = possible(repo, environment, (config, lent), kind == Kind::Rollback)?;
    agents::check(environment, actor)?;
    let pin = Pin {
        sha: subject.sha.clone(),
        tag: subject.tag.clone(),
        version: subject.version.clone(),
        component: subject.component.clone(),
        config: config_digest(config),
        configuration: None,
    };
    let mut gates = kind.gates(environment);
    agents::ask_a_person(&mut gates, environment, actor);
    let steps = steps(environment, target);
    Ok(Plan::new(
        if kind == Kind::Rollback { "rollback" } else { "deploy" },
        repo.clone(),
        actor.clone(),
        pin,
        Some(env.to_string()),
        Work { gates, steps },
    ))
}

/// Whether a deployment could go its way at all, gates aside, and with which target.
///
/// # Errors
/// What the file asks for that this version, this target or this operator cannot give.
pub fn possible<'c>(
    repo: &RepoRef,
    environment: &Environment,
    (config, lent): (&'c RepoConfig, Option<&Lent>),
    rollback: bool,
) -> Result<&'c Target, Refusal> {
    enforceable(environment, rollback)?;
    let target = config.targets.get(&environment.target).ok_or_else(|| no_target(environment))?;
    can_move(environment, target)?;
    can_judge(environment)?;
    lent.map_or(Ok(()), |lent| may_use(&repo.name, environment, (target, rollback), lent))?;
    Ok(target)
}

/// The environment of this name.
pub fn find<'c>(env: &EnvName, config: &'c RepoConfig) -> Result<&'c Environment, Refusal> {
    config.environment(env).ok_or_else(|| unknown(env, config))
}

/// The gates of an environment: those that its file lists, or the default ones, and what its other keys ask for.
pub fn gates(environment: &Environment) -> Vec<GatePolicy> {
    let mut gates = environment.gates.clone().unwrap_or_else(default_gates);
    gates.extend(environment.after.iter().cloned().map(GatePolicy::Soak));
    if !environment.windows.is_empty() {
        gates.push(GatePolicy::Window(WindowPolicy { windows: environment.windows.clone() }));
    }
    gates.extend(environment.approvals.clone().map(GatePolicy::Approvals));
    gates.push(GatePolicy::Lock);
    // The order is asked when it is a deployment's turn, in every environment: before that nothing is known of who is first.
    gates.retain(|gate| *gate != GatePolicy::Order);
    gates
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
    ];
    if matches!(target, Target::Deployment(_)) {
        // Its reporters act as soon as it is there.
        steps.reverse();
    }
    steps.push(step("bring_up", bring_up));
    if !environment.health.is_empty() {
        steps.push(step("health", format!("ask {} health check(s) until they hold", environment.health.len())));
    }
    steps.push(step("report", "report success on the deployment and the commit".to_owned()));
    steps
}

fn step(name: &str, what: String) -> PlannedStep {
    PlannedStep { name: name.to_owned(), effect: matches!(name, "deployment" | "bring_up" | "report"), what }
}

/// How users are moved: as the environment says, or as somebody asks for this once. A version that comes back takes over at
/// once where there are slots.
///
/// # Errors
/// `strategy_not_possible`.
pub fn strategy(environment: &Environment, asked: Option<&str>, rollback: bool) -> Result<Strategy, Refusal> {
    let own = environment.strategy.clone();
    let slots = own != Strategy::Direct;
    let chosen = match asked {
        None if rollback && slots => Strategy::BlueGreen { bake: Duration::ZERO },
        None => own,
        Some("direct") if environment.traffic == Traffic::Target => Strategy::Direct,
        Some("blue_green" | "blue-green") if matches!(own, Strategy::BlueGreen { .. }) => own,
        Some("blue_green" | "blue-green") if slots => Strategy::BlueGreen { bake: Duration::ZERO },
        Some("gradual") if matches!(own, Strategy::Gradual { .. }) => own,
        Some(_) => return Err(not_possible(environment)),
    };
    Ok(chosen)
}

/// An expectation that can never be judged is refused before anything moves.
fn can_judge(environment: &Environment) -> Result<(), Refusal> {
    environment.analysis.iter().try_for_each(|policy| Metric::of(policy).map(drop))
}

/// What the operator must lend for it.
fn may_use(
    repo: &RepoName,
    environment: &Environment,
    (target, rollback): (&Target, bool),
    lent: &Lent,
) -> Result<(), Refusal> {
    // No gate holds up a way back.
    let gates = environment.gates.iter().flatten().filter(|_| !rollback);
    gates
        .filter_map(|gate| if let GatePolicy::Peer(gate) = gate { Some(gate) } else { None })
        .try_for_each(|gate| lent.peer(&gate.peer, &gate.tool, repo))?;
    match target {
        Target::Command(target) => lent.command(&target.command, repo)?,
        Target::Http(HttpTarget { at: HttpAddress::Hook(name), .. }) => lent.hook(name, repo)?,
        Target::Http(HttpTarget { at: HttpAddress::Url(_), .. }) | Target::Workflow(_) | Target::Deployment(_) => {}
    }
    if let Some(from) = environment.configuration.as_ref().filter(|_| !rollback) {
        lent.peer(&from.peer, &from.tool, repo)?;
    }
    match &environment.traffic {
        Traffic::Haproxy(traffic) if environment.strategy != Strategy::Direct => {
            lent.balancer(&traffic.balancer, &traffic.backend, repo)?;
        }
        Traffic::Haproxy(_) | Traffic::Target => {}
    }
    environment.analysis.iter().try_for_each(|analysis| match &analysis.source {
        AnalysisSource::Prometheus(source) => lent.prometheus(&source.prometheus, repo),
        AnalysisSource::Haproxy(_) => Ok(()),
    })
}

/// Who must be told of every share cannot be somebody who is told once, and a balancer's counters are those of copies. (That
/// there is a balancer is a rule of the file.)
fn can_move(environment: &Environment, target: &Target) -> Result<(), Refusal> {
    let counts = environment.analysis.iter().any(|analysis| matches!(analysis.source, AnalysisSource::Haproxy(_)));
    if counts && environment.strategy == Strategy::Direct {
        return Err(Refusal::user(
            "analysis_needs_copies",
            format!(
                "An analysis of {} asks for the balancer's counters of a new copy, and its strategy has none.",
                environment.name
            ),
            format!(
                "Give [environments.{}] the strategy `blue_green` or `gradual`, or measure with a Prometheus.",
                environment.name
            ),
        ));
    }
    let told_once = matches!(target, Target::Deployment(_)) && environment.traffic == Traffic::Target;
    if environment.strategy == Strategy::Direct || !told_once {
        return Ok(());
    }
    Err(Refusal::user(
        "traffic_not_possible",
        format!("Nobody moves the users of {}: a target of the kind `deployment` is told of a version once.", environment.name),
        format!("Add `traffic` with a balancer to [environments.{}], or use another kind of target.", environment.name),
    ))
}

fn not_possible(environment: &Environment) -> Refusal {
    Refusal::user(
        "strategy_not_possible",
        format!("{} cannot move users in this way.", environment.name),
        format!(
            "Leave --strategy out, or use `direct` (without a balancer), or `blue_green` or `gradual` where [environments.{}] has \
             slots and steps.",
            environment.name
        ),
    )
}

/// Fail closed: what the file asks for and this version cannot do is refused, not left out. No gate holds up a way back.
fn enforceable(environment: &Environment, rollback: bool) -> Result<(), Refusal> {
    let asked = environment.unsupported.iter().filter(|label| !(rollback && label.starts_with(GATE_LABEL)));
    let asked: Vec<&str> = asked.map(String::as_str).collect();
    if asked.is_empty() {
        return Ok(());
    }
    Err(not_available(environment, &asked.join(", ")))
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
        format!("Add it to {CONFIG_PATH} on the default branch.")
    } else {
        format!("Use one of {}, or add it to {CONFIG_PATH} on the default branch.", known.join(", "))
    };
    Refusal::user("unknown_environment", format!("There is no environment {env}."), fix)
}

fn no_target(environment: &Environment) -> Refusal {
    Refusal::user(
        "unknown_target",
        format!("{} names the target {}, which does not exist.", environment.name, environment.target),
        format!("Add [targets.{}] to {CONFIG_PATH}.", environment.target),
    )
}

#[cfg(test)]
mod tests;
