//! Releases.

use super::{Answer, date, descending, missing, text};
use crate::sandbox::graphql::connection::Connection;
use crate::sandbox::graphql::exec::{Cx, Got};
use crate::sandbox::graphql::nodes::Node;
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::views;
use serde_json::Value;

pub(super) fn of_repository(cx: &Cx<'_>, id: u64, name: &str, args: &Value) -> Answer {
    let repo = cx.repo(id)?;
    match name {
        // Drafts have no tag yet, whatever they are called.
        "release" => {
            let wanted = text(args, "tagName").unwrap_or_default();
            Got::one(repo.releases.iter().find(|r| !r.draft && r.tag == wanted).map(|r| Node::Release(id, r.id)))
        }
        "latestRelease" => Got::one(repo.latest_release().map(|r| Node::Release(id, r.id))),
        _ => {
            let mut all = repo.releases.iter().filter(|r| !r.draft || cx.caller.may("contents", "write")).collect::<Vec<_>>();
            if args["orderBy"]["field"] == "NAME" {
                all.sort_by(|a, b| a.name.cmp(&b.name));
            } else {
                all.sort_by_key(|r| (r.created_at, r.id));
            }
            if descending(args, true) {
                all.reverse();
            }
            Ok(Got::Page(Connection::of("ReleaseConnection", args, &all, |r| Node::Release(id, r.id))))
        }
    }
}

pub(super) fn release(cx: &Cx<'_>, id: u64, release: u64, name: &str) -> Answer {
    let repo = cx.repo(id)?;
    let Some(release) = repo.releases.iter().find(|r| r.id == release) else { return Got::one(None) };
    let tag = repo.refs.get(&format!("refs/tags/{}", release.tag));
    match name {
        "id" => Got::leaf(node_id(Kind::Release, id, release.id)),
        "databaseId" => Got::leaf(release.id),
        "name" => Got::leaf(release.name.clone()),
        "tagName" => Got::leaf(release.tag.as_str()),
        "description" => Got::leaf(release.body.as_str()),
        "isDraft" => Got::leaf(release.draft),
        "isPrerelease" => Got::leaf(release.prerelease),
        "isLatest" => Got::leaf(repo.latest_release().is_some_and(|r| r.id == release.id)),
        "createdAt" => date(release.created_at),
        "publishedAt" => Got::leaf(release.published_at.map(crate::domain::Millis::rfc3339)),
        "url" => Got::leaf(views::release(cx.world, repo, release)["html_url"].clone()),
        "author" => Got::one(Node::User(release.author.clone())),
        "repository" => Got::one(Node::Repository(id)),
        "tag" => Got::one(tag.map(|_| Node::Ref(id, format!("refs/tags/{}", release.tag)))),
        "tagCommit" => Got::one(tag.map(|t| Node::Commit(id, t.commit.clone()))),
        _ => missing("Release", name),
    }
}
