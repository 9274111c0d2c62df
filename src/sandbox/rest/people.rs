//! Who may do what: roles in a repository, members of teams.

use super::of;
use crate::domain::Role;
use crate::sandbox::http::{Answer, Call, Needs, Refused, Reply, Route};
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::json;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route {
        name: "GET /repos/{owner}/{repo}/collaborators/{user}/permission",
        needs: Needs::Right("metadata", "read"),
        query: "",
        body: &[],
        run: permission,
    },
    Route {
        name: "GET /orgs/{org}/teams/{team}/memberships/{user}",
        needs: Needs::Right("members", "read"),
        query: "",
        body: &[],
        run: membership,
    },
    Route { name: "GET /users/{user}", needs: Needs::Token, query: "", body: &[], run: user },
];

/// `permission` knows four words; `role_name` says it exactly.
fn permission(world: &mut World, call: &Call) -> Answer {
    let login = call.param("user");
    let account = world.find_account(login).ok_or_else(Refused::not_found)?;
    let role = of(world, call)?.role(login);
    let word = match role {
        Role::Maintain => "write",
        Role::Triage => "read",
        other => other.as_str(),
    };
    let mut user = views::account(&world.base, account);
    user["permissions"] = json!({
        "pull": role >= Role::Read, "triage": role >= Role::Triage, "push": role >= Role::Write,
        "maintain": role >= Role::Maintain, "admin": role >= Role::Admin,
    });
    user["role_name"] = role.as_str().into();
    Ok(Reply::ok(json!({ "permission": word, "role_name": role.as_str(), "user": user })))
}

fn membership(world: &mut World, call: &Call) -> Answer {
    let key = (call.param("org").to_lowercase(), call.param("team").to_lowercase());
    let members = world.teams.get(&key).ok_or_else(Refused::not_found)?;
    if !members.contains(&call.param("user").to_lowercase()) {
        return Err(Refused::not_found());
    }
    let url = format!("{}/orgs/{}/teams/{}/memberships/{}", world.base, key.0, key.1, call.param("user"));
    Ok(Reply::ok(json!({ "url": url, "role": "member", "state": "active" })))
}

fn user(world: &mut World, call: &Call) -> Answer {
    let account = world.find_account(call.param("user")).ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(views::account(&world.base, account)))
}
