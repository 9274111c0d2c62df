//! Commit statuses.

use super::{of, of_mut};
use crate::sandbox::http::{Answer, Call, Needs, Refused, Route};
use crate::sandbox::views;
use crate::sandbox::world::World;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route {
        name: "GET /repos/{owner}/{repo}/commits/{ref}/status",
        needs: Needs::Right("statuses", "read"),
        query: "",
        body: &[],
        run: combined,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/commits/{ref}/statuses",
        needs: Needs::Right("statuses", "read"),
        query: "",
        body: &[],
        run: statuses,
    },
];

fn combined(world: &mut World, call: &Call) -> Answer {
    let text = call.param("ref");
    let sha = of_mut(world, call)?.resolve(text).ok_or_else(|| Refused::no_commit(text))?;
    let repo = of(world, call)?;
    let all = repo.latest_statuses(&sha);
    let any = |states: &[&str]| all.iter().any(|s| states.contains(&s.state.as_str()));
    let state = match () {
        () if any(&["error", "failure"]) => "failure",
        () if all.is_empty() || any(&["pending"]) => "pending",
        () => "success",
    };
    let mut reply = call.paged(world, &all, Some("statuses"), |s| views::status(world, repo, s));
    if let crate::sandbox::http::Body::Json(body) = &mut reply.body {
        body["state"] = state.into();
        body["sha"] = sha.as_str().into();
        body["repository"] = views::repository(world, repo);
    }
    Ok(reply)
}

fn statuses(world: &mut World, call: &Call) -> Answer {
    let text = call.param("ref");
    let sha = of_mut(world, call)?.resolve(text).ok_or_else(|| Refused::no_commit(text))?;
    let repo = of(world, call)?;
    let all = repo.statuses.iter().rev().filter(|s| s.sha == sha).collect::<Vec<_>>();
    Ok(call.paged(world, &all, None, |s| views::status(world, repo, s)))
}
