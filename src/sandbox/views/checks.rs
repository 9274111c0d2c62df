//! Check runs, check suites and commit statuses.

use super::{WEB, account_of, app, hook_commit, repository};
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::{CheckRun, CheckSuite, Status};
use crate::sandbox::repo::Repo;
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) fn check_run(world: &World, repo: &Repo, run: &CheckRun) -> Value {
    let (name, base) = (repo.full_name(), &world.base);
    let url = format!("{base}/repos/{name}/check-runs/{}", run.id);
    let page = format!("{WEB}/{name}/runs/{}", run.id);
    let pulls = repo.pulls.values().filter(|p| p.open && p.head_sha == run.sha);
    let pulls = pulls.map(|p| brief_pull(base, repo, p)).collect::<Vec<_>>();
    json!({
        "id": run.id, "name": run.name, "node_id": node_id(Kind::CheckRun, repo.id, run.id), "head_sha": run.sha,
        "external_id": run.external_id, "url": url, "html_url": page,
        "details_url": run.details_url.clone().unwrap_or(page.clone()), "status": run.status, "conclusion": run.conclusion,
        "started_at": run.started_at, "completed_at": run.completed_at,
        "output": {
            "title": run.title, "summary": run.summary, "text": run.text,
            "annotations_count": run.annotations.len(), "annotations_url": format!("{url}/annotations"),
        },
        "check_suite": { "id": run.suite }, "app": app(world, run.app_id, &run.app_slug), "pull_requests": pulls,
    })
}

fn brief_pull(base: &str, repo: &Repo, pull: &crate::sandbox::model::Pull) -> Value {
    let url = format!("{base}/repos/{}", repo.full_name());
    let of = json!({ "id": repo.id, "url": url, "name": repo.name });
    json!({
        "id": pull.id, "number": pull.number, "url": format!("{url}/pulls/{}", pull.number),
        "head": { "ref": pull.head, "sha": pull.head_sha, "repo": of },
        "base": { "ref": pull.base, "sha": pull.base_sha, "repo": of },
    })
}

pub(in crate::sandbox) fn suite(world: &World, repo: &Repo, suite: &CheckSuite) -> Value {
    let url = format!("{}/repos/{}/check-suites/{}", world.base, repo.full_name(), suite.id);
    let (status, conclusion) = repo.suite_state(suite.id);
    json!({
        "id": suite.id, "node_id": node_id(Kind::CheckSuite, repo.id, suite.id), "head_branch": suite.branch, "head_sha": suite.sha,
        "status": status, "conclusion": conclusion, "url": url, "before": suite.before, "after": suite.sha, "pull_requests": [],
        "app": app(world, suite.app_id, &suite.app_slug), "created_at": suite.at.rfc3339(), "updated_at": suite.at.rfc3339(),
        "rerequestable": true, "runs_rerequestable": true,
        "latest_check_runs_count": repo.checks.iter().filter(|c| c.suite == suite.id).count(),
        "check_runs_url": format!("{url}/check-runs"), "head_commit": hook_commit(world, repo, &suite.sha),
    })
}

pub(in crate::sandbox) fn status(world: &World, repo: &Repo, status: &Status) -> Value {
    json!({
        "url": format!("{}/repos/{}/statuses/{}", world.base, repo.full_name(), status.sha),
        "id": status.id, "node_id": node_id(Kind::Status, repo.id, status.id), "state": status.state,
        "description": status.description, "target_url": status.target_url, "context": status.context,
        "created_at": status.at.rfc3339(), "updated_at": status.at.rfc3339(), "creator": account_of(world, &status.creator),
    })
}

/// The body of a `status` event.
pub(in crate::sandbox) fn status_event(world: &World, repo: &Repo, of: &Status) -> Value {
    let on = repo.refs.iter().filter(|(name, t)| name.starts_with("refs/heads/") && t.commit == of.sha);
    let branches = on.map(|(name, t)| json!({ "name": name.trim_start_matches("refs/heads/"), "commit": { "sha": t.commit } }));
    json!({
        "id": of.id, "sha": of.sha, "name": repo.full_name(), "target_url": of.target_url, "context": of.context,
        "description": of.description, "state": of.state, "commit": super::commit(world, repo, &of.sha),
        "branches": branches.collect::<Vec<_>>(), "created_at": of.at.rfc3339(), "updated_at": of.at.rfc3339(),
        "repository": repository(world, repo),
    })
}
