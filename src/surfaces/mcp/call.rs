//! What each tool does: its arguments become a request of the catalog, the outcome becomes an answer.

use super::arguments::{Arguments, Own, Which};
use super::catalog::Tool;
use super::envelope::{Envelope, Word};
use super::server::{Agents, Tell};
use super::views::{Health as HealthShown, Status as StatusShown};
use crate::actions::Action;
use crate::actions::access::{About, Caller, Rights};
use crate::actions::health::Health;
use crate::actions::notes::Notes;
use crate::actions::outcome::Outcome;
use crate::actions::status::Status;
use crate::actions::validate::Validate;
use crate::domain::{EnvName, Refusal, RepoName, RepoRef, RunId};
use crate::engine::client::{Client, Denied, repository};
use crate::engine::known::not_known;
use crate::gates;
use crate::store::runs::RunState;
use crate::store::{Rx, StoreError, repos};
use crate::surfaces::now;
use serde::Deserialize;
use std::time::Duration;

/// What several tools take.
#[derive(Deserialize)]
pub(super) struct Where {
    pub repo: RepoName,
    pub environment: Option<EnvName>,
}

impl Agents {
    pub(super) async fn call(
        &self,
        tool: Tool,
        given: Arguments,
        tell: Option<Tell>,
        caller: &Caller,
    ) -> Result<Envelope, Denied> {
        Ok(match tool {
            Tool::DeployToEnvironment => self.apply(&given, false, caller).await?,
            Tool::RollbackDeployment => self.apply(&given, true, caller).await?,
            Tool::PlanDeployment => self.plan_deployment(given, caller).await?,
            Tool::PlanRollback => self.plan_rollback(given, caller).await?,
            Tool::ControlRollout => self.control_rollout(given, caller).await?,
            Tool::LockEnvironment => self.lock(&given, false, caller).await?,
            Tool::UnlockEnvironment => self.lock(&given, true, caller).await?,
            Tool::PublishRelease => self.publish(&given, caller).await?,
            Tool::GetDeployment => {
                let Own { deployment_id, after_seq, wait_s, .. } = given.own()?;
                let id: RunId = deployment_id.ok_or_else(no_id)?;
                self.follow((&id, after_seq), Duration::from_secs(wait_s), tell, caller).await?
            }
            _ => self.looked(tool, given, caller).await?,
        })
    }

    /// Those that change nothing.
    async fn looked(&self, tool: Tool, given: Arguments, caller: &Caller) -> Result<Envelope, Refusal> {
        match tool {
            Tool::GetStatus => self.get_status(&given.read()?, caller).await,
            Tool::ListDeployments => self.list_deployments(given.read()?, &given.own()?, caller).await,
            Tool::ListReleases => self.list_releases(&given.read()?, &given.own()?, caller).await,
            Tool::GenerateReleaseNotes => {
                let ask: Notes = given.renamed("to", "tag").read()?;
                self.asked(Action::Notes(ask), caller).await
            }
            Tool::CheckDeploymentHealth => self.asked(Action::Health(given.read::<Health>()?), caller).await,
            Tool::ValidateDeployment => self.asked(Action::Validate(given.read::<Validate>()?), caller).await,
            _ => Err(odd()),
        }
    }

    async fn get_status(&self, of: &Where, caller: &Caller) -> Result<Envelope, Refusal> {
        let (name, environment, asked, now) = (of.repo.clone(), of.environment.clone(), caller.clone(), now());
        let overview = self.desk.read(move |rx| {
            let repo = readable(rx, name, environment.as_ref(), &asked)?;
            repository(rx, &repo, &asked, now)
        });
        let overview = overview.await?;
        let status = Some(StatusShown::of(overview, of.environment.as_ref()));
        Ok(Envelope { status, ..Envelope::new(Word::Succeeded) })
    }

    async fn list_deployments(&self, of: Where, own: &Own, caller: &Caller) -> Result<Envelope, Refusal> {
        let repo = self.readable(&of, caller).await?.id;
        let state = own.state.map(|which| if which == Which::Active { RunState::Active } else { RunState::Finished });
        let list = self.deployments(repo, of.environment, state, own.limit, caller).await?;
        Ok(Envelope { deployments: Some(list), ..Envelope::new(Word::Succeeded) })
    }

    async fn list_releases(&self, of: &Where, own: &Own, caller: &Caller) -> Result<Envelope, Refusal> {
        let repo = self.readable(of, caller).await?.id;
        let releases = Some(self.releases(repo, own.limit, caller).await?);
        Ok(Envelope { releases, ..Envelope::new(Word::Succeeded) })
    }

    /// As the function of this name.
    pub(super) async fn readable(&self, of: &Where, caller: &Caller) -> Result<RepoRef, Refusal> {
        let (name, environment, asked) = (of.repo.clone(), of.environment.clone(), caller.clone());
        self.desk.read(move |rx| readable(rx, name, environment.as_ref(), &asked)).await
    }

    /// A look that the engine takes.
    async fn asked(&self, action: Action, caller: &Caller) -> Result<Envelope, Refusal> {
        Ok(match self.act(action, caller).await? {
            Outcome::Notes(notes) => Envelope { notes: Some(notes.into()), ..Envelope::new(Word::Succeeded) },
            Outcome::Health(report) => {
                let outcome = if report.healthy { Word::Succeeded } else { Word::Failed };
                Envelope { health: Some(HealthShown::from(report)), ..Envelope::new(outcome) }
            }
            Outcome::Validated(validated) => {
                let outcome = match validated.gates.status {
                    gates::Status::Pass | gates::Status::Overridden => Word::Succeeded,
                    gates::Status::Pending => Word::InProgress,
                    _ => Word::Failed,
                };
                Envelope { validation: Some(validated.into()), ..Envelope::new(outcome) }
            }
            _ => return Err(odd()),
        })
    }

    async fn act(&self, action: Action, caller: &Caller) -> Result<Outcome, Refusal> {
        self.engine(caller)?.act(action, caller).await
    }

    pub(super) fn engine(&self, caller: &Caller) -> Result<&Client, Refusal> {
        // A person's or an operator's rights are no agent's, whatever door was left open.
        if !matches!(caller.rights, Rights::Only(_) | Rights::Through(_)) {
            return Err(Refusal::us("not_an_agent", "Only keys and tokens are taken here."));
        }
        self.client.as_ref().ok_or_else(not_running)
    }
}

/// The repository, if the caller may read there.
fn readable(rx: &Rx<'_>, name: RepoName, environment: Option<&EnvName>, caller: &Caller) -> Result<RepoRef, StoreError> {
    let repo = repos::named(rx, &name)?;
    let read = Action::Status(Status { repo: Some(name.clone()) });
    caller.may(&read, About { repo: repo.as_ref().map(|repo| repo.id), environment })?;
    // Only whoever may see all of them learns that there is none.
    Ok(repo.ok_or_else(|| not_known(&name))?)
}

fn not_running() -> Refusal {
    let text = "No server runs, and only a running one can do this; what is in its store can be looked at.";
    Refusal::operator("server_not_running", text, "Ask the operator to start `lockkeeper serve`, then call it again.")
}

fn no_id() -> Refusal {
    Refusal::user("input_invalid", "`deployment_id` is empty.", "Take the id from list_deployments or get_status.")
}

pub(super) fn odd() -> Refusal {
    Refusal::us("outcome_odd", "The answer is about something else than the question.")
}
