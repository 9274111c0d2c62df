//! Pull requests.

use super::{WEB, account_of, repository};
use crate::domain::Millis;
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::Pull;
use crate::sandbox::repo::Repo;
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) fn pull(world: &World, repo: &Repo, pull: &Pull) -> Value {
    let name = repo.full_name();
    let url = format!("{}/repos/{name}/pulls/{}", world.base, pull.number);
    let label = |label: &String| {
        let id = repo.labels.get(label).copied().unwrap_or_default();
        json!({ "id": id, "node_id": node_id(Kind::Label, repo.id, id), "name": label, "color": "ededed", "description": null })
    };
    // A fork that was deleted leaves its pull request without a head repository.
    let head_repo = match &pull.head_repo {
        None => repository(world, repo),
        Some(fork) if fork.is_empty() => Value::Null,
        Some(fork) => {
            json!({ "id": 1, "full_name": fork, "fork": true, "name": repo.name, "owner": { "login": fork.split('/').next() } })
        }
    };
    let head_owner = pull.head_repo.as_deref().and_then(|f| f.split('/').next()).unwrap_or(&repo.owner);
    json!({
        "url": url, "id": pull.id, "node_id": node_id(Kind::PullRequest, repo.id, pull.id),
        "html_url": format!("{WEB}/{name}/pull/{}", pull.number), "number": pull.number,
        "state": if pull.open { "open" } else { "closed" }, "locked": false, "title": pull.title,
        "user": (!pull.author.is_empty()).then(|| account_of(world, &pull.author)), "body": pull.body, "draft": pull.draft,
        "created_at": pull.created_at.rfc3339(), "updated_at": pull.updated_at.rfc3339(),
        "closed_at": (!pull.open).then(|| pull.updated_at.rfc3339()), "merged_at": pull.merged_at.map(Millis::rfc3339),
        "merge_commit_sha": pull.merge_commit, "merged": pull.merged_at.is_some(),
        "merged_by": pull.merged_by.as_ref().map(|login| account_of(world, login)),
        "labels": pull.labels.iter().map(label).collect::<Vec<_>>(), "assignees": [], "requested_reviewers": [], "milestone": null,
        "head": { "label": format!("{head_owner}:{}", pull.head), "ref": pull.head, "sha": pull.head_sha, "repo": head_repo },
        "base": { "label": format!("{}:{}", repo.owner, pull.base), "ref": pull.base, "sha": pull.base_sha, "repo": repository(world, repo) },
        "author_association": "CONTRIBUTOR", "auto_merge": null, "mergeable": null, "mergeable_state": "unknown",
        "commits_url": format!("{url}/commits"), "commits": pull.commits.len().max(1),
    })
}
