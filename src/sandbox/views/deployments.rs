//! Deployments and their statuses.

use super::{account_of, app};
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::{Deployment, DeploymentStatus};
use crate::sandbox::repo::Repo;
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) fn deployment(world: &World, repo: &Repo, of: &Deployment) -> Value {
    let repository = format!("{}/repos/{}", world.base, repo.full_name());
    let url = format!("{repository}/deployments/{}", of.id);
    json!({
        "url": url, "id": of.id, "node_id": node_id(Kind::Deployment, repo.id, of.id), "task": of.task,
        "original_environment": of.original_environment, "environment": of.environment, "description": of.description,
        "created_at": of.created_at.rfc3339(), "updated_at": of.updated_at.rfc3339(), "statuses_url": format!("{url}/statuses"),
        "repository_url": repository, "creator": account_of(world, &of.creator), "sha": of.sha, "ref": of.git_ref,
        "payload": of.payload, "transient_environment": of.transient, "production_environment": of.production,
        "performed_via_github_app": by_app(world, of.by_app),
    })
}

pub(in crate::sandbox) fn deployment_status(world: &World, repo: &Repo, of: &Deployment, status: &DeploymentStatus) -> Value {
    let repository = format!("{}/repos/{}", world.base, repo.full_name());
    let deployment = format!("{repository}/deployments/{}", of.id);
    json!({
        "url": format!("{deployment}/statuses/{}", status.id), "id": status.id,
        "node_id": node_id(Kind::DeploymentStatus, repo.id, status.id), "state": status.state,
        "creator": account_of(world, &status.creator), "description": status.description, "environment": status.environment,
        "target_url": status.log_url, "created_at": status.at.rfc3339(), "updated_at": status.at.rfc3339(),
        "deployment_url": deployment, "repository_url": repository, "environment_url": status.environment_url,
        "log_url": status.log_url, "performed_via_github_app": by_app(world, status.by_app),
    })
}

fn by_app(world: &World, yes: bool) -> Value {
    if yes { app(world, world.config.app_id, &world.config.app_slug) } else { Value::Null }
}
