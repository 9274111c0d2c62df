//! From a change to the webhook that GitHub would send for it.

use super::Outgoing;
use crate::sandbox::ids::Kind;
use crate::sandbox::views;
use crate::sandbox::world::{Install, World};
use serde_json::{Map, Value, json};

/// Events that an App gets without subscribing. Source: "Webhook events and payloads".
const UNASKED: [&str; 3] = ["installation", "installation_repositories", "ping"];

/// A webhook to be: `payload` holds what is particular to the event.
pub(in crate::sandbox) struct Event {
    pub name: &'static str,
    pub action: Option<&'static str>,
    pub payload: Value,
    /// Who did it.
    pub actor: String,
}

impl World {
    /// Queues the event for the installation that covers the repository, if it listens.
    pub fn emit(&mut self, repo: u64, event: Event) {
        let listening = self.config.events.iter().any(|e| e == event.name) || UNASKED.contains(&event.name);
        let install = self.install_of(repo).filter(|i| i.suspended_at.is_none()).cloned();
        if let (true, Some(install)) = (listening, install) {
            self.queue(Some(repo), &install, event);
        }
    }

    /// Queues an event about an installation itself.
    pub fn emit_to(&mut self, install: &Install, event: Event) {
        self.queue(None, install, event);
    }

    fn queue(&mut self, repo: Option<u64>, install: &Install, event: Event) {
        let mut body = Map::new();
        if let Some(action) = event.action {
            body.insert("action".into(), action.into());
        }
        if let Value::Object(payload) = event.payload {
            body.extend(payload);
        }
        if let Some(id) = repo {
            body.insert("repository".into(), self.repository_of(id, event.name == "push"));
        }
        if self.find_account(&install.account).is_some_and(|a| a.kind == crate::sandbox::AccountKind::Organization) {
            let id = self.account(&install.account).id;
            body.insert("organization".into(), json!({ "login": install.account, "id": id }));
        }
        let sender = self.account(&event.actor);
        body.insert("sender".into(), views::account(&self.base, &sender));
        let node = crate::sandbox::ids::node_id(Kind::Installation, 0, install.id);
        body.entry("installation").or_insert_with(|| json!({ "id": install.id, "node_id": node }));
        self.send_raw(event.name, event.action, Some(install.id), repo, Value::Object(body).to_string(), None, false);
    }

    /// In a push, times are numbers and the owner has a name and an email; nowhere else.
    fn repository_of(&self, id: u64, push: bool) -> Value {
        let Some(repo) = self.repos.get(&id) else { return Value::Null };
        let mut value = views::repository(self, repo);
        if push {
            value["created_at"] = (repo.created_at.0 / 1_000).into();
            value["pushed_at"] = (repo.pushed_at.0 / 1_000).into();
            value["owner"]["name"] = repo.owner.as_str().into();
            value["owner"]["email"] = Value::Null;
        }
        value
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one delivery; a struct would only rename them")]
    pub fn send_raw(
        &mut self,
        event: &str,
        action: Option<&str>,
        installation: Option<u64>,
        repository: Option<u64>,
        payload: String,
        guid: Option<String>,
        forged: bool,
    ) {
        let (id, spare, now) = (self.ids.next(Kind::Delivery), self.ids.next(Kind::Delivery), self.now());
        let out = Outgoing {
            id,
            guid: guid.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            event: event.to_owned(),
            action: action.map(str::to_owned),
            installation,
            repository,
            redelivery: false,
            payload,
            forged,
        };
        self.outbox.add(out, spare, now);
    }
}
