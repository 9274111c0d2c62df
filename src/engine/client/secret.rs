//! The secret of a repository's own deploy hook, for the operator to hand on.
//!
//! Invariants: it is no action, so that no other door can ever ask for it; every look leaves an audit row, which does not hold
//! it.

use super::Client;
use crate::domain::{Actor, EnvName, Refusal, RepoName};
use crate::store::audit::{self, Record};
use crate::targets::sign::OwnHooks;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Only for the operator's own eyes.
#[derive(Serialize, Deserialize)]
pub struct HookSecret {
    pub repository: RepoName,
    pub environment: EnvName,
    pub secret: String,
}

impl Client {
    /// # Errors
    /// `repo_unknown`, or those of the store.
    pub async fn hook_secret(&self, name: RepoName, environment: EnvName, hooks: &OwnHooks) -> Result<HookSecret, Refusal> {
        let repo = self.repo(name).await?;
        let record = Record {
            at: self.host.now(),
            actor: Actor::operator(),
            door: self.door.to_owned(),
            action: "hook_secret".to_owned(),
            run: None,
            repo: Some(repo.id),
            decision: "accepted".to_owned(),
            detail: json!({ "repo": repo.name, "environment": environment }),
        };
        self.store.write(move |tx| audit::add(tx, &record)).await.map_err(|why| why.refusal())?;
        let secret = hooks.secret(repo.id, &environment).expose().to_owned();
        Ok(HookSecret { repository: repo.name, environment, secret })
    }
}
