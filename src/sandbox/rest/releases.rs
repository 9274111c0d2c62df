//! Releases. A draft is invisible by its tag, and to whoever may not write contents.

use super::{of, of_mut};
use crate::sandbox::http::{Answer, Call, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::ids::Kind;
use crate::sandbox::model::Release;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::Value;

const READ: Needs = Needs::Right("contents", "read");
const WRITE: Needs = Needs::Right("contents", "write");
const LATEST: Is = Is::OneOf(&["true", "false", "legacy"]);
/// Characters of a release's body.
const LONGEST_BODY: usize = 125_000;

macro_rules! release_fields {
    ($first:expr) => {
        &[
            $first,
            Field("target_commitish", Is::Text),
            Field("name", Is::Text),
            Field("body", Is::Text),
            Field("draft", Is::Flag),
            Field("prerelease", Is::Flag),
            Field("make_latest", LATEST),
            Field("discussion_category_name", Is::Text),
            Field("generate_release_notes", Is::Flag),
        ]
    };
}

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route { name: "GET /repos/{owner}/{repo}/releases", needs: READ, query: "", body: &[], run: list },
    Route {
        name: "POST /repos/{owner}/{repo}/releases",
        needs: WRITE,
        query: "",
        body: release_fields!(Field("tag_name!", Is::Text)),
        run: create,
    },
    Route { name: "GET /repos/{owner}/{repo}/releases/latest", needs: READ, query: "", body: &[], run: latest },
    Route { name: "GET /repos/{owner}/{repo}/releases/tags/{+tag}", needs: READ, query: "", body: &[], run: by_tag },
    Route { name: "GET /repos/{owner}/{repo}/releases/{id}", needs: READ, query: "", body: &[], run: get },
    Route {
        name: "PATCH /repos/{owner}/{repo}/releases/{id}",
        needs: WRITE,
        query: "",
        body: release_fields!(Field("tag_name", Is::Text)),
        run: update,
    },
    Route { name: "DELETE /repos/{owner}/{repo}/releases/{id}", needs: WRITE, query: "", body: &[], run: delete },
];

fn list(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let mut all = repo.releases.iter().filter(|r| !r.draft || call.caller.may("contents", "write")).collect::<Vec<_>>();
    all.sort_by_key(|r| std::cmp::Reverse((r.created_at, r.id)));
    Ok(call.paged(world, &all, None, |r| views::release(world, repo, r)))
}

fn latest(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let release = repo.latest_release().ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(views::release(world, repo, release)))
}

fn by_tag(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let release = repo.releases.iter().find(|r| r.tag == call.param("tag") && !r.draft).ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(views::release(world, repo, release)))
}

fn show(world: &World, call: &Call, id: u64) -> Result<Value, Refused> {
    let repo = of(world, call)?;
    let visible = |r: &&Release| r.id == id && (!r.draft || call.caller.may("contents", "write"));
    let release = repo.releases.iter().find(visible).ok_or_else(Refused::not_found)?;
    Ok(views::release(world, repo, release))
}

fn get(world: &mut World, call: &Call) -> Answer {
    show(world, call, call.id("id")?).map(Reply::ok)
}

fn create(world: &mut World, call: &Call) -> Answer {
    let tag = call.text("tag_name").unwrap_or_default().to_owned();
    if crate::domain::Tag::parse(&tag).is_err() {
        return Err(Refused::custom("Release", "tag_name", "tag_name is not a valid tag"));
    }
    check_body(call)?;
    let draft = call.flag("draft").unwrap_or(false);
    if !draft {
        refuse_second(world, call, &tag, None)?;
    }
    let (now, id, author) = (world.now(), world.ids.next(Kind::Release), world.bot());
    let repo = of_mut(world, call)?;
    // GitHub dates a release by its commit.
    let commit = repo.resolve(&format!("refs/tags/{tag}")).and_then(|sha| repo.git.commit(&sha).map(|c| c.committer.time));
    let target = call.text("target_commitish").unwrap_or(&repo.default_branch).to_owned();
    repo.releases.push(Release {
        id,
        tag,
        target,
        name: call.text("name").map(str::to_owned),
        body: call.text("body").unwrap_or_default().to_owned(),
        draft: true,
        prerelease: call.flag("prerelease").unwrap_or(false),
        author: author.clone(),
        created_at: commit.map_or(now, |s| crate::domain::Millis(s.saturating_mul(1_000))),
        published_at: None,
        assets: Vec::new(),
    });
    world.tell_release(call.repo, id, "created", &author);
    if !draft && let Err(refused) = world.publish(call.repo, id, call.text("make_latest"), &author) {
        of_mut(world, call)?.releases.retain(|r| r.id != id);
        return Err(refused);
    }
    show(world, call, id).map(Reply::created)
}

fn update(world: &mut World, call: &Call) -> Answer {
    let id = call.id("id")?;
    check_body(call)?;
    let old = of(world, call)?.releases.iter().find(|r| r.id == id).cloned().ok_or_else(Refused::not_found)?;
    let tag = call.text("tag_name").unwrap_or(&old.tag).to_owned();
    let publishing = old.draft && call.flag("draft") == Some(false);
    if publishing || (!old.draft && tag != old.tag) {
        refuse_second(world, call, &tag, Some(id))?;
    }
    let release = of_mut(world, call)?.releases.iter_mut().find(|r| r.id == id).ok_or_else(Refused::not_found)?;
    release.tag = tag;
    for (field, slot) in [("target_commitish", &mut release.target), ("body", &mut release.body)] {
        if let Some(text) = call.text(field) {
            text.clone_into(slot);
        }
    }
    release.name = call.text("name").map(str::to_owned).or(release.name.take());
    release.prerelease = call.flag("prerelease").unwrap_or(release.prerelease);
    let bot = world.bot();
    if publishing {
        if let Err(refused) = world.publish(call.repo, id, call.text("make_latest"), &bot) {
            if let Some(release) = of_mut(world, call)?.releases.iter_mut().find(|r| r.id == id) {
                *release = old;
            }
            return Err(refused);
        }
    } else {
        if call.text("make_latest") == Some("true") {
            of_mut(world, call)?.latest = Some(id);
        }
        world.tell_release(call.repo, id, "edited", &bot);
    }
    show(world, call, id).map(Reply::ok)
}

fn delete(world: &mut World, call: &Call) -> Answer {
    let id = call.id("id")?;
    show(world, call, id)?;
    let bot = world.bot();
    world.tell_release(call.repo, id, "deleted", &bot);
    of_mut(world, call)?.releases.retain(|r| r.id != id); // the tag stays
    Ok(Reply::empty(204))
}

fn check_body(call: &Call) -> Result<(), Refused> {
    if call.text("body").is_some_and(|body| body.chars().count() > LONGEST_BODY) {
        return Err(Refused::custom("Release", "body", "body is too long (maximum is 125000 characters)"));
    }
    if call.text("discussion_category_name").is_some() {
        return Err(Refused::new(404, "Discussion could not be created. Make sure you passed a valid category name."));
    }
    Ok(())
}

/// One published release per tag; drafts may share it.
fn refuse_second(world: &World, call: &Call, tag: &str, but: Option<u64>) -> Result<(), Refused> {
    let taken = of(world, call)?.releases.iter().any(|r| !r.draft && r.tag == tag && Some(r.id) != but);
    if taken { Err(Refused::validation("Release", "tag_name", "already_exists")) } else { Ok(()) }
}
