//! Fields by type. Every field of `schema.graphql` is answered by one of these; a test asks for each of them.

mod checks;
mod code;
mod deployments;
mod people;
mod pulls;
mod releases;
mod repository;

use super::GqlError;
use super::exec::{Cx, Got};
use super::nodes::Node;
use crate::domain::Millis;
use crate::sandbox::http::Caller;
use crate::sandbox::ids::{Kind, read_node_id};
use crate::sandbox::repo::Repo;
use serde_json::{Value, json};

pub(super) type Answer = Result<Got, GqlError>;

pub(super) fn field(cx: &mut Cx<'_>, node: &Node, name: &str, args: &Value) -> Answer {
    let got = dispatch(cx, node, name, args)?;
    let forbidden = match &got {
        Got::One(Some(node)) => cx.denied(node),
        Got::Many(nodes) => nodes.first().is_some_and(|n| cx.denied(n)),
        // Asking for the list is asking for its items, also when it is empty.
        Got::Page(connection) => list_needs(connection.type_name).is_some_and(|needs| !cx.may_any(needs)),
        _ => false,
    };
    if forbidden {
        return Err(GqlError::new("FORBIDDEN", "Resource not accessible by integration"));
    }
    Ok(got)
}

fn list_needs(connection: &str) -> Option<&'static [&'static str]> {
    match connection {
        "CheckSuiteConnection" | "CheckRunConnection" => Some(&["checks"]),
        "DeploymentConnection" | "DeploymentStatusConnection" => Some(&["deployments"]),
        "ReleaseConnection" | "RefConnection" | "CommitHistoryConnection" => Some(&["contents"]),
        "PullRequestConnection" => Some(&["pull_requests", "contents"]),
        _ => None,
    }
}

fn dispatch(cx: &mut Cx<'_>, node: &Node, name: &str, args: &Value) -> Answer {
    match node {
        Node::Query => query(cx, name, args),
        Node::RateLimit => rate_limit(cx, name),
        Node::Account(login) => people::account(cx, login, false, name),
        Node::User(login) => people::account(cx, login, true, name),
        Node::App(id, slug) => people::app(*id, slug, name),
        Node::GitActor(who) => people::git_actor(cx, who, name),
        Node::Repository(repo) => repository::repository(cx, *repo, name, args),
        Node::Ref(repo, full) => repository::reference(cx, *repo, full, name, args),
        Node::Comparison { repo, base, head } => repository::comparison(cx, *repo, base, head, name, args),
        Node::Commit(repo, sha) => code::commit(cx, *repo, sha, name, args),
        Node::Tag(repo, oid) => code::tag(cx, *repo, oid, name),
        Node::Tree(repo, oid) => code::tree(cx, *repo, oid, name),
        Node::TreeEntry(repo, entry) => code::entry(*repo, entry, name),
        Node::Blob(repo, oid) => code::blob(cx, *repo, oid, name),
        Node::Rollup(repo, sha) => checks::rollup(cx, *repo, sha, name, args),
        Node::Status(repo, sha) => checks::status(cx, *repo, sha, name, args),
        Node::StatusContext(repo, id) => checks::context(cx, *repo, *id, name),
        Node::CheckSuite(repo, id) => checks::suite(cx, *repo, *id, name, args),
        Node::CheckRun(repo, id) => checks::run(cx, *repo, *id, name),
        Node::Release(repo, id) => releases::release(cx, *repo, *id, name),
        Node::Deployment(repo, id) => deployments::deployment(cx, *repo, *id, name, args),
        Node::DeploymentStatus(repo, of, id) => deployments::status(cx, *repo, *of, *id, name),
        Node::PullRequest(repo, number) => pulls::pull(cx, *repo, *number, name, args),
        Node::PullCommit { repo, pull, sha } => pulls::commit(*repo, *pull, sha, name),
        Node::ChangedFile(path) => Got::leaf(path.as_str()),
        Node::Label(repo, label) => pulls::label(cx, *repo, label, name),
        Node::Connection(connection) => connection.field(name).map_or_else(|| checks::counts(connection, name), Ok),
        Node::Edge(cursor, node) => match name {
            "cursor" => Got::leaf(cursor.as_str()),
            _ => Got::one((**node).clone()),
        },
        Node::PageInfo { next, previous, start, end } => match name {
            "hasNextPage" => Got::leaf(*next),
            "hasPreviousPage" => Got::leaf(*previous),
            "startCursor" => Got::leaf(start.clone()),
            _ => Got::leaf(end.clone()),
        },
    }
}

impl Cx<'_> {
    fn repo(&self, id: u64) -> Result<&Repo, GqlError> {
        self.world.repos.get(&id).ok_or_else(|| GqlError::new("NOT_FOUND", "Could not resolve to a Repository."))
    }
    fn repo_mut(&mut self, id: u64) -> Result<&mut Repo, GqlError> {
        self.world.repos.get_mut(&id).ok_or_else(|| GqlError::new("NOT_FOUND", "Could not resolve to a Repository."))
    }
    fn may_any(&self, needs: &[&str]) -> bool {
        needs.iter().any(|name| self.caller.may(name, "read"))
    }
    fn denied(&self, node: &Node) -> bool {
        node.needs().is_some_and(|(_, needs)| !self.may_any(needs))
    }
    fn sees(&self, repo: u64) -> bool {
        matches!(self.caller, Caller::Installation { repos, .. } if repos.contains(&repo))
    }
}

/// A field that the schema has and no resolver knows: a bug of the stand-in, said loudly.
fn missing(ty: &str, name: &str) -> Answer {
    Err(GqlError::new("NOT_IMPLEMENTED", &format!("the sandbox does not answer {ty}.{name}")))
}

fn date(at: Millis) -> Answer {
    Got::leaf(at.rfc3339())
}

fn upper(text: &str) -> String {
    text.to_uppercase()
}

/// `NONE` for an order that was not asked for.
fn descending(args: &Value, otherwise: bool) -> bool {
    args["orderBy"]["direction"].as_str().map_or(otherwise, |d| d == "DESC")
}

fn text<'a>(args: &'a Value, name: &str) -> Option<&'a str> {
    args.get(name).and_then(Value::as_str)
}

fn query(cx: &mut Cx<'_>, name: &str, args: &Value) -> Answer {
    match name {
        "repository" => {
            let full = format!("{}/{}", text(args, "owner").unwrap_or_default(), text(args, "name").unwrap_or_default());
            match cx.world.repo_id(&full).filter(|id| cx.sees(*id)) {
                Some(id) => Got::one(Node::Repository(id)),
                None => Err(GqlError::new("NOT_FOUND", &format!("Could not resolve to a Repository with the name '{full}'."))),
            }
        }
        "node" => by_id(cx, text(args, "id").unwrap_or_default()).map(|node| Got::One(Some(node))),
        "nodes" => {
            let ids = args["ids"].as_array().cloned().unwrap_or_default();
            if ids.len() > 100 {
                return Err(GqlError::new(
                    "ARGUMENT_LIMIT",
                    &format!("You may not provide more than 100 node ids; you provided {}.", ids.len()),
                ));
            }
            let nodes = ids.iter().map(|id| by_id(cx, id.as_str().unwrap_or_default())).collect::<Result<Vec<_>, _>>()?;
            Ok(Got::Many(nodes))
        }
        "viewer" => Got::one(Node::User(cx.world.bot())),
        "rateLimit" => Got::one(Node::RateLimit),
        _ => missing("Query", name),
    }
}

fn by_id(cx: &Cx<'_>, id: &str) -> Result<Node, GqlError> {
    let found = read_node_id(id).and_then(|(kind, repo, key)| {
        let number = key.parse::<u64>().ok();
        let repo = if kind == Kind::Repository { number? } else { repo };
        let of = cx.world.repos.get(&repo).filter(|_| cx.sees(repo))?;
        match kind {
            Kind::Repository => Some(Node::Repository(repo)),
            Kind::CheckRun => of.checks.iter().find(|c| Some(c.id) == number).map(|c| Node::CheckRun(repo, c.id)),
            Kind::Release => of.releases.iter().find(|r| Some(r.id) == number).map(|r| Node::Release(repo, r.id)),
            Kind::Deployment => of.deployments.iter().find(|d| Some(d.id) == number).map(|d| Node::Deployment(repo, d.id)),
            Kind::PullRequest => of.pulls.values().find(|p| Some(p.id) == number).map(|p| Node::PullRequest(repo, p.number)),
            _ => None,
        }
    });
    found.ok_or_else(|| GqlError::new("NOT_FOUND", &format!("Could not resolve to a node with the global id of '{id}'.")))
}

fn rate_limit(cx: &Cx<'_>, name: &str) -> Answer {
    let Caller::Installation { id, .. } = cx.caller else { return missing("RateLimit", name) };
    let bucket = cx.world.buckets.get(&format!("graphql installation {id}"));
    let limit = cx.world.config.rate_limit;
    let used = bucket.map_or(0, |b| b.used).saturating_add(cx.cost).min(limit);
    let reset = bucket.map_or(cx.world.now().0 / 1_000 + 3_600, |b| b.reset);
    match name {
        "cost" => Got::leaf(cx.cost),
        "limit" => Got::leaf(limit),
        "nodeCount" => Got::leaf(cx.nodes),
        "remaining" => Got::leaf(limit - used),
        "used" => Got::leaf(used),
        "resetAt" => date(Millis(reset * 1_000)),
        _ => missing("RateLimit", name),
    }
}

/// `id` of what REST gives no node id for.
fn made_up(prefix: &str, of: impl std::fmt::Display) -> Answer {
    Got::leaf(json!(format!("{prefix}_{of}")))
}
