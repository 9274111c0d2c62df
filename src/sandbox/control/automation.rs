//! What machines do: checks and statuses of other Apps, reports on deployments, runs of workflows.

use super::{RepoHandle, no, refused, repo_of};
use crate::domain::Sha;
use crate::sandbox::SandboxError;
use crate::sandbox::hooks::Event;
use crate::sandbox::ids::Kind;
use crate::sandbox::model::{CheckRun, Deployment, DeploymentStatus, Status};
use crate::sandbox::rest::actions::NewRun;
use crate::sandbox::rest::deployments::STATES;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::{Value, json};

/// A report on a deployment by somebody else.
#[derive(Clone, Debug)]
pub struct DeploymentReport {
    /// A login; a bot's ends in `[bot]`.
    pub by: String,
    pub state: String,
    pub description: String,
    pub environment_url: String,
    pub log_url: String,
}

impl DeploymentReport {
    pub fn new(by: &str, state: &str) -> Self {
        let empty = String::new;
        Self { by: by.to_owned(), state: state.to_owned(), description: empty(), environment_url: empty(), log_url: empty() }
    }
    pub fn url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.environment_url);
        self
    }
    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }
}

/// A deployment by somebody else.
#[derive(Clone, Debug)]
pub struct DeploymentSeed {
    by: String,
    environment: String,
    sha: Sha,
    git_ref: Option<String>,
    task: String,
    run: Option<u64>,
}

impl DeploymentSeed {
    /// By the commit's id, with GitHub's own task.
    pub fn new(by: &str, environment: &str, sha: &Sha) -> Self {
        let (by, environment, sha) = (by.to_owned(), environment.to_owned(), sha.clone());
        Self { by, environment, sha, git_ref: None, task: "deploy".into(), run: None }
    }
    /// By the name of a branch or tag.
    pub fn at_ref(mut self, name: &str) -> Self {
        self.git_ref = Some(name.to_owned());
        self
    }
    pub fn task(mut self, task: &str) -> Self {
        task.clone_into(&mut self.task);
        self
    }
    /// A job of this run of a workflow has made it by naming its environment.
    pub fn of_run(mut self, run: u64) -> Self {
        self.run = Some(run);
        self
    }
}

impl RepoHandle {
    /// A check run of another App, `in_progress`; its id. The App's own slug makes one of its own.
    pub fn start_check(&self, app_slug: &str, sha: &Sha, name: &str) -> Result<u64, SandboxError> {
        self.change(|world, id| {
            let run = new_check(world, id, app_slug, sha, name)?;
            Ok(world.add_check(id, run, &format!("{app_slug}[bot]")))
        })
    }

    /// A check run that is completed at once.
    pub fn check(&self, app_slug: &str, sha: &Sha, name: &str, conclusion: &str) -> Result<u64, SandboxError> {
        self.change(|world, id| {
            let mut run = new_check(world, id, app_slug, sha, name)?;
            run.status = "completed".into();
            run.conclusion = Some(conclusion.to_owned());
            run.completed_at = Some(world.stamp());
            Ok(world.add_check(id, run, &format!("{app_slug}[bot]")))
        })
    }

    /// `conclusion` is GitHub's word: `success`, `failure`, `neutral`, `skipped`, `timed_out`, …
    pub fn complete_check(&self, check: u64, conclusion: &str) -> Result<(), SandboxError> {
        self.change(|world, id| {
            let now = world.stamp();
            let run = repo_of(world, id)?.checks.iter_mut().find(|c| c.id == check).ok_or_else(|| no("no such check run"))?;
            run.status = "completed".into();
            run.conclusion = Some(conclusion.to_owned());
            run.completed_at = Some(now);
            let actor = format!("{}[bot]", run.app_slug);
            world.tell_check(id, check, "completed", &actor, json!({}));
            Ok(())
        })
    }

    /// Somebody presses "Re-run" on a check run of the App under test: the App is asked to run it again.
    pub fn rerequest_check(&self, check: u64, by: &str) -> Result<(), SandboxError> {
        self.ask_app(check, by, "rerequested", json!({}))
    }

    /// GitHub asks only the App that made a check run.
    fn ask_app(&self, check: u64, by: &str, action: &'static str, extra: Value) -> Result<(), SandboxError> {
        self.change(|world, id| {
            world.account(by);
            let app = world.config.app_id;
            if !repo_of(world, id)?.checks.iter().any(|c| c.id == check && c.app_id == app) {
                return Err(no("no check run of the App under test"));
            }
            world.tell_check(id, check, action, by, extra);
            Ok(())
        })
    }

    /// Somebody presses a button of a check run.
    pub fn press_check_button(&self, check: u64, identifier: &str, by: &str) -> Result<(), SandboxError> {
        self.ask_app(check, by, "requested_action", json!({ "requested_action": { "identifier": identifier } }))
    }

    /// A commit status: `pending`, `success`, `failure` or `error`.
    pub fn status(&self, by: &str, sha: &Sha, context: &str, state: &str) -> Result<u64, SandboxError> {
        self.change(|world, id| {
            world.account(by);
            let status = Status {
                id: world.ids.next(Kind::Status),
                sha: sha.clone(),
                context: context.to_owned(),
                state: state.to_owned(),
                description: None,
                target_url: None,
                creator: by.to_owned(),
                at: world.now(),
            };
            let repo = repo_of(world, id)?;
            if repo.git.commit(sha).is_none() {
                return Err(no(format!("No commit found for SHA: {sha}")));
            }
            repo.statuses.push(status.clone());
            let payload = world.repos.get(&id).map(|repo| views::status_event(world, repo, &status)).unwrap_or_default();
            world.emit(id, Event { name: "status", action: None, payload, actor: by.to_owned() });
            Ok(status.id)
        })
    }

    /// A user or bot reports on a deployment.
    pub fn report_deployment(&self, deployment: u64, report: DeploymentReport) -> Result<(), SandboxError> {
        if !STATES.contains(&report.state.as_str()) {
            return Err(no(format!("{} is no state of a deployment", report.state)));
        }
        self.change(|world, id| {
            world.account(&report.by);
            let status = DeploymentStatus {
                id: world.ids.next(Kind::DeploymentStatus),
                state: report.state,
                description: report.description,
                environment: String::new(),
                environment_url: report.environment_url,
                log_url: report.log_url,
                by_app: report.by == world.bot(),
                creator: report.by,
                at: world.now(),
            };
            world.add_deployment_status(id, deployment, status, true).map(drop).map_err(refused)
        })
    }

    /// Somebody else makes a deployment, as anyone with push access can; its id.
    pub fn make_deployment(&self, seed: DeploymentSeed) -> Result<u64, SandboxError> {
        self.change(|world, id| {
            world.account(&seed.by);
            let now = world.now();
            let deployment = Deployment {
                id: world.ids.next(Kind::Deployment),
                git_ref: seed.git_ref.unwrap_or_else(|| seed.sha.to_string()),
                sha: seed.sha,
                task: seed.task,
                production: seed.environment == "production",
                original_environment: seed.environment.clone(),
                environment: seed.environment,
                description: None,
                payload: json!({}),
                transient: false,
                creator: seed.by,
                by_app: false,
                created_at: now,
                updated_at: now,
                statuses: Vec::new(),
            };
            Ok(world.add_deployment_of_run(id, deployment, seed.run))
        })
    }

    /// Moves a run of a workflow: `in_progress`, or `completed` with a conclusion.
    pub fn move_run(&self, run: u64, conclusion: Option<&str>) -> Result<(), SandboxError> {
        self.change(|world, id| {
            let now = world.now();
            let found = repo_of(world, id)?.runs.iter_mut().find(|r| r.id == run).ok_or_else(|| no("no such run"))?;
            found.status = if conclusion.is_some() { "completed" } else { "in_progress" }.into();
            found.conclusion = conclusion.map(str::to_owned);
            found.updated_at = now;
            world.tell_run(id, run, if conclusion.is_some() { "completed" } else { "in_progress" });
            Ok(())
        })
    }

    /// A run that a push or a person started; `path` such as `.github/workflows/ci.yml`.
    pub fn start_run(&self, path: &str, event: &str, branch: &str, sha: &Sha, by: &str) -> Result<u64, SandboxError> {
        self.change(|world, id| {
            world.account(by);
            let (path, event, branch) = (path.to_owned(), event.to_owned(), branch.to_owned());
            let run = NewRun { path, title: None, event, branch, sha: sha.clone(), inputs: json!({}), actor: by.to_owned() };
            world.add_run(id, run).map_err(refused)
        })
    }
}

pub(super) fn new_check(world: &mut World, id: u64, slug: &str, sha: &Sha, name: &str) -> Result<CheckRun, SandboxError> {
    let app = world.other_app(slug);
    world.account(&format!("{slug}[bot]"));
    let started = world.stamp();
    if repo_of(world, id)?.git.commit(sha).is_none() {
        return Err(no(format!("No commit found for SHA: {sha}")));
    }
    Ok(CheckRun {
        id: 0,
        suite: 0,
        app_id: app.id,
        app_slug: app.slug,
        name: name.to_owned(),
        sha: sha.clone(),
        status: "in_progress".into(),
        conclusion: None,
        external_id: String::new(),
        details_url: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        actions: Vec::new(),
        started_at: Some(started),
        completed_at: None,
    })
}
