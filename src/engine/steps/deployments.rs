//! Deployments and their statuses.

use super::{Done, Steps, answer, trouble, unmade};
use crate::domain::RepoRef;
use crate::engine::host::{StepCtx, StepError};
use crate::github::{NewDeployment, NewDeploymentStatus};
use crate::plan::{DeploymentCall, DeploymentMade, StatusCall, Task};
use serde_json::{Map, json};

impl Steps {
    pub(super) async fn create_deployment(&self, ctx: &StepCtx, call: DeploymentCall) -> Done {
        answer(&self.made_deployment(ctx, call).await?)
    }

    pub(super) async fn made_deployment(&self, ctx: &StepCtx, call: DeploymentCall) -> Result<DeploymentMade, StepError> {
        let at = self.at(&call.repo);
        let (repo, run) = (&call.repo.name, ctx.run.as_str());
        if !ctx.first
            && let Some(found) = at.find_deployment(repo, &call.sha, &call.environment, run).await.map_err(trouble)?
        {
            return Ok(DeploymentMade { id: found.id, sha: found.sha });
        }
        if call.stoppable {
            self.still_wanted(ctx).await?;
        }
        let mut payload = Map::new();
        payload.insert("tag".into(), json!(call.tag));
        payload.insert("plan".into(), json!(call.plan));
        payload.extend(call.payload.into_iter().map(|(key, value)| (key, json!(value))));
        let new = NewDeployment {
            sha: &call.sha,
            environment: &call.environment,
            production: call.production,
            description: &call.description,
            run,
            task: call.task.as_str(),
            spare: call.task == Task::Mirror,
            payload,
        };
        let made = at.create_deployment(repo, &new).await.map_err(unmade)?;
        Ok(DeploymentMade { id: made.id, sha: made.sha })
    }

    /// A status is a fact in a list: posting it twice shows it twice, so an earlier one that says the same is looked for.
    pub(super) async fn deployment_status(&self, ctx: &StepCtx, call: StatusCall) -> Done {
        let at = self.at(&call.repo);
        let (repo, id) = (&call.repo.name, call.deployment);
        if !ctx.first && at.find_deployment_status(repo, id, &call.state, &call.description).await.map_err(trouble)?.is_some() {
            return answer(&true);
        }
        let new = NewDeploymentStatus {
            state: &call.state,
            description: &call.description,
            environment_url: call.environment_url.as_deref(),
            log_url: call.log_url.as_deref(),
            auto_inactive: call.state == "success" && !call.beside,
            spare: call.beside,
        };
        at.create_deployment_status(repo, id, &new).await.map_err(unmade)?;
        answer(&true)
    }

    pub(super) async fn read_statuses(&self, repo: &RepoRef, deployment: u64) -> Done {
        answer(&self.at(repo).deployment_statuses(&repo.name, deployment).await.map_err(trouble)?)
    }

    pub(super) async fn is_team_member(&self, repo: &RepoRef, team: &str, login: &str) -> Done {
        answer(&self.at(repo).is_team_member(repo.name.owner(), team, login).await.map_err(trouble)?)
    }
}
