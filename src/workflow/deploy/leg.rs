//! One version on its way to the environment, or on its way back: what is deployed, and GitHub's deployment that shows it.
//!
//! The names of all steps of a leg begin with its prefix, so that the way back has steps of its own.

use super::{Deployment, Input, Shown, refused_step};
use crate::actions::deploy::Subject;
use crate::domain::{Refusal, Slot};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Call, DeploymentCall, DeploymentMade, StatusCall, Task, TrafficCall};
use crate::render::line;
use crate::targets::traffic::Kept;
use serde_json::Value;
use std::collections::BTreeMap;

/// GitHub's limit for a deployment status's description.
const DESCRIPTION: usize = 140;

#[derive(Clone, Debug)]
pub(in crate::workflow) struct Leg {
    /// Empty for the way there, `back.` for the way back.
    pub prefix: &'static str,
    pub subject: Subject,
    /// GitHub's id.
    pub deployment: Option<u64>,
    /// Where the copy runs, for strategies with two of them.
    pub slot: Option<Slot>,
    /// The balancer that must not send users here yet, where others serve them meanwhile.
    pub guard: Option<TrafficCall>,
}

impl Leg {
    pub fn step(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A balancer that is restarted shares users as its own file says, also with a copy that nobody has looked at. Whether it
    /// answers is told when users are moved.
    pub fn keep_users_out(&self, f: &mut Flow) -> Result<(), Stop> {
        let Some((traffic, slot)) = self.guard.clone().zip(self.slot) else { return Ok(()) };
        let kept: Result<Kept, StepFailure> = f.try_step("keep", &Call::Keep { traffic, slot, percent: 0 })?;
        drop(kept);
        Ok(())
    }

    /// Reports on the deployment, if there is one. A report that GitHub does not take never changes what happens here.
    pub fn status(
        &self,
        f: &mut Flow,
        input: &Input,
        name: &str,
        state: &str,
        text: &str,
        url: Option<String>,
    ) -> Result<(), Stop> {
        let Some(deployment) = self.deployment else { return Ok(()) };
        status_of(f, &self.step(name), input, deployment, state, text, url)
    }
}

pub(super) fn status_of(
    f: &mut Flow,
    step: &str,
    input: &Input,
    deployment: u64,
    state: &str,
    text: &str,
    url: Option<String>,
) -> Result<(), Stop> {
    let call = Call::DeploymentStatus(StatusCall {
        repo: input.repo.clone(),
        deployment,
        state: state.to_owned(),
        description: line(text, DESCRIPTION),
        environment_url: url,
        log_url: None,
        beside: false,
    });
    // An end is told however long it takes; how far it is keeps nobody waiting.
    let call = if state == "in_progress" { call.passing() } else { call };
    let made: Result<Value, StepFailure> = f.try_step(step, &call)?;
    drop(made);
    Ok(())
}

impl Deployment<'_> {
    /// Makes GitHub's deployment of a leg.
    pub(super) fn deployment(&self, f: &mut Flow, shown: &mut Shown, leg: &Leg, task: Task) -> Result<Leg, Stop> {
        self.deployment_as(f, shown, leg, task, &leg.step("deployment"))
    }

    /// As [`Self::deployment`], in a step of this name.
    pub(super) fn deployment_as(
        &self,
        f: &mut Flow,
        shown: &mut Shown,
        leg: &Leg,
        task: Task,
        step: &str,
    ) -> Result<Leg, Stop> {
        self.deployment_by(f, shown, leg, (task, step), |call| call)
    }

    /// As [`Self::deployment_as`], by a call that `how` makes another one of.
    pub(super) fn deployment_by(
        &self,
        f: &mut Flow,
        shown: &mut Shown,
        leg: &Leg,
        (task, step): (Task, &str),
        how: impl FnOnce(Call) -> Call,
    ) -> Result<Leg, Stop> {
        let (input, subject) = (self.input, &leg.subject);
        let verb = if task == Task::Rollback { "Back to " } else { "" };
        let call = DeploymentCall {
            repo: input.repo.clone(),
            sha: subject.sha.clone(),
            tag: subject.tag.clone(),
            environment: input.environment.clone(),
            production: self.environment.is_production(),
            description: line(&format!("{verb}{} to {}", what(subject), input.environment), DESCRIPTION),
            plan: self.plan.digest.to_string(),
            task,
            payload: payload(leg, self.configuration),
            stoppable: leg.prefix.is_empty() && self.starts_when_made(),
        };
        let made: DeploymentMade = f.step(step, &how(Call::CreateDeployment(call)))?;
        if leg.prefix.is_empty() {
            shown.deployment = Some(made.id);
        }
        if made.sha == subject.sha {
            return Ok(Leg { deployment: Some(made.id), ..leg.clone() });
        }
        let text = format!("GitHub answered commit {} instead of {}.", made.sha.short(), subject.sha.short());
        // Of the way there the run's own end tells.
        if !leg.prefix.is_empty() {
            status_of(f, &leg.step("status.end"), input, made.id, "error", &text, None)?;
        }
        Err(refused_step(step, Refusal::us("deployment_sha_differs", text)))
    }
}

fn payload(leg: &Leg, configuration: Option<&Value>) -> BTreeMap<String, String> {
    let mut payload = BTreeMap::new();
    payload.extend(leg.subject.version.clone().map(|version| ("version".to_owned(), version)));
    payload.extend(leg.slot.map(|slot| ("slot".to_owned(), slot.to_string())));
    payload.extend(configuration.map(|value| ("configuration".to_owned(), value.to_string())));
    payload
}

pub(in crate::workflow) fn what(subject: &Subject) -> String {
    subject.tag.as_ref().map_or_else(|| format!("commit {}", subject.sha.short()), ToString::to_string)
}
