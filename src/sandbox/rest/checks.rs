//! Check runs, check suites and commit statuses.

use super::{of, of_mut, whole_sha};
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
/// Annotations in one request, and buttons of one check run.
const MOST_ANNOTATIONS: usize = 50;
const MOST_ACTIONS: usize = 3;
/// Characters of `summary` and `text`.
const LONGEST_OUTPUT: usize = 65_535;

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
    apply(&mut run, call, &now)?;
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
    apply(&mut changed, call, &now)?;
    *run = changed;
    if run.status == "completed" && was != "completed" {
        let bot = world.bot();
        world.tell_check(call.repo, id, "completed", &bot, json!({}));
    }
    show(world, call, id).map(Reply::ok)
}

/// Rules about a check run's fields. Source: the OpenAPI description of `checks/create` and `checks/update`.
fn apply(run: &mut CheckRun, call: &Call, now: &str) -> Result<(), Refused> {
    let conclusion = call.text("conclusion");
    if call.text("status") == Some("completed") && conclusion.is_none() {
        return Err(Refused::invalid_request("\"conclusion\" wasn't supplied."));
    }
    if call.text("name").is_some_and(str::is_empty) {
        return Err(Refused::validation("CheckRun", "name", "missing_field"));
    }
    for (field, slot) in [("name", &mut run.name), ("external_id", &mut run.external_id), ("status", &mut run.status)] {
        if let Some(text) = call.text(field) {
            text.clone_into(slot);
        }
    }
    if call.text("status").is_some_and(|s| s != "completed") {
        (run.conclusion, run.completed_at) = (None, None);
    }
    for (field, slot) in [("details_url", &mut run.details_url), ("started_at", &mut run.started_at)] {
        if let Some(text) = call.text(field) {
            *slot = Some(text.to_owned());
        }
    }
    if run.details_url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        return Err(Refused::validation("CheckRun", "details_url", "invalid"));
    }
    if let Some(conclusion) = conclusion {
        run.conclusion = Some(conclusion.to_owned());
        run.status = "completed".into(); // "Providing conclusion will automatically set the status parameter to completed"
        run.completed_at = Some(call.text("completed_at").unwrap_or(now).to_owned());
    }
    if let Some(actions) = call.body.get("actions").and_then(Value::as_array) {
        run.actions = checked_actions(actions)?;
    }
    apply_output(run, call)
}

/// A button has a label, a description and an identifier of at most 20, 40 and 20 characters.
fn checked_actions(actions: &[Value]) -> Result<Vec<Value>, Refused> {
    if actions.len() > MOST_ACTIONS {
        return Err(Refused::invalid_request(&format!("No more than 3 items are allowed; {} were supplied.", actions.len())));
    }
    for (field, most) in [("label", 20), ("description", 40), ("identifier", 20)] {
        for action in actions {
            let text = action.get(field).and_then(Value::as_str);
            let text = text.ok_or_else(|| Refused::invalid_request(&format!("\"{field}\" wasn't supplied.")))?;
            if text.chars().count() > most {
                return Err(Refused::invalid_request(&format!(
                    "Only {most} characters are allowed; {} were supplied.",
                    text.chars().count()
                )));
            }
        }
    }
    Ok(actions.to_vec())
}

fn apply_output(run: &mut CheckRun, call: &Call) -> Result<(), Refused> {
    let Some(output) = call.body.get("output").filter(|o| o.is_object()) else { return Ok(()) };
    let text = |name: &str| output.get(name).and_then(Value::as_str).map(str::to_owned);
    if text("summary").is_none() {
        return Err(Refused::invalid_request("\"summary\" wasn't supplied."));
    }
    if run.title.is_none() && text("title").is_none() {
        return Err(Refused::invalid_request("\"title\" wasn't supplied."));
    }
    for name in ["summary", "text"] {
        if text(name).is_some_and(|t| t.chars().count() > LONGEST_OUTPUT) {
            return Err(Refused::invalid_request(&format!("Only 65535 characters are allowed in {name}.")));
        }
    }
    run.title = text("title").or(run.title.take());
    run.summary = text("summary");
    run.text = text("text").or(run.text.take());
    let added = output.get("annotations").and_then(Value::as_array).cloned().unwrap_or_default();
    if added.len() > MOST_ANNOTATIONS {
        return Err(Refused::invalid_request(&format!("No more than 50 items are allowed; {} were supplied.", added.len())));
    }
    run.annotations.extend(added); // an update appends
    Ok(())
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
