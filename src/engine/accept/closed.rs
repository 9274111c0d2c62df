//! A pull request that was merged or closed.

use super::{Accept, Runs};
use crate::domain::{Actor, RepoRef, Sha};
use crate::engine::client::wake;
use crate::store::audit::{self, Record};
use crate::store::{heads, holds};
use serde_json::json;

impl Accept<'_> {
    /// What was to end with it ends, by whoever closed it; what it was merged to is what it stands for from now on.
    pub(super) fn closed(&self, repo: &RepoRef, number: u64, merged: Option<&Sha>, actor: &Actor) -> Runs {
        if let Some(sha) = merged {
            heads::note(self.tx, repo.id, number, sha, self.received()?)?;
        }
        let why = format!("#{number} was {}", if merged.is_some() { "merged into the default branch" } else { "closed" });
        let open = holds::of_pull(self.tx, repo.id, number)?;
        for hold in &open {
            holds::end(self.tx, hold.id, actor, &why, self.now)?;
            let record = Record {
                at: self.now,
                actor: actor.clone(),
                door: "webhook".to_owned(),
                action: "unlock".to_owned(),
                run: None,
                repo: Some(repo.id),
                decision: "accepted".to_owned(),
                detail: json!({ "environment": hold.what.environment, "pr": number, "reason": why }),
            };
            audit::add(self.tx, &record)?;
        }
        wake(self.tx, self.host, &open)?;
        Ok(Vec::new())
    }
}
