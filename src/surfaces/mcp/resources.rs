//! What can be read without a tool: each address is a look that a tool takes, with the same rights, limits and record.

use super::catalog::Tool;
use super::clean::clean;
use super::envelope::Word;
use super::server::{Agents, Asked};
use crate::actions::access::Caller;
use crate::domain::{RepoName, RunId};
use crate::store::repos;
use rmcp::ErrorData;
use rmcp::model::{CacheScope, JsonObject, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

const SCHEME: &str = "lockkeeper://";
const JSON: &str = "application/json";
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

/// What somebody who listens to an address hears of.
pub(super) enum About {
    Repo(RepoName),
    Deployment(RunId),
}

pub(super) fn about(uri: &str) -> Option<About> {
    let (_, arguments) = look(uri)?;
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    match (text("repo"), text("deployment_id")) {
        (Some(repo), _) => RepoName::parse(repo).ok().map(About::Repo),
        (None, Some(id)) => RunId::parse(id).map(About::Deployment),
        (None, None) => None,
    }
}

/// A look, as a tool takes it.
fn look(uri: &str) -> Option<(Tool, JsonObject)> {
    let (path, query) = uri.strip_prefix(SCHEME)?.split_once('?').unwrap_or((uri.strip_prefix(SCHEME)?, ""));
    let parts: Vec<&str> = path.split('/').collect();
    let (tool, arguments) = match parts.as_slice() {
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
    arguments.as_object().cloned().map(|arguments| (tool, arguments))
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    let of_repo = OF_REPO.iter().map(|(what, title, _)| (format!("repos/{{owner}}/{{repo}}/{what}"), *what, *title));
    let of_deployment = OF_DEPLOYMENT.iter().map(|(address, name, title)| ((*address).to_owned(), *name, *title));
    let template = |(address, name, title): (String, &str, &str)| {
        ResourceTemplate::new(format!("{SCHEME}{address}"), name).with_title(title).with_mime_type(JSON)
    };
    of_repo.chain(of_deployment).map(template).collect()
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
        let (tool, arguments) =
            look(uri).ok_or_else(|| none("There is nothing at this address; resources/templates/list shows what there is."))?;
        let envelope = self.answer(tool, Asked { arguments, client }, caller).await;
        if envelope.outcome == Word::Refused {
            let why = envelope.refusal.map(|refusal| format!("{} {} [{}]", refusal.message, refusal.fix, refusal.code));
            return Err(none(&super::clean::text(&why.unwrap_or_default())));
        }
        let value = serde_json::to_value(&envelope).map(clean).unwrap_or(Value::Null);
        let contents = ResourceContents::text(value.to_string(), uri).with_mime_type(JSON);
        Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(TTL).with_cache_scope(CacheScope::Private))
    }
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
            assert_eq!(look(uri).map(|(tool, arguments)| (tool, Value::Object(arguments))), told, "{uri}");
        }
        assert_eq!(templates().len(), 5);
    }
}
