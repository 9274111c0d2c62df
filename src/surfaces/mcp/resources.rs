//! What can be read without a tool: each address is a look that a tool takes, with the same rights, limits and record.

use super::call::Where;
use super::catalog::Tool;
use super::clean::clean;
use super::envelope::{Envelope, Word};
use super::people::Names;
use super::server::{Agents, Asked, may_ever};
use super::views::PlanShown;
use crate::actions::access::Caller;
use crate::domain::{Refusal, RepoName, RunId, Tag};
use crate::engine::client::kept;
use crate::store::repos;
use rmcp::ErrorData;
use rmcp::model::{CacheScope, JsonObject, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

const SCHEME: &str = "lockkeeper://";
const JSON: &str = "application/json";
/// Releases that are looked through for one.
const MOST: u32 = 300;
/// A look is stale at once; a client may show it for a moment.
const TTL: u64 = 1_000;

/// (address below the repository, title, tool)
const OF_REPO: [(&str, &str, Tool); 3] = [
    ("status", "What is live, what runs and what is locked", Tool::GetStatus),
    ("deployments", "Deployments, newest first", Tool::ListDeployments),
    ("releases", "Releases, newest first", Tool::ListReleases),
];

/// (address, name, title)
const OF_DEPLOYMENT: [(&str, &str, &str); 2] = [
    ("deployments/{id}", "deployment", "How far a deployment is, and what it waits for"),
    ("deployments/{id}/log{?after}", "deployment-log", "What happened in a deployment after a number"),
];

const OF_PLAN: (&str, &str, &str) = ("plans/{digest}", "plan", "A plan of yours, as it was told");
const OF_AUDIT: (&str, &str, &str) =
    ("audit/{entry}", "audit-entry", "Who asked for something, what was decided, how it ended, and who had approved");
const OF_RELEASE: (&str, &str, &str) =
    ("repos/{owner}/{repo}/releases/{+tag}", "release", "What became of the release of a tag");

/// What stands at an address.
#[derive(Debug, PartialEq)]
enum Look {
    /// What a tool tells.
    Told(Tool, JsonObject),
    Plan(String),
    Release(RepoName, Tag),
    Audit(u64),
}

/// What somebody who listens to an address hears of.
pub(super) enum About {
    Repo(RepoName),
    Deployment(RunId),
}

pub(super) fn about(uri: &str) -> Option<About> {
    let Look::Told(_, arguments) = look(uri)? else { return None };
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    match (text("repo"), text("deployment_id")) {
        (Some(repo), _) => RepoName::parse(repo).ok().map(About::Repo),
        (None, Some(id)) => RunId::parse(id).map(About::Deployment),
        (None, None) => None,
    }
}

fn look(uri: &str) -> Option<Look> {
    let (path, query) = uri.strip_prefix(SCHEME)?.split_once('?').unwrap_or((uri.strip_prefix(SCHEME)?, ""));
    let parts: Vec<&str> = path.split('/').collect();
    let (tool, arguments) = match parts.as_slice() {
        ["audit", id] if query.is_empty() => return Some(Look::Audit(id.parse().ok()?)),
        ["plans", digest] if query.is_empty() => return Some(Look::Plan((*digest).to_owned())),
        ["repos", owner, name, "releases", tag @ ..] if !tag.is_empty() && query.is_empty() => {
            let repo = RepoName::parse(&format!("{owner}/{name}")).ok()?;
            return Some(Look::Release(repo, Tag::parse(&tag.join("/")).ok()?));
        }
        ["repos", owner, name, what] => {
            let tool = OF_REPO.iter().find(|(last, _, _)| last == what)?.2;
            (tool, json!({ "repo": RepoName::parse(&format!("{owner}/{name}")).ok()? }))
        }
        ["deployments", id] if query.is_empty() => (Tool::GetDeployment, json!({ "deployment_id": id })),
        ["deployments", id, "log"] => {
            let after: u64 = if query.is_empty() { 0 } else { query.strip_prefix("after=")?.parse().ok()? };
            (Tool::GetDeployment, json!({ "deployment_id": id, "after_seq": after }))
        }
        _ => return None,
    };
    arguments.as_object().cloned().map(|arguments| Look::Told(tool, arguments))
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    let of_repo = OF_REPO.iter().map(|(what, title, _)| (format!("repos/{{owner}}/{{repo}}/{what}"), *what, *title));
    let others = OF_DEPLOYMENT.iter().chain([&OF_PLAN, &OF_RELEASE, &OF_AUDIT]);
    let others = others.map(|(address, name, title)| ((*address).to_owned(), *name, *title));
    let template = |(address, name, title): (String, &str, &str)| {
        ResourceTemplate::new(format!("{SCHEME}{address}"), name).with_title(title).with_mime_type(JSON)
    };
    of_repo.chain(others).map(template).collect()
}

impl Agents {
    /// Those of the key's own repository.
    pub(super) async fn resources(&self, caller: &Caller) -> Vec<Resource> {
        let Some(repo) = self.own_repo(caller).await else { return Vec::new() };
        let resource = |(what, title, _): &(&str, &str, Tool)| {
            Resource::new(format!("{SCHEME}repos/{repo}/{what}"), *what).with_title(*title).with_mime_type(JSON)
        };
        let theirs = OF_REPO.iter().filter(|(_, _, tool)| super::server::may_ever(*tool, caller).is_ok());
        theirs.map(resource).collect()
    }

    /// What the repository of the key is called now.
    pub(super) async fn own_repo(&self, caller: &Caller) -> Option<RepoName> {
        let only = caller.only_repo()?;
        self.desk.read(move |rx| repos::get(rx, only)).await.ok().flatten().map(|repo| repo.name)
    }

    pub(super) async fn read(
        &self,
        uri: &str,
        client: Option<String>,
        caller: &Caller,
    ) -> Result<ReadResourceResult, ErrorData> {
        let none = |why: &str| ErrorData::resource_not_found(why.to_owned(), Some(json!({ "uri": uri })));
        let look =
            look(uri).ok_or_else(|| none("There is nothing at this address; resources/templates/list shows what there is."))?;
        let names = match &look {
            Look::Told(..) => None,
            Look::Plan(digest) => Some(Names::Plan(digest)),
            Look::Release(repo, _) => Some(Names::Repo(repo.as_str())),
            Look::Audit(id) => Some(Names::Audit(*id)),
        };
        let caller = &self.placed(caller.clone(), names).await.map_err(|why| none(&super::clean::text(&why.message)))?;
        let asked = |arguments: JsonObject| Asked { arguments, client, tell: None };
        let address = || json!({ "uri": uri }).as_object().cloned().unwrap_or_default();
        let envelope = match look {
            Look::Told(tool, arguments) => self.answer(tool, asked(arguments), caller).await,
            Look::Plan(digest) => {
                let tool = Tool::PlanDeployment;
                self.recorded(tool, asked(address()), caller, self.plan_told(tool, &digest, caller)).await
            }
            Look::Release(repo, tag) => {
                let tool = Tool::ListReleases;
                self.recorded(tool, asked(address()), caller, self.release_told(repo, &tag, caller)).await
            }
            Look::Audit(id) => {
                let tool = Tool::GetStatus;
                self.recorded(tool, asked(address()), caller, async { told(self.audited(id, caller).await) }).await
            }
        };
        if envelope.outcome == Word::Refused {
            let why = envelope.refusal.map(|refusal| format!("{} {} [{}]", refusal.message, refusal.fix, refusal.code));
            return Err(none(&super::clean::text(&why.unwrap_or_default())));
        }
        let value = serde_json::to_value(&envelope).map(clean).unwrap_or(Value::Null);
        let contents = ResourceContents::text(value.to_string(), uri).with_mime_type(JSON);
        Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(TTL).with_cache_scope(CacheScope::Private))
    }
}

impl Agents {
    async fn plan_told(&self, tool: Tool, digest: &str, caller: &Caller) -> Envelope {
        let (actor, wanted) = (caller.actor.clone(), digest.to_owned());
        let read = async {
            may_ever(tool, caller)?;
            let found = self.desk.read(move |rx| kept(rx, &actor, &wanted)).await?;
            let (plan, done) = found.ok_or_else(no_plan)?;
            let mut plan = PlanShown::from(plan);
            if done {
                plan.remarks.push("It has been done.".to_owned());
            }
            Ok(Envelope { plan: Some(plan), ..Envelope::new(Word::Planned) })
        };
        told(read.await)
    }

    async fn release_told(&self, repo: RepoName, tag: &Tag, caller: &Caller) -> Envelope {
        let read = async {
            let repo = self.readable(&Where { repo, environment: None }, caller).await?;
            let all = self.releases(repo.id, Some(MOST), caller).await?;
            let release = all.into_iter().find(|release| release.tag == tag.as_str()).ok_or_else(|| no_release(tag))?;
            Ok(Envelope { release: Some(release), ..Envelope::new(Word::Succeeded) })
        };
        told(read.await)
    }
}

fn told(read: Result<Envelope, Refusal>) -> Envelope {
    read.unwrap_or_else(|refusal| Envelope::refused(refusal.into()))
}

fn no_plan() -> Refusal {
    Refusal::user("plan_mismatch", "There is no plan of yours with this digest.", "Plan again with plan_deployment.")
}

fn no_release(tag: &Tag) -> Refusal {
    let text = format!("No release of {tag} was asked for.");
    Refusal::user("tag_gone", text, "list_releases shows those that were.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_look_or_nothing() {
        for (uri, told) in [
            ("lockkeeper://repos/acme/shop/status", Some((Tool::GetStatus, json!({ "repo": "acme/shop" })))),
            ("lockkeeper://repos/acme/shop/releases", Some((Tool::ListReleases, json!({ "repo": "acme/shop" })))),
            ("lockkeeper://deployments/r1", Some((Tool::GetDeployment, json!({ "deployment_id": "r1" })))),
            ("lockkeeper://deployments/r1/log", Some((Tool::GetDeployment, json!({ "deployment_id": "r1", "after_seq": 0 })))),
            (
                "lockkeeper://deployments/r1/log?after=7",
                Some((Tool::GetDeployment, json!({ "deployment_id": "r1", "after_seq": 7 }))),
            ),
            ("lockkeeper://deployments/r1/log?after=x", None),
            ("lockkeeper://deployments/r1?after=7", None),
            ("lockkeeper://repos/acme/../status", None),
            ("lockkeeper://repos/acme/shop/keys", None),
            ("file:///etc/passwd", None),
            ("", None),
        ] {
            let found = look(uri).map(|found| match found {
                Look::Told(tool, arguments) => (tool, Value::Object(arguments)),
                other => panic!("{other:?}"),
            });
            assert_eq!(found, told, "{uri}");
        }
        let (repo, tag) = (RepoName::parse("acme/shop").unwrap(), Tag::parse("api/v1.2.0").unwrap());
        assert_eq!(look("lockkeeper://repos/acme/shop/releases/api/v1.2.0"), Some(Look::Release(repo, tag)));
        assert_eq!(look("lockkeeper://plans/sha256:00"), Some(Look::Plan("sha256:00".to_owned())));
        assert_eq!(look("lockkeeper://repos/acme/shop/releases/a..b"), None);
        assert_eq!(look("lockkeeper://audit/12"), Some(Look::Audit(12)));
        assert_eq!((look("lockkeeper://audit/x"), look("lockkeeper://audit/1?a=b")), (None, None));
        assert_eq!(templates().len(), 8);
    }
}
