//! Check runs and check suites.

use super::{check_fields, of, of_mut, whole_sha};
use crate::sandbox::http::{Answer, Call, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::model::CheckRun;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::{Value, json};

const READ: Needs = Needs::Right("checks", "read");
const WRITE: Needs = Needs::Right("checks", "write");
const STATES: Is = Is::OneOf(&["queued", "in_progress", "completed", "waiting", "requested", "pending"]);
const CONCLUSIONS: Is =
    Is::OneOf(&["action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"]);
macro_rules! check_fields {
    ($($first:expr),*) => {
        &[
            $($first,)*
            Field("details_url", Is::Text),
            Field("external_id", Is::Text),
            Field("status", STATES),
            Field("started_at", Is::Text),
            Field("conclusion", CONCLUSIONS),
            Field("completed_at", Is::Text),
            Field("output", Is::Object),
            Field("actions", Is::List),
        ]
    };
}

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route {
        name: "POST /repos/{owner}/{repo}/check-runs",
        needs: WRITE,
        query: "",
        body: check_fields![Field("name!", Is::Text), Field("head_sha!", Is::Text)],
        run: create,
    },
    Route {
        name: "PATCH /repos/{owner}/{repo}/check-runs/{id}",
        needs: WRITE,
        query: "",
        body: check_fields![Field("name", Is::Text)],
        run: update,
    },
    Route { name: "GET /repos/{owner}/{repo}/check-runs/{id}", needs: READ, query: "", body: &[], run: get },
    Route {
        name: "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
        needs: READ,
        query: "check_name status filter app_id",
        body: &[],
        run: of_commit,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/commits/{ref}/check-suites",
        needs: READ,
        query: "app_id check_name",
        body: &[],
        run: suites,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/check-suites/{id}/check-runs",
        needs: READ,
        query: "check_name status filter",
        body: &[],
        run: of_suite,
    },
];

fn create(world: &mut World, call: &Call) -> Answer {
    let sha = whole_sha(of(world, call)?, call.text("head_sha").unwrap_or_default())?;
    let now = world.stamp();
    let mut run = CheckRun {
        id: 0,
        suite: 0,
        app_id: world.config.app_id,
        app_slug: world.config.app_slug.clone(),
        name: String::new(),
        sha,
        status: "queued".into(),
        conclusion: None,
        external_id: String::new(),
        details_url: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        actions: Vec::new(),
        started_at: Some(now.clone()),
        completed_at: None,
    };
    check_fields::apply(&mut run, call, &now)?;
    let bot = world.bot();
    let id = world.add_check(call.repo, run, &bot);
    show(world, call, id).map(Reply::created)
}

fn update(world: &mut World, call: &Call) -> Answer {
    let (id, app, now) = (call.id("id")?, world.config.app_id, world.stamp());
    let repo = of_mut(world, call)?;
    let run = repo.checks.iter_mut().find(|c| c.id == id).ok_or_else(Refused::not_found)?;
    if run.app_id != app {
        return Err(Refused::new(
            403,
            format!("Invalid app_id `{app}` - check run can only be modified by the GitHub App that created it."),
        ));
    }
    let was = run.status.clone();
    let mut changed = run.clone();
    check_fields::apply(&mut changed, call, &now)?;
    *run = changed;
    if run.status == "completed" && was != "completed" {
        let bot = world.bot();
        world.tell_check(call.repo, id, "completed", &bot, json!({}));
    }
    show(world, call, id).map(Reply::ok)
}

fn show(world: &World, call: &Call, id: u64) -> Result<Value, Refused> {
    let repo = of(world, call)?;
    let run = repo.checks.iter().find(|c| c.id == id).ok_or_else(Refused::not_found)?;
    Ok(views::check_run(world, repo, run))
}

fn get(world: &mut World, call: &Call) -> Answer {
    show(world, call, call.id("id")?).map(Reply::ok)
}

fn filtered(world: &World, call: &Call, keep: impl Fn(&CheckRun) -> bool) -> Answer {
    let repo = of(world, call)?;
    let app = call.asked("app_id").and_then(|id| id.parse::<u64>().ok());
    let wanted = |c: &&CheckRun| {
        let named = call.asked("check_name").is_none_or(|name| name == c.name);
        named && call.asked("status").is_none_or(|s| s == c.status) && app.is_none_or(|id| id == c.app_id) && keep(c)
    };
    let mut all = repo.checks.iter().filter(wanted).collect::<Vec<_>>();
    if call.asked("filter").unwrap_or("latest") == "latest" {
        let whole = all.clone();
        all.retain(|c| !whole.iter().any(|o| o.name == c.name && o.suite == c.suite && o.id > c.id));
    }
    all.reverse();
    Ok(call.paged(world, &all, Some("check_runs"), |run| views::check_run(world, repo, run)))
}

fn of_commit(world: &mut World, call: &Call) -> Answer {
    let text = call.param("ref");
    let sha = of_mut(world, call)?.resolve(text).ok_or_else(|| Refused::no_commit(text))?;
    filtered(world, call, |c| c.sha == sha)
}

fn of_suite(world: &mut World, call: &Call) -> Answer {
    let suite = call.id("id")?;
    filtered(world, call, |c| c.suite == suite)
}

fn suites(world: &mut World, call: &Call) -> Answer {
    let text = call.param("ref");
    let sha = of_mut(world, call)?.resolve(text).ok_or_else(|| Refused::no_commit(text))?;
    let repo = of(world, call)?;
    let app = call.asked("app_id").and_then(|id| id.parse::<u64>().ok());
    let all = repo.suites.iter().filter(|s| s.sha == sha && app.is_none_or(|id| id == s.app_id)).collect::<Vec<_>>();
    Ok(call.paged(world, &all, Some("check_suites"), |suite| views::suite(world, repo, suite)))
}
