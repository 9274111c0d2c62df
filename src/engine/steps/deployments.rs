//! Deployments, their statuses, and workflows that do the work.

use super::traffic::health_stale;
use super::{Done, Steps, answer, stored, trouble};
use crate::domain::{Millis, Refusal, RepoRef, Sha};
use crate::engine::host::{StepCtx, StepError};
use crate::github::{DispatchedAsk, NewDeployment, NewDeploymentStatus, Trouble};
use crate::plan::{DeploymentCall, DeploymentMade, DispatchMade, StatusCall, Task};
use crate::store::steps;
use serde_json::{Map, json};
use std::collections::BTreeMap;

/// How GitHub begins to say that a workflow does not declare an input; the names follow as a JSON list.
const UNEXPECTED: &str = "Unexpected inputs provided: ";

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
        let made = at.create_deployment(repo, &new).await.map_err(trouble)?;
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
        at.create_deployment_status(repo, id, &new).await.map_err(trouble)?;
        answer(&true)
    }

    pub(super) async fn read_statuses(&self, repo: &RepoRef, deployment: u64) -> Done {
        answer(&self.at(repo).deployment_statuses(&repo.name, deployment).await.map_err(trouble)?)
    }

    pub(super) async fn is_team_member(&self, repo: &RepoRef, team: &str, login: &str) -> Done {
        answer(&self.at(repo).is_team_member(repo.name.owner(), team, login).await.map_err(trouble)?)
    }

    /// Starts a workflow once. Inputs that are only offered are left out when the workflow does not declare them.
    pub(super) async fn dispatch(&self, ctx: &StepCtx, ask: Dispatch<'_>) -> Done {
        let at = self.at(ask.repo);
        let mut inputs = ask.inputs;
        if ask.offered {
            let path = format!(".github/workflows/{}", ask.workflow);
            let files = at.files(&ask.repo.name, ask.sha, &[path]).await.map_err(trouble)?;
            if let Some(Ok(Some(file))) = files.into_iter().next() {
                inputs.retain(|name, _| declares(&file.text, name));
            }
        }
        if !ctx.first
            && let Some(made) = self.dispatched(ctx, ask.repo, ask.workflow, ask.git_ref, &inputs).await?
        {
            return answer(&made);
        }
        if self.is_stale(ask.healthy_until) {
            return Err(health_stale());
        }
        loop {
            match at.dispatch_workflow(&ask.repo.name, ask.workflow, ask.git_ref, &inputs).await {
                Ok(Some(id)) => {
                    let told_sha = inputs.contains_key("sha");
                    return answer(&DispatchMade { workflow_run: id, url: None, told_sha });
                }
                Ok(None) => {
                    let made = self.dispatched(ctx, ask.repo, ask.workflow, ask.git_ref, &inputs).await?;
                    return made
                        .map_or_else(|| Err(StepError::Retry { after: None, refusal: not_there_yet() }), |made| answer(&made));
                }
                Err(why) => {
                    let undeclared = unexpected(&why);
                    let before = inputs.len();
                    inputs.retain(|name, _| !undeclared.contains(name));
                    if !ask.offered || inputs.len() == before {
                        return Err(trouble(why));
                    }
                }
            }
        }
    }

    /// The run that an earlier dispatch of this step started.
    async fn dispatched(
        &self,
        ctx: &StepCtx,
        repo: &RepoRef,
        workflow: &str,
        branch: &str,
        inputs: &BTreeMap<String, String>,
    ) -> Result<Option<DispatchMade>, StepError> {
        let since = self.asked_at(ctx).await?;
        let ask = DispatchedAsk { workflow, run: ctx.run.as_str(), branch, since };
        let found = self.at(repo).find_dispatched(&repo.name, &ask).await.map_err(trouble)?;
        let told_sha = inputs.contains_key("sha");
        Ok(found.map(|run| DispatchMade { workflow_run: run.id, url: Some(run.url), told_sha }))
    }

    /// When this step was first asked for.
    async fn asked_at(&self, ctx: &StepCtx) -> Result<Millis, StepError> {
        let (run, step) = (ctx.run.clone(), ctx.step.clone());
        let found = self.store.read(move |rx| steps::get(rx, &run, &step)).await.map_err(stored)?;
        Ok(found.map(|step| step.started_at).unwrap_or_default())
    }

    pub(super) async fn read_workflow_run(&self, repo: &RepoRef, workflow_run: u64) -> Done {
        match self.at(repo).workflow_run(&repo.name, workflow_run).await.map_err(trouble)? {
            Some(run) => answer(&run),
            None => Err(StepError::Fail(Refusal::user(
                "workflow_run_gone",
                "The workflow run that deploys was deleted.",
                "Re-run this check to deploy again.",
            ))),
        }
    }
}

/// One `workflow_dispatch`.
pub(super) struct Dispatch<'a> {
    pub repo: &'a RepoRef,
    pub workflow: &'a str,
    pub git_ref: &'a str,
    pub sha: &'a Sha,
    pub inputs: BTreeMap<String, String>,
    /// The inputs may be left out.
    pub offered: bool,
    /// Nobody is moved to a copy that was seen healthy before this.
    pub healthy_until: Option<Millis>,
}

/// Whether a workflow has an input of this name, by the look of its lines: a wrong guess costs one refused request or an
/// input that was not needed.
fn declares(workflow: &str, input: &str) -> bool {
    let after = workflow.split_once("workflow_dispatch").map_or("", |(_, after)| after);
    let named = |line: &str| {
        line.starts_with("      ") && line.trim_start().strip_prefix(input).is_some_and(|rest| rest.starts_with(':'))
    };
    after.lines().take_while(|line| !line.starts_with("jobs:")).any(named)
}

fn unexpected(why: &Trouble) -> Vec<String> {
    let Some((_, names)) = why.message.split_once(UNEXPECTED) else { return Vec::new() };
    let list = names.find(']').map_or(names, |end| &names[..=end]);
    serde_json::from_str(list).unwrap_or_default()
}

fn not_there_yet() -> Refusal {
    Refusal::world(
        "workflow_run_unknown",
        "GitHub has not listed the started workflow run yet.",
        "Nothing: Lockkeeper looks again.",
    )
}

#[cfg(test)]
mod tests {
    use super::declares;

    #[test]
    fn inputs_are_found_where_they_are_declared() {
        let text = "on:\n  workflow_dispatch:\n    inputs:\n      environment:\n        type: string\n      sha: {}\njobs:\n  x:\n      version: 1\n";
        assert!(declares(text, "environment") && declares(text, "sha"));
        assert!(!declares(text, "version") && !declares(text, "ref") && !declares("on: push", "sha"));
    }
}
