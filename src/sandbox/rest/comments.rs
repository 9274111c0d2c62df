//! Comments on pull requests, reactions, and the activity of a repository.

use super::{of, of_mut};
use crate::domain::Millis;
use crate::sandbox::http::{Answer, Call, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::ids::Kind;
use crate::sandbox::model::Comment;
use crate::sandbox::views;
use crate::sandbox::world::World;

const WRITE: Needs = Needs::OneOf(&[("issues", "write"), ("pull_requests", "write")]);
const READ: Needs = Needs::OneOf(&[("issues", "read"), ("pull_requests", "read")]);
/// Characters of a comment.
const LONGEST: usize = 65_536;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route { name: "GET /repos/{owner}/{repo}/issues/{number}/comments", needs: READ, query: "since", body: &[], run: list },
    Route {
        name: "POST /repos/{owner}/{repo}/issues/{number}/comments",
        needs: WRITE,
        query: "",
        body: &[Field("body!", Is::Text)],
        run: create,
    },
    Route {
        name: "PATCH /repos/{owner}/{repo}/issues/comments/{id}",
        needs: WRITE,
        query: "",
        body: &[Field("body!", Is::Text)],
        run: update,
    },
    Route {
        name: "POST /repos/{owner}/{repo}/issues/comments/{id}/reactions",
        needs: WRITE,
        query: "",
        body: &[Field("content!", Is::OneOf(&["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"]))],
        run: react,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/activity",
        needs: Needs::Right("contents", "read"),
        query: "direction before after ref actor time_period activity_type",
        body: &[],
        run: activity,
    },
];

fn body(call: &Call) -> Result<String, Refused> {
    let body = call.text("body").unwrap_or_default();
    let refused = |text: &str| Refused::custom("IssueComment", "body", text);
    if body.trim().is_empty() {
        return Err(refused("Body cannot be blank"));
    }
    if body.chars().count() > LONGEST {
        return Err(refused("Body is too long (maximum is 65536 characters)"));
    }
    Ok(body.to_owned())
}

fn create(world: &mut World, call: &Call) -> Answer {
    let (number, body) = (call.id("number")?, body(call)?);
    of(world, call)?.pulls.get(&number).ok_or_else(Refused::not_found)?;
    let comment = Comment {
        id: world.ids.next(Kind::Comment),
        pull: number,
        author: world.bot(),
        body,
        by_app: true,
        created_at: world.now(),
        updated_at: world.now(),
        edits: 0,
        reactions: Vec::new(),
    };
    let id = comment.id;
    world.add_comment(call.repo, comment);
    show(world, call, id).map(Reply::created)
}

fn update(world: &mut World, call: &Call) -> Answer {
    let (id, body, bot) = (call.id("id")?, body(call)?, world.bot());
    let comment = of_mut(world, call)?.comments.iter().find(|c| c.id == id).ok_or_else(Refused::not_found)?;
    // GitHub lets an App with this permission change what people wrote; ours never does.
    if !comment.by_app {
        return Err(Refused::new(403, "Must have admin rights to Repository."));
    }
    world.edit_comment(call.repo, id, &body, &bot);
    show(world, call, id).map(Reply::ok)
}

fn show(world: &World, call: &Call, id: u64) -> Result<serde_json::Value, Refused> {
    let repo = of(world, call)?;
    let comment = repo.comments.iter().find(|c| c.id == id).ok_or_else(Refused::not_found)?;
    Ok(views::comment(world, repo, comment))
}

fn list(world: &mut World, call: &Call) -> Answer {
    let (repo, number) = (of(world, call)?, call.id("number")?);
    repo.pulls.get(&number).ok_or_else(Refused::not_found)?;
    let since = call.asked("since").and_then(Millis::parse_rfc3339).unwrap_or_default();
    let all: Vec<&Comment> = repo.comments.iter().filter(|c| c.pull == number && c.updated_at >= since).collect();
    Ok(call.paged(world, &all, None, |comment| views::comment(world, repo, comment)))
}

fn react(world: &mut World, call: &Call) -> Answer {
    let (id, bot) = (call.id("id")?, world.bot());
    let content = call.text("content").unwrap_or_default().to_owned();
    let (reaction, new) = world.react(call.repo, id, &content, &bot).ok_or_else(Refused::not_found)?;
    let shown = views::reaction(world, of(world, call)?, &reaction);
    Ok(if new { Reply::with(201, shown) } else { Reply::ok(shown) })
}

/// Newest first; the whole list is one page here.
fn activity(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let wanted =
        call.asked("ref").map(|name| if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") });
    let all: Vec<_> =
        repo.pushes.iter().rev().filter(|push| wanted.as_ref().is_none_or(|name| *name == push.git_ref)).collect();
    Ok(call.paged(world, &all, None, |push| views::push(world, push)))
}
