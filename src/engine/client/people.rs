//! What people do to environments and runs directly: locks, and steering a deployment that goes on. GitHub is asked only
//! whether an environment exists that we know nothing of, and the audit row is in the same transaction.

use super::{At, Client};
use crate::actions::Action;
use crate::actions::access::{About, Caller};
use crate::actions::control::{Control, Verb};
use crate::actions::lock::{Lock, Unlock, span};
use crate::actions::outcome::{Locked, Outcome, Steered};
use crate::domain::{Actor, EnvName, Hold, HoldKind, NewHold, Refusal, RepoRef, RunId};
use crate::engine::known;
use crate::store::runs::{self, RunState};
use crate::store::signals::{self, Signal};
use crate::store::steps::{self, PENDING, Step};
use crate::store::{Rx, StoreError, audit, holds};
use crate::workflow::gating::OUR_RECORD;
use crate::workflow::{comment, deploy};
use serde_json::json;

impl Client {
    pub(super) async fn lock(&self, action: &Action, ask: &Lock, repo: &RepoRef, actor: &Actor) -> Result<Outcome, Refusal> {
        self.must_exist(action, &ask.environment, repo, actor).await?;
        let now = self.host.now();
        let lasting = ask.lasting.as_deref().map(span).transpose().map_err(bad_time)?;
        let new = NewHold {
            repo: repo.id,
            environment: ask.environment.clone(),
            kind: HoldKind::Lock,
            owner: actor.clone(),
            reason: ask.reason.clone().unwrap_or_else(|| "no reason was given".to_owned()).chars().take(200).collect(),
            sha: None,
            run: None,
            since: now,
            until: lasting.map(|span| now.plus(span)),
        };
        let (client, action, actor, repo) = (self.clone(), action.clone(), actor.clone(), repo.clone());
        let work = move |tx: &crate::store::Tx<'_>| {
            if let Err(refusal) = client.still_may(tx, &actor)? {
                return Ok(Err(refusal));
            }
            holds::place(tx, &new)?;
            let open = holds::open(tx, repo.id, &new.environment, now)?;
            let done = Ok(Outcome::Locks(Locked { environment: new.environment.clone(), holds: open, ended: 0 }));
            audit::add(tx, &client.record(&action, &actor, Some(&repo), &done))?;
            Ok(done)
        };
        self.store.write(work).await.map_err(|why| why.refusal())?
    }

    /// By the settings that we know, so that a lock can be placed while GitHub is not there; by GitHub where we know of none.
    async fn must_exist(&self, action: &Action, name: &EnvName, repo: &RepoRef, actor: &Actor) -> Result<(), Refusal> {
        let (at, wanted) = (repo.clone(), name.clone());
        let known = self.read(move |rx| known::settings(rx, &at)).await?;
        if known.is_some_and(|config| config.environment(&wanted).is_some()) {
            return Ok(());
        }
        self.look(action, repo, At::default(), actor).await.map(drop)
    }

    pub(super) async fn unlock(
        &self,
        action: &Action,
        ask: &Unlock,
        repo: &RepoRef,
        actor: &Actor,
    ) -> Result<Outcome, Refusal> {
        let now = self.host.now();
        let why = ask.reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
        let (client, action, actor, repo) = (self.clone(), action.clone(), actor.clone(), repo.clone());
        let environment = ask.environment.clone();
        let work = move |tx: &crate::store::Tx<'_>| {
            if let Err(refusal) = client.still_may(tx, &actor)? {
                return Ok(Err(refusal));
            }
            let open = holds::open(tx, repo.id, &environment, now)?;
            // An agent ends its own locks; what people or a rollback have put in the way is for people.
            let own = |hold: &&Hold| hold.what.kind == HoldKind::Lock && hold.what.owner.id_of() == actor.id_of();
            if let Some(hold) = open.iter().find(|hold| !actor.is_person() && !own(hold)) {
                return Ok(Err(not_theirs(hold)));
            }
            for hold in &open {
                holds::end(tx, hold.id, &actor, &why, now)?;
            }
            if open.is_empty() {
                return Ok(Err(not_locked(environment.as_str())));
            }
            let done = Ok(Outcome::Locks(Locked { environment: environment.clone(), holds: Vec::new(), ended: open.len() }));
            audit::add(tx, &client.record(&action, &actor, Some(&repo), &done))?;
            // Whoever waits for the lock to end looks again.
            let here = |run: &runs::Run| run.subject.environment.as_ref() == Some(&environment);
            for run in runs::active_of(tx, repo.id, comment::WORKFLOW.name)?.into_iter().filter(here) {
                client.host.signal_in(tx, &run.id, "wake", &json!(OUR_RECORD))?;
            }
            Ok(done)
        };
        self.store.write(work).await.map_err(|why| why.refusal())?
    }

    pub(super) async fn steer(&self, action: &Action, ask: &Control, caller: &Caller) -> Result<Outcome, Refusal> {
        let (client, action, ask, caller) = (self.clone(), action.clone(), ask.clone(), caller.clone());
        let work = move |tx: &crate::store::Tx<'_>| {
            let run = runs::get(tx, &ask.run)?;
            let subject = run.as_ref().map(|run| run.subject.clone());
            let about = About {
                repo: subject.as_ref().map(|subject| subject.repo.id),
                environment: subject.as_ref().and_then(|subject| subject.environment.as_ref()),
            };
            let may = client.still_may(tx, &caller.actor)?.and_then(|()| caller.may(&action, about));
            let done = match (may, run) {
                (Err(refusal), _) => Err(refusal),
                (Ok(()), None) => Err(no_run()),
                (Ok(()), Some(run)) if run.workflow != deploy::WORKFLOW.name => Err(no_deployment()),
                (Ok(()), Some(run)) if run.state != RunState::Active => Err(over()),
                (Ok(()), Some(run)) => match traces(tx, &run.id)?.hear(ask.verb) {
                    Err(refusal) => Err(refusal),
                    Ok(()) => {
                        client.tell(tx, &run.id, &ask, &caller.actor)?;
                        Ok(Outcome::Steered(Steered { run: run.id, verb: ask.verb }))
                    }
                },
            };
            let repo = subject.map(|subject| subject.repo);
            audit::add(tx, &client.record(&action, &caller.actor, repo.as_ref(), &done))?;
            Ok(done)
        };
        self.store.write(work).await.map_err(|why| why.refusal())?
    }

    fn tell(&self, tx: &crate::store::Tx<'_>, run: &RunId, ask: &Control, actor: &Actor) -> Result<(), StoreError> {
        let said = ask.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let reason: String = format!("{} asked for it{said}", actor.login).chars().take(200).collect();
        match ask.verb {
            Verb::Abort => self.host.cancel_in(tx, run, &reason),
            Verb::Pause | Verb::Resume | Verb::Promote => {
                self.host.signal_in(tx, run, "control", &json!({ "verb": ask.verb, "by": actor, "reason": reason })).map(|_| ())
            }
        }
    }
}

/// What says where the run is.
fn traces(rx: &Rx<'_>, run: &RunId) -> Result<deploy::Traces, StoreError> {
    let pause = |signal: &Signal| signal.name == "control" && signal.taken_by.is_none() && signal.value["verb"] == "pause";
    let pause_asked = signals::of(rx, run)?.iter().any(pause);
    let trace = |step: Step| deploy::Trace { open: step.state == PENDING, name: step.name, result: step.result };
    let all = steps::of(rx, run)?.into_iter().map(trace).collect();
    Ok(deploy::Traces { input: runs::input(rx, run)?.unwrap_or_default(), all, pause_asked })
}

fn bad_time(why: String) -> Refusal {
    Refusal::user("time_invalid", format!("The lock's time cannot be read: {why}."), "Write it like 30m, 2h or 3d.")
}

fn not_locked(environment: &str) -> Refusal {
    Refusal::user("not_locked", format!("{environment} is not locked."), "Nothing needs to be done.")
}

fn not_theirs(hold: &Hold) -> Refusal {
    let (kind, owner) = (hold.what.kind.as_str(), &hold.what.owner.login);
    let text = format!("The {kind} on {} is by {owner}, and an agent ends only its own locks.", hold.what.environment);
    Refusal::user("not_allowed", text, "Ask a person to end it: `lockkeeper unlock` on the server's machine.")
}

fn no_run() -> Refusal {
    Refusal::user("run_unknown", "There is no run with this id.", "`lockkeeper status` shows what runs.")
}

fn no_deployment() -> Refusal {
    Refusal::user(
        "not_a_deployment",
        "Only deployments can be steered.",
        "`lockkeeper status` shows which runs are deployments.",
    )
}

fn over() -> Refusal {
    Refusal::user("run_over", "The deployment is over.", "`lockkeeper status` shows what runs.")
}
