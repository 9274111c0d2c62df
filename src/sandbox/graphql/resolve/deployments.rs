//! Deployments and their statuses.

use super::{Answer, date, descending, missing, upper};
use crate::sandbox::graphql::connection::Connection;
use crate::sandbox::graphql::exec::{Cx, Got};
use crate::sandbox::graphql::nodes::Node;
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::Deployment;
use serde_json::Value;

pub(super) fn list(id: u64, all: &[&Deployment], args: &Value) -> Got {
    let wanted = args["environments"].as_array();
    let fits = |d: &&&Deployment| wanted.is_none_or(|names| names.iter().any(|n| n.as_str() == Some(d.environment.as_str())));
    let mut shown = all.iter().filter(fits).copied().collect::<Vec<_>>();
    if descending(args, false) {
        shown.reverse();
    }
    Got::Page(Connection::of("DeploymentConnection", args, &shown, |d| Node::Deployment(id, d.id)))
}

/// GraphQL has a word of its own for a deployment that succeeded.
fn state_word(of: &Deployment) -> String {
    match of.state() {
        "success" => "ACTIVE".to_owned(),
        other => upper(other),
    }
}

pub(super) fn deployment(cx: &Cx<'_>, id: u64, deployment: u64, name: &str, args: &Value) -> Answer {
    let repo = cx.repo(id)?;
    let Some(of) = repo.deployments.iter().find(|d| d.id == deployment) else { return Got::one(None) };
    match name {
        "id" => Got::leaf(node_id(Kind::Deployment, id, of.id)),
        "databaseId" => Got::leaf(of.id),
        "environment" | "latestEnvironment" => Got::leaf(of.environment.as_str()),
        "originalEnvironment" => Got::leaf(of.original_environment.as_str()),
        "task" => Got::leaf(of.task.as_str()),
        "description" => Got::leaf(of.description.clone()),
        // A string in GraphQL: JSON text, also of a payload that was a string.
        "payload" => Got::leaf(of.payload.to_string()),
        "state" => Got::leaf(state_word(of)),
        "commitOid" => Got::leaf(of.sha.as_str()),
        "commit" => Got::one(Node::Commit(id, of.sha.clone())),
        "createdAt" => date(of.created_at),
        "updatedAt" => date(of.updated_at),
        "creator" => Got::one(Node::Account(of.creator.clone())),
        "ref" => {
            let names = ["refs/heads/", "refs/tags/", ""].map(|prefix| format!("{prefix}{}", of.git_ref));
            Got::one(names.into_iter().find(|name| repo.refs.contains_key(name)).map(|name| Node::Ref(id, name)))
        }
        "latestStatus" => Got::one(of.statuses.last().map(|s| Node::DeploymentStatus(id, of.id, s.id))),
        "repository" => Got::one(Node::Repository(id)),
        "statuses" => {
            let newest_first = of.statuses.iter().rev().collect::<Vec<_>>();
            let node = |s: &&crate::sandbox::model::DeploymentStatus| Node::DeploymentStatus(id, of.id, s.id);
            Ok(Got::Page(Connection::of("DeploymentStatusConnection", args, &newest_first, node)))
        }
        _ => missing("Deployment", name),
    }
}

pub(super) fn status(cx: &Cx<'_>, id: u64, deployment: u64, status: u64, name: &str) -> Answer {
    let found = cx.repo(id)?.deployments.iter().find(|d| d.id == deployment);
    let Some(status) = found.and_then(|d| d.statuses.iter().find(|s| s.id == status)) else { return Got::one(None) };
    let url = |text: &str| Got::leaf((!text.is_empty()).then(|| text.to_owned()));
    match name {
        "id" => Got::leaf(node_id(Kind::DeploymentStatus, id, status.id)),
        "state" => Got::leaf(upper(&status.state)),
        "description" => Got::leaf(status.description.as_str()),
        "environment" => Got::leaf(status.environment.as_str()),
        "environmentUrl" => url(&status.environment_url),
        "logUrl" => url(&status.log_url),
        "createdAt" => date(status.at),
        "creator" => Got::one(Node::Account(status.creator.clone())),
        "deployment" => Got::one(Node::Deployment(id, deployment)),
        _ => missing("DeploymentStatus", name),
    }
}
