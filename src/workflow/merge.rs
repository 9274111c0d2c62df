//! A merge to the default branch: the environments that say `on = ["merge"]` deploy it. A merge that changes nothing costs
//! one read.

use super::report::{Outcome, State};
use super::{configuration, ground};
use crate::actions::deploy::Subject;
use crate::config::repo::{RepoConfig, Trigger};
use crate::domain::{Actor, Millis, RepoRef, Sha};
use crate::flow::{Flow, Stop, Workflow};
use crate::plan::{Call, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "merge", version: 1, run };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub sha: Sha,
    pub actor: Actor,
    pub asked_at: Millis,
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let outcome = story(f, &input)?;
    f.finish(&outcome)
}

fn story(f: &mut Flow, input: &Input) -> Result<Outcome, Stop> {
    let read: Settings = f.step("settings", &Call::ReadSettings { repo: input.repo.clone(), sha: input.sha.clone() })?;
    let config = match ground::settings(&read.config) {
        Ok(config) => config,
        Err(refusal) => {
            if let Ok(Some(file)) = &read.config {
                configuration::report(f, &input.repo, &input.sha, &file.text)?;
            }
            return Ok(Outcome::refused(State::Rejected, refusal).at(&input.sha));
        }
    };
    let environments = merged_to(&config);
    for name in &environments {
        let child = super::deploy::Input {
            repo: input.repo.clone(),
            environment: name.clone(),
            subject: Subject { sha: input.sha.clone(), tag: None, version: None, component: None },
            actor: input.actor.clone(),
            asked_at: input.asked_at,
            automatic: true,
            rollback: false,
            reason: None,
            strategy: None,
            wait: false,
            remarks: Vec::new(),
            taken: None,
            by_comment: None,
            leaving: None,
            configured: None,
        };
        let key = super::deploy::key(&input.repo, name, &input.sha, None, 1);
        f.spawn(&format!("deploy.{name}"), super::deploy::WORKFLOW.name, &key, &child)?;
    }
    let state = if environments.is_empty() { State::Nothing } else { State::Succeeded };
    Ok(Outcome::new(state).at(&input.sha))
}

fn merged_to(config: &RepoConfig) -> Vec<crate::domain::EnvName> {
    config.environments.iter().filter(|e| e.on.contains(&Trigger::Merge)).map(|e| e.name.clone()).collect()
}
