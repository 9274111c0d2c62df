//! Comments on pull requests, reactions to them, and the moves of references.

use super::{WEB, account_of, app};
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::{Comment, Pull, Push, Reaction};
use crate::sandbox::repo::Repo;
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) fn comment(world: &World, repo: &Repo, comment: &Comment) -> Value {
    let (name, base) = (repo.full_name(), &world.base);
    let by_app = if comment.by_app { app(world, world.config.app_id, &world.config.app_slug) } else { Value::Null };
    json!({
        "url": format!("{base}/repos/{name}/issues/comments/{}", comment.id),
        "html_url": format!("{WEB}/{name}/pull/{}#issuecomment-{}", comment.pull, comment.id),
        "issue_url": format!("{base}/repos/{name}/issues/{}", comment.pull), "id": comment.id,
        "node_id": node_id(Kind::Comment, repo.id, comment.id), "user": account_of(world, &comment.author),
        "created_at": comment.created_at.rfc3339(), "updated_at": comment.updated_at.rfc3339(), "body": comment.body,
        "author_association": "CONTRIBUTOR", "performed_via_github_app": by_app,
        "reactions": { "total_count": comment.reactions.len() },
    })
}

pub(in crate::sandbox) fn reaction(world: &World, repo: &Repo, reaction: &Reaction) -> Value {
    json!({
        "id": reaction.id, "node_id": node_id(Kind::Reaction, repo.id, reaction.id), "user": account_of(world, &reaction.by),
        "content": reaction.content, "created_at": world.stamp(),
    })
}

/// A pull request as the issue that it is too.
pub(in crate::sandbox) fn issue(world: &World, repo: &Repo, pull: &Pull) -> Value {
    let name = repo.full_name();
    let url = format!("{}/repos/{name}/issues/{}", world.base, pull.number);
    let page = format!("{WEB}/{name}/pull/{}", pull.number);
    json!({
        "url": url, "id": pull.id, "number": pull.number, "title": pull.title, "html_url": page,
        "user": (!pull.author.is_empty()).then(|| account_of(world, &pull.author)),
        "state": if pull.open { "open" } else { "closed" }, "locked": false, "body": pull.body, "labels": [],
        "created_at": pull.created_at.rfc3339(), "updated_at": pull.updated_at.rfc3339(),
        "pull_request": { "url": format!("{}/repos/{name}/pulls/{}", world.base, pull.number), "html_url": page },
    })
}

pub(in crate::sandbox) fn push(world: &World, push: &Push) -> Value {
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    let kind = match () {
        () if zero(&push.before) => "branch_creation",
        () if zero(&push.after) => "branch_deletion",
        () if push.forced => "force_push",
        () => "push",
    };
    json!({
        "id": push.id, "node_id": node_id(Kind::Push, 0, push.id), "before": push.before, "after": push.after,
        "ref": push.git_ref, "timestamp": push.at.rfc3339(), "activity_type": kind, "actor": account_of(world, &push.by),
    })
}
