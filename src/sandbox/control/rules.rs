//! Environments whose deployments wait for the App under test.

use super::{RepoHandle, automation, no, refused, repo_of};
use crate::domain::Sha;
use crate::sandbox::SandboxError;
use crate::sandbox::hooks::Event;
use crate::sandbox::ids::Kind;
use crate::sandbox::model::{Deployment, Review};
use crate::sandbox::rest::actions::NewRun;
use crate::sandbox::views;
use serde_json::json;

/// A job that wants to deploy.
#[derive(Clone, Debug)]
pub struct JobSeed {
    environment: String,
    git_ref: String,
    sha: Sha,
    by: String,
    fork: bool,
    callback: Option<String>,
    told: bool,
    run: Option<u64>,
    event: String,
}

/// A job that waits for its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingJob {
    pub run: u64,
    pub deployment: u64,
    /// The check run of the job.
    pub check: u64,
}

/// What a person says on GitHub's page of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageReview<'a> {
    Approved,
    /// With a comment.
    Rejected(&'a str),
}

impl JobSeed {
    /// By a push of `dev` to `main`.
    pub fn new(environment: &str, sha: &Sha) -> Self {
        let (environment, git_ref, by) = (environment.to_owned(), "main".to_owned(), "dev".to_owned());
        let event = "push".to_owned();
        Self { environment, git_ref, sha: sha.clone(), by, fork: false, callback: None, told: true, run: None, event }
    }
    pub fn at_ref(mut self, name: &str) -> Self {
        name.clone_into(&mut self.git_ref);
        self
    }
    pub fn by(mut self, login: &str) -> Self {
        login.clone_into(&mut self.by);
        self
    }
    /// The run is of a pull request from a fork.
    pub fn from_fork(mut self) -> Self {
        self.fork = true;
        self
    }
    /// What has started the run: `pull_request_target`, for example.
    pub fn event(mut self, name: &str) -> Self {
        name.clone_into(&mut self.event);
        self
    }
    /// The payload names another address than GitHub's.
    pub fn callback(mut self, url: &str) -> Self {
        self.callback = Some(url.to_owned());
        self
    }
    /// The App is not told.
    pub fn untold(mut self) -> Self {
        self.told = false;
        self
    }
    /// A job of this run, and not of a new one.
    pub fn of_run(mut self, run: u64) -> Self {
        self.run = Some(run);
        self
    }
}

impl RepoHandle {
    /// Deployments to this environment wait for the App under test from now on.
    pub fn protect(&self, environment: &str) -> Result<(), SandboxError> {
        self.change(|world, id| {
            repo_of(world, id)?.rules.insert(environment.to_owned());
            Ok(())
        })
    }

    /// A job reaches its environment, which waits for the App under test.
    pub fn start_job(&self, seed: JobSeed) -> Result<WaitingJob, SandboxError> {
        self.change(|world, id| {
            world.account(&seed.by);
            let actor = seed.by.clone();
            let run = match seed.run {
                Some(run) => run,
                None => {
                    let path = ".github/workflows/ship.yml".to_owned();
                    let (event, branch, inputs) = (seed.event.clone(), seed.git_ref.clone(), json!({}));
                    let new = NewRun { path, title: None, event, branch, sha: seed.sha.clone(), inputs, actor };
                    world.add_run(id, new).map_err(refused)?
                }
            };
            let found = repo_of(world, id)?.runs.iter_mut().find(|r| r.id == run).ok_or_else(|| no("no such run"))?;
            "waiting".clone_into(&mut found.status);
            found.fork = seed.fork;
            let mut job =
                automation::new_check(world, id, "github-actions", &seed.sha, &format!("deploy to {}", seed.environment))?;
            "waiting".clone_into(&mut job.status);
            job.started_at = None;
            let check = world.add_check(id, job, "github-actions[bot]");
            world.account("github-actions[bot]");
            let now = world.now();
            let deployment = Deployment {
                id: world.ids.next(Kind::Deployment),
                sha: seed.sha.clone(),
                git_ref: seed.git_ref.clone(),
                task: "deploy".into(),
                environment: seed.environment.clone(),
                original_environment: seed.environment.clone(),
                description: None,
                payload: json!({}),
                production: seed.environment == "production",
                transient: false,
                creator: "github-actions[bot]".into(),
                by_app: false,
                created_at: now,
                updated_at: now,
                statuses: Vec::new(),
            };
            let deployment = world.add_deployment_of_run(id, deployment, Some(run));
            repo_of(world, id)?.reviews.push(Review::open(run, &seed.environment));
            let repo = world.repos.get(&id).ok_or_else(|| no("the repository is gone"))?;
            let own = format!("{}/repos/{}/actions/runs/{run}/deployment_protection_rule", world.base, repo.full_name());
            let shown = repo.deployments.iter().find(|d| d.id == deployment).map(|d| views::deployment(world, repo, d));
            let payload = json!({
                "environment": seed.environment, "event": seed.event, "sha": seed.sha, "ref": seed.git_ref,
                "deployment_callback_url": seed.callback.unwrap_or(own), "deployment": shown, "pull_requests": [],
            });
            if seed.told {
                let event = Event { name: "deployment_protection_rule", action: Some("requested"), payload, actor: seed.by };
                world.emit(id, event);
            }
            Ok(WaitingJob { run, deployment, check })
        })
    }

    /// A person reviews the jobs of a run that wait for these environments, on GitHub's page of the run.
    pub fn review_job(&self, run: u64, environments: &[&str], by: &str, verdict: PageReview<'_>) -> Result<(), SandboxError> {
        self.change(|world, id| {
            world.account(by);
            let repo = world.repos.get(&id).ok_or_else(|| no("the repository is gone"))?;
            let found = repo.runs.iter().find(|r| r.id == run).ok_or_else(|| no("no such run"))?;
            let jobs: Vec<_> = environments.iter().map(|name| json!({ "name": "deploy", "environment": name })).collect();
            let (action, comment) = match verdict {
                PageReview::Approved => ("approved", ""),
                PageReview::Rejected(comment) => ("rejected", comment),
            };
            let payload = json!({
                "workflow_run": views::workflow_run(world, repo, found), "workflow_job_run": jobs.first(), "workflow_job_runs": jobs,
                "approver": views::account_of(world, by), "comment": comment, "since": found.created_at.rfc3339(), "reviewers": [],
            });
            world.emit(id, Event { name: "deployment_review", action: Some(action), payload, actor: by.to_owned() });
            Ok(())
        })
    }

    /// Reports and decisions so far, oldest first.
    pub fn reviews(&self) -> Vec<Review> {
        self.read(|repo| repo.reviews.clone())
    }
}
