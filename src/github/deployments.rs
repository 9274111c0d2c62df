//! GitHub deployments. One of ours is known by `lockkeeper_run` in its payload.
//!
//! Invariant: a deployment is of a commit, never of a name, and what GitHub answers is compared with what was asked.

use super::client::{Call, Reply};
use super::paths::{encode, repo_path};
use super::{Class, Installation, Operation, Trouble};
use crate::domain::{DeploymentInfo, DeploymentStatusInfo, EnvName, Millis, RepoName, Sha};
use serde::Deserialize;
use serde_json::{Value, json};

/// The payload's key that holds our run's id.
pub const PAYLOAD_RUN: &str = "lockkeeper_run";
/// GitHub's limit of a status's description, in characters.
const MAX_DESCRIPTION: usize = 140;
const MAX_PAGES: usize = 10;

#[derive(Clone, Debug, PartialEq)]
pub struct NewDeployment<'a> {
    pub sha: &'a Sha,
    pub environment: &'a EnvName,
    pub production: bool,
    pub description: &'a str,
    /// Our run's id.
    pub run: &'a str,
    /// `deploy`, `rollback` or `mirror`.
    pub task: &'a str,
    /// It gives way to every other call.
    pub spare: bool,
    /// More for the payload, which whoever deploys may read: the tag, the version, the plan's digest.
    pub payload: serde_json::Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeploymentStatus<'a> {
    /// `queued`, `pending`, `in_progress`, `success`, `failure`, `error` or `inactive`.
    pub state: &'a str,
    /// Cut to 140 characters.
    pub description: &'a str,
    pub environment_url: Option<&'a str>,
    pub log_url: Option<&'a str>,
    /// With `success`: whether GitHub marks the environment's earlier deployments inactive.
    pub auto_inactive: bool,
    /// It gives way to every other call.
    pub spare: bool,
}

#[derive(Deserialize)]
struct Raw {
    id: u64,
    sha: String,
    environment: String,
    #[serde(default)]
    payload: Value,
}

impl Raw {
    fn info(self) -> Option<DeploymentInfo> {
        let run = run_of(&self.payload);
        Some(DeploymentInfo {
            id: self.id,
            sha: Sha::parse(&self.sha).ok()?,
            environment: self.environment,
            run,
            statuses: Vec::new(),
        })
    }
}

/// GitHub hands a payload back as an object, or as JSON in a string if it was sent so.
fn run_of(payload: &Value) -> Option<String> {
    let parsed = payload.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let object = parsed.as_ref().unwrap_or(payload);
    Some(object.get(PAYLOAD_RUN)?.as_str()?.to_owned())
}

#[derive(Deserialize)]
struct RawStatus {
    id: u64,
    state: String,
    #[serde(default)]
    description: Option<String>,
    creator: Option<Creator>,
    performed_via_github_app: Option<App>,
    created_at: String,
    #[serde(default)]
    environment_url: Option<String>,
    #[serde(default)]
    log_url: Option<String>,
}

#[derive(Deserialize)]
struct Creator {
    login: String,
    id: u64,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

impl From<RawStatus> for DeploymentStatusInfo {
    fn from(raw: RawStatus) -> Self {
        let (creator_login, creator_id) = raw.creator.map_or((String::new(), 0), |c| (c.login, c.id));
        Self {
            id: raw.id,
            state: raw.state,
            description: raw.description.unwrap_or_default(),
            creator_login,
            creator_id,
            app_id: raw.performed_via_github_app.map(|a| a.id),
            at: Millis::parse_rfc3339(&raw.created_at).unwrap_or_default(),
            environment_url: raw.environment_url.filter(|u| !u.is_empty()),
            log_url: raw.log_url.filter(|u| !u.is_empty()),
        }
    }
}

impl Installation {
    /// Makes a deployment. GitHub makes a second one when this is repeated: look with [`Self::find_deployment`] first.
    /// Fails if GitHub's deployment is of another commit than was asked for.
    pub async fn create_deployment(&self, repo: &RepoName, new: &NewDeployment<'_>) -> Result<DeploymentInfo, Trouble> {
        let mut payload = new.payload.clone();
        payload.insert(PAYLOAD_RUN.into(), json!(new.run));
        let body = json!({
            "ref": new.sha, "task": new.task, "environment": new.environment, "description": cut(new.description),
            "production_environment": new.production, "transient_environment": false,
            // Nothing is merged, and no status is asked about: the gates did that, on this very commit.
            "auto_merge": false, "required_contexts": [], "payload": payload,
        });
        let call = Call::new(Operation::DeploymentCreate, repo_path(repo, "deployments")).with(body).spare(new.spare);
        let reply = self.call(call).await.map_err(|why| no_commit(why, new.sha))?;
        let made = reply.json::<Raw>()?.info().ok_or_else(|| Trouble::nonsense(reply.operation, "the sha is none"))?;
        if &made.sha != new.sha {
            let message = format!("GitHub made a deployment of {} instead of {}.", made.sha.short(), new.sha.short());
            let fix = "Do not act on that deployment; look at who moves references in the repository.";
            return Err(Trouble::new(Class::Refused, "deployment_of_another_commit", message, fix).at(reply.operation));
        }
        Ok(made)
    }

    /// The newest deployment of this run of ours to an environment, among the newest thousand of the commit.
    pub async fn find_deployment(
        &self,
        repo: &RepoName,
        sha: &Sha,
        environment: &EnvName,
        run: &str,
    ) -> Result<Option<DeploymentInfo>, Trouble> {
        let query = format!("deployments?sha={sha}&environment={}&per_page=100", encode(environment.as_str()));
        let mut next = Some(repo_path(repo, &query));
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = self.call(Call::new(Operation::DeploymentList, target)).await?;
            next = reply.next_page();
            let page: Vec<Raw> = reply.json()?;
            if let Some(found) = page.into_iter().filter_map(Raw::info).find(|d| d.run.as_deref() == Some(run)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A deployment with all its statuses; `None` when there is none of this id. Two requests or more.
    pub async fn deployment(&self, repo: &RepoName, id: u64) -> Result<Option<DeploymentInfo>, Trouble> {
        let call = Call::new(Operation::DeploymentGet, repo_path(repo, &format!("deployments/{id}")));
        let reply = match self.call(call).await {
            Ok(reply) => reply,
            Err(trouble) if trouble.is_gone() => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let found = reply.json::<Raw>()?.info().ok_or_else(|| Trouble::nonsense(reply.operation, "the sha is none"))?;
        Ok(Some(DeploymentInfo { statuses: self.deployment_statuses(repo, id).await?, ..found }))
    }

    /// The newest thousand statuses of a deployment, newest first.
    pub async fn deployment_statuses(&self, repo: &RepoName, id: u64) -> Result<Vec<DeploymentStatusInfo>, Trouble> {
        let mut next = Some(repo_path(repo, &format!("deployments/{id}/statuses?per_page=100")));
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply: Reply = self.call(Call::new(Operation::DeploymentStatuses, target)).await?;
            next = reply.next_page();
            all.extend(reply.json::<Vec<RawStatus>>()?.into_iter().map(DeploymentStatusInfo::from));
        }
        Ok(all)
    }

    /// Reports on a deployment. GitHub adds a second status when this is repeated: look with
    /// [`Self::find_deployment_status`] first.
    pub async fn create_deployment_status(
        &self,
        repo: &RepoName,
        id: u64,
        new: &NewDeploymentStatus<'_>,
    ) -> Result<DeploymentStatusInfo, Trouble> {
        let mut body = json!({
            "state": new.state, "description": cut(new.description), "auto_inactive": new.auto_inactive,
        });
        for (key, url) in [("environment_url", new.environment_url), ("log_url", new.log_url)] {
            if let Some(url) = url {
                body[key] = json!(url);
            }
        }
        let path = repo_path(repo, &format!("deployments/{id}/statuses"));
        let reply = self.call(Call::new(Operation::DeploymentStatusCreate, path).with(body).spare(new.spare)).await?;
        Ok(reply.json::<RawStatus>()?.into())
    }

    /// The newest status of our own App with this state and description.
    pub async fn find_deployment_status(
        &self,
        repo: &RepoName,
        id: u64,
        state: &str,
        description: &str,
    ) -> Result<Option<DeploymentStatusInfo>, Trouble> {
        let own = self.github.own_app_id().await?;
        let wanted = cut(description);
        let all = self.deployment_statuses(repo, id).await?;
        let same = |s: &DeploymentStatusInfo| s.app_id == Some(own) && s.state == state && s.description == wanted;
        Ok(all.into_iter().find(same))
    }
}

/// GitHub's word for a ref that leads nowhere; ours is always a commit.
fn no_commit(why: Trouble, sha: &Sha) -> Trouble {
    if why.status != Some(422) || !why.message.contains("No ref found") {
        return why;
    }
    Trouble { status: why.status, operation: why.operation, ..Trouble::commit_gone(sha) }
}

/// At most 140 characters, with a mark where something was cut.
fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_DESCRIPTION {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MAX_DESCRIPTION - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_fit_in_characters_not_bytes() {
        assert_eq!(cut(&"ä".repeat(140)), "ä".repeat(140));
        let long = cut(&"ä".repeat(141));
        assert_eq!((long.chars().count(), long.ends_with('…')), (140, true));
    }

    #[test]
    fn our_run_is_found_in_both_shapes_of_a_payload() {
        assert_eq!(run_of(&json!({PAYLOAD_RUN: "r1"})).as_deref(), Some("r1"));
        assert_eq!(run_of(&json!(r#"{"lockkeeper_run":"r1"}"#)).as_deref(), Some("r1"));
        for other in [json!(""), json!({}), json!(null), json!("{"), json!({PAYLOAD_RUN: 7})] {
            assert_eq!(run_of(&other), None, "{other}");
        }
    }
}
