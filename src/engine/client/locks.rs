//! Locks and freezes of people. GitHub is asked only whether an environment exists that we know nothing of, and the audit row
//! is in the same transaction.

use super::people::rule_unknown;
use super::{At, Client};
use crate::actions::Action;
use crate::actions::access::{Caller, Rights};
use crate::actions::authority;
use crate::actions::lock::{Lock, Unlock, span};
use crate::actions::outcome::{Locked, Outcome};
use crate::domain::{Actor, EnvName, Hold, HoldKind, NewHold, Refusal, RepoRef};
use crate::engine::host::Host;
use crate::engine::known;
use crate::store::runs::{self, Run};
use crate::store::{StoreError, Tx, holds};
use crate::workflow::comment;
use crate::workflow::gating::OUR_RECORD;
use serde_json::json;

impl Client {
    pub(super) async fn lock(&self, action: &Action, ask: &Lock, repo: &RepoRef, caller: &Caller) -> Result<Outcome, Refusal> {
        let actor = &caller.actor;
        if ask.pull == Some(0) {
            return Err(pull_missing());
        }
        let names = match &ask.environment {
            Some(name) => {
                self.must_exist(action, name, repo, actor).await?;
                vec![name.clone()]
            }
            None => self.all_of(repo, caller).await?,
        };
        for name in &names {
            self.is_named(repo, name, caller).await?;
        }
        let now = self.host.now();
        let lasting = ask.lasting.as_deref().map(span).transpose().map_err(bad_time)?;
        let reason: String = ask.reason.as_deref().unwrap_or("no reason was given").chars().take(200).collect();
        let new = move |environment: &EnvName, ask: &Lock, owner: &Actor, repo: &RepoRef| NewHold {
            repo: repo.id,
            environment: environment.clone(),
            kind: if ask.all { HoldKind::Freeze } else { HoldKind::Lock },
            owner: owner.clone(),
            reason: reason.clone(),
            sha: None,
            run: None,
            since: now,
            until: lasting.map(|span| now.plus(span)),
            pull: ask.pull,
        };
        let (ask, owner, at) = (ask.clone(), actor.clone(), repo.clone());
        let work = move |tx: &Tx<'_>| {
            let mut open = Vec::new();
            for name in &names {
                holds::place(tx, &new(name, &ask, &owner, &at))?;
                open.extend(holds::open(tx, at.id, name, now)?);
            }
            Ok(Ok(Outcome::Locks(Locked { environment: ask.environment, holds: open, ended: 0 })))
        };
        self.decided(action, actor, Some(repo), work).await
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

    /// Every environment that we know of, if all of them are theirs to touch.
    async fn all_of(&self, repo: &RepoRef, caller: &Caller) -> Result<Vec<EnvName>, Refusal> {
        let at = repo.clone();
        let known = self.read(move |rx| known::settings(rx, &at)).await?.ok_or_else(|| rule_unknown("all environments"))?;
        let names: Vec<EnvName> = known.environments.into_iter().map(|environment| environment.name).collect();
        caller.may_touch(&names)?;
        if names.is_empty() { Err(no_environments()) } else { Ok(names) }
    }

    pub(super) async fn unlock(
        &self,
        action: &Action,
        ask: &Unlock,
        repo: &RepoRef,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let names = match &ask.environment {
            Some(name) => vec![name.clone()],
            None => self.all_of(repo, caller).await?,
        };
        for name in &names {
            self.is_named(repo, name, caller).await?;
        }
        let (now, ask, by, at, host) = (self.host.now(), ask.clone(), caller.clone(), repo.id, self.host.clone());
        let reason = ask.reason.clone();
        let why = reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
        let work = move |tx: &Tx<'_>| {
            let mut open = Vec::new();
            for name in &names {
                open.extend(holds::open(tx, at, name, now)?);
            }
            open.retain(|hold| !ask.all || hold.what.kind == HoldKind::Freeze);
            if open.is_empty() {
                return Ok(Err(not_locked(ask.environment.as_ref())));
            }
            // What is theirs to end does not stay because of what is not.
            let (mut ended, mut kept, mut why_kept) = (Vec::new(), Vec::new(), None);
            for hold in open {
                match may_end(&by, &hold, reason.as_deref()) {
                    Ok(()) if holds::end(tx, hold.id, &by.actor, &why, now)? => ended.push(hold),
                    Ok(()) => {}
                    Err(refusal) => {
                        why_kept.get_or_insert(refusal);
                        kept.push(hold);
                    }
                }
            }
            if let Some(refusal) = why_kept.filter(|_| ended.is_empty()) {
                return Ok(Err(refusal));
            }
            wake(tx, &host, &ended)?;
            Ok(Ok(Outcome::Locks(Locked { environment: ask.environment, holds: kept, ended: ended.len() })))
        };
        self.decided(action, &caller.actor, Some(repo), work).await
    }
}

/// Whoever waits for what has ended looks again.
pub(in crate::engine) fn wake(tx: &Tx<'_>, host: &Host, ended: &[Hold]) -> Result<(), StoreError> {
    let Some(repo) = ended.first().map(|hold| hold.what.repo) else { return Ok(()) };
    let here = |run: &Run| ended.iter().any(|hold| run.subject.environment.as_ref() == Some(&hold.what.environment));
    for run in runs::active_of(tx, repo, comment::WORKFLOW.name)?.into_iter().filter(here) {
        host.signal_in(tx, &run.id, "wake", &json!(OUR_RECORD))?;
    }
    Ok(())
}

/// The operator ends everything. An agent ends its own locks; what people or a rollback have put in the way is for people.
fn may_end(caller: &Caller, hold: &Hold, reason: Option<&str>) -> Result<(), Refusal> {
    let own = hold.what.kind == HoldKind::Lock && hold.what.owner.id_of() == caller.actor.id_of();
    match &caller.rights {
        Rights::All => Ok(()),
        Rights::In { role, .. } => authority::may_end(&caller.actor, *role, hold, reason),
        Rights::Only(_) | Rights::Through(_) if own => Ok(()),
        Rights::Only(_) | Rights::Through(_) => Err(not_theirs(hold)),
    }
}

fn bad_time(why: String) -> Refusal {
    Refusal::user("time_invalid", format!("The lock's time cannot be read: {why}."), "Write it like 30m, 2h or 3d.")
}

fn pull_missing() -> Refusal {
    let text = "A lock that ends with a pull request must say with which one.";
    Refusal::user("pull_request_missing", text, "Name its number, `--pr=12`, or ask on the pull request itself.")
}

fn no_environments() -> Refusal {
    let text = "The repository has no environments.";
    Refusal::user("no_environments", text, "Add one to .github/lockkeeper.toml on the default branch.")
}

fn not_locked(environment: Option<&EnvName>) -> Refusal {
    let text = environment.map_or_else(|| "No environment is frozen.".to_owned(), |name| format!("{name} is not locked."));
    Refusal::user("not_locked", text, "Nothing needs to be done.")
}

fn not_theirs(hold: &Hold) -> Refusal {
    let (kind, owner) = (hold.what.kind.as_str(), &hold.what.owner.login);
    let text = format!("The {kind} on {} is by {owner}, and an agent ends only its own locks.", hold.what.environment);
    Refusal::user("not_allowed", text, "Ask a person to end it, in a comment or on the server's machine.")
}
