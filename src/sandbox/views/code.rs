//! Commits, references and annotated tags.

use super::{WEB, account_of};
use crate::domain::{Millis, Sha};
use crate::sandbox::git::{CommitObject, Identity, TagObject};
use crate::sandbox::repo::{Repo, Target};
use crate::sandbox::world::World;
use serde_json::{Value, json};

/// `{name, email, date}` in UTC, as git objects show in REST.
fn git_commit_person(who: &Identity) -> Value {
    json!({ "name": who.name, "email": who.email, "date": Millis(who.time.saturating_mul(1_000)).rfc3339() })
}

fn linked(world: &World, who: &Identity) -> Value {
    let login = world.login_of_email(&who.email);
    login.filter(|login| world.find_account(login).is_some()).map_or(Value::Null, |login| account_of(world, &login))
}

/// A commit as REST lists it.
pub(in crate::sandbox) fn commit(world: &World, repo: &Repo, sha: &Sha) -> Value {
    let Some(commit) = repo.git.commit(sha) else { return Value::Null };
    let name = repo.full_name();
    let url = format!("{}/repos/{name}/commits/{sha}", world.base);
    let parent = |p: &Sha| json!({ "sha": p, "url": format!("{}/repos/{name}/commits/{p}", world.base) });
    json!({
        "sha": sha, "node_id": format!("C_{sha}"), "url": url, "html_url": format!("{WEB}/{name}/commit/{sha}"),
        "commit": {
            "author": git_commit_person(&commit.author), "committer": git_commit_person(&commit.committer),
            "message": commit.message, "tree": { "sha": commit.tree, "url": format!("{}/repos/{name}/git/trees/{}", world.base, commit.tree) },
            "url": format!("{}/repos/{name}/git/commits/{sha}", world.base), "comment_count": 0,
            "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null },
        },
        "author": linked(world, &commit.author), "committer": linked(world, &commit.committer),
        "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
    })
}

/// A commit as a push event has it.
pub(in crate::sandbox) fn hook_commit(world: &World, repo: &Repo, sha: &Sha) -> Value {
    let Some(commit) = repo.git.commit(sha) else { return Value::Null };
    let CommitObject { tree, author, committer, message, .. } = commit;
    let person = |who: &Identity| match world.login_of_email(&who.email) {
        Some(login) => json!({ "name": who.name, "email": who.email, "username": login }),
        None => json!({ "name": who.name, "email": who.email }),
    };
    json!({
        "id": sha, "tree_id": tree, "distinct": true, "message": message,
        "timestamp": Millis(committer.time.saturating_mul(1_000)).rfc3339(),
        "url": format!("{WEB}/{}/commit/{sha}", repo.full_name()),
        "author": person(author), "committer": person(committer), "added": [], "removed": [], "modified": [],
    })
}

/// A reference as `git/ref` shows it: the object is not peeled.
pub(in crate::sandbox) fn reference(world: &World, repo: &Repo, name: &str, target: &Target) -> Value {
    let url = format!("{}/repos/{}/git", world.base, repo.full_name());
    let (kind, place) = if target.annotated() { ("tag", "tags") } else { ("commit", "commits") };
    json!({
        "ref": name, "node_id": format!("REF_{name}"), "url": format!("{url}/{name}"),
        "object": { "sha": target.object, "type": kind, "url": format!("{url}/{place}/{}", target.object) },
    })
}

pub(in crate::sandbox) fn git_tag(world: &World, repo: &Repo, oid: &Sha, tag: &TagObject) -> Value {
    let url = format!("{}/repos/{}/git", world.base, repo.full_name());
    json!({
        "node_id": format!("TA_{oid}"), "tag": tag.name, "sha": oid, "url": format!("{url}/tags/{oid}"),
        "message": tag.message.trim_end_matches('\n'), "tagger": tag.tagger.as_ref().map(git_commit_person),
        "object": { "sha": tag.target, "type": tag.kind, "url": format!("{url}/{}s/{}", tag.kind, tag.target) },
        "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null },
    })
}
