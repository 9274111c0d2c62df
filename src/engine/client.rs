//! The one door to the actions: every surface builds an [`Action`] and hands it over here, with who asks.
//!
//! Invariants: whoever asks is authorized before anything is read for them; what changes something is planned first, from a
//! fresh read, and pinned to what was read; every request, also a refused one, leaves an audit row, that of a started run in
//! the transaction that starts it.
//!
//! Known race: between the plan and the run's own first read the world can change; the run reads and judges again.

mod back;
mod keyed;
mod locks;
mod once;
mod people;
mod plans;
mod recorded;
mod review;
mod secret;
mod status;

pub use keyed::Keyed;
pub(super) use locks::wake;
pub use once::Once;
pub use plans::{Apply, Denied, Kept, Stands, kept};
pub use review::Heard;
pub(super) use review::asks_about;
pub use secret::HookSecret;
pub(super) use status::waits_for;
pub use status::{Waits, repository, waiting};

use super::accept::{Accept, Asked, outcome as ended};
use super::host::{Host, NewRun};
use super::known;
use crate::actions::Action;
use crate::actions::access::{About, Caller, Rights, Through};
use crate::actions::approve;
use crate::actions::deploy::{Deploy, Subject as Deployed};
use crate::actions::outcome::{Live, Outcome, Planned, Started};
use crate::actions::overriding::Opening;
use crate::domain::{Actor, ActorKind, EnvName, EnvPlace, LedgerEntry, Refusal, RepoName, RepoRef, RunId, Sha, Tag};
use crate::flow;
use crate::github::GitHub;
use crate::store::runs::{Run, Subject};
use crate::store::{Rx, Store, StoreError, Tx, keys, ledger, repos, steps};
use crate::workflow::deploy::ByComment;
use crate::workflow::{State, deploy, look};
use std::time::Duration;

/// How long somebody waits at a door for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many entries of an environment's ledger are looked through.
const RECENT: u32 = 100;

/// Cheap to clone; one for each door.
#[derive(Clone)]
pub struct Client {
    pub host: Host,
    pub store: Store,
    pub github: GitHub,
    /// The door's name in the audit: `control`, …
    pub door: &'static str,
    /// Set where what is asked for must be done once however often it is asked for.
    pub once: Option<Once>,
}

/// What an action is to look at.
#[derive(Default)]
struct At {
    tag: Option<Tag>,
    sha: Option<Sha>,
    url: Option<String>,
    /// What our ledger says of it, where it has been live, and of what is taken when its commit is gone.
    subjects: Vec<Deployed>,
    /// A gate that would be opened.
    opening: Option<Opening>,
    /// It is the head of one of the repository's own branches.
    ours: bool,
    /// The default branch, by its name.
    branch: Option<Tag>,
    /// What a way back leaves.
    leaving: Option<Sha>,
}

impl Client {
    /// Does what is asked, or says why not.
    ///
    /// # Errors
    /// `repo_unknown`, `ref_invalid`, `not_answered`, and what the action itself refuses.
    pub async fn act(&self, action: Action, caller: &Caller) -> Result<Outcome, Refusal> {
        let (repo, done) = match &action {
            // A run says itself what it is about.
            Action::Control(ask) => self.steer(&action, ask, caller).await,
            _ => match self.about(&action, caller).await {
                Err(refusal) => (None, Err(refusal)),
                Ok(repo) => {
                    let done = self.decide(&action, repo.as_ref(), caller).await;
                    (repo, done)
                }
            },
        };
        self.settled(&action, caller, repo.as_ref(), done).await
    }

    /// The repository that it is about, where this caller may ask it.
    async fn about(&self, action: &Action, caller: &Caller) -> Result<Option<RepoRef>, Refusal> {
        let repo = match (action.repo(), caller.only_repo()) {
            // It is known by its id, whatever it is called by now.
            (_, Some(only)) if matches!(caller.rights, Rights::In { .. }) => self.read(move |rx| repos::get(rx, only)).await,
            (Some(name), _) => self.repo(name.clone()).await.map(Some),
            (None, Some(only)) => self.read(move |rx| repos::get(rx, only)).await,
            (None, None) => Ok(None),
        };
        let id = repo.as_ref().ok().and_then(|repo| repo.as_ref().map(|repo| repo.id));
        caller.may(action, About { repo: id, environment: None })?;
        repo
    }

    async fn decide(&self, action: &Action, repo: Option<&RepoRef>, caller: &Caller) -> Result<Outcome, Refusal> {
        let actor = &caller.actor;
        let repo = match (action, repo) {
            (Action::Lock(ask), Some(repo)) => return self.lock(action, ask, repo, caller).await,
            (Action::Unlock(ask), Some(repo)) => return self.unlock(action, ask, repo, caller).await,
            // Who says it is known only where GitHub has said it, see `review`.
            (Action::Approve(_), _) => return Err(approve::people_only()),
            (Action::Status(_), _) | (_, None) => return self.overview(repo.cloned(), caller).await.map(Outcome::Status),
            (_, Some(repo)) => repo,
        };
        let opening = opening(action, caller)?;
        let at = At { opening: opening.clone(), ..self.at(action, repo).await? };
        let leaving = at.leaving.clone();
        let looked = self.look(action, repo, at, actor).await?;
        match (action, looked) {
            (Action::Publish(ask), Outcome::Planned(planned)) if !ask.dry_run => {
                caller.may_touch(&planned.plan.deploys_to())?;
                let (repo, tag, by) = (repo.clone(), ask.tag.clone(), actor.clone());
                let sha = planned.plan.pin.sha.clone();
                self.start(action, caller, *planned, move |accept| accept.publish(&repo, &tag, &sha, &by)).await
            }
            (Action::Deploy(ask), Outcome::Planned(planned)) if !ask.dry_run => {
                let input = self.deploy_input(repo, &ask.environment, &planned, caller);
                let (reason, strategy) = (ask.reason.clone(), ask.strategy.clone());
                let input = deploy::Input { reason, strategy, wait: ask.wait, ..input };
                let opened = opening.map(|opening| opening.of(planned.plan.digest.as_str(), input.asked_at));
                self.start(action, caller, *planned, move |accept| accept.deploy_opened(&input, opened)).await
            }
            (Action::Rollback(ask), Outcome::Planned(planned)) if !ask.dry_run => {
                let input = self.deploy_input(repo, &ask.environment, &planned, caller);
                let (reason, remarks) = (Some(ask.reason.clone()), planned.remarks.clone());
                let input = deploy::Input { rollback: true, leaving, reason, remarks, ..input };
                self.start(action, caller, *planned, move |accept| accept.deploy(&input)).await
            }
            (_, looked) => Ok(looked),
        }
    }

    async fn repo(&self, name: RepoName) -> Result<RepoRef, Refusal> {
        let wanted = name.clone();
        self.read(move |rx| repos::named(rx, &wanted)).await?.ok_or_else(|| known::not_known(&name))
    }

    async fn at(&self, action: &Action, repo: &RepoRef) -> Result<At, Refusal> {
        match action {
            Action::Publish(ask) => Ok(At { tag: Some(ask.tag.clone()), ..At::default() }),
            Action::Notes(ask) => Ok(At { tag: Some(ask.tag.clone()), ..At::default() }),
            Action::Deploy(Deploy { from: Some(from), .. }) => {
                let live = self.entries(repo, from).await?.into_iter().find(|entry| entry.until.is_none());
                let live = live.ok_or_else(|| nothing_live(from))?;
                Ok(At { tag: live.tag, sha: Some(live.sha), ..At::default() })
            }
            Action::Deploy(ask) => named(ask.git_ref.as_deref()),
            Action::Rollback(ask) => {
                let (leaving, back) = self.way_back(repo, ask).await?;
                let sha = back.first().map(|entry| entry.sha.clone());
                let subjects = back.iter().map(deploy::subject_of).collect();
                Ok(At { sha, subjects, leaving: Some(leaving), ..At::default() })
            }
            Action::Validate(ask) => named(ask.git_ref.as_deref()),
            Action::Health(ask) => {
                let live = self.live(repo, &ask.environment).await?;
                let url = live.as_ref().and_then(|live| live.url.clone());
                match (&ask.git_ref, live) {
                    (None, Some(live)) => Ok(At { tag: live.tag, sha: live.sha, url, ..At::default() }),
                    (git_ref, _) => Ok(At { url, ..named(git_ref.as_deref())? }),
                }
            }
            Action::Status(_) | Action::Control(_) | Action::Lock(_) | Action::Unlock(_) | Action::Approve(_) => {
                Ok(At::default())
            }
        }
    }

    /// What our ledger says is live.
    async fn live(&self, repo: &RepoRef, environment: &EnvName) -> Result<Option<Live>, Refusal> {
        let live = self.entries(repo, environment).await?.into_iter().find(|entry| entry.until.is_none());
        Ok(live.map(|entry| status::in_place(environment.clone(), entry)))
    }

    /// Our ledger of an environment, newest first.
    async fn entries(&self, repo: &RepoRef, environment: &EnvName) -> Result<Vec<LedgerEntry>, Refusal> {
        let place = EnvPlace { repo: repo.id, environment: environment.clone() };
        self.read(move |rx| ledger::of(rx, &place, RECENT)).await
    }

    /// Reads and judges in a run of its own, so that its plan is kept.
    async fn look(&self, action: &Action, repo: &RepoRef, at: At, actor: &Actor) -> Result<Outcome, Refusal> {
        let At { tag, sha, url, subjects, opening, ours, branch, .. } = at;
        let mut subjects = subjects.into_iter();
        let (known, older) = (subjects.next(), subjects.collect());
        let subject = Subject {
            repo: repo.clone(),
            tag: tag.clone(),
            sha: sha.clone(),
            environment: None,
            delivery: None,
            actor: actor.clone(),
        };
        let asked_at = self.host.now();
        let input = look::Input {
            repo: repo.clone(),
            action: action.clone(),
            tag,
            sha,
            url,
            known,
            older,
            opening,
            ours,
            branch,
            actor: actor.clone(),
            asked_at,
        };
        let unwritable =
            |why: serde_json::Error| Refusal::us("input_unwritable", format!("The question cannot be kept: {why}."));
        let new = NewRun {
            workflow: look::WORKFLOW.name.to_owned(),
            // Each question is one of its own.
            key: format!("look:{}:{}", repo.id, uuid::Uuid::new_v4()),
            subject,
            input: serde_json::to_value(&input).map_err(unwritable)?,
        };
        let id = self.host.submit(new).await.map_err(|why| why.refusal())?.id().clone();
        let run = self.host.wait(&id, PATIENCE).await.map_err(|why| why.refusal())?;
        match run.and_then(|run| run.outcome).map(serde_json::from_value) {
            Some(Ok(flow::Outcome::Finished(value))) => serde_json::from_value::<look::Looked>(value).map_err(unread)?,
            Some(Ok(flow::Outcome::Failed(refusal))) => Err(refusal),
            Some(Err(why)) => Err(unread(why)),
            None => Err(self.unanswered(&id).await),
        }
    }

    async fn unanswered(&self, run: &RunId) -> Refusal {
        let id = run.clone();
        let all = self.read(move |rx| steps::of(rx, &id)).await.unwrap_or_default();
        let last = all.into_iter().rev().find_map(|step| step.last_error).unwrap_or_else(|| "nothing has failed".to_owned());
        Refusal::world(
            "not_answered",
            format!("There is no answer within {} seconds ({last}).", PATIENCE.as_secs()),
            format!("Ask again; `lockkeeper runs show {run}` says how far it came."),
        )
    }

    fn deploy_input(&self, repo: &RepoRef, environment: &EnvName, planned: &Planned, caller: &Caller) -> deploy::Input {
        let now = self.host.now();
        let by_comment = match caller.rights {
            Rights::In { role, role_read, pull, .. } => Some(ByComment { role_read, role, head: false, pull, given: None }),
            Rights::Through(Some(Through { role, role_read, .. })) => {
                Some(ByComment { role_read, role, head: false, pull: None, given: None })
            }
            Rights::All | Rights::Only(_) | Rights::Through(None) => None,
        };
        let pin = planned.plan.pin.clone();
        deploy::Input {
            repo: repo.clone(),
            environment: environment.clone(),
            subject: Deployed { sha: pin.sha, tag: pin.tag, version: pin.version, component: pin.component },
            actor: caller.actor.clone(),
            asked_at: now,
            automatic: false,
            rollback: false,
            reason: None,
            strategy: None,
            wait: false,
            remarks: Vec::new(),
            taken: None,
            by_comment,
            leaving: None,
            configured: pin.configuration,
        }
    }

    /// Starts the run and writes the audit row in one transaction.
    async fn start(
        &self,
        action: &Action,
        caller: &Caller,
        planned: Planned,
        ask: impl FnOnce(&Accept<'_>) -> Result<Asked, StoreError> + Send + 'static,
    ) -> Result<Outcome, Refusal> {
        let (host, now, repo) = (self.host.clone(), self.host.now(), planned.plan.repo.clone());
        let work = move |tx: &Tx<'_>| {
            let Asked { run, new } = ask(&Accept { host: &host, tx, delivery: None, now, skew: 0 })?;
            let Planned { plan, gates, remarks, .. } = planned;
            Ok(Ok(Outcome::Started(Box::new(Started { run, new, plan: plan.digest, gates, remarks }))))
        };
        self.decided(action, &caller.actor, Some(&repo), work).await
    }

    /// A key may have ended while somebody looked for it.
    fn still_may(&self, tx: &Tx<'_>, actor: &Actor) -> Result<Result<(), Refusal>, StoreError> {
        let good = actor.kind != ActorKind::Key || keys::is_good(tx, actor.id.0, self.host.now())?;
        Ok(if good { Ok(()) } else { Err(key_ended()) })
    }

    async fn read<T, F>(&self, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Rx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.store.read(work).await.map_err(|why| why.refusal())
    }
}

fn key_ended() -> Refusal {
    let text = "The key has ended while this was being looked at; nothing was changed.";
    Refusal::user("key_ended", text, "Ask for it again with a key that is good.")
}

/// The gate that this caller asks to open, where they may.
fn opening(action: &Action, caller: &Caller) -> Result<Option<Opening>, Refusal> {
    let Action::Deploy(ask) = action else { return Ok(None) };
    ask.overriding.map(|gate| Opening::new(gate, ask.reason.as_deref(), caller)).transpose()
}

/// A tag or a whole commit id; short ids and branches move, so they are not taken.
fn named(git_ref: Option<&str>) -> Result<At, Refusal> {
    let Some(text) = git_ref else { return Ok(At::default()) };
    // A comment's way to name the head of its pull request, once it is known.
    if let Ok(sha) = Sha::parse(text.strip_prefix('@').unwrap_or(text)) {
        return Ok(At { sha: Some(sha), ..At::default() });
    }
    let tag = Tag::parse(text.strip_prefix("refs/tags/").unwrap_or(text));
    let tag = tag.map_err(|why| {
        let text = format!("The ref is neither a tag nor a whole commit id: {why}.");
        Refusal::user("ref_invalid", text, "Name a tag, or all 40 digits of a commit's id.")
    })?;
    Ok(At { tag: Some(tag), ..At::default() })
}

fn nothing_live(environment: &EnvName) -> Refusal {
    let text = format!("Nothing that Lockkeeper has deployed is live in {environment}.");
    Refusal::user("nothing_live", text, "Deploy a version to it first; `lockkeeper status` shows what is live.")
}

fn unread(why: serde_json::Error) -> Refusal {
    Refusal::us("answer_unreadable", format!("The stored answer cannot be read: {why}."))
}

/// A run of ours that ended well.
fn succeeded(run: &Run) -> Option<crate::workflow::Outcome> {
    ended(run).filter(|outcome| outcome.state == State::Succeeded)
}
