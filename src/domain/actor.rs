//! Who asks.

use super::{Key, Millis, Role, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    User,
    /// A GitHub App or another automation.
    Bot,
    /// An AI agent on behalf of a user.
    Agent,
    /// An agent or script that holds a key of ours; `id` is the key's number.
    Key,
    /// Lockkeeper's own timers and reconciler.
    Schedule,
    /// Whoever may read the server's files on its own machine.
    Operator,
}

/// Authorization goes by `id`; the login is for people and may change hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    pub kind: ActorKind,
    pub id: UserId,
    pub login: String,
}

/// A person at a door of GitHub's, with what GitHub has said that they may do in the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub actor: Actor,
    pub role: Role,
    /// When GitHub was asked, or before; the role is no newer than that.
    pub role_read: Millis,
}

impl Actor {
    pub fn schedule() -> Self {
        Self { kind: ActorKind::Schedule, id: UserId(0), login: "lockkeeper".into() }
    }

    pub fn operator() -> Self {
        Self { kind: ActorKind::Operator, id: UserId(0), login: "operator".into() }
    }

    pub fn key(key: &Key) -> Self {
        Self { kind: ActorKind::Key, id: UserId(key.number), login: format!("key {} ({})", key.name, key.id) }
    }

    /// What tells one from every other one, whatever they are called.
    pub fn id_of(&self) -> (ActorKind, UserId) {
        (self.kind, self.id)
    }

    /// An agent, or a script with a key: what it may do by itself is each environment's to say.
    pub fn is_agent(&self) -> bool {
        matches!(self.kind, ActorKind::Agent | ActorKind::Key)
    }

    /// Whether both are one account of GitHub: an agent acts for the one whose id it has. Keys have numbers of their own.
    pub fn is_account_of(&self, other: &Self) -> bool {
        let of_github = |actor: &Self| matches!(actor.kind, ActorKind::User | ActorKind::Bot | ActorKind::Agent);
        of_github(self) && of_github(other) && self.id == other.id
    }

    /// Whether a reason in their words may open what is in the way: an agent's never does.
    pub fn is_person(&self) -> bool {
        matches!(self.kind, ActorKind::User | ActorKind::Operator)
    }
}
