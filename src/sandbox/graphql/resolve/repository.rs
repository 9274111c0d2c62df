//! Repositories, references and comparisons.

use super::{Answer, date, descending, made_up, missing, text};
use crate::domain::Sha;
use crate::sandbox::graphql::connection::Connection;
use crate::sandbox::graphql::exec::{Cx, Got};
use crate::sandbox::graphql::nodes::Node;
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::repo::Repo;
use crate::sandbox::rest::commits::comparison as comparison_word;
use crate::sandbox::views::WEB;
use serde_json::Value;

pub(super) fn repository(cx: &mut Cx<'_>, id: u64, name: &str, args: &Value) -> Answer {
    let repo = cx.repo(id)?;
    match name {
        "id" => Got::leaf(node_id(Kind::Repository, 0, id)),
        "databaseId" => Got::leaf(id),
        "name" => Got::leaf(repo.name.as_str()),
        "nameWithOwner" => Got::leaf(repo.full_name()),
        "owner" => Got::one(Node::Account(repo.owner.clone())),
        "url" => Got::leaf(format!("{WEB}/{}", repo.full_name())),
        "isFork" => Got::leaf(repo.fork),
        "isArchived" => Got::leaf(false),
        "isPrivate" => Got::leaf(repo.private),
        "isEmpty" => Got::leaf(repo.refs.is_empty()),
        "createdAt" => date(repo.created_at),
        "pushedAt" => date(repo.pushed_at),
        "defaultBranchRef" => {
            let full = format!("refs/heads/{}", repo.default_branch);
            Got::one(repo.refs.contains_key(&full).then_some(Node::Ref(id, full)))
        }
        "ref" => {
            let wanted = text(args, "qualifiedName").unwrap_or_default();
            let names = ["", "refs/heads/", "refs/tags/", "refs/"].map(|prefix| format!("{prefix}{wanted}"));
            Got::one(names.into_iter().find(|name| repo.refs.contains_key(name)).map(|name| Node::Ref(id, name)))
        }
        "refs" => Ok(Got::Page(refs(repo, args))),
        "object" => object(cx, id, args),
        "release" | "latestRelease" | "releases" => super::releases::of_repository(cx, id, name, args),
        "deployments" => {
            let all = repo.deployments.iter().collect::<Vec<_>>();
            Ok(super::deployments::list(id, &all, args))
        }
        "pullRequest" | "pullRequests" => super::pulls::of_repository(cx, id, name, args),
        _ => missing("Repository", name),
    }
}

/// By name, or by the date of the commit behind a tag.
fn refs(repo: &Repo, args: &Value) -> Connection {
    let prefix = text(args, "refPrefix").unwrap_or_default();
    let query = text(args, "query").unwrap_or_default();
    let names = repo.refs.keys().filter(|n| n.strip_prefix(prefix).is_some_and(|rest| rest.contains(query)));
    let mut names = names.collect::<Vec<_>>();
    let by_date = args["orderBy"]["field"] == "TAG_COMMIT_DATE" && prefix.starts_with("refs/tags");
    let time = |name: &&String| {
        let commit = repo.refs.get(*name).and_then(|t| repo.git.commit(&t.commit));
        commit.map_or(0, |c| c.committer.time)
    };
    if by_date {
        names.sort_by_key(time);
    }
    let direction = text(args, "direction").is_some_and(|d| d == "DESC");
    if descending(args, direction) {
        names.reverse();
    }
    Connection::of("RefConnection", args, &names, |name| Node::Ref(repo.id, (*name).clone()))
}

fn object(cx: &mut Cx<'_>, id: u64, args: &Value) -> Answer {
    let repo = cx.repo_mut(id)?;
    let Some(wanted) = text(args, "oid").or(text(args, "expression")).map(str::to_owned) else {
        return Got::one(None);
    };
    let (revision, path) = wanted.split_once(':').map_or((wanted.as_str(), None), |(r, p)| (r, Some(p)));
    let named = repo.refs.get(revision).map(|t| t.object.clone());
    let at = named.or_else(|| repo.resolve(revision)).map_or_else(|| revision.to_owned(), |sha| sha.to_string());
    let spec = path.map_or(at.clone(), |path| format!("{at}:{path}"));
    if spec.starts_with('-') {
        return Got::one(None);
    }
    let object = repo.git.object(&spec).ok().flatten().filter(|o| !repo.lost.contains(&o.oid));
    Got::one(object.and_then(|o| git_object(id, &o.kind, o.oid)))
}

pub(super) fn git_object(repo: u64, kind: &str, oid: Sha) -> Option<Node> {
    match kind {
        "commit" => Some(Node::Commit(repo, oid)),
        "tag" => Some(Node::Tag(repo, oid)),
        "tree" => Some(Node::Tree(repo, oid)),
        "blob" => Some(Node::Blob(repo, oid)),
        _ => None,
    }
}

pub(super) fn reference(cx: &mut Cx<'_>, id: u64, full: &str, name: &str, args: &Value) -> Answer {
    let repo = cx.repo_mut(id)?;
    let Some(target) = repo.refs.get(full).cloned() else { return Got::one(None) };
    let short = full.strip_prefix("refs/heads/").or(full.strip_prefix("refs/tags/")).unwrap_or(full);
    match name {
        "id" => made_up("REF", full),
        "name" => Got::leaf(short),
        "prefix" => Got::leaf(full.trim_end_matches(short)),
        "target" if target.annotated() => Got::one(Node::Tag(id, target.object)),
        "target" => Got::one(Node::Commit(id, target.commit)),
        "repository" => Got::one(Node::Repository(id)),
        // An unknown head is null, not an error.
        "compare" => {
            let head = repo.resolve(text(args, "headRef").unwrap_or_default());
            Got::one(head.map(|head| Node::Comparison { repo: id, base: target.commit, head }))
        }
        _ => missing("Ref", name),
    }
}

pub(super) fn comparison(cx: &Cx<'_>, id: u64, base: &Sha, head: &Sha, name: &str, args: &Value) -> Answer {
    let repo = cx.repo(id)?;
    match name {
        "id" => made_up("CMP", format!("{base}{head}")),
        "status" => {
            let (ahead, behind) = repo.git.ahead_behind(base, head);
            Got::leaf(comparison_word(ahead, behind).to_uppercase())
        }
        "aheadBy" => Got::leaf(repo.git.ahead_behind(base, head).0),
        "behindBy" => Got::leaf(repo.git.ahead_behind(base, head).1),
        "baseTarget" => Got::one(Node::Commit(id, base.clone())),
        "headTarget" => Got::one(Node::Commit(id, head.clone())),
        "commits" => {
            let mut range = repo.git.range(&[base], head);
            range.reverse(); // oldest first, as in REST
            Ok(Got::Page(Connection::of("ComparisonCommitConnection", args, &range, |sha| Node::Commit(id, sha.clone()))))
        }
        _ => missing("Comparison", name),
    }
}
