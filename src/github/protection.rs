//! Custom deployment protection rules: runs of workflows that wait for our answer before a job of theirs deploys.
//!
//! Invariants: the address of an answer is made of the run's number, never taken from a payload; what was said already is found
//! in the run's history, so that nothing is decided twice.

use super::client::Call;
use super::paths::{encode, repo_path};
use super::{Installation, Operation, Trouble};
use crate::domain::{Millis, RepoId, RepoName, Sha};
use serde::Deserialize;
use serde_json::json;

/// A run that waits, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRun {
    pub id: u64,
    /// Nothing of this run is of the repository itself: it is of a pull request from a fork, or from one that is gone.
    pub fork: bool,
    pub over: bool,
    pub sha: Sha,
    /// Branch or tag.
    pub git_ref: String,
    /// When its newest attempt began.
    pub since: Millis,
}

#[derive(Deserialize)]
struct Raw {
    id: u64,
    head_sha: String,
    #[serde(default)]
    status: Option<String>,
    head_repository: Option<Id>,
    #[serde(default)]
    head_branch: Option<String>,
    #[serde(default)]
    run_started_at: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

impl Raw {
    fn of(self, repo: RepoId) -> Option<WaitingRun> {
        Some(WaitingRun {
            id: self.id,
            fork: self.head_repository.is_none_or(|head| head.id != repo.0),
            over: self.status.as_deref() == Some("completed"),
            sha: Sha::parse(&self.head_sha).ok()?,
            git_ref: self.head_branch.unwrap_or_default(),
            since: self.run_started_at.and_then(|at| Millis::parse_rfc3339(&at)).unwrap_or_default(),
        })
    }
}

#[derive(Deserialize)]
struct Environment {
    name: String,
}

impl Installation {
    /// `None` when there is none of this id in the repository.
    pub async fn waiting_run(&self, repo: (RepoId, &RepoName), id: u64) -> Result<Option<WaitingRun>, Trouble> {
        let call = Call::new(Operation::WorkflowRun, repo_path(repo.1, &format!("actions/runs/{id}")));
        match self.call(call).await {
            Ok(reply) => Ok(reply.json::<Raw>()?.of(repo.0)),
            Err(trouble) if trouble.is_gone() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The newest hundred that wait, of this commit if one is named.
    pub async fn waiting_runs(&self, repo: (RepoId, &RepoName), sha: Option<&Sha>) -> Result<Vec<WaitingRun>, Trouble> {
        #[derive(Deserialize)]
        struct Runs {
            workflow_runs: Vec<Raw>,
        }
        let of = sha.map(|sha| format!("&head_sha={sha}")).unwrap_or_default();
        let path = repo_path(repo.1, &format!("actions/runs?status=waiting{of}&per_page=100"));
        let runs = self.call(Call::new(Operation::WaitingRuns, path)).await?.json::<Runs>()?.workflow_runs;
        Ok(runs.into_iter().filter_map(|raw| raw.of(repo.0)).collect())
    }

    /// The environments that a run waits for, whoever decides about them.
    pub async fn pending_environments(&self, repo: &RepoName, run: u64) -> Result<Vec<String>, Trouble> {
        #[derive(Deserialize)]
        struct Pending {
            environment: Environment,
        }
        let path = repo_path(repo, &format!("actions/runs/{run}/pending_deployments"));
        let all: Vec<Pending> = self.call(Call::new(Operation::PendingDeployments, path)).await?.json()?;
        Ok(all.into_iter().map(|pending| pending.environment.name).collect())
    }

    /// Whether deployments to the environment wait for this App.
    pub async fn is_asked_about(&self, repo: &RepoName, environment: &str) -> Result<bool, Trouble> {
        #[derive(Deserialize)]
        struct Rules {
            #[serde(default)]
            custom_deployment_protection_rules: Vec<Rule>,
        }
        #[derive(Deserialize)]
        struct Rule {
            enabled: bool,
            app: Id,
        }
        let own = self.github.own_app_id().await?;
        let path = repo_path(repo, &format!("environments/{}/deployment_protection_rules", encode(environment)));
        let rules: Rules = self.call(Call::new(Operation::EnvironmentRules, path)).await?.json()?;
        Ok(rules.custom_deployment_protection_rules.iter().any(|rule| rule.enabled && rule.app.id == own))
    }

    /// Answers, or reports where it says neither yes nor no; false when GitHub does not wait for it any more. A repetition is
    /// shown twice: look with [`Self::find_review`] first.
    pub async fn review(
        &self,
        repo: &RepoName,
        run: u64,
        environment: &str,
        (approve, comment): (Option<bool>, &str),
    ) -> Result<bool, Trouble> {
        let mut body = json!({ "environment_name": environment, "comment": comment });
        if let Some(word) = word(approve) {
            body["state"] = json!(word);
        }
        let path = repo_path(repo, &format!("actions/runs/{run}/deployment_protection_rule"));
        match self.call(Call::new(Operation::RuleReview, path).with(body)).await {
            Ok(_) => Ok(true),
            Err(why) if why.is_gone() => Ok(false),
            // Neither waits for this environment any more, or something is wrong with what we say.
            Err(why) if why.status == Some(422) => {
                let waits = self.pending_environments(repo, run).await?;
                let still = waits.iter().any(|name| name.eq_ignore_ascii_case(environment));
                if still { Err(why) } else { Ok(false) }
            }
            Err(why) => Err(why),
        }
    }

    /// Whether the run's history has this already, said by us.
    pub async fn find_review(
        &self,
        repo: &RepoName,
        run: u64,
        environment: &str,
        (approve, comment): (Option<bool>, &str),
    ) -> Result<bool, Trouble> {
        #[derive(Deserialize)]
        struct Said {
            state: String,
            #[serde(default)]
            comment: Option<String>,
            user: Option<User>,
            #[serde(default)]
            environments: Vec<Environment>,
        }
        #[derive(Deserialize)]
        struct User {
            login: String,
        }
        let own = format!("{}[bot]", self.github.own_slug().await?);
        let path = repo_path(repo, &format!("actions/runs/{run}/approvals"));
        let all: Vec<Said> = self.call(Call::new(Operation::ReviewHistory, path)).await?.json()?;
        let same = |said: &Said| {
            let ours = said.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(&own));
            let here = said.environments.iter().any(|one| one.name.eq_ignore_ascii_case(environment));
            let says = word(approve).unwrap_or("pending") == said.state;
            // A run that is tried again has been answered before, with another comment.
            ours && here && says && said.comment.as_deref().unwrap_or_default().trim() == comment.trim()
        };
        Ok(all.iter().any(same))
    }
}

fn word(approve: Option<bool>) -> Option<&'static str> {
    approve.map(|yes| if yes { "approved" } else { "rejected" })
}
