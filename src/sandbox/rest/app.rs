//! The App itself, its installations and their tokens.

use crate::domain::Millis;
use crate::sandbox::http::{Answer, Call, Caller, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::views;
use crate::sandbox::world::{Install, Permissions, Token, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An installation token lives an hour.
const TOKEN_LIFE_MS: i64 = 3_600_000;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route { name: "GET /app", needs: Needs::Jwt, query: "", body: &[], run: app },
    Route { name: "GET /app/installations", needs: Needs::Jwt, query: "since outdated", body: &[], run: installations },
    Route { name: "GET /app/installations/{id}", needs: Needs::Jwt, query: "", body: &[], run: installation },
    Route {
        name: "POST /app/installations/{id}/access_tokens",
        needs: Needs::Jwt,
        query: "",
        body: &[Field("repositories", Is::List), Field("repository_ids", Is::List), Field("permissions", Is::Object)],
        run: token,
    },
    Route { name: "GET /repos/{owner}/{repo}/installation", needs: Needs::Jwt, query: "", body: &[], run: repo_installation },
    Route { name: "GET /installation/repositories", needs: Needs::Token, query: "", body: &[], run: repositories },
    Route { name: "GET /rate_limit", needs: Needs::Token, query: "", body: &[], run: rate_limit },
];

fn app(world: &mut World, _: &Call) -> Answer {
    let mut value = views::app(world, world.config.app_id, &world.config.app_slug);
    value["installations_count"] = world.installs.len().into();
    Ok(Reply::ok(value))
}

fn installations(world: &mut World, call: &Call) -> Answer {
    let all = world.installs.values().collect::<Vec<_>>();
    Ok(call.paged(world, &all, None, |install| views::installation(world, install)))
}

fn find<'a>(world: &'a World, call: &Call) -> Result<&'a Install, Refused> {
    world.installs.get(&call.id("id")?).ok_or_else(Refused::not_found)
}

fn installation(world: &mut World, call: &Call) -> Answer {
    let install = find(world, call)?;
    Ok(Reply::ok(views::installation(world, install)))
}

fn repo_installation(world: &mut World, call: &Call) -> Answer {
    let id = world.repo_id(&format!("{}/{}", call.param("owner"), call.param("repo")));
    let install = id.and_then(|id| world.install_of(id)).ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(views::installation(world, install)))
}

fn token(world: &mut World, call: &Call) -> Answer {
    let install = find(world, call)?.clone();
    if install.suspended_at.is_some() {
        return Err(Refused::new(403, "This installation has been suspended"));
    }
    let narrowed = call.body.get("repositories").or(call.body.get("repository_ids")).is_some_and(|v| !v.is_null());
    let repos = if narrowed { wanted_repos(world, &install, call)? } else { install.repos.clone() };
    let mut permissions = wanted_permissions(&install, call)?;
    let expires = Millis((world.now().0 + TOKEN_LIFE_MS) / 1_000 * 1_000);
    let text = world.issue(Token { install: install.id, permissions: permissions.clone(), repos: repos.clone(), expires });
    permissions.insert("metadata".into(), "read".into());
    let mut answer = json!({
        "token": text, "expires_at": expires.rfc3339(), "permissions": permissions, "repository_selection": "selected",
    });
    if narrowed {
        let shown = repos.iter().filter_map(|id| world.repos.get(id));
        answer["repositories"] = shown.map(|repo| views::repository(world, repo)).collect();
    }
    Ok(Reply::with(201, answer))
}

fn wanted_repos(world: &World, install: &Install, call: &Call) -> Result<BTreeSet<u64>, Refused> {
    let list = |name: &str| call.body.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let by_name = |name: &Value| {
        let of = install.repos.iter().filter_map(|id| world.repos.get(id));
        of.into_iter().find(|repo| Some(repo.name.as_str()) == name.as_str()).map(|repo| repo.id)
    };
    let by_id = |id: &Value| id.as_u64().filter(|id| install.repos.contains(id));
    let named = list("repositories").iter().map(by_name).collect::<Vec<_>>();
    let numbered = list("repository_ids").iter().map(by_id).collect::<Vec<_>>();
    let all = named.into_iter().chain(numbered).collect::<Option<BTreeSet<_>>>();
    let text = "There is at least one repository that does not exist or is not accessible to the parent installation.";
    all.ok_or_else(|| Refused::new(422, text))
}

fn wanted_permissions(install: &Install, call: &Call) -> Result<Permissions, Refused> {
    let Some(asked) = call.body.get("permissions").and_then(Value::as_object).filter(|o| !o.is_empty()) else {
        return Ok(install.permissions.clone());
    };
    let caller = Caller::Installation { id: install.id, permissions: install.permissions.clone(), repos: BTreeSet::new() };
    let mut permissions = Permissions::new();
    for (name, level) in asked {
        let level = level.as_str().unwrap_or_default();
        if !caller.may(name, level) || level.is_empty() {
            return Err(Refused::new(422, "The permissions requested are not granted to this installation."));
        }
        permissions.insert(name.clone(), level.to_owned());
    }
    Ok(permissions)
}

fn repositories(world: &mut World, call: &Call) -> Answer {
    let Caller::Installation { repos, .. } = &call.caller else { return Err(Refused::not_accessible()) };
    let all = repos.iter().filter_map(|id| world.repos.get(id)).collect::<Vec<_>>();
    let mut reply = call.paged(world, &all, Some("repositories"), |repo| views::repository(world, repo));
    if let crate::sandbox::http::Body::Json(body) = &mut reply.body {
        body["repository_selection"] = "selected".into();
    }
    Ok(reply)
}

fn rate_limit(world: &mut World, call: &Call) -> Answer {
    let Caller::Installation { id, .. } = &call.caller else { return Err(Refused::not_found()) };
    let limit = world.config.rate_limit;
    let of = |resource: &str| {
        let bucket = world.buckets.get(&format!("{resource} installation {id}"));
        let (used, reset) = bucket.map_or((0, world.now().0 / 1_000 + 3_600), |b| (b.used.min(limit), b.reset));
        json!({ "limit": limit, "used": used, "remaining": limit - used, "reset": reset })
    };
    Ok(Reply::ok(json!({ "resources": { "core": of("core"), "graphql": of("graphql") }, "rate": of("core") })))
}
