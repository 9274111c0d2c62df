//! GitHub Actions: dispatching a workflow and following its runs.

use super::{of, of_mut};
use crate::domain::Sha;
use crate::sandbox::hooks::Event;
use crate::sandbox::http::{Answer, Call, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::ids::Kind;
use crate::sandbox::model::WorkflowRun;
use crate::sandbox::views::{self, WEB};
use crate::sandbox::world::World;
use serde_json::{Value, json};

const READ: Needs = Needs::Right("actions", "read");
/// From this version of the API a dispatch always answers with the run.
const ALWAYS_TELLS: &str = "2026-03-10";
/// Inputs of one dispatch.
const MOST_INPUTS: usize = 25;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route {
        name: "POST /repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches",
        needs: Needs::Right("actions", "write"),
        query: "",
        body: &[Field("ref!", Is::Text), Field("inputs", Is::Object), Field("return_run_details", Is::Flag)],
        run: dispatch,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/actions/workflows/{workflow}/runs",
        needs: READ,
        query: "branch event status head_sha created actor",
        body: &[],
        run: runs,
    },
    Route {
        name: "GET /repos/{owner}/{repo}/actions/runs",
        needs: READ,
        query: "branch event status head_sha created actor",
        body: &[],
        run: runs,
    },
    Route { name: "GET /repos/{owner}/{repo}/actions/runs/{id}", needs: READ, query: "", body: &[], run: get },
    Route {
        name: "POST /repos/{owner}/{repo}/actions/runs/{id}/cancel",
        needs: Needs::Right("actions", "write"),
        query: "",
        body: &[],
        run: cancel,
    },
];

/// A workflow by its file name or id, at the default branch; its path and text.
fn workflow(world: &mut World, call: &Call) -> Result<(String, String), Refused> {
    let wanted = call.param("workflow").to_owned();
    let repo = of_mut(world, call)?;
    let by_id = repo.workflows.iter().find(|(_, id)| id.to_string() == wanted).map(|(path, _)| path.clone());
    let path = by_id.unwrap_or_else(|| format!(".github/workflows/{wanted}"));
    let head = repo.head().cloned().ok_or_else(Refused::not_found)?;
    let file = repo.git.object(&format!("{head}:{path}"))?.filter(|o| o.kind == "blob").ok_or_else(Refused::not_found)?;
    Ok((path, String::from_utf8_lossy(&file.bytes).into_owned()))
}

fn dispatch(world: &mut World, call: &Call) -> Answer {
    let (path, text) = workflow(world, call)?;
    let git_ref = call.text("ref").unwrap_or_default().to_owned();
    let repo = of_mut(world, call)?;
    // A branch or a tag; a bare commit id is refused.
    let named = ["", "refs/heads/", "refs/tags/", "refs/"].iter().find_map(|p| repo.refs.get(&format!("{p}{git_ref}")));
    let sha = named.map(|t| t.commit.clone()).ok_or_else(|| Refused::new(422, format!("No ref found for: {git_ref}")))?;
    if !text.contains("workflow_dispatch") {
        return Err(Refused::new(422, "Workflow does not have 'workflow_dispatch' trigger"));
    }
    let inputs = call.body.get("inputs").filter(|i| i.is_object()).cloned().unwrap_or_else(|| json!({}));
    check_inputs(&text, &inputs)?;
    let short = git_ref.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/").to_owned();
    let (actor, event) = (world.bot(), "workflow_dispatch");
    let title = run_name(&text, &inputs);
    let id = world.add_run(call.repo, NewRun { path, title, event: event.to_owned(), branch: short, sha, inputs, actor })?;
    let tells = call.api_version == ALWAYS_TELLS || call.flag("return_run_details") == Some(true);
    if !tells {
        return Ok(Reply::empty(204));
    }
    let name = of(world, call)?.full_name();
    let url = format!("{}/repos/{name}/actions/runs/{id}", world.base);
    Ok(Reply::ok(json!({ "workflow_run_id": id, "run_url": url, "html_url": format!("{WEB}/{name}/actions/runs/{id}") })))
}

/// Inputs must be declared under `workflow_dispatch`; found by indentation, which is all a stand-in needs of YAML.
fn check_inputs(text: &str, inputs: &Value) -> Result<(), Refused> {
    let given = inputs.as_object().into_iter().flat_map(|o| o.keys()).cloned().collect::<Vec<_>>();
    if given.len() > MOST_INPUTS {
        return Err(Refused::new(422, "you may only define up to 25 `inputs` for a `workflow_dispatch` event"));
    }
    let depth = |line: &str| line.len() - line.trim_start().len();
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')).collect::<Vec<_>>();
    let at = lines.iter().position(|l| l.trim() == "inputs:");
    let below = at.and_then(|at| lines.get(at..)).unwrap_or_default();
    let own = below.first().map_or(0, |l| depth(l));
    let block = below.iter().skip(1).take_while(|l| depth(l) > own).collect::<Vec<_>>();
    let first = block.first().map_or(0, |l| depth(l));
    let declared = block.iter().filter(|l| depth(l) == first).filter_map(|l| l.trim().split(':').next()).collect::<Vec<_>>();
    let extra = given.iter().filter(|name| !declared.contains(&name.as_str())).collect::<Vec<_>>();
    if !extra.is_empty() {
        return Err(Refused::new(422, format!("Unexpected inputs provided: {}", json!(extra))));
    }
    // `required: true` without a default, below the input's own line.
    let own = |name: &str| {
        let start = block.iter().position(|l| depth(l) == first && l.trim().split(':').next() == Some(name));
        let lines = block.iter().skip(start.map_or(block.len(), |n| n + 1)).take_while(|l| depth(l) > first);
        lines.map(|l| l.trim()).collect::<Vec<_>>()
    };
    let needed = |name: &&&str| own(name).contains(&"required: true") && !own(name).iter().any(|l| l.starts_with("default:"));
    match declared.iter().filter(needed).find(|name| !given.iter().any(|g| g == **name)) {
        Some(name) => Err(Refused::new(422, format!("Required input '{name}' not provided"))),
        None => Ok(()),
    }
}

fn runs(world: &mut World, call: &Call) -> Answer {
    let only = if call.params.contains_key("workflow") { Some(workflow(world, call)?.0) } else { None };
    let repo = of(world, call)?;
    let is = |name: &str, value: &str| call.asked(name).is_none_or(|wanted| wanted == value);
    let fits = |r: &&WorkflowRun| {
        let state = is("status", &r.status) || r.conclusion.as_deref().is_some_and(|c| is("status", c));
        let from = only.as_ref().is_none_or(|path| *path == r.path);
        from && state
            && is("branch", &r.branch)
            && is("event", &r.event)
            && is("head_sha", r.sha.as_str())
            && is("actor", &r.actor)
    };
    let all = repo.runs.iter().rev().filter(fits).collect::<Vec<_>>();
    Ok(call.paged(world, &all, Some("workflow_runs"), |run| views::workflow_run(world, repo, run)))
}

fn get(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let id = call.id("id")?;
    let run = repo.runs.iter().find(|r| r.id == id).ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(views::workflow_run(world, repo, run)))
}

/// GitHub takes its time between the answer and the end; here they come together, and a fault tells them apart.
fn cancel(world: &mut World, call: &Call) -> Answer {
    let (id, now) = (call.id("id")?, world.now());
    let run = of_mut(world, call)?.runs.iter_mut().find(|r| r.id == id).ok_or_else(Refused::not_found)?;
    if run.status == "completed" {
        return Err(Refused::new(409, "Cannot cancel a workflow run that is completed."));
    }
    run.status = "completed".into();
    run.conclusion = Some("cancelled".into());
    run.updated_at = now;
    world.tell_run(call.repo, id, "completed");
    Ok(Reply::with(202, json!({})))
}

/// `run-name:` of the workflow with its inputs filled in.
fn run_name(text: &str, inputs: &Value) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("run-name:"))?;
    let mut name = line.trim().trim_matches(['"', '\'']).to_owned();
    for (input, value) in inputs.as_object()? {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        for form in [format!("${{{{ inputs.{input} }}}}"), format!("${{{{inputs.{input}}}}}")] {
            name = name.replace(&form, &value);
        }
    }
    Some(name)
}

/// A run of a workflow that is about to start.
pub(in crate::sandbox) struct NewRun {
    /// Of the workflow's file.
    pub path: String,
    /// What the list of runs shows; the workflow's name without one.
    pub title: Option<String>,
    pub event: String,
    pub branch: String,
    pub sha: Sha,
    pub inputs: Value,
    /// Who started it.
    pub actor: String,
}

impl World {
    /// Starts a run of a workflow file and tells about it.
    pub fn add_run(&mut self, repo_id: u64, run: NewRun) -> Result<u64, Refused> {
        let NewRun { path, title, event, branch, sha, inputs, actor } = run;
        let (id, now, new) = (self.ids.next(Kind::Run), self.now(), self.ids.next(Kind::Workflow));
        let app = self.other_app("github-actions");
        let suite = self.suite_for(repo_id, app.id, &app.slug, &sha, Some(branch.clone()));
        let repo = self.repos.get_mut(&repo_id).ok_or_else(Refused::not_found)?;
        let workflow_id = *repo.workflows.entry(path.clone()).or_insert(new);
        let number = repo.runs.iter().filter(|r| r.path == path).count() as u64 + 1;
        let workflow = path.rsplit('/').next().unwrap_or(&path).trim_end_matches(".yml").trim_end_matches(".yaml").to_owned();
        repo.runs.push(WorkflowRun {
            id,
            workflow_id,
            title: title.unwrap_or_else(|| workflow.clone()),
            workflow,
            path,
            number,
            suite,
            event,
            branch,
            sha,
            status: "queued".into(),
            conclusion: None,
            inputs,
            actor,
            fork: false,
            created_at: now,
            updated_at: now,
        });
        self.tell_run(repo_id, id, "requested");
        Ok(id)
    }

    pub fn tell_run(&mut self, repo_id: u64, run: u64, action: &'static str) {
        let Some(repo) = self.repos.get(&repo_id) else { return };
        let Some(run) = repo.runs.iter().find(|r| r.id == run) else { return };
        let payload =
            json!({ "workflow": views::workflow(self, repo, run), "workflow_run": views::workflow_run(self, repo, run) });
        let actor = run.actor.clone();
        self.emit(repo_id, Event { name: "workflow_run", action: Some(action), payload, actor });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_declared_inputs_pass() {
        let text = "on:\n  workflow_dispatch:\n    inputs:\n      environment:\n        type: string\n      sha:\n        required: true\njobs:\n  a: {}\n";
        assert!(check_inputs(text, &json!({ "environment": "x", "sha": "y" })).is_ok());
        let refused = check_inputs(text, &json!({ "type": "x" })).unwrap_err();
        assert_eq!(refused.message(), "Unexpected inputs provided: [\"type\"]");
        assert!(check_inputs("on: workflow_dispatch\n", &json!({ "a": 1 })).is_err());
        let missing = check_inputs(text, &json!({ "environment": "x" })).unwrap_err();
        assert_eq!(missing.message(), "Required input 'sha' not provided");
        let named = "name: d\nrun-name: \"Deploy ${{ inputs.sha }} (${{inputs.run}})\"\n";
        assert_eq!(run_name(named, &json!({ "sha": "abc", "run": "r1" })), Some("Deploy abc (r1)".into()));
    }
}
