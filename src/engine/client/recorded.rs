//! The audit rows of what is asked for, done or refused.

use super::Client;
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::outcome::Outcome;
use crate::domain::{Actor, Refusal, RepoId, RepoRef};
use crate::store::Tx;
use crate::store::audit::{self, Record};
use serde_json::Value;

impl Client {
    /// Leaves a row of what has none yet.
    pub(super) async fn settled(
        &self,
        action: &Action,
        caller: &Caller,
        repo: Option<&RepoRef>,
        done: Result<Outcome, Refusal>,
    ) -> Result<Outcome, Refusal> {
        // What was done has left its row with it.
        if matches!(done, Ok(Outcome::Started(_) | Outcome::Locks(_) | Outcome::Steered(_))) {
            return done;
        }
        let record = self.record(action, &caller.actor, repo, &done);
        let kept = self.store.write(move |tx| audit::add(tx, &record)).await;
        kept.map_err(|why| why.refusal()).and(done)
    }

    /// Keeps on record that somebody was turned away at the door.
    pub async fn turned_away(&self, action: &Action, actor: &Actor, repo: &RepoRef, refusal: Refusal) -> Refusal {
        let record = self.record(action, actor, Some(repo), &Err(refusal.clone()));
        match self.store.write(move |tx| audit::add(tx, &record)).await {
            Ok(()) => refusal,
            Err(why) => why.refusal(),
        }
    }

    /// The same for what was refused before it was an action; once, where a run asks for it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn refused(&self, name: &str, detail: Value, actor: &Actor, repo: RepoId, why: &Refusal) -> Result<(), Refusal> {
        let record = Record {
            at: self.host.now(),
            actor: actor.clone(),
            door: self.door.to_owned(),
            action: name.to_owned(),
            run: None,
            repo: Some(repo),
            decision: format!("refused:{}", why.code),
            detail,
        };
        let (once, now) = (self.once.clone(), self.host.now());
        let work = move |tx: &Tx<'_>| {
            audit::add(tx, &record)?;
            once.map_or(Ok(()), |once| once.keep(tx, Value::Null, now))
        };
        self.store.write(work).await.map_err(|why| why.refusal())
    }

    pub(super) fn record(
        &self,
        action: &Action,
        actor: &Actor,
        repo: Option<&RepoRef>,
        done: &Result<Outcome, Refusal>,
    ) -> Record {
        let decision = match done {
            Ok(_) => "accepted".to_owned(),
            Err(refusal) => format!("refused:{}", refusal.code),
        };
        let run = match done {
            Ok(Outcome::Started(started)) => Some(started.run.clone()),
            Ok(Outcome::Reviewed(reviewed)) => Some(reviewed.run.clone()),
            _ => None,
        };
        Record {
            at: self.host.now(),
            actor: actor.clone(),
            door: self.door.to_owned(),
            action: action.name().to_owned(),
            run,
            repo: repo.map(|repo| repo.id),
            decision,
            // A request is plain data; it is always JSON.
            detail: serde_json::to_value(action).unwrap_or_default(),
        }
    }
}
