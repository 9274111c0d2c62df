//! Workflows and their runs.

use super::{WEB, account_of, hook_commit, repository};
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::WorkflowRun;
use crate::sandbox::repo::Repo;
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) fn workflow(world: &World, repo: &Repo, run: &WorkflowRun) -> Value {
    let url = format!("{}/repos/{}/actions/workflows/{}", world.base, repo.full_name(), run.workflow_id);
    json!({
        "id": run.workflow_id, "node_id": node_id(Kind::Workflow, repo.id, run.workflow_id), "name": run.workflow, "path": run.path,
        "state": "active", "created_at": repo.created_at.rfc3339(), "updated_at": repo.created_at.rfc3339(), "url": url,
        "html_url": format!("{WEB}/{}/blob/{}/{}", repo.full_name(), repo.default_branch, run.path),
        "badge_url": format!("{WEB}/{}/workflows/{}/badge.svg", repo.full_name(), run.workflow),
    })
}

pub(in crate::sandbox) fn workflow_run(world: &World, repo: &Repo, run: &WorkflowRun) -> Value {
    let name = repo.full_name();
    let url = format!("{}/repos/{name}/actions/runs/{}", world.base, run.id);
    json!({
        "id": run.id, "name": run.workflow, "node_id": node_id(Kind::Run, repo.id, run.id), "head_branch": run.branch,
        "head_sha": run.sha, "path": run.path, "display_title": run.title, "run_number": run.number, "event": run.event,
        "status": run.status, "conclusion": run.conclusion, "workflow_id": run.workflow_id, "check_suite_id": run.suite,
        "url": url, "html_url": format!("{WEB}/{name}/actions/runs/{}", run.id), "pull_requests": [],
        "created_at": run.created_at.rfc3339(), "updated_at": run.updated_at.rfc3339(), "run_started_at": run.created_at.rfc3339(),
        "actor": account_of(world, &run.actor), "triggering_actor": account_of(world, &run.actor), "run_attempt": 1,
        "jobs_url": format!("{url}/jobs"), "logs_url": format!("{url}/logs"), "cancel_url": format!("{url}/cancel"),
        "rerun_url": format!("{url}/rerun"), "head_commit": hook_commit(world, repo, &run.sha),
        "repository": repository(world, repo), "head_repository": head_repository(world, repo, run),
    })
}

fn head_repository(world: &World, repo: &Repo, run: &WorkflowRun) -> Value {
    let mut shown = repository(world, repo);
    if run.fork {
        shown["id"] = json!(repo.id + 7);
        shown["full_name"] = json!(format!("fork-of/{}", repo.name));
    }
    shown
}
