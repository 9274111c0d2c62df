//! The plan of a run: pure, printable, stored, with a digest that a person or an agent can name.

use super::{Configured, Digest};
use crate::config::repo::GatePolicy;
use crate::domain::{Actor, EnvName, RepoRef, Sha, Tag};
use serde::{Deserialize, Serialize};

/// What a run will release or deploy, fixed when it was asked for; it never changes afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    pub sha: Sha,
    pub tag: Option<Tag>,
    pub version: Option<String>,
    pub component: Option<String>,
    /// Digest of the repository's configuration that the plan was made from.
    pub config: Digest,
    /// What a peer has supplied for the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configured>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The step's name in the run.
    pub name: String,
    /// What it does, for people.
    pub what: String,
    /// Whether it changes something that others see.
    pub effect: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `publish`, `deploy`, …
    pub action: String,
    pub repo: RepoRef,
    pub actor: Actor,
    pub pin: Pin,
    pub environment: Option<String>,
    pub gates: Vec<GatePolicy>,
    pub steps: Vec<PlannedStep>,
    /// Over everything above but the actor: who asks does not change what would happen.
    pub digest: Digest,
}

impl Plan {
    /// Makes the plan and its digest.
    pub fn new(action: &str, repo: RepoRef, actor: Actor, pin: Pin, environment: Option<String>, work: Work) -> Self {
        let decides = serde_json::json!({
            "action": action, "repo": repo, "pin": pin, "environment": environment, "gates": work.gates, "steps": work.steps,
        });
        let Work { gates, steps } = work;
        Self { action: action.to_owned(), repo, actor, pin, environment, gates, steps, digest: Digest::of(&decides) }
    }

    /// The same with what a peer supplies for its environment, if one does.
    #[must_use]
    pub fn with(self, configuration: Option<&serde_json::Value>) -> Self {
        let Some(configuration) = configuration else { return self };
        let pin = Pin { configuration: Some(Configured::of(configuration)), ..self.pin };
        let work = Work { gates: self.gates, steps: self.steps };
        Self::new(&self.action, self.repo, self.actor, pin, self.environment, work)
    }

    /// The environments that a release deploys to.
    pub fn deploys_to(&self) -> Vec<EnvName> {
        self.steps.iter().filter_map(|step| EnvName::parse(step.name.strip_prefix("deploy.")?).ok()).collect()
    }
}

/// What has to hold and what is then done.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    pub gates: Vec<GatePolicy>,
    pub steps: Vec<PlannedStep>,
}
