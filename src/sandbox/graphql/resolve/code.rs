//! Commits, annotated tags, trees and blobs.

use super::{Answer, date, made_up, missing, text};
use crate::domain::{Millis, Sha};
use crate::sandbox::git::CommitObject;
use crate::sandbox::graphql::GqlError;
use crate::sandbox::graphql::connection::Connection;
use crate::sandbox::graphql::exec::{Cx, Got};
use crate::sandbox::graphql::nodes::{Entry, Node};
use crate::sandbox::repo::Repo;
use crate::sandbox::views::WEB;
use serde_json::Value;

/// Bytes of a blob's text; the rest is cut off.
const LONGEST_TEXT: usize = 512 * 1024;

/// What every git object answers.
fn common(repo: u64, prefix: &str, oid: &Sha, name: &str) -> Option<Answer> {
    Some(match name {
        "id" => made_up(prefix, oid),
        "oid" => Got::leaf(oid.as_str()),
        "abbreviatedOid" => Got::leaf(oid.short()),
        "repository" => Got::one(Node::Repository(repo)),
        _ => return None,
    })
}

pub(super) fn commit(cx: &mut Cx<'_>, id: u64, sha: &Sha, name: &str, args: &Value) -> Answer {
    if let Some(answer) = common(id, "C", sha, name) {
        return answer;
    }
    if name == "file" {
        return file(cx, id, sha, args);
    }
    let repo = cx.repo(id)?;
    let Some(commit) = repo.git.commit(sha) else { return Got::one(None) };
    let CommitObject { tree, parents, author, committer, message, .. } = commit;
    let (headline, body) = message.split_once('\n').unwrap_or((message, ""));
    match name {
        "url" => Got::leaf(format!("{WEB}/{}/commit/{sha}", repo.full_name())),
        "message" => Got::leaf(message.as_str()),
        "messageHeadline" => Got::leaf(headline),
        "messageBody" => Got::leaf(body.trim_start_matches('\n')),
        "author" => Got::one(Node::GitActor(author.clone())),
        "committer" => Got::one(Node::GitActor(committer.clone())),
        "authoredDate" => date(Millis(author.time.saturating_mul(1_000))),
        "committedDate" => date(Millis(committer.time.saturating_mul(1_000))),
        "tree" => Got::one(Node::Tree(id, tree.clone())),
        "parents" => Ok(Got::Page(Connection::of("CommitConnection", args, parents, |p| Node::Commit(id, p.clone())))),
        "history" => history(repo, sha, args),
        "associatedPullRequests" => {
            // Of a commit that forks have too, GitHub tells the pull requests of all of them.
            let others = cx.world.repos.values().filter(|other| other.id != id);
            let known = std::iter::once(repo).chain(others);
            let all: Vec<_> = known.flat_map(|of| of.pulls_with(sha).into_iter().map(|p| (of.id, p.number))).collect();
            let node = |(of, number): &(u64, u64)| Node::PullRequest(*of, *number);
            Ok(Got::Page(Connection::of("PullRequestConnection", args, &all, node)))
        }
        "statusCheckRollup" => {
            let any = repo.checks.iter().any(|c| c.sha == *sha) || repo.statuses.iter().any(|s| s.sha == *sha);
            Got::one(any.then(|| Node::Rollup(id, sha.clone())))
        }
        "status" => {
            let any = repo.statuses.iter().any(|s| s.sha == *sha);
            Got::one(any.then(|| Node::Status(id, sha.clone())))
        }
        "checkSuites" => Ok(Got::Page(super::checks::suites(repo, sha, args))),
        "deployments" => {
            let all = repo.deployments.iter().filter(|d| d.sha == *sha).collect::<Vec<_>>();
            Ok(super::deployments::list(id, &all, args))
        }
        _ => missing("Commit", name),
    }
}

fn history(repo: &Repo, sha: &Sha, args: &Value) -> Answer {
    if !args["author"]["id"].is_null() {
        return Err(GqlError::new("NOT_IMPLEMENTED", "the sandbox answers no history by author id"));
    }
    let touching = text(args, "path").map(|path| repo.git.touching(sha, path)).transpose();
    let touching = touching.map_err(|why| GqlError::new("INTERNAL", &why.to_string()))?;
    let emails = args["author"]["emails"].as_array();
    let moment = |name: &str| text(args, name).and_then(Millis::parse_rfc3339).map(|at| at.0 / 1_000);
    let (since, until) = (moment("since"), moment("until"));
    let keep = |sha: &Sha| {
        repo.git.commit(sha).is_some_and(|c| {
            let by = emails
                .is_none_or(|list| list.iter().any(|e| e.as_str().is_some_and(|e| e.eq_ignore_ascii_case(&c.author.email))));
            let touches = touching.as_ref().is_none_or(|all| all.contains(sha));
            touches && by && since.is_none_or(|at| c.committer.time >= at) && until.is_none_or(|at| c.committer.time <= at)
        })
    };
    let all = repo.git.range(&[], sha).into_iter().filter(keep).collect::<Vec<_>>();
    Ok(Got::Page(Connection::of("CommitHistoryConnection", args, &all, |sha| Node::Commit(repo.id, sha.clone()))))
}

/// A path in a commit. Asking git for the object alone does not tell its mode; nobody needs more than the usual one.
fn file(cx: &mut Cx<'_>, id: u64, sha: &Sha, args: &Value) -> Answer {
    let path = text(args, "path").unwrap_or_default().trim_matches('/').to_owned();
    let object = cx.repo_mut(id)?.git.object(&format!("{sha}:{path}")).ok().flatten();
    let entry = object.map(|o| Entry {
        mode: if o.kind == "tree" { 0o40_000 } else { 0o100_644 },
        size: u64::try_from(o.bytes.len()).unwrap_or(u64::MAX),
        kind: o.kind,
        oid: o.oid,
        path,
    });
    Got::one(entry.map(|entry| Node::TreeEntry(id, Box::new(entry))))
}

pub(super) fn tag(cx: &mut Cx<'_>, id: u64, oid: &Sha, name: &str) -> Answer {
    if let Some(answer) = common(id, "TA", oid, name) {
        return answer;
    }
    let Some(tag) = cx.repo_mut(id)?.git.tag(oid) else { return Got::one(None) };
    match name {
        "name" => Got::leaf(tag.name),
        "message" => Got::leaf(tag.message),
        "tagger" => Got::one(tag.tagger.map(Node::GitActor)),
        "target" => Got::one(super::repository::git_object(id, &tag.kind, tag.target)),
        _ => missing("Tag", name),
    }
}

pub(super) fn tree(cx: &mut Cx<'_>, id: u64, oid: &Sha, name: &str) -> Answer {
    if let Some(answer) = common(id, "T", oid, name) {
        return answer;
    }
    if name != "entries" {
        return missing("Tree", name);
    }
    let out = cx.repo(id)?.git.run(&["ls-tree", "-z", "-l", oid.as_str()], b"");
    let out = out.map_err(|e| GqlError::new("INTERNAL", &e.to_string()))?;
    let line = |line: &str| {
        let (meta, path) = line.split_once('\t')?;
        let mut words = meta.split_whitespace();
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let (kind, oid) = (words.next()?.to_owned(), Sha::parse(words.next()?).ok()?);
        let size = words.next()?.parse().unwrap_or(0);
        Some(Node::TreeEntry(id, Box::new(Entry { path: path.to_owned(), mode, kind, oid, size })))
    };
    Ok(Got::Many(String::from_utf8_lossy(&out).split('\0').filter_map(line).collect()))
}

pub(super) fn entry(repo: u64, entry: &Entry, name: &str) -> Answer {
    match name {
        "name" => Got::leaf(entry.path.rsplit('/').next().unwrap_or_default()),
        "path" => Got::leaf(entry.path.as_str()),
        "type" => Got::leaf(entry.kind.as_str()),
        "mode" => Got::leaf(entry.mode),
        "oid" => Got::leaf(entry.oid.as_str()),
        "size" => Got::leaf(entry.size),
        "object" => Got::one(super::repository::git_object(repo, &entry.kind, entry.oid.clone())),
        _ => missing("TreeEntry", name),
    }
}

pub(super) fn blob(cx: &mut Cx<'_>, id: u64, oid: &Sha, name: &str) -> Answer {
    if let Some(answer) = common(id, "B", oid, name) {
        return answer;
    }
    let object = cx.repo_mut(id)?.git.object(oid.as_str()).ok().flatten();
    let bytes = object.map(|o| o.bytes).unwrap_or_default();
    let binary = bytes.iter().take(8_000).any(|b| *b == 0);
    match name {
        "byteSize" => Got::leaf(bytes.len()),
        "isBinary" => Got::leaf(binary),
        "isTruncated" => Got::leaf(bytes.len() > LONGEST_TEXT),
        "text" if binary => Got::leaf(Value::Null),
        "text" => {
            Got::leaf(String::from_utf8_lossy(bytes.get(..bytes.len().min(LONGEST_TEXT)).unwrap_or_default()).into_owned())
        }
        _ => missing("Blob", name),
    }
}
