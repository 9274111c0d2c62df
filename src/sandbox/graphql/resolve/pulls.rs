//! Pull requests and labels.

use super::{Answer, date, descending, made_up, missing, text};
use crate::domain::{Millis, Sha};
use crate::sandbox::graphql::GqlError;
use crate::sandbox::graphql::connection::Connection;
use crate::sandbox::graphql::exec::{Cx, Got};
use crate::sandbox::graphql::nodes::Node;
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::Pull;
use crate::sandbox::repo::ChangedFile;
use crate::sandbox::views::WEB;
use serde_json::Value;

fn state(pull: &Pull) -> &'static str {
    match (pull.merged_at.is_some(), pull.open) {
        (true, _) => "MERGED",
        (false, true) => "OPEN",
        (false, false) => "CLOSED",
    }
}

pub(super) fn of_repository(cx: &Cx<'_>, id: u64, name: &str, args: &Value) -> Answer {
    let repo = cx.repo(id)?;
    if name == "pullRequest" {
        let number = args["number"].as_u64().unwrap_or(0);
        let unknown =
            || GqlError::new("NOT_FOUND", &format!("Could not resolve to a PullRequest with the number of {number}."));
        return repo.pulls.get(&number).map(|p| Got::One(Some(Node::PullRequest(id, p.number)))).ok_or_else(unknown);
    }
    let states = args["states"].as_array();
    let fits = |p: &&Pull| {
        let in_state = states.is_none_or(|words| words.iter().any(|w| w == state(p)));
        let base = text(args, "baseRefName").is_none_or(|b| b == p.base);
        in_state && base && text(args, "headRefName").is_none_or(|h| h == p.head)
    };
    let mut all = repo.pulls.values().filter(fits).collect::<Vec<_>>();
    if args["orderBy"]["field"] == "UPDATED_AT" {
        all.sort_by_key(|p| p.updated_at);
    }
    if descending(args, false) {
        all.reverse();
    }
    Ok(Got::Page(Connection::of("PullRequestConnection", args, &all, |p| Node::PullRequest(id, p.number))))
}

pub(super) fn pull(cx: &Cx<'_>, id: u64, number: u64, name: &str, args: &Value) -> Answer {
    let repo = cx.repo(id)?;
    let Some(pull) = repo.pulls.get(&number) else { return Got::one(None) };
    match name {
        "id" => Got::leaf(node_id(Kind::PullRequest, id, pull.id)),
        "databaseId" => Got::leaf(pull.id),
        "fullDatabaseId" => Got::leaf(pull.id.to_string()),
        "number" => Got::leaf(number),
        "title" => Got::leaf(pull.title.as_str()),
        "body" => Got::leaf(pull.body.as_str()),
        "state" => Got::leaf(state(pull)),
        "isDraft" => Got::leaf(pull.draft),
        "merged" => Got::leaf(pull.merged_at.is_some()),
        "mergedAt" => Got::leaf(pull.merged_at.map(Millis::rfc3339)),
        "mergeCommit" => Got::one(pull.merge_commit.clone().map(|sha| Node::Commit(id, sha))),
        "mergedBy" => Got::one(pull.merged_by.clone().map(Node::Account)),
        // Nobody for an account that is gone, or that an import could not know.
        "author" => Got::one((!pull.author.is_empty()).then(|| Node::Account(pull.author.clone()))),
        "createdAt" => date(pull.created_at),
        "url" => Got::leaf(format!("{WEB}/{}/pull/{number}", repo.full_name())),
        "headRefName" => Got::leaf(pull.head.as_str()),
        "headRefOid" => Got::leaf(pull.head_sha.as_str()),
        "baseRefName" => Got::leaf(pull.base.as_str()),
        "baseRefOid" => Got::leaf(pull.base_sha.as_str()),
        "isCrossRepository" => Got::leaf(pull.head_repo.is_some()),
        "repository" => Got::one(Node::Repository(id)),
        // Forks are not kept here; one that was deleted is nothing on GitHub, too.
        "headRepository" => Got::one(pull.head_repo.is_none().then_some(Node::Repository(id))),
        "commits" => {
            let mut all = repo.work_of(pull);
            all.reverse();
            let node = |sha: &Sha| Node::PullCommit { repo: id, pull: number, sha: sha.clone() };
            Ok(Got::Page(Connection::of("PullRequestCommitConnection", args, &all, node)))
        }
        "files" => {
            let all = repo.files_of(pull).map_err(|e| GqlError::new("INTERNAL", &e.to_string()))?;
            let node = |file: &ChangedFile| Node::ChangedFile(file.path.clone());
            Ok(Got::Page(Connection::of("PullRequestChangedFileConnection", args, &all, node)))
        }
        "labels" => {
            Ok(Got::Page(Connection::of("LabelConnection", args, &pull.labels, |label| Node::Label(id, label.clone()))))
        }
        _ => missing("PullRequest", name),
    }
}

pub(super) fn commit(repo: u64, pull: u64, sha: &Sha, name: &str) -> Answer {
    match name {
        "id" => made_up("PRC", sha),
        "commit" => Got::one(Node::Commit(repo, sha.clone())),
        _ => Got::one(Node::PullRequest(repo, pull)),
    }
}

pub(super) fn label(cx: &Cx<'_>, id: u64, label: &str, name: &str) -> Answer {
    let number = cx.repo(id)?.labels.get(label).copied().unwrap_or_default();
    match name {
        "id" => Got::leaf(node_id(Kind::Label, id, number)),
        "name" => Got::leaf(label),
        "color" => Got::leaf("ededed"),
        "description" => Got::leaf(Value::Null),
        _ => missing("Label", name),
    }
}
