//! References and tag objects.

use super::{of, of_mut};
use crate::domain::Sha;
use crate::sandbox::http::{Answer, Call, Needs, Refused, Reply, Route};
use crate::sandbox::views;
use crate::sandbox::world::World;

const CONTENTS: Needs = Needs::Right("contents", "read");

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route { name: "GET /repos/{owner}/{repo}/git/ref/{+ref}", needs: CONTENTS, query: "", body: &[], run: one },
    Route { name: "GET /repos/{owner}/{repo}/git/matching-refs/{+ref}", needs: CONTENTS, query: "", body: &[], run: matching },
    Route { name: "GET /repos/{owner}/{repo}/git/tags/{sha}", needs: CONTENTS, query: "", body: &[], run: tag },
    Route { name: "GET /repos/{owner}/{repo}/tags", needs: Needs::Right("metadata", "read"), query: "", body: &[], run: tags },
];

fn one(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let name = format!("refs/{}", call.param("ref"));
    let target = repo.refs.get(&name).ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(views::reference(world, repo, &name, target)))
}

/// Everything that starts like this; an empty list is an answer.
fn matching(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let prefix = format!("refs/{}", call.param("ref"));
    let all = repo.refs.iter().filter(|(name, _)| name.starts_with(&prefix)).collect::<Vec<_>>();
    Ok(call.paged(world, &all, None, |(name, target)| views::reference(world, repo, name, target)))
}

fn tag(world: &mut World, call: &Call) -> Answer {
    let oid = Sha::parse(call.param("sha")).map_err(|_| Refused::not_found())?;
    let tag = of_mut(world, call)?.git.tag(&oid).ok_or_else(Refused::not_found)?;
    let repo = of(world, call)?;
    Ok(Reply::ok(views::git_tag(world, repo, &oid, &tag)))
}

fn tags(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let all = repo.refs.iter().rev().filter_map(|(name, t)| Some((name.strip_prefix("refs/tags/")?, t))).collect::<Vec<_>>();
    let url = format!("{}/repos/{}", world.base, repo.full_name());
    Ok(call.paged(world, &all, None, |(name, target)| {
        serde_json::json!({
            "name": name, "commit": { "sha": target.commit, "url": format!("{url}/commits/{}", target.commit) },
            "zipball_url": format!("{url}/zipball/refs/tags/{name}"), "tarball_url": format!("{url}/tarball/refs/tags/{name}"),
        })
    }))
}
