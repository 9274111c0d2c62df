//! From the file as written to the typed configuration. Runs only on a file without problems, so nothing can fail here
//! but a mistake of ours, which becomes a problem of its own.

use super::lower_gate::{self, gates};
use super::raw::{self, File};
use super::shape::Later;
use super::text::{self, Duration as Text};
use super::*;
use std::time::Duration;

pub(super) fn lower(file: File, order: &[String], later: &[Later]) -> Result<RepoConfig, String> {
    let only_target = file.targets.keys().next().cloned();
    let mut targets = BTreeMap::new();
    for (name, raw) in file.targets {
        targets.insert(name, target(raw)?);
    }
    let mut environments = Vec::new();
    for (name, raw) in file.environments {
        let target = match (&raw.target, &only_target) {
            (Some(target), _) => target.0.clone(),
            (None, Some(only)) => only.clone(),
            (None, None) => return Err(format!("{name} has no target")),
        };
        environments.push(environment(&name, raw, target, later)?);
    }
    environments.sort_by_key(|e| order.iter().position(|name| name == e.name.as_str()));
    let release = ReleaseConfig {
        tag: file.release.tag.map(|t| t.0),
        ignore: file.release.ignore.into_iter().map(|g| g.0).collect(),
        branches: file.release.branches.into_iter().map(|g| g.0).collect(),
        notes: file.release.notes.map(|p| p.0),
        gates: gates(file.release.gates)?.unwrap_or_else(default_gates),
        publish_after: publish_after(file.release.publish_after)?,
        comment_on_pull_requests: file.release.comment_on_pull_requests,
        unsupported: labels(later, |path| path.first().is_some_and(|p| p == "release")),
    };
    let components = file.component.into_iter().map(component).collect();
    Ok(RepoConfig { release, components, environments, targets })
}

fn component(raw: raw::Component) -> Component {
    let path = raw.path.0.trim_end_matches('/').to_owned();
    Component { name: raw.name, path, tag: raw.tag.0 }
}

fn environment(name: &str, raw: raw::Environment, target: String, later: &[Later]) -> Result<Environment, String> {
    let mine = |path: &[String]| {
        let at = |a: &str, b: &str| path.len() > 1 && path[0] == a && path[1] == b;
        at("environments", name) || at("targets", &target)
    };
    let health = raw.health.into_iter().filter_map(|h| watch::health(h).transpose()).collect::<Result<_, String>>()?;
    let smoke = raw.smoke.into_iter().map(watch::smoke).collect::<Result<_, String>>()?;
    let analysis = raw.analysis.into_iter().enumerate().map(|(i, a)| watch::analysis(i + 1, a));
    Ok(Environment {
        name: EnvName::parse(name).map_err(|e| e.to_string())?,
        on: raw.on,
        url: raw.url.map(|u| u.0),
        production: raw.production,
        gates: gates(raw.gates)?,
        after: raw.after.into_iter().map(lower_gate::after).collect::<Result<_, String>>()?,
        windows: raw.windows.into_iter().map(lower_gate::window).collect::<Result<_, String>>()?,
        approvals: raw.approvals.map(lower_gate::approvals).transpose()?,
        agents: raw.agents,
        who: raw.who.map(|all| all.into_iter().map(|one| one.0).collect()),
        health,
        smoke,
        analysis: analysis.collect::<Result<_, String>>()?,
        strategy: strategy(raw.strategy)?,
        traffic: traffic(raw.traffic),
        rollback: rollback(raw.rollback),
        mirror: raw.mirror,
        configuration: raw.configuration.map(lower_gate::configuration),
        unsupported: labels(later, mine),
        target,
    })
}

fn labels(later: &[Later], mine: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut labels: Vec<String> = later.iter().filter(|l| mine(&l.path)).map(|l| l.label.clone()).collect();
    labels.dedup();
    labels
}

fn target(raw: raw::Target) -> Result<Target, String> {
    Ok(match raw {
        raw::Target::Workflow { workflow, inputs, timeout } => Target::Workflow(WorkflowTarget {
            workflow: workflow.0,
            inputs: inputs.into_iter().map(|(key, text::Template(value))| (key, value)).collect(),
            timeout: span(&timeout)?,
        }),
        raw::Target::Deployment { reporters, timeout } => Target::Deployment(DeploymentTarget {
            reporters: reporters.into_iter().map(|r| r.0).collect(),
            timeout: span(&timeout)?,
        }),
        raw::Target::Http { hook, url, timeout, interval } => Target::Http(HttpTarget {
            at: match (hook, url) {
                (Some(hook), None) => HttpAddress::Hook(hook),
                (None, Some(url)) => HttpAddress::Url(url),
                _ => return Err("a target has no hook or url, or both".into()),
            },
            timeout: span(&timeout)?,
            interval: span(&interval)?,
        }),
        raw::Target::Command { command, timeout } => Target::Command(CommandTarget { command, timeout: span(&timeout)? }),
    })
}

fn strategy(raw: Option<raw::Strategy>) -> Result<Strategy, String> {
    Ok(match raw {
        None | Some(raw::Strategy::Word(raw::StrategyWord::Direct) | raw::Strategy::Table(raw::StrategyTable::Direct {})) => {
            Strategy::Direct
        }
        Some(raw::Strategy::Table(raw::StrategyTable::BlueGreen { bake })) => Strategy::BlueGreen { bake: span(&bake)? },
        Some(raw::Strategy::Table(raw::StrategyTable::Gradual { steps })) => {
            let step = |s: &raw::Step| Ok(GradualStep { weight: s.weight, bake: span(&s.bake)? });
            Strategy::Gradual { steps: steps.iter().map(step).collect::<Result<_, String>>()? }
        }
    })
}

fn traffic(raw: Option<raw::Traffic>) -> Traffic {
    match raw {
        Some(raw::Traffic::Table(raw::TrafficTable::Haproxy { balancer, backend, slots })) => {
            let names = |list: Vec<text::HaproxyName>| list.into_iter().map(|name| name.0).collect();
            let slots = PerSlot { blue: names(slots.blue), green: names(slots.green) };
            Traffic::Haproxy(HaproxyTraffic { balancer, backend: backend.0, slots })
        }
        None | Some(raw::Traffic::Word(raw::TrafficWord::Target) | raw::Traffic::Table(raw::TrafficTable::Target {})) => {
            Traffic::Target
        }
    }
}

fn rollback(raw: Option<raw::Rollback>) -> Rollback {
    match raw {
        None | Some(raw::Rollback::Manual) => Rollback::Manual,
        Some(raw::Rollback::Automatic) => Rollback::Automatic,
        Some(raw::Rollback::Forbidden) => Rollback::Forbidden,
    }
}

fn publish_after(raw: Option<raw::EnvRefs>) -> Result<Vec<EnvName>, String> {
    let names = match raw {
        None => Vec::new(),
        Some(raw::EnvRefs::One(name)) => vec![name],
        Some(raw::EnvRefs::Many(names)) => names,
    };
    names.into_iter().map(|text::EnvRef(name)| EnvName::parse(&name).map_err(|why| why.to_string())).collect()
}

pub(super) fn span(text: &Text) -> Result<Duration, String> {
    format::duration(&text.0)
}
