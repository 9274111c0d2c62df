//! State as GitHub's JSON. One function per thing; answers and webhooks use the same ones.

mod checks;
mod code;
mod comments;
mod deployments;
mod pulls;
mod runs;

pub(super) use checks::{check_run, status, status_event, suite};
pub(super) use code::{commit, git_tag, hook_commit, reference};
pub(super) use comments::{comment, issue, push, reaction};
pub(super) use deployments::{deployment, deployment_status};
pub(super) use pulls::pull;
pub(super) use runs::{workflow, workflow_run};

use super::hooks::Delivery;
use super::ids::{Kind, node_id};
use super::model::{Account, AccountKind, Release};
use super::repo::Repo;
use super::world::{Install, World};
use serde_json::{Value, json};

/// Where people look; links for machines point at the stand-in.
pub(super) const WEB: &str = "https://github.com";

pub(super) fn account(base: &str, account: &Account) -> Value {
    let kind = match account.kind {
        AccountKind::User => "User",
        AccountKind::Bot => "Bot",
        AccountKind::Organization => "Organization",
    };
    let login = &account.login;
    let page = login.strip_suffix("[bot]").map_or_else(|| login.clone(), |slug| format!("apps/{slug}"));
    json!({
        "login": login, "id": account.id, "node_id": node_id(Kind::Account, 0, account.id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", account.id), "gravatar_id": "",
        "url": format!("{base}/users/{login}"), "html_url": format!("{WEB}/{page}"),
        "type": kind, "user_view_type": "public", "site_admin": false,
    })
}

/// By login; an account that is not known yet shows with id 0, which only a bug can bring about.
pub(super) fn account_of(world: &World, login: &str) -> Value {
    let unknown = || Account { id: 0, login: login.to_owned(), kind: AccountKind::User, email: String::new() };
    account(&world.base, &world.find_account(login).cloned().unwrap_or_else(unknown))
}

pub(super) fn repository(world: &World, repo: &Repo) -> Value {
    let (name, base) = (repo.full_name(), &world.base);
    let url = format!("{base}/repos/{name}");
    let mut value = json!({
        "id": repo.id, "node_id": node_id(Kind::Repository, 0, repo.id), "name": repo.name, "full_name": name,
        "private": repo.private, "owner": account_of(world, &repo.owner), "html_url": format!("{WEB}/{name}"),
        "description": null, "fork": repo.fork, "url": url,
    });
    let under = [
        ("branches", "branches{/branch}"),
        ("git_refs", "git/refs{/sha}"),
        ("git_tags", "git/tags{/sha}"),
        ("statuses", "statuses/{sha}"),
        ("commits", "commits{/sha}"),
        ("compare", "compare/{base}...{head}"),
        ("contents", "contents/{+path}"),
        ("pulls", "pulls{/number}"),
        ("issues", "issues{/number}"),
        ("releases", "releases{/id}"),
        ("deployments", "deployments"),
    ];
    for (key, path) in under {
        value[format!("{key}_url")] = format!("{url}/{path}").into();
    }
    let rest = json!({
        "created_at": repo.created_at.rfc3339(), "updated_at": repo.pushed_at.rfc3339(), "pushed_at": repo.pushed_at.rfc3339(),
        "git_url": format!("git://github.com/{name}.git"), "ssh_url": format!("git@github.com:{name}.git"),
        "clone_url": format!("{base}/{name}.git"), "homepage": null, "size": 1, "stargazers_count": 0, "watchers_count": 0,
        "language": null, "has_issues": true, "has_projects": true, "has_downloads": true, "has_wiki": true, "has_pages": false,
        "has_discussions": false, "forks_count": 0, "mirror_url": null, "archived": false, "disabled": false,
        "open_issues_count": 0, "license": null, "allow_forking": true, "is_template": false, "topics": [],
        "visibility": if repo.private { "private" } else { "public" }, "forks": 0, "open_issues": 0, "watchers": 0,
        "default_branch": repo.default_branch,
    });
    if let (Value::Object(into), Value::Object(rest)) = (&mut value, rest) {
        into.extend(rest);
    }
    value
}

/// The App under test, or another one by its id and slug.
pub(super) fn app(world: &World, id: u64, slug: &str) -> Value {
    let ours = id == world.config.app_id;
    json!({
        "id": id, "slug": slug, "node_id": node_id(Kind::App, 0, id), "name": slug,
        "client_id": if ours { world.client_id() } else { format!("Iv1.{id:016x}") },
        "owner": account_of(world, "sandbox-owner"), "description": "", "external_url": format!("{WEB}/apps/{slug}"),
        "html_url": format!("{WEB}/apps/{slug}"), "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        "permissions": if ours { json!(world.config.permissions) } else { json!({ "checks": "write", "metadata": "read" }) },
        "events": if ours { json!(world.config.events) } else { json!([]) },
    })
}

pub(super) fn installation(world: &World, install: &Install) -> Value {
    let base = &world.base;
    let account = world.find_account(&install.account);
    let kind = account.map_or("User", |a| if a.kind == AccountKind::Organization { "Organization" } else { "User" });
    let mut permissions = json!(install.permissions);
    permissions["metadata"] = "read".into();
    json!({
        "id": install.id, "node_id": node_id(Kind::Installation, 0, install.id), "client_id": world.client_id(),
        "account": account_of(world, &install.account), "repository_selection": "selected",
        "access_tokens_url": format!("{base}/app/installations/{}/access_tokens", install.id),
        "repositories_url": format!("{base}/installation/repositories"),
        "html_url": format!("{WEB}/settings/installations/{}", install.id),
        "app_id": world.config.app_id, "app_slug": world.config.app_slug, "target_id": account.map_or(0, |a| a.id), "target_type": kind,
        "permissions": permissions, "events": world.config.events,
        "created_at": install.created_at.rfc3339(), "updated_at": install.created_at.rfc3339(), "single_file_name": null,
        "suspended_by": install.suspended_at.map(|_| account_of(world, &install.account)),
        "suspended_at": install.suspended_at.map(crate::domain::Millis::rfc3339),
    })
}

pub(super) fn release(world: &World, repo: &Repo, release: &Release) -> Value {
    let (name, base) = (repo.full_name(), &world.base);
    let url = format!("{base}/repos/{name}/releases/{}", release.id);
    let page = if release.draft { format!("untagged-{:020x}", release.id) } else { super::http::encode(&release.tag) };
    let assets = release.assets.iter().zip(1_u64..).map(|(asset, n)| {
        json!({
            "id": release.id + n, "name": asset.name, "state": if asset.digest.is_some() { "uploaded" } else { "starter" },
            "digest": asset.digest, "size": 1, "content_type": "application/gzip",
        })
    });
    let assets: Vec<Value> = assets.collect();
    let ball = |kind: &str| (!release.draft).then(|| format!("{base}/repos/{name}/{kind}/{}", release.tag));
    json!({
        "url": url, "assets_url": format!("{url}/assets"), "upload_url": format!("{url}/assets{{?name,label}}"),
        "html_url": format!("{WEB}/{name}/releases/tag/{page}"), "id": release.id,
        "author": account_of(world, &release.author), "node_id": node_id(Kind::Release, repo.id, release.id),
        "tag_name": release.tag, "target_commitish": release.target, "name": release.name, "draft": release.draft,
        "immutable": false, "prerelease": release.prerelease, "created_at": release.created_at.rfc3339(),
        "updated_at": release.published_at.unwrap_or(release.created_at).rfc3339(),
        "published_at": release.published_at.map(crate::domain::Millis::rfc3339), "assets": assets,
        "tarball_url": ball("tarball"), "zipball_url": ball("zipball"), "body": release.body,
    })
}

/// `full` adds the request and the answer.
pub(super) fn delivery(world: &World, delivery: &Delivery, full: bool) -> Value {
    let mut value = json!({
        "id": delivery.id, "guid": delivery.guid, "delivered_at": delivery.at.rfc3339(), "redelivery": delivery.redelivery,
        "duration": delivery.duration, "status": delivery.status, "status_code": delivery.status_code, "event": delivery.event,
        "action": delivery.action, "installation_id": delivery.installation, "repository_id": delivery.repository,
        "throttled_at": null, "url": "",
    });
    if full {
        let payload = serde_json::from_str(&delivery.payload).unwrap_or(Value::Null);
        let headers = json!({ "X-GitHub-Event": delivery.event, "X-GitHub-Delivery": delivery.guid });
        value["url"] = world.webhook.as_ref().map(|w| w.url.clone()).into();
        value["request"] = json!({ "headers": headers, "payload": payload });
        value["response"] = json!({ "headers": {}, "payload": delivery.response });
    }
    value
}
