//! Plan, then apply: what changes an environment for an agent names the digest of a plan that was stored for it.
//!
//! Invariants: a digest covers a fresh id, so that planning again gives another one; it works for the one who asked, once,
//! and for a while; when it is done, the world is read again, and if anything that the plan stands on has moved, nothing
//! happens; the use of the plan, the start of the run, the audit row and the answer are one transaction.
//!
//! Known race: between that read and the run's own first read the world can change; the run reads and judges again.

mod denials;

use super::{At, Client, Keyed};
use crate::actions::Action;
use crate::actions::access::{About, Caller};
use crate::actions::deploy::Deploy;
use crate::actions::outcome::{Outcome, Planned};
use crate::actions::rollback::Rollback;
use crate::domain::{Actor, EnvName, Millis, Refusal, RepoRef, RunId, Sha, Tag};
use crate::engine::known;
use crate::gates;
use crate::plan::{Digest, Ground, Plan};
use crate::store::plans::{self, NewPlan};
use crate::store::{Rx, StoreError, Tx, heads, steps};
use crate::workflow::supplied;
use denials::{backwards, expired, gone, in_the_way, mismatch, nothing_to_plan, stale, taken};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

const LASTS: Duration = Duration::from_secs(15 * 60);
/// People who read a plan for production take their time.
const LASTS_IN_PRODUCTION: Duration = Duration::from_secs(60 * 60);

/// A plan that waits to be done.
#[derive(Clone, Debug)]
pub struct Kept {
    pub digest: String,
    pub planned: Planned,
    pub live: Option<Stands>,
    pub expires_at: Millis,
}

/// What users have now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    pub run: RunId,
    pub sha: Sha,
    pub tag: Option<Tag>,
}

/// A plan to be done.
#[derive(Clone, Debug, Serialize)]
pub struct Apply {
    pub plan_digest: String,
    pub reason: String,
}

/// Why a plan is not done.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    pub refusal: Refusal,
    /// What is not any more as it was planned.
    pub changed: Vec<String>,
    /// What had been planned.
    pub planned: Option<Box<Action>>,
    /// When time alone may change the answer.
    pub again: Option<Millis>,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, changed: Vec::new(), planned: None, again: None }
    }
}

/// What is kept under the digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Body {
    /// Makes the digest one of its own.
    id: String,
    action: Action,
    named: Named,
    planned: Planned,
    live: Option<Stands>,
}

/// How the commit was named: what may move since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    /// By the request itself.
    Asked,
    Branch(Tag),
}

impl Client {
    /// What would happen, kept for this caller. A dry run of Deploy or Rollback.
    ///
    /// # Errors
    /// As [`Client::act`].
    pub async fn plan(&self, action: Action, caller: &Caller) -> Result<Kept, Refusal> {
        let (planned, named) = match self.of_default_branch(&action, caller).await? {
            Some(found) => found,
            None => match (self.act(action.clone(), caller).await, &action) {
                (Err(refusal), Action::Deploy(ask)) if refusal.code == "tag_gone" => {
                    self.of_branch(ask, caller, refusal).await?
                }
                (done, _) => (planned(done?)?, Named::Asked),
            },
        };
        let environment = environment(&action)?.clone();
        let repo = planned.plan.repo.clone();
        let live = self.stands(&repo, &environment).await?;
        let id = uuid::Uuid::now_v7().to_string();
        let body = Body { id, action, named, planned: planned.clone(), live: live.clone() };
        let digest = body.digest().to_string();
        let (at, wanted) = (repo.clone(), environment.clone());
        let settings = self.read(move |rx| known::settings(rx, &at)).await?;
        let production = settings.and_then(|s| s.environment(&wanted).map(|e| e.is_production())).unwrap_or(true);
        let (now, lasts) = (self.host.now(), if production { LASTS_IN_PRODUCTION } else { LASTS });
        let body = serde_json::to_value(&body)
            .map_err(|why| Refusal::us("plan_unwritable", format!("The plan cannot be kept: {why}.")))?;
        let expires_at = now.plus(lasts);
        let actor = caller.actor.clone();
        let new = NewPlan { digest: digest.clone(), actor, repo: repo.id, environment, body, created_at: now, expires_at };
        self.store.write(move |tx| plans::add(tx, &new)).await.map_err(|why| why.refusal())?;
        Ok(Kept { digest, planned, live, expires_at })
    }

    /// The default branch is what agents name most, and where it still stands as we know it, one question tells all of it.
    /// Nothing where it does not, or where something else was named.
    async fn of_default_branch(&self, action: &Action, caller: &Caller) -> Result<Option<(Planned, Named)>, Refusal> {
        let Action::Deploy(Deploy { git_ref: Some(text), overriding: None, .. }) = action else { return Ok(None) };
        let Ok(name) = Tag::parse(text.strip_prefix("refs/heads/").unwrap_or(text)) else { return Ok(None) };
        // Who may not ask is told so where everybody is.
        let Ok(Some(repo)) = self.about(action, caller).await else { return Ok(None) };
        let at = repo.clone();
        let branch = self.read(move |rx| known::default_branch(rx, &at)).await?;
        let Some(branch) = branch.filter(|branch| branch.name == name.as_str()) else { return Ok(None) };
        let at = At { sha: Some(branch.head), branch: Some(name.clone()), ours: true, ..At::default() };
        match self.look(action, &repo, at, &caller.actor).await {
            Err(refusal) if refusal.code == "tag_gone" => Ok(None),
            done => Ok(Some((planned(self.settled(action, caller, Some(&repo), done).await?)?, Named::Branch(name)))),
        }
    }

    /// The head of the branch that was named where a tag could have been.
    async fn of_branch(&self, ask: &Deploy, caller: &Caller, gone: Refusal) -> Result<(Planned, Named), Refusal> {
        let name = ask.git_ref.as_deref().and_then(|text| Tag::parse(text.strip_prefix("refs/heads/").unwrap_or(text)).ok());
        let Some(name) = name else { return Err(gone) };
        let repo = self.repo(ask.repo.clone()).await?;
        let Some(head) = self.head_of(&repo, &name).await? else {
            let text = format!("There is neither a tag nor a branch {name}.");
            return Err(Refusal::user("tag_gone", text, "Name a tag, a branch, or all 40 digits of a commit's id."));
        };
        let action = Action::Deploy(Deploy { git_ref: Some(head.to_string()), ..ask.clone() });
        let done = self.look(&action, &repo, At { sha: Some(head), ours: true, ..At::default() }, &caller.actor).await;
        Ok((planned(self.settled(&action, caller, Some(&repo), done).await?)?, Named::Branch(name)))
    }

    async fn head_of(&self, repo: &RepoRef, branch: &Tag) -> Result<Option<Sha>, Refusal> {
        self.github.installation(repo.installation).branch_head(&repo.name, branch.as_str()).await.map_err(Refusal::from)
    }

    async fn stands(&self, repo: &RepoRef, environment: &EnvName) -> Result<Option<Stands>, Refusal> {
        let live = self.entries(repo, environment).await?.into_iter().find(|entry| entry.until.is_none());
        Ok(live.map(|entry| Stands { run: entry.run, sha: entry.sha, tag: entry.tag }))
    }

    /// Does a plan of this caller's, if everything still stands as it was planned.
    ///
    /// # Errors
    /// `plan_mismatch`, `plan_consumed`, `plan_expired`, `plan_stale`, `idempotency_conflict`, the codes of gates, and those
    /// of [`Client::act`].
    pub async fn apply(&self, ask: &Apply, keyed: Keyed, rollback: bool, caller: &Caller) -> Result<Outcome, Denied> {
        if let Some(answer) = self.answered(&keyed).await? {
            return Ok(answer);
        }
        let (digest, actor) = (ask.plan_digest.clone(), caller.actor.clone());
        let kept = self.read(move |rx| plans::of(rx, &actor, &digest)).await?.ok_or_else(mismatch)?;
        let used_by = kept.used.then_some(kept.digest.clone());
        let body: Body = serde_json::from_value(kept.body)
            .map_err(|why| Refusal::us("plan_unreadable", format!("The stored plan cannot be read: {why}.")))?;
        let action = body.to_do(ask, rollback)?;
        let repo = body.planned.plan.repo.clone();
        let done = match used_by {
            Some(digest) => Err(self.consumed(digest).await?.into()),
            None if self.host.now() >= kept.expires_at => Err(expired(kept.expires_at).into()),
            None => self.execute(&action, &body, &kept.digest, keyed.clone(), caller).await,
        };
        if let Err(denied) = &done {
            // The same request may have been done beside this one.
            if let Some(answer) = self.answered(&keyed).await? {
                return Ok(answer);
            }
            let refused = Err(denied.refusal.clone());
            let record = self.record(&action, &caller.actor, Some(&repo), &refused);
            self.store.write(move |tx| crate::store::audit::add(tx, &record)).await.map_err(|why| why.refusal())?;
        }
        done.map_err(|denied| Denied { planned: Some(Box::new(body.action)), ..denied })
    }

    async fn consumed(&self, digest: String) -> Result<Refusal, Refusal> {
        let run = self.read(move |rx| plans::done_by(rx, &digest)).await?.unwrap_or_default();
        let fix = format!("Look at the deployment {run} that it became, or plan again.");
        Ok(Refusal::user("plan_consumed", "This plan has been done already; each is done once.", fix))
    }

    async fn execute(
        &self,
        action: &Action,
        body: &Body,
        digest: &str,
        keyed: Keyed,
        caller: &Caller,
    ) -> Result<Outcome, Denied> {
        let (repo, environment) = (&body.planned.plan.repo, environment(action)?);
        caller.may(action, About { repo: Some(repo.id), environment: Some(environment) })?;
        let now = self.again(body, repo, caller).await?;
        self.is_named(repo, environment, caller).await?;
        let live = self.stands(repo, environment).await?;
        let changed = body.changed(&now.plan, live.as_ref());
        if !changed.is_empty() {
            return Err(Denied { changed: changed.clone(), ..stale(&changed).into() });
        }
        if let Some(denied) = now.gates.verdicts.iter().find_map(in_the_way) {
            return Err(denied);
        }
        if let (Action::Deploy(_), Some(live)) = (action, &live) {
            self.goes_forward(&now, live).await?;
        }
        let mut input = self.deploy_input(repo, environment, &now, caller);
        input.reason = match action {
            Action::Rollback(ask) => Some(ask.reason.clone()),
            Action::Deploy(ask) => ask.reason.clone(),
            _ => None,
        };
        input.rollback = matches!(action, Action::Rollback(_));
        input.leaving = live.map(|live| live.sha).filter(|_| input.rollback);
        input.remarks = now.remarks.clone();
        let (digest, at) = (digest.to_owned(), self.host.now());
        let consume = move |tx: &Tx<'_>, run: &RunId| match plans::consume(tx, &digest, run, at)? {
            true => Ok(()),
            false => Err(StoreError::Refused(taken())),
        };
        let door = self.with(keyed.clone());
        let started = door.start(action, caller, now, move |accept| {
            let asked = accept.deploy(&input)?;
            consume(accept.tx, &asked.run)?;
            Ok(asked)
        });
        match started.await {
            // Somebody else was faster: with the same key it was this request.
            Err(refusal) if matches!(refusal.code.as_str(), "plan_consumed" | "answered_already") => {
                match self.answered(&keyed).await? {
                    Some(answer) => Ok(answer),
                    None => Err(refusal.into()),
                }
            }
            other => other.map_err(Denied::from),
        }
    }

    /// Whether the commit contains what is live. The run asks that again when it is its turn, so that what cannot be read now
    /// is left to it; that it is known already saves an agent the wait.
    async fn goes_forward(&self, now: &Planned, live: &Stands) -> Result<(), Refusal> {
        let (run, pin, repo) = (now.run.clone(), &now.plan.pin, &now.plan.repo);
        let facts = self.read(move |rx| steps::get(rx, &run, "facts")).await?.and_then(|step| step.result);
        let ground: Option<Ground> = facts.and_then(|value| serde_json::from_value(value).ok());
        let known = ground.is_some_and(|ground| ground.facts.history.iter().any(|commit| commit.sha == live.sha));
        if live.sha == pin.sha || known {
            return Ok(());
        }
        match self.github.installation(repo.installation).distance(&repo.name, &live.sha, &pin.sha).await {
            Ok(distance) if distance.behind == 0 => Ok(()),
            Ok(distance) if distance.ahead > 0 && self.is_merged(repo, &live.sha).await => Ok(()),
            Ok(distance) => Err(backwards(&pin.sha, &live.sha, distance.ahead > 0)),
            Err(_) => Ok(()),
        }
    }

    /// What is live may have become part of it under another name. Whether it has is for the run to say, and what cannot be
    /// read now, too.
    async fn is_merged(&self, repo: &RepoRef, head: &Sha) -> bool {
        let (id, sha) = (repo.id, head.clone());
        let recorded = self.read(move |rx| heads::pull_of(rx, id, &sha)).await.ok().flatten();
        let merges = self.github.installation(repo.installation).merges_of_head(repo, head, recorded).await;
        merges.map_or(true, |merges| !merges.is_empty())
    }

    /// The same question to the world as it is now.
    async fn again(&self, body: &Body, repo: &RepoRef, caller: &Caller) -> Result<Planned, Denied> {
        let (action, at) = match (&body.action, &body.named) {
            (Action::Deploy(ask), Named::Branch(name)) => {
                let head = self.head_of(repo, name).await?;
                let head = head.ok_or_else(|| gone(&format!("The branch {name} does not exist any more.")))?;
                let action = Action::Deploy(Deploy { git_ref: Some(head.to_string()), ..ask.clone() });
                (action, At { sha: Some(head), ours: true, ..At::default() })
            }
            (action, _) => (action.clone(), self.at(action, repo).await?),
        };
        match self.look(&action, repo, at, &caller.actor).await {
            Ok(outcome) => Ok(planned(outcome)?),
            Err(refusal) if matches!(refusal.code.as_str(), "tag_gone" | "commit_unknown") => Err(gone(&refusal.message)),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

/// The plan of this actor under a digest, as it was told, and whether it has been done.
///
/// # Errors
/// Those of the store.
pub fn kept(rx: &Rx<'_>, actor: &Actor, digest: &str) -> Result<Option<(Kept, bool)>, StoreError> {
    let Some(found) = plans::of(rx, actor, digest)? else { return Ok(None) };
    let body: Body = serde_json::from_value(found.body).map_err(|why| StoreError::Sql(why.to_string()))?;
    let kept = Kept { digest: found.digest, planned: body.planned, live: body.live, expires_at: found.expires_at };
    Ok(Some((kept, found.used)))
}

/// Whom the plan asked for that became this run, as it was judged when it was done.
///
/// # Errors
/// Those of the store.
pub(super) fn asked(rx: &Rx<'_>, run: &RunId) -> Result<Option<String>, StoreError> {
    let body: Option<Body> = plans::of_run(rx, run)?.and_then(|body| serde_json::from_value(body).ok());
    Ok(body.and_then(|body| gates::asks_people(&body.planned.gates.verdicts)))
}

impl Body {
    /// Over everything that decides what happens, and who is asked for nothing: it is bound by its row.
    fn digest(&self) -> Digest {
        Digest::of(&json!({
            "id": self.id, "action": self.action.name(), "named": self.named, "repository": self.planned.plan.repo.id,
            "environment": self.planned.plan.environment, "pin": self.planned.plan.pin, "live": self.live, "gates": self.planned.plan.gates,
            "steps": self.planned.plan.steps,
        }))
    }

    /// The request that the plan was a dry run of.
    fn to_do(&self, ask: &Apply, rollback: bool) -> Result<Action, Refusal> {
        match (&self.action, rollback) {
            (Action::Deploy(planned), false) => {
                Ok(Action::Deploy(Deploy { reason: Some(ask.reason.clone()), dry_run: false, ..planned.clone() }))
            }
            (Action::Rollback(planned), true) => {
                Ok(Action::Rollback(Rollback { reason: ask.reason.clone(), dry_run: false, ..planned.clone() }))
            }
            _ => Err(mismatch()),
        }
    }

    /// One sentence for each thing.
    fn changed(&self, now: &Plan, live: Option<&Stands>) -> Vec<String> {
        let then = &self.planned.plan;
        let mut changed = Vec::new();
        if then.pin.sha != now.pin.sha {
            changed.push(format!("the commit to deploy was {} and is {}", then.pin.sha, now.pin.sha));
        }
        let named = |stands: Option<&Stands>| stands.map_or_else(|| "nothing".to_owned(), |stands| stands.sha.to_string());
        let was = self.live.as_ref();
        if was != live {
            let by = live.map(|stands| format!(" (by {})", stands.run)).unwrap_or_default();
            changed.push(format!("live was {} and is {}{by}", named(was), named(live)));
        }
        if then.pin.config != now.pin.config {
            changed.push("the settings of the repository are other ones".to_owned());
        }
        match (&then.pin.configuration, &now.pin.configuration) {
            (Some(was), Some(is)) if was.digest != is.digest => {
                changed.push(format!("the configuration is another one: {}", supplied::names(&was.changed(is))));
            }
            (Some(_), None) | (None, Some(_)) => changed.push("the configuration comes from elsewhere".to_owned()),
            _ => {}
        }
        if then.gates != now.gates {
            changed.push("the gates are other ones".to_owned());
        }
        if then.steps != now.steps || (&then.pin.version, &then.pin.component) != (&now.pin.version, &now.pin.component) {
            changed.push("what would be done is something else".to_owned());
        }
        changed
    }
}

fn planned(outcome: Outcome) -> Result<Planned, Refusal> {
    match outcome {
        Outcome::Planned(planned) => Ok(*planned),
        _ => Err(Refusal::us("not_planned", "The request was no dry run.")),
    }
}

fn environment(action: &Action) -> Result<&EnvName, Refusal> {
    match action {
        Action::Deploy(ask) => Ok(&ask.environment),
        Action::Rollback(ask) => Ok(&ask.environment),
        _ => Err(nothing_to_plan()),
    }
}
