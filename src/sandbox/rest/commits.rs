//! Commits, comparisons and the pull requests of a commit.

use super::{of, of_mut};
use crate::domain::Sha;
use crate::sandbox::http::{Answer, Body, Call, Needs, Refused, Reply, Route};
use crate::sandbox::views::{self, WEB};
use crate::sandbox::world::World;
use serde_json::{Value, json};

const CONTENTS: Needs = Needs::Right("contents", "read");
/// Commits that a comparison lists when nobody asks for pages.
const UNPAGED: usize = 250;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route { name: "GET /repos/{owner}/{repo}/compare/{+basehead}", needs: CONTENTS, query: "", body: &[], run: compare },
    Route { name: "GET /repos/{owner}/{repo}/commits", needs: CONTENTS, query: "sha author", body: &[], run: list },
    Route {
        name: "GET /repos/{owner}/{repo}/commits/{sha}/pulls",
        needs: Needs::OneOf(&[("pull_requests", "read"), ("contents", "read")]),
        query: "",
        body: &[],
        run: pulls,
    },
    Route { name: "GET /repos/{owner}/{repo}/commits/{ref}", needs: CONTENTS, query: "", body: &[], run: one },
    Route {
        name: "GET /repos/{owner}/{repo}/pulls/{number}",
        needs: Needs::OneOf(&[("pull_requests", "read"), ("contents", "read")]),
        query: "",
        body: &[],
        run: pull,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/pulls/{number}/files",
        needs: Needs::OneOf(&[("pull_requests", "read"), ("contents", "read")]),
        query: "",
        body: &[],
        run: pull_files,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/pulls",
        needs: Needs::Right("pull_requests", "read"),
        query: "state head base sort direction",
        body: &[],
        run: list_pulls,
    },
];

fn compare(world: &mut World, call: &Call) -> Answer {
    let repo = of_mut(world, call)?;
    let (base, head) = call.param("basehead").split_once("...").ok_or_else(Refused::not_found)?;
    let plain = |text: &str| text.split_once(':').map_or_else(|| text.to_owned(), |(_, name)| name.to_owned());
    let (base, head) = (plain(base), plain(head));
    let from = repo.resolve(&base).ok_or_else(Refused::not_found)?;
    let to = repo.resolve(&head).ok_or_else(Refused::not_found)?;
    let repo = of(world, call)?;
    let shared = repo.git.merge_base(&from, &to);
    let shared = shared.ok_or_else(|| Refused::new(404, format!("No common ancestor between {base} and {head}.")))?;
    let (ahead, behind) = repo.git.ahead_behind(&from, &to);
    let mut range = repo.git.range(&[&from], &to);
    range.reverse(); // oldest first
    let paged = call.asked("page").is_some() || call.asked("per_page").is_some();
    let view = |sha: &Sha| views::commit(world, repo, sha);
    let page = if paged {
        call.paged(world, &range, None, view)
    } else {
        // Without pages GitHub lists the newest 250.
        let newest = range.iter().skip(range.len().saturating_sub(UNPAGED)).map(view).collect::<Vec<_>>();
        Reply::ok(newest.into())
    };
    let Body::Json(commits) = page.body else { return Err(Refused::broken("no commits")) };
    let name = repo.full_name();
    let page_url = format!("{WEB}/{name}/compare/{from}...{to}");
    let body = json!({
        "url": format!("{}/repos/{name}/compare/{base}...{head}", world.base), "html_url": page_url, "permalink_url": page_url,
        "diff_url": format!("{page_url}.diff"), "patch_url": format!("{page_url}.patch"),
        "base_commit": view(&from), "merge_base_commit": view(&shared), "status": comparison(ahead, behind),
        "ahead_by": ahead, "behind_by": behind, "total_commits": range.len(), "commits": commits, "files": [],
    });
    Ok(Reply { headers: page.headers, ..Reply::ok(body) })
}

/// GitHub's word for how a head stands to a base.
pub(in crate::sandbox) fn comparison(ahead: u64, behind: u64) -> &'static str {
    match (ahead, behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    }
}

fn list(world: &mut World, call: &Call) -> Answer {
    let repo = of_mut(world, call)?;
    let wanted = call.asked("sha").unwrap_or(&repo.default_branch).to_owned();
    let tip = repo.resolve(&wanted).ok_or_else(Refused::not_found)?;
    let repo = of(world, call)?;
    let all = repo.git.range(&[], &tip);
    Ok(call.paged(world, &all, None, |sha| views::commit(world, repo, sha)))
}

fn one(world: &mut World, call: &Call) -> Answer {
    let text = call.param("ref");
    let sha = of_mut(world, call)?.resolve(text).ok_or_else(|| Refused::no_commit(text))?;
    let repo = of(world, call)?;
    if call.accept.ends_with("sha") {
        let bytes = sha.as_str().as_bytes().to_vec();
        return Ok(Reply { status: 200, body: Body::Raw(bytes, "application/vnd.github.sha; charset=utf-8"), headers: vec![] });
    }
    Ok(Reply::ok(views::commit(world, repo, &sha)))
}

fn pulls(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let sha = super::whole_sha(repo, call.param("sha"))?;
    let all = repo.pulls_with(&sha);
    Ok(call.paged(world, &all, None, |pull| views::pull(world, repo, pull)))
}

fn pull(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let pull = repo.pulls.get(&call.id("number")?).ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(views::pull(world, repo, pull)))
}

fn pull_files(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let pull = repo.pulls.get(&call.id("number")?).ok_or_else(Refused::not_found)?;
    let all = repo.files_of(pull)?;
    Ok(call.paged(world, &all, None, |file| {
        let mut value = json!({ "filename": file.path, "status": file.status, "additions": 0, "deletions": 0, "changes": 0 });
        if let Some(previous) = &file.previous {
            value["previous_filename"] = previous.as_str().into();
        }
        value
    }))
}

fn list_pulls(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let state = call.asked("state").unwrap_or("open");
    let shown = repo.pulls.values().rev().filter(|p| match state {
        "open" => p.open,
        "closed" => !p.open,
        _ => true,
    });
    let shown = shown.filter(|p| call.asked("base").is_none_or(|base| base == p.base));
    let owner = &repo.owner;
    let shown = shown.filter(|p| call.asked("head").is_none_or(|head| head == format!("{owner}:{}", p.head)));
    let all = shown.collect::<Vec<_>>();
    Ok(call.paged(world, &all, None, |pull| -> Value { views::pull(world, repo, pull) }))
}
