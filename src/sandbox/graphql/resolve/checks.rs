//! Check runs, check suites, commit statuses and what they add up to.

use super::{Answer, date, made_up, missing, text, upper};
use crate::domain::Sha;
use crate::sandbox::graphql::connection::Connection;
use crate::sandbox::graphql::exec::{Cx, Got};
use crate::sandbox::graphql::nodes::Node;
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::{CheckRun, Status};
use crate::sandbox::repo::Repo;
use crate::sandbox::views::WEB;
use serde_json::Value;

const BAD: [&str; 5] = ["failure", "timed_out", "cancelled", "action_required", "startup_failure"];

fn rollup_state(runs: &[&CheckRun], statuses: &[&Status]) -> &'static str {
    let state = |word: &str| statuses.iter().any(|s| s.state == word);
    let bad = runs.iter().any(|c| c.conclusion.as_deref().is_some_and(|c| BAD.contains(&c)));
    let open = runs.iter().any(|c| c.status != "completed");
    match () {
        () if state("error") => "ERROR",
        () if bad || state("failure") => "FAILURE",
        () if open || state("pending") => "PENDING",
        () => "SUCCESS",
    }
}

pub(super) fn rollup(cx: &Cx<'_>, id: u64, sha: &Sha, name: &str, args: &Value) -> Answer {
    let repo = cx.repo(id)?;
    let (runs, statuses) = (repo.latest_checks(sha), repo.latest_statuses(sha));
    match name {
        "id" => made_up("SCR", sha),
        "state" => Got::leaf(rollup_state(&runs, &statuses)),
        "contexts" => {
            let runs = runs.iter().filter(|_| cx.may_any(&["checks"])).map(|c| Node::CheckRun(id, c.id));
            let statuses = statuses.iter().filter(|_| cx.may_any(&["statuses"])).map(|s| Node::StatusContext(id, s.id));
            let all = runs.chain(statuses).collect::<Vec<_>>();
            Ok(Got::Page(Connection::of("StatusCheckRollupContextConnection", args, &all, Clone::clone)))
        }
        _ => missing("StatusCheckRollup", name),
    }
}

/// What only some connections count.
pub(super) fn counts(connection: &Connection, name: &str) -> Answer {
    let of = |keep: fn(&Node) -> bool| Got::leaf(connection.nodes.iter().filter(|n| keep(n)).count());
    match name {
        "checkRunCount" => of(|n| matches!(n, Node::CheckRun(..))),
        "statusContextCount" => of(|n| matches!(n, Node::StatusContext(..))),
        "authorCount" => Got::leaf(connection.total),
        _ => missing(connection.type_name, name),
    }
}

pub(super) fn status(cx: &Cx<'_>, id: u64, sha: &Sha, name: &str, args: &Value) -> Answer {
    let statuses = cx.repo(id)?.latest_statuses(sha);
    match name {
        "id" => made_up("ST", sha),
        "state" => Got::leaf(rollup_state(&[], &statuses)),
        "contexts" => Ok(Got::Many(statuses.iter().map(|s| Node::StatusContext(id, s.id)).collect())),
        "context" => {
            let wanted = text(args, "name").unwrap_or_default();
            Got::one(statuses.iter().find(|s| s.context == wanted).map(|s| Node::StatusContext(id, s.id)))
        }
        _ => missing("Status", name),
    }
}

pub(super) fn context(cx: &Cx<'_>, id: u64, status: u64, name: &str) -> Answer {
    let Some(status) = cx.repo(id)?.statuses.iter().find(|s| s.id == status) else { return Got::one(None) };
    match name {
        "id" => Got::leaf(node_id(Kind::Status, id, status.id)),
        "context" => Got::leaf(status.context.as_str()),
        "state" => Got::leaf(upper(&status.state)),
        "description" => Got::leaf(status.description.clone()),
        "createdAt" => date(status.at),
        "targetUrl" => Got::leaf(status.target_url.clone()),
        "creator" => Got::one(Node::Account(status.creator.clone())),
        _ => missing("StatusContext", name),
    }
}

pub(super) fn suites(repo: &Repo, sha: &Sha, args: &Value) -> Connection {
    let filter = &args["filterBy"];
    let app = filter["appId"].as_u64();
    let named = |suite: u64| {
        text(filter, "checkName").is_none_or(|name| repo.checks.iter().any(|c| c.suite == suite && c.name == name))
    };
    let all =
        repo.suites.iter().filter(|s| s.sha == *sha && app.is_none_or(|id| id == s.app_id) && named(s.id)).collect::<Vec<_>>();
    Connection::of("CheckSuiteConnection", args, &all, |s| Node::CheckSuite(repo.id, s.id))
}

pub(super) fn suite(cx: &Cx<'_>, id: u64, suite: u64, name: &str, args: &Value) -> Answer {
    let repo = cx.repo(id)?;
    let Some(suite) = repo.suites.iter().find(|s| s.id == suite) else { return Got::one(None) };
    let (status, conclusion) = repo.suite_state(suite.id);
    match name {
        "id" => Got::leaf(node_id(Kind::CheckSuite, id, suite.id)),
        "databaseId" => Got::leaf(suite.id),
        "app" => Got::one(Node::App(suite.app_id, suite.app_slug.clone())),
        "status" => Got::leaf(upper(status)),
        "conclusion" => Got::leaf(conclusion.map(upper)),
        "createdAt" => date(suite.at),
        "commit" => Got::one(Node::Commit(id, suite.sha.clone())),
        "checkRuns" => {
            let filter = &args["filterBy"];
            let mut all = repo.checks.iter().filter(|c| c.suite == suite.id).collect::<Vec<_>>();
            if text(filter, "checkType") != Some("ALL") {
                let whole = all.clone();
                all.retain(|c| !whole.iter().any(|o| o.name == c.name && o.id > c.id));
            }
            all.retain(|c| {
                let app = filter["appId"].as_u64().is_none_or(|id| id == c.app_id);
                let named = text(filter, "checkName").is_none_or(|name| name == c.name);
                app && named && text(filter, "status").is_none_or(|status| status == upper(&c.status))
            });
            Ok(Got::Page(Connection::of("CheckRunConnection", args, &all, |c| Node::CheckRun(id, c.id))))
        }
        _ => missing("CheckSuite", name),
    }
}

pub(super) fn run(cx: &Cx<'_>, id: u64, run: u64, name: &str) -> Answer {
    let repo = cx.repo(id)?;
    let Some(run) = repo.checks.iter().find(|c| c.id == run) else { return Got::one(None) };
    let page = format!("{WEB}/{}/runs/{}", repo.full_name(), run.id);
    match name {
        "id" => Got::leaf(node_id(Kind::CheckRun, id, run.id)),
        "databaseId" => Got::leaf(run.id),
        "name" => Got::leaf(run.name.as_str()),
        "status" => Got::leaf(upper(&run.status)),
        "conclusion" => Got::leaf(run.conclusion.as_deref().map(upper)),
        "startedAt" => Got::leaf(run.started_at.clone()),
        "completedAt" => Got::leaf(run.completed_at.clone()),
        "detailsUrl" => Got::leaf(run.details_url.clone().unwrap_or(page)),
        "url" | "permalink" => Got::leaf(page),
        "externalId" => Got::leaf((!run.external_id.is_empty()).then(|| run.external_id.clone())),
        "title" => Got::leaf(run.title.clone()),
        "summary" => Got::leaf(run.summary.clone()),
        "text" => Got::leaf(run.text.clone()),
        "checkSuite" => Got::one(Node::CheckSuite(id, run.suite)),
        "repository" => Got::one(Node::Repository(id)),
        _ => missing("CheckRun", name),
    }
}
