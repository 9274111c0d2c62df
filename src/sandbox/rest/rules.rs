//! Custom deployment protection rules: what a run of a workflow waits for before it deploys.
//!
//! Source: GitHub, "Review custom deployment protection rules for a workflow run" and "Get the review history".

use super::{of, of_mut};
use crate::sandbox::http::{Answer, Call, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::model::Review;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::{Value, json};

const READ: Needs = Needs::Right("actions", "read");
/// Characters of a report, and reports of one deployment without a decision.
const LONGEST: usize = 1_024;
const MOST_REPORTS: usize = 10;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route {
        name: "POST /repos/{owner}/{repo}/actions/runs/{id}/deployment_protection_rule",
        needs: Needs::Right("deployments", "write"),
        query: "",
        body: &[
            Field("environment_name!", Is::Text),
            Field("state", Is::OneOf(&["approved", "rejected"])),
            Field("comment", Is::Text),
        ],
        run: review,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/actions/runs/{id}/pending_deployments",
        needs: READ,
        query: "",
        body: &[],
        run: pending,
    },
    Route { name: "GET /repos/{owner}/{repo}/actions/runs/{id}/approvals", needs: READ, query: "", body: &[], run: history },
    Route {
        name: "GET /repos/{owner}/{repo}/environments/{environment}/deployment_protection_rules",
        needs: READ,
        query: "",
        body: &[],
        run: rules,
    },
];

/// Once approved, the job begins; once rejected, the run fails.
fn review(world: &mut World, call: &Call) -> Answer {
    let (id, bot) = (call.id("id")?, world.bot());
    let environment = call.text("environment_name").unwrap_or_default().to_owned();
    let (state, comment) = (call.text("state").map(str::to_owned), call.text("comment").unwrap_or_default().to_owned());
    if comment.chars().count() > LONGEST {
        return Err(Refused::new(422, "comment is too long (maximum is 1024 characters)"));
    }
    let repo = of_mut(world, call)?;
    let run = repo.runs.iter_mut().find(|r| r.id == id).ok_or_else(Refused::not_found)?;
    let open = repo.reviews.iter_mut().find(|r| r.run == id && r.environment == environment && r.state.is_none());
    let Some(open) = open.filter(|_| run.status == "waiting") else {
        return Err(Refused::new(422, "No pending custom deployment protection rule for this App and environment"));
    };
    match &state {
        None if open.reports.len() >= MOST_REPORTS => return Err(Refused::new(422, "Too many status updates")),
        None => open.reports.push(comment),
        Some(word) => (open.state, open.comment, open.by) = (Some(word.clone()), comment, bot),
    }
    let moved = match state.as_deref() {
        Some("approved") => {
            "in_progress".clone_into(&mut run.status);
            Some("in_progress")
        }
        Some(_) => {
            "completed".clone_into(&mut run.status);
            run.conclusion = Some("failure".into());
            Some("completed")
        }
        None => None,
    };
    if let Some(action) = moved {
        world.tell_run(call.repo, id, action);
    }
    Ok(Reply::empty(204))
}

fn environment(name: &str) -> Value {
    json!({ "id": 1, "node_id": "EN_x", "name": name, "url": "", "html_url": "" })
}

fn pending(world: &mut World, call: &Call) -> Answer {
    let id = call.id("id")?;
    let repo = of(world, call)?;
    let waits = repo.runs.iter().any(|r| r.id == id && r.status == "waiting");
    let open = repo.reviews.iter().filter(|r| waits && r.run == id && r.state.is_none());
    let shown = open.map(|r| {
        json!({
            "environment": environment(&r.environment), "wait_timer": 0, "wait_timer_started_at": null,
            "current_user_can_approve": false, "reviewers": [],
        })
    });
    Ok(Reply::ok(shown.collect::<Vec<_>>().into()))
}

fn history(world: &mut World, call: &Call) -> Answer {
    let id = call.id("id")?;
    let repo = of(world, call)?;
    let mut all = Vec::new();
    for review in repo.reviews.iter().filter(|r| r.run == id) {
        let bot = views::account_of(world, &world.bot());
        let one = |state: &str, comment: &str| json!({ "state": state, "comment": comment, "user": bot, "environments": [environment(&review.environment)] });
        all.extend(review.state.iter().map(|state| one(state, &review.comment)));
        all.extend(review.reports.iter().rev().map(|report| one("pending", report)));
    }
    Ok(Reply::ok(all.into()))
}

fn rules(world: &mut World, call: &Call) -> Answer {
    let (app, slug) = (world.config.app_id, world.config.app_slug.clone());
    let name = call.param("environment").to_owned();
    let ours = of(world, call)?.rules.contains(&name);
    let rule = json!({ "id": 3, "node_id": "x", "enabled": true, "app": { "id": app, "slug": slug, "integration_url": "", "node_id": "x" } });
    let all = if ours { vec![rule] } else { Vec::new() };
    Ok(Reply::ok(json!({ "total_count": all.len(), "custom_deployment_protection_rules": all })))
}

impl Review {
    pub(in crate::sandbox) fn open(run: u64, environment: &str) -> Self {
        let (environment, comment, by) = (environment.to_owned(), String::new(), String::new());
        Self { run, environment, state: None, comment, by, reports: Vec::new() }
    }
}
