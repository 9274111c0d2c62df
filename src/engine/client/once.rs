//! What is done in one transaction with its audit row, and once where a run or a caller's own key asks for it.

use super::{Client, Keyed};
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::outcome::{Gates, Outcome, Planned, Started};
use crate::domain::{Actor, Millis, Refusal, RepoRef, RunId};
use crate::engine::accept::Accept;
use crate::store::{StoreError, Tx, acts, audit};
use crate::workflow::deploy;
use serde_json::Value;

/// By what it is known that something was done already.
#[derive(Clone, Debug)]
pub enum Once {
    /// The step of a run that asks. What it had done before a crash is in [`acts`].
    Step {
        run: RunId,
        step: String,
    },
    Key(Keyed),
}

impl Once {
    /// Keeps the answer to what is done in this transaction.
    pub(super) fn keep(&self, tx: &Tx<'_>, answer: Value, now: Millis) -> Result<(), StoreError> {
        match self {
            Self::Step { run, step } => acts::add(tx, run, step, &answer),
            Self::Key(keyed) => keyed.keep(tx, answer, now),
        }
    }
}

impl Client {
    /// Starts a deployment of what somebody has pinned; nothing more is read for it.
    ///
    /// # Errors
    /// Those of the door and of the store.
    pub async fn start_pinned(
        &self,
        action: Action,
        caller: &Caller,
        planned: Planned,
        input: deploy::Input,
    ) -> Result<Outcome, Refusal> {
        let about = match self.about(&action, caller).await {
            // The run asks this of people itself.
            Ok(Some(repo)) if caller.actor.is_agent() => {
                self.is_named(&repo, &input.environment, caller).await.map(|()| Some(repo))
            }
            about => about,
        };
        let (repo, done) = match about {
            Err(refusal) => (None, Err(refusal)),
            Ok(repo) => match super::opening(&action, caller) {
                Err(refusal) => (repo, Err(refusal)),
                Ok(opening) => {
                    let opened = opening.map(|opening| opening.of(planned.plan.digest.as_str(), input.asked_at));
                    (repo, self.start(&action, caller, planned, move |accept| accept.deploy_opened(&input, opened)).await)
                }
            },
        };
        self.settled(&action, caller, repo.as_ref(), done).await
    }

    /// Asks anew for what a run has failed at, with what this person may do: its gates are judged again.
    ///
    /// # Errors
    /// `nothing_to_retry`, and those of the door and of the store.
    pub async fn retry(&self, action: &Action, of: RunId, caller: &Caller) -> Result<Outcome, Refusal> {
        let (host, now, by) = (self.host.clone(), self.host.now(), caller.actor.clone());
        let (repo, done) = match self.about(action, caller).await {
            Err(refusal) => (None, Err(refusal)),
            Ok(repo) => {
                let work = move |tx: &Tx<'_>| {
                    let accept = Accept { host: &host, tx, delivery: None, now, skew: 0 };
                    let Some((run, plan)) = accept.retried(&of, &by)? else { return Ok(Err(nothing_to_retry())) };
                    let (gates, remarks) = (Gates::of(Vec::new()), Vec::new());
                    Ok(Ok(Outcome::Started(Box::new(Started { run, new: true, plan: plan.digest, gates, remarks }))))
                };
                let done = self.decided(action, &caller.actor, repo.as_ref(), work).await;
                (repo, done)
            }
        };
        self.settled(action, caller, repo.as_ref(), done).await
    }

    /// Does something in one transaction, with its audit row and what makes it happen once.
    pub(super) async fn decided<F>(
        &self,
        action: &Action,
        actor: &Actor,
        repo: Option<&RepoRef>,
        work: F,
    ) -> Result<Outcome, Refusal>
    where
        F: FnOnce(&Tx<'_>) -> Result<Result<Outcome, Refusal>, StoreError> + Send + 'static,
    {
        let (client, action, actor, repo) = (self.clone(), action.clone(), actor.clone(), repo.cloned());
        let work = move |tx: &Tx<'_>| {
            if let Err(refusal) = client.still_may(tx, &actor)? {
                return Ok(Err(refusal));
            }
            let done = work(tx)?;
            if let Ok(outcome) = &done {
                audit::add(tx, &client.record(&action, &actor, repo.as_ref(), &done))?;
                client.note(tx, outcome)?;
            }
            Ok(done)
        };
        self.store.write(work).await.map_err(|why| why.refusal())?
    }

    fn note(&self, tx: &Tx<'_>, outcome: &Outcome) -> Result<(), StoreError> {
        let Some(once) = &self.once else { return Ok(()) };
        let answer = serde_json::to_value(outcome).map_err(|why| StoreError::Sql(why.to_string()))?;
        once.keep(tx, answer, self.host.now())
    }
}

fn nothing_to_retry() -> Refusal {
    let text = "There is nothing to try again: it goes on, it has been done, or it was asked for again already.";
    Refusal::user("nothing_to_retry", text, "`/status` shows what runs and what is live.")
}
