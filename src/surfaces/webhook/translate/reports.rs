//! What others report about a commit or a deployment: checks, statuses, workflow runs, deployment statuses.

use super::deployments::TASK;
use super::{Delivery, Intents, Translation, actor, nothing, one, sha};
use crate::actions::button::Button;
use crate::domain::{ActorKind, CheckChange, CheckState, Millis};
use crate::engine::intent::{Intent, Report};
use crate::surfaces::webhook::event;

impl Delivery<'_> {
    pub(super) fn check_run(&self) -> Intents {
        if self.action == "requested_action" {
            return self.button();
        }
        if self.action == "rerequested" && self.of_another_app(self.envelope.check_run.as_ref()) {
            return nothing("the check run to run again is not Lockkeeper's");
        }
        let run = self.payload::<event::CheckRunEvent>()?.check_run;
        let (repo, sha) = (self.repo()?, sha(&run.head_sha)?);
        if self.action == "rerequested" {
            let external_id = run.external_id.unwrap_or_default();
            let (check_run, name, actor) = (run.id, run.name, self.actor());
            return one(Intent::CheckRerequested { repo, sha, check_run, name, external_id, actor });
        }
        let state = match run.status.as_deref() {
            Some("completed") => conclusion(run.conclusion.as_deref()),
            _ => CheckState::Pending,
        };
        let check = Some(CheckChange { name: run.name, check_run: Some(run.id), state });
        one(Intent::ChecksChanged { repo, sha, check })
    }

    /// Who has pressed it is asked about at GitHub before anything is done.
    fn button(&self) -> Intents {
        if self.of_another_app(self.envelope.check_run.as_ref()) {
            return nothing("the check run is not Lockkeeper's");
        }
        let actor = self.actor();
        if actor.kind != ActorKind::User {
            return nothing("programs press no buttons");
        }
        let event: event::CheckRunEvent = self.payload()?;
        let identifier = event.requested_action.map(|action| action.identifier).unwrap_or_default();
        if Button::parse(&identifier).is_none() {
            return nothing("Lockkeeper has no such button");
        }
        let (repo, external_id) = (self.repo()?, event.check_run.external_id.unwrap_or_default());
        one(Intent::ButtonPressed { repo, external_id, identifier, actor })
    }

    pub(super) fn check_suite(&self) -> Intents {
        if self.action == "rerequested" && self.of_another_app(self.envelope.check_suite.as_ref()) {
            return nothing("the checks to run again are not Lockkeeper's");
        }
        let suite = self.payload::<event::CheckSuiteEvent>()?.check_suite;
        let (repo, sha) = (self.repo()?, sha(&suite.head_sha)?);
        match self.action {
            "completed" => one(Intent::ChecksChanged { repo, sha, check: None }),
            "rerequested" => one(Intent::ChecksRerequested { repo, sha, actor: self.actor() }),
            _ => nothing("Lockkeeper makes its check runs when a tag or a pull request asks for them"),
        }
    }

    pub(super) fn status(&self) -> Intents {
        let status: event::Status = self.payload()?;
        let state = match status.state.as_str() {
            "pending" => CheckState::Pending,
            "success" => CheckState::Success,
            _ => CheckState::Failure,
        };
        let name = status.context.unwrap_or_else(|| "default".to_owned());
        let check = Some(CheckChange { name, check_run: None, state });
        one(Intent::ChecksChanged { repo: self.repo()?, sha: sha(&status.sha)?, check })
    }

    pub(super) fn workflow_run(&self) -> Intents {
        let run = self.payload::<event::WorkflowRunEvent>()?.workflow_run;
        let (repo, sha) = (self.repo()?, sha(&run.head_sha)?);
        let over = self.action == "completed";
        let changed = Intent::WorkflowRunChanged { repo: repo.clone(), workflow_run: run.id, over };
        let mut intents = vec![changed];
        if over {
            intents.push(Intent::ChecksChanged { repo, sha, check: None });
        }
        Ok(Translation::Intents(intents))
    }

    pub(super) fn deployment_status(&self) -> Intents {
        let event: event::DeploymentStatusEvent = self.payload()?;
        let (deployment, status) = (event.deployment, event.deployment_status);
        let of_task = deployment.task.as_deref().is_none_or(|task| task == TASK);
        let report = Report {
            deployment: deployment.id,
            environment: deployment.environment.unwrap_or_default(),
            sha: sha(&deployment.sha)?,
            deploys: of_task && event.workflow_run.is_none(),
            status: status.id,
            state: status.state,
            at: status.created_at.as_deref().and_then(Millis::parse_rfc3339),
            // Who made the status counts, not who caused the event.
            actor: actor(status.creator.as_ref().or(self.envelope.sender.as_ref())),
            description: status.description.unwrap_or_default(),
        };
        one(Intent::DeploymentReported { repo: self.repo()?, report })
    }
}

/// Source: GitHub, "Check runs": neutral and skipped let a required check pass. A word that we do not know never passes.
fn conclusion(word: Option<&str>) -> CheckState {
    match word {
        Some("success") => CheckState::Success,
        Some("neutral" | "skipped") => CheckState::Neutral,
        _ => CheckState::Failure,
    }
}
