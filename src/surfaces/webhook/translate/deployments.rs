//! Deployments that somebody else has made.

use super::{Delivery, Intents, nothing, one, sha};
use crate::domain::{Actor, ActorKind};
use crate::engine::intent::{Intent, Made};
use crate::surfaces::webhook::event;
use serde_json::Value;

/// The payload's key that holds the id of a run of ours.
const MARKER: &str = "lockkeeper_run";
/// GitHub's word for a deployment that means nothing else.
pub(super) const TASK: &str = "deploy";

impl Delivery<'_> {
    pub(super) fn deployment(&self) -> Intents {
        let told: event::DeploymentEvent = self.payload()?;
        if told.workflow_run.is_some() {
            return nothing("the job of a workflow deploys it by itself; a protection rule holds such a job back");
        }
        let made = told.deployment;
        if made.task.as_deref() != Some(TASK) {
            return nothing("only deployments with the task `deploy` are taken over");
        }
        let sender = self.actor();
        if made.creator.as_ref().is_none_or(|creator| creator.id != sender.id.0) {
            return nothing("whoever has made the deployment has not sent this");
        }
        let by_app = self.envelope.deployment.as_ref().is_some_and(|made| made.performed_via_github_app.is_some());
        let program = sender.kind == ActorKind::Bot || by_app;
        let actor = if program { Actor { kind: ActorKind::Agent, ..sender } } else { sender };
        let commit = sha(&made.sha)?;
        one(Intent::DeploymentMade {
            repo: self.repo()?,
            made: Made {
                deployment: made.id,
                environment: made.environment.unwrap_or_default(),
                git_ref: made.git_ref.unwrap_or_default(),
                marker: marker(made.payload),
                sha: commit,
                actor,
            },
        })
    }
}

/// GitHub hands a payload back as an object, or as JSON in a string if it was sent so.
fn marker(payload: Option<Value>) -> Option<String> {
    let payload = payload?;
    let parsed = payload.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    Some(parsed.as_ref().unwrap_or(&payload).get(MARKER)?.as_str()?.to_owned())
}
