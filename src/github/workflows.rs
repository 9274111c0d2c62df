//! `workflow_dispatch` and the runs that it starts.
//!
//! Known race: where GitHub does not return the run's id (older GHES) or its answer is lost, the run is looked for afterwards.
//! Which of those that look alike it is can only be said by whoever knows what else was started.

use super::client::Call;
use super::paths::{encode, repo_path};
use super::{Installation, Operation, Trouble};
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

/// A run that an earlier dispatch may have started.
#[derive(Clone, Debug, PartialEq)]
pub struct StartedRun {
    pub info: WorkflowRunInfo,
    /// What the list of runs shows of it: its `run-name`, and the name of its workflow.
    pub names: Vec<String>,
}

impl StartedRun {
    /// Whether it carries the id of this run of ours.
    pub fn is_named(&self, run: &str) -> bool {
        self.names.iter().any(|name| name.contains(run))
    }
}

impl Raw {
    fn started(mut self) -> Option<StartedRun> {
        let names = [self.display_title.take(), self.name.take()].into_iter().flatten().collect();
        Some(StartedRun { info: self.info()?, names })
    }

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

    /// The runs that an earlier dispatch of ours may have started: those that are named after our run, else all that our App
    /// has started since.
    pub async fn find_dispatched(&self, repo: &RepoName, ask: &DispatchedAsk<'_>) -> Result<Vec<StartedRun>, Trouble> {
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
        let own = format!("{}[bot]", self.github.own_slug().await?);
        let by_us = |run: &Raw| run.actor.as_ref().is_some_and(|a| a.login.eq_ignore_ascii_case(&own));
        let all: Vec<(bool, StartedRun)> = runs.into_iter().filter_map(|run| Some((by_us(&run), run.started()?))).collect();
        let said = all.iter().any(|(_, run)| run.is_named(ask.run));
        let fits = |by_us: bool, run: &StartedRun| if said { run.is_named(ask.run) } else { by_us };
        Ok(all.into_iter().filter(|(by_us, run)| fits(*by_us, run)).map(|(_, run)| run).collect())
    }

    /// `None` when there is none of this id.
    pub async fn workflow_run(&self, repo: &RepoName, id: u64) -> Result<Option<WorkflowRunInfo>, Trouble> {
        match self.call(Call::new(Operation::WorkflowRun, repo_path(repo, &format!("actions/runs/{id}")))).await {
            Ok(reply) => Ok(reply.json::<Raw>()?.info()),
            Err(trouble) if trouble.is_gone() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Asks a run to end, which it does later. False when GitHub has nothing to cancel: it is over, or on its way there.
    pub async fn cancel_workflow_run(&self, repo: &RepoName, id: u64) -> Result<bool, Trouble> {
        let path = repo_path(repo, &format!("actions/runs/{id}/cancel"));
        match self.call(Call::new(Operation::WorkflowRunCancel, path)).await {
            Ok(_) => Ok(true),
            Err(trouble) if trouble.status == Some(409) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }
}
