//! Deployments and their statuses.

use super::{of, of_mut};
use crate::domain::Sha;
use crate::sandbox::hooks::Event;
use crate::sandbox::http::{Answer, Call, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::ids::Kind;
use crate::sandbox::model::{Deployment, DeploymentStatus};
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::{Value, json};

const READ: Needs = Needs::Right("deployments", "read");
const WRITE: Needs = Needs::Right("deployments", "write");
pub(in crate::sandbox) const STATES: &[&str] = &["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
/// Characters of a status' description.
const LONGEST_DESCRIPTION: usize = 140;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route {
        name: "GET /repos/{owner}/{repo}/deployments",
        needs: READ,
        query: "sha ref task environment",
        body: &[],
        run: list,
    },
    Route {
        name: "POST /repos/{owner}/{repo}/deployments",
        needs: WRITE,
        query: "",
        body: &[
            Field("ref!", Is::Text),
            Field("task", Is::Text),
            Field("auto_merge", Is::Flag),
            Field("required_contexts", Is::List),
            Field("payload", Is::Any),
            Field("environment", Is::Text),
            Field("description", Is::Text),
            Field("transient_environment", Is::Flag),
            Field("production_environment", Is::Flag),
        ],
        run: create,
    },
    Route { name: "GET /repos/{owner}/{repo}/deployments/{id}", needs: READ, query: "", body: &[], run: get },
    Route { name: "GET /repos/{owner}/{repo}/deployments/{id}/statuses", needs: READ, query: "", body: &[], run: statuses },
    Route {
        name: "POST /repos/{owner}/{repo}/deployments/{id}/statuses",
        needs: WRITE,
        query: "",
        body: &[
            Field("state!", Is::OneOf(STATES)),
            Field("target_url", Is::Text),
            Field("log_url", Is::Text),
            Field("description", Is::Text),
            Field("environment", Is::Text),
            Field("environment_url", Is::Text),
            Field("auto_inactive", Is::Flag),
        ],
        run: report,
    },
];

fn list(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let is = |name: &str, value: &str| call.asked(name).is_none_or(|wanted| wanted == "none" || wanted == value);
    let fits = |d: &&Deployment| {
        is("sha", d.sha.as_str()) && is("ref", &d.git_ref) && is("task", &d.task) && is("environment", &d.environment)
    };
    let all = repo.deployments.iter().rev().filter(fits).collect::<Vec<_>>();
    Ok(call.paged(world, &all, None, |d| views::deployment(world, repo, d)))
}

fn create(world: &mut World, call: &Call) -> Answer {
    let git_ref = call.text("ref").unwrap_or_default().to_owned();
    let sha =
        of_mut(world, call)?.resolve(&git_ref).ok_or_else(|| Refused::new(422, format!("No ref found for: {git_ref}")))?;
    check_merge(world, call, &git_ref, &sha)?;
    check_contexts(world, call, &git_ref, &sha)?;
    let environment = call.text("environment").unwrap_or("production").to_owned();
    let deployment = Deployment {
        id: world.ids.next(Kind::Deployment),
        sha,
        git_ref,
        task: call.text("task").unwrap_or("deploy").to_owned(),
        production: call.flag("production_environment").unwrap_or(environment == "production"),
        original_environment: environment.clone(),
        environment,
        description: call.text("description").map(str::to_owned),
        payload: call.body.get("payload").filter(|p| !p.is_null()).cloned().unwrap_or_else(|| json!({})),
        transient: call.flag("transient_environment").unwrap_or(false),
        creator: world.bot(),
        by_app: true,
        created_at: world.now(),
        updated_at: world.now(),
        statuses: Vec::new(),
    };
    let id = world.add_deployment(call.repo, deployment);
    show(world, call, id).map(Reply::created)
}

/// `auto_merge` is true unless switched off: a ref behind the default branch is merged first, which a commit id cannot be.
fn check_merge(world: &World, call: &Call, git_ref: &str, sha: &Sha) -> Result<(), Refused> {
    let repo = of(world, call)?;
    let behind = repo.head().is_some_and(|head| !repo.git.is_ancestor(head, sha));
    if call.flag("auto_merge") == Some(false) || git_ref == repo.default_branch || !behind {
        return Ok(());
    }
    Err(Refused::new(409, format!("Conflict merging {} into {git_ref}.", repo.default_branch)))
}

/// Unless `required_contexts` is given, everything on the commit must have succeeded, our own check run included.
fn check_contexts(world: &World, call: &Call, git_ref: &str, sha: &Sha) -> Result<(), Refused> {
    let repo = of(world, call)?;
    let runs = repo.latest_checks(sha).into_iter().map(|c| (c.name.clone(), c.conclusion.clone().unwrap_or("pending".into())));
    let statuses = repo.latest_statuses(sha).into_iter().map(|s| (s.context.clone(), s.state.clone()));
    let all = runs.chain(statuses).collect::<Vec<_>>();
    let given = call.body.get("required_contexts").and_then(Value::as_array);
    let wanted = match given {
        Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>(),
        None => all.iter().map(|(name, _)| name.clone()).collect(),
    };
    let good = |name: &String| all.iter().any(|(n, state)| n == name && state == "success");
    if wanted.iter().all(good) {
        return Ok(());
    }
    let mut refused = Refused::new(409, format!("Conflict: Commit status checks failed for {git_ref}."));
    let contexts = wanted.iter().map(|n| json!({ "context": n, "state": all.iter().find(|(a, _)| a == n).map(|(_, s)| s) }));
    let error = json!([{ "contexts": contexts.collect::<Vec<_>>(), "resource": "Deployment", "field": "required_contexts", "code": "invalid" }]);
    refused.body.insert("errors".into(), error);
    Err(refused)
}

fn find(world: &World, call: &Call) -> Result<u64, Refused> {
    let id = call.id("id")?;
    of(world, call)?.deployments.iter().find(|d| d.id == id).map(|d| d.id).ok_or_else(Refused::not_found)
}

fn show(world: &World, call: &Call, id: u64) -> Result<Value, Refused> {
    let repo = of(world, call)?;
    let deployment = repo.deployments.iter().find(|d| d.id == id).ok_or_else(Refused::not_found)?;
    Ok(views::deployment(world, repo, deployment))
}

fn get(world: &mut World, call: &Call) -> Answer {
    show(world, call, call.id("id")?).map(Reply::ok)
}

fn statuses(world: &mut World, call: &Call) -> Answer {
    let id = find(world, call)?;
    let repo = of(world, call)?;
    let of = repo.deployments.iter().find(|d| d.id == id).ok_or_else(Refused::not_found)?;
    let all = of.statuses.iter().rev().collect::<Vec<_>>();
    Ok(call.paged(world, &all, None, |s| views::deployment_status(world, repo, of, s)))
}

fn report(world: &mut World, call: &Call) -> Answer {
    let id = find(world, call)?;
    if call.text("description").is_some_and(|d| d.chars().count() > LONGEST_DESCRIPTION) {
        let text = "description is too long (maximum is 140 characters)";
        return Err(Refused::custom("DeploymentStatus", "description", text));
    }
    for field in ["target_url", "log_url", "environment_url"] {
        if call.text(field).is_some_and(|url| !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(Refused::custom("DeploymentStatus", field, &format!("{field} must use http(s) scheme")));
        }
    }
    let text = |name: &str| call.text(name).unwrap_or_default().to_owned();
    let status = DeploymentStatus {
        id: world.ids.next(Kind::DeploymentStatus),
        state: text("state"),
        description: text("description"),
        environment: text("environment"),
        environment_url: text("environment_url"),
        log_url: call.text("log_url").or(call.text("target_url")).unwrap_or_default().to_owned(),
        creator: world.bot(),
        by_app: true,
        at: world.now(),
    };
    let shown = world.add_deployment_status(call.repo, id, status, call.flag("auto_inactive") != Some(false))?;
    Ok(Reply::created(shown))
}

impl World {
    /// Adds a deployment of anybody and tells about it.
    pub fn add_deployment(&mut self, repo_id: u64, deployment: Deployment) -> u64 {
        self.add_deployment_of_run(repo_id, deployment, None)
    }

    /// As a job with an environment makes one by itself: GitHub tells of its run, too.
    pub fn add_deployment_of_run(&mut self, repo_id: u64, deployment: Deployment, run: Option<u64>) -> u64 {
        let (id, actor) = (deployment.id, deployment.creator.clone());
        let Some(repo) = self.repos.get_mut(&repo_id) else { return id };
        repo.deployments.push(deployment);
        let Some(repo) = self.repos.get(&repo_id) else { return id };
        let shown = repo.deployments.last().map(|d| views::deployment(self, repo, d));
        let run = repo.runs.iter().find(|r| Some(r.id) == run);
        let (workflow, run) =
            (run.map(|run| views::workflow(self, repo, run)), run.map(|run| views::workflow_run(self, repo, run)));
        let payload = json!({ "deployment": shown, "workflow": workflow, "workflow_run": run });
        self.emit(repo_id, Event { name: "deployment", action: Some("created"), payload, actor });
        id
    }

    /// Adds a status, makes earlier non-production deployments of the environment inactive, and tells about each.
    pub fn add_deployment_status(
        &mut self,
        repo_id: u64,
        id: u64,
        mut status: DeploymentStatus,
        inactive: bool,
    ) -> Result<Value, Refused> {
        let now = self.now();
        let repo = self.repos.get_mut(&repo_id).ok_or_else(Refused::not_found)?;
        let of = repo.deployments.iter_mut().find(|d| d.id == id).ok_or_else(Refused::not_found)?;
        if status.environment.is_empty() {
            status.environment.clone_from(&of.environment);
        }
        of.environment.clone_from(&status.environment);
        of.updated_at = now;
        let (actor, environment, success) = (status.creator.clone(), status.environment.clone(), status.state == "success");
        of.statuses.push(status.clone());
        let shown = self.tell_deployment_status(repo_id, id, &actor);
        let repo = self.repos.get(&repo_id).ok_or_else(Refused::not_found)?;
        let earlier = repo
            .deployments
            .iter()
            .filter(|d| d.id < id && d.environment == environment && !d.transient && !d.production && d.state() == "success");
        let earlier = earlier.map(|d| d.id).collect::<Vec<_>>();
        for old in earlier.into_iter().filter(|_| success && inactive) {
            let new = self.ids.next(Kind::DeploymentStatus);
            let found = self.repos.get_mut(&repo_id).and_then(|r| r.deployments.iter_mut().find(|d| d.id == old));
            if let Some(of) = found {
                let blank =
                    DeploymentStatus { id: new, state: "inactive".into(), description: String::new(), ..status.clone() };
                of.statuses.push(blank);
            }
            self.tell_deployment_status(repo_id, old, &actor);
        }
        Ok(shown)
    }

    fn tell_deployment_status(&mut self, repo_id: u64, id: u64, actor: &str) -> Value {
        let Some(repo) = self.repos.get(&repo_id) else { return Value::Null };
        let Some((of, status)) = repo.deployments.iter().find(|d| d.id == id).and_then(|d| Some((d, d.statuses.last()?)))
        else {
            return Value::Null;
        };
        let shown = views::deployment_status(self, repo, of, status);
        if status.state == "inactive" {
            // GitHub tells nobody about that.
            return shown;
        }
        let payload = json!({
            "deployment_status": shown, "deployment": views::deployment(self, repo, of),
            "check_run": null, "workflow": null, "workflow_run": null,
        });
        self.emit(repo_id, Event { name: "deployment_status", action: Some("created"), payload, actor: actor.to_owned() });
        shown
    }
}
