//! `workflow_dispatch` and the runs that it starts.
//!
//! Known race: where GitHub does not return the run's id (older GHES), the run is looked for afterwards; two that look alike
//! are an error, never a guess.

use super::client::Call;
use super::paths::{encode, repo_path};
use super::{Class, Installation, Operation, Trouble};
use crate::domain::{Millis, RepoName, Sha, WorkflowRunInfo};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// What to look for when a dispatch may have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchedAsk<'a> {
    /// File name in `.github/workflows`.
    pub workflow: &'a str,
    /// Our run's id: a workflow that puts it into its `run-name` is found by it.
    pub run: &'a str,
    /// The branch or tag that was dispatched, without `refs/…/`.
    pub branch: &'a str,
    /// Not before the first try.
    pub since: Millis,
}

#[derive(Deserialize)]
struct Raw {
    id: u64,
    #[serde(default)]
    status: Option<String>,
    conclusion: Option<String>,
    head_sha: String,
    html_url: String,
    created_at: String,
    #[serde(default)]
    display_title: Option<String>,
    #[serde(default)]
    name: Option<String>,
    actor: Option<Actor>,
}

#[derive(Deserialize)]
struct Actor {
    login: String,
}

impl Raw {
    fn info(self) -> Option<WorkflowRunInfo> {
        Some(WorkflowRunInfo {
            id: self.id,
            status: self.status.unwrap_or_default(),
            conclusion: self.conclusion,
            head_sha: Sha::parse(&self.head_sha).ok()?,
            url: self.html_url,
            created_at: Millis::parse_rfc3339(&self.created_at).unwrap_or_default(),
        })
    }

    fn is_named(&self, run: &str) -> bool {
        [&self.display_title, &self.name].into_iter().flatten().any(|title| title.contains(run))
    }
}

impl Installation {
    /// Starts a workflow; the run's id if GitHub tells it. A repetition starts it again: look with
    /// [`Self::find_dispatched`] first.
    pub async fn dispatch_workflow(
        &self,
        repo: &RepoName,
        workflow: &str,
        git_ref: &str,
        inputs: &BTreeMap<String, String>,
    ) -> Result<Option<u64>, Trouble> {
        #[derive(Deserialize)]
        struct Started {
            workflow_run_id: Option<u64>,
        }
        let path = repo_path(repo, &format!("actions/workflows/{}/dispatches", encode(workflow)));
        let body = json!({"ref": git_ref, "inputs": inputs, "return_run_details": true});
        let reply = self.call(Call::new(Operation::WorkflowDispatch, path).with(body)).await?;
        if reply.body.is_empty() {
            return Ok(None);
        }
        Ok(reply.json::<Started>()?.workflow_run_id)
    }

    /// The run that an earlier dispatch of ours started: the one that is named after our run, else the only one that our
    /// App started since. Two of them are an error that names what to change.
    pub async fn find_dispatched(&self, repo: &RepoName, ask: &DispatchedAsk<'_>) -> Result<Option<WorkflowRunInfo>, Trouble> {
        #[derive(Deserialize)]
        struct Runs {
            workflow_runs: Vec<Raw>,
        }
        // The newest hundred; a dispatch that is looked for is minutes old.
        let query = format!(
            "actions/workflows/{}/runs?event=workflow_dispatch&branch={}&per_page=100",
            encode(ask.workflow),
            encode(ask.branch)
        );
        let reply = self.call(Call::new(Operation::WorkflowRuns, repo_path(repo, &query))).await?;
        let mut runs = reply.json::<Runs>()?.workflow_runs;
        // GitHub's times are whole seconds.
        let since = Millis(ask.since.0 - 1000);
        runs.retain(|run| Millis::parse_rfc3339(&run.created_at).is_some_and(|at| at >= since));
        if let Some(at) = runs.iter().position(|run| run.is_named(ask.run)) {
            return Ok(runs.swap_remove(at).info());
        }
        let own = format!("{}[bot]", self.github.own_slug().await?);
        runs.retain(|run| run.actor.as_ref().is_some_and(|a| a.login.eq_ignore_ascii_case(&own)));
        if runs.len() > 1 {
            let message = "Several runs of the workflow were started and none says which one it is.";
            let fix = format!("Put the input of {} into the workflow's `run-name`.", super::deployments::PAYLOAD_RUN);
            return Err(Trouble::new(Class::Refused, "workflow_run_ambiguous", message, fix));
        }
        Ok(runs.pop().and_then(Raw::info))
    }

    /// `None` when there is none of this id.
    pub async fn workflow_run(&self, repo: &RepoName, id: u64) -> Result<Option<WorkflowRunInfo>, Trouble> {
        match self.call(Call::new(Operation::WorkflowRun, repo_path(repo, &format!("actions/runs/{id}")))).await {
            Ok(reply) => Ok(reply.json::<Raw>()?.info()),
            Err(trouble) if trouble.is_gone() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}
