//! What a person says about the plan of a deployment that waits for people.
//!
//! Invariants: whoever says it is looked at before anything is kept: the role and the teams by GitHub, by number whether they
//! asked for it or wrote what it brings; what is said is about the plan that the run goes by when it is kept, and it is kept
//! and wakes the run in one transaction.
//!
//! Known race: somebody may leave a team between the question to GitHub and the row.

use super::Client;
use super::people::SECOND;
use crate::actions::Action;
use crate::actions::approve::{self, Approve, Voice, Where};
use crate::actions::outcome::{Outcome, Reviewed};
use crate::domain::{Actor, EnvPlace, Millis, Person, Refusal, RepoRef, Review, RunId, Said};
use crate::engine::accept::planned;
use crate::plan::{Ground, Plan};
use crate::store::runs::{self, Run, RunState, Subject};
use crate::store::{Rx, StoreError, Tx, audit, heads, ledger, reviews, steps};
use crate::workflow::gating::OUR_RECORD;
use crate::workflow::{comment, deploy, protect, reviews as flags};
use serde_json::json;

/// How far back the ledger is looked through for what is live.
const RECENT: u32 = 20;

/// The deployment that is meant, and what it goes by.
struct Meant {
    run: Run,
    plan: Plan,
}

/// Who says it, as GitHub has told, and how this saying is told from every other one.
pub struct Heard<'a> {
    pub by: &'a Person,
    /// The same for each attempt to keep it: it is kept once.
    pub source: String,
}

impl Client {
    /// Keeps what somebody says about a plan, where they may say it, and wakes the run.
    ///
    /// # Errors
    /// Those of [`approve::check`], `plan_stale`, `which_deployment`, `already_begun`, and those of GitHub.
    pub async fn review(&self, ask: &Approve, repo: &RepoRef, heard: &Heard<'_>) -> Result<Outcome, Refusal> {
        let source = heard.source.clone();
        if let Some(done) = self.read(move |rx| kept(rx, &source)).await? {
            return Ok(done);
        }
        match self.keep(ask, repo, heard).await {
            Ok(done) => Ok(done),
            Err(refusal) => Err(self.turned_away(&Action::Approve(ask.clone()), &heard.by.actor, repo, refusal).await),
        }
    }

    async fn keep(&self, ask: &Approve, repo: &RepoRef, heard: &Heard<'_>) -> Result<Outcome, Refusal> {
        let (at, wanted) = (repo.clone(), ask.clone());
        let found = self.read(move |rx| meant(rx, &at, &wanted)).await??;
        let teams = self.teams(&heard.by.actor, repo, &found.plan).await?;
        let (client, repo, now, role) = (self.clone(), repo.clone(), self.host.now(), heard.by.role);
        let (actor, source) = (heard.by.actor.clone(), heard.source.clone());
        // The same run, and the plan that the teams were asked for.
        let ask = Approve { at: Where::Run(found.run.id), digest: Some(found.plan.digest.to_string()), ..ask.clone() };
        let work = move |tx: &Tx<'_>| {
            let Meant { run, plan } = match meant(tx, &repo, &ask)? {
                Ok(meant) => meant,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let is_author = is_author(tx, &run, &actor)?;
            let is_requester = actor.is_account_of(&run.subject.actor);
            let voice = Voice { actor: &actor, role, teams: &teams, is_requester, is_author };
            if let Err(refusal) = approve::check(&plan, &ask.said, &voice) {
                return Ok(Err(refusal));
            }
            let (digest, said) = (plan.digest.to_string(), ask.said.clone());
            let review =
                Review { by: actor.clone(), at: now, digest: digest.clone(), teams: teams.clone(), said: said.clone() };
            reviews::add(tx, &run.id, &review, &source)?;
            client.host.signal_in(tx, &run.id, "wake", &json!(OUR_RECORD))?;
            let done = Ok(Outcome::Reviewed(reviewed(run, digest, said)));
            audit::add(tx, &client.record(&Action::Approve(ask), &actor, Some(&repo), &done))?;
            Ok(done)
        };
        self.store.write(work).await.map_err(|why| why.refusal())?
    }

    /// Of the teams that the plan asks: those that they are a member of. One that cannot be read is nobody's.
    async fn teams(&self, actor: &Actor, repo: &RepoRef, plan: &Plan) -> Result<Vec<String>, Refusal> {
        let mut asked: Vec<String> = approve::policies(plan).into_iter().flat_map(|policy| policy.teams.clone()).collect();
        asked.sort();
        asked.dedup();
        match self.teams_of(actor, repo, &asked, usize::MAX).await {
            (theirs, Some(unread)) if theirs.is_empty() => Err(unread),
            (theirs, _) => Ok(theirs),
        }
    }
}

fn reviewed(run: Run, digest: String, said: Said) -> Reviewed {
    let Subject { sha, tag, environment, .. } = run.subject;
    Reviewed { run: run.id, environment, sha, tag, digest, said }
}

/// What came of the same saying before.
fn kept(rx: &Rx<'_>, source: &str) -> Result<Option<Outcome>, StoreError> {
    let Some((id, review)) = reviews::by_source(rx, source)? else { return Ok(None) };
    Ok(runs::get(rx, &id)?.map(|run| Outcome::Reviewed(reviewed(run, review.digest, review.said))))
}

type Found<T> = Result<Result<T, Refusal>, StoreError>;

fn meant(rx: &Rx<'_>, repo: &RepoRef, ask: &Approve) -> Found<Meant> {
    let asks = [deploy::WORKFLOW.name, protect::WORKFLOW.name];
    let of_here = |run: &Run| asks.contains(&run.workflow.as_str()) && run.subject.repo.id == repo.id;
    let (at, pull) = match &ask.at {
        Where::Run(id) => {
            return match runs::get(rx, id)?.filter(of_here) {
                Some(run) => waiting(rx, run, seen(ask)),
                None => Ok(Err(approve::nothing_to_approve("There is no deployment with this id here."))),
            };
        }
        Where::Said { at, pull } => (at.as_deref(), *pull),
    };
    let named = at.and_then(RunId::parse).map(|id| runs::get(rx, &id)).transpose()?.flatten().filter(of_here);
    if let Some(run) = named {
        return waiting(rx, run, seen(ask));
    }
    let there = |run: &Run| at.is_none_or(|name| run.subject.environment.as_ref().is_some_and(|env| env.as_str() == name));
    let mut all = runs::active_of(rx, repo.id, comment::WORKFLOW.name)?;
    // Nobody has seen what was not there yet.
    all.retain(|run| of_here(run) && there(run) && run.created_at <= seen_at(ask));
    let (mut waits, mut last) = (Vec::new(), None);
    for run in all {
        match waiting(rx, run, seen(ask))? {
            Ok(meant) => waits.push(meant),
            Err(refusal) => last = Some(refusal),
        }
    }
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for meant in waits {
        // A plan that is named was seen, wherever that was.
        let seen = match pull.filter(|_| ask.digest.is_none()) {
            Some(pull) => shown_on(rx, &meant.run, pull)?,
            None => true,
        };
        if seen { own.push(meant) } else { others.push(meant) }
    }
    Ok(match (own.pop(), own.is_empty()) {
        (Some(one), true) if at.is_some() || pull.is_some() || ask.digest.is_some() => Ok(one),
        (Some(one), _) => Err(which("Nobody can say which of these deployments is meant.", own.iter().chain([&one]))),
        (None, _) if !others.is_empty() => Err(which(
            "No deployment of this pull request's head waits for people, and none that was asked for here.",
            others.iter(),
        )),
        (None, _) => Err(last.unwrap_or_else(|| approve::nothing_to_approve("No deployment waits for people there."))),
    })
}

/// It deploys the head of this pull request, or another version that was asked for there, where the answer tells which.
fn shown_on(rx: &Rx<'_>, run: &Run, pull: u64) -> Result<bool, StoreError> {
    let head = heads::of(rx, run.subject.repo.id, pull)?.into_iter().next().map(|newest| newest.sha);
    if head == run.subject.sha {
        return Ok(true);
    }
    let input = runs::input(rx, &run.id)?.and_then(|value| serde_json::from_value::<deploy::Input>(value).ok());
    Ok(input.and_then(|input| input.by_comment).is_some_and(|by| by.pull == Some(pull)))
}

/// How somebody has seen what they speak of.
#[derive(Clone, Copy)]
enum Seen<'a> {
    /// By how its plan's digest begins.
    Plan(&'a str),
    /// As it was then.
    Then(Millis),
}

fn seen(ask: &Approve) -> Seen<'_> {
    ask.digest.as_deref().map_or_else(|| Seen::Then(seen_at(ask)), Seen::Plan)
}

/// What people are asked about, where the run waits for them and did so then.
///
/// # Errors
/// Those of the store.
pub fn asks_about(rx: &Rx<'_>, run: Run, then: Millis) -> Result<Option<Plan>, StoreError> {
    Ok(waiting(rx, run, Seen::Then(then))?.ok().map(|meant| meant.plan))
}

/// What came later was not before the eyes of whoever said it. GitHub tells the time of a comment in whole seconds.
fn seen_at(ask: &Approve) -> Millis {
    ask.asked_at.plus(SECOND)
}

/// It waits for people to agree to a plan.
fn waiting(rx: &Rx<'_>, run: Run, seen: Seen<'_>) -> Found<Meant> {
    if run.state != RunState::Active {
        return Ok(Err(approve::nothing_to_approve("The deployment is over.")));
    }
    let Some(plan) = planned(rx, &run.id)? else {
        return Ok(Err(approve::nothing_to_approve(
            "The deployment has not been planned yet; its check run will say when it waits.",
        )));
    };
    if approve::policies(&plan).is_empty() {
        return Ok(Err(approve::nothing_to_approve("It asks nobody for approval.")));
    }
    let known = match seen {
        Seen::Plan(digest) => plan.digest.as_str().starts_with(digest),
        Seen::Then(then) => planned_at(rx, &run)?.is_some_and(|at| at <= then),
    };
    if !known {
        return Ok(Err(another_plan()));
    }
    Ok(if has_begun(rx, &run)? { Err(begun_already()) } else { Ok(Meant { run, plan }) })
}

fn planned_at(rx: &Rx<'_>, run: &Run) -> Result<Option<Millis>, StoreError> {
    Ok(steps::get(rx, &run.id, "plan")?.and_then(|step| step.finished_at))
}

/// Once a run whose turn it is reads what people have said, nothing more is heard: it may not see it. One that reads that they
/// do not agree goes back to its gates.
fn has_begun(rx: &Rx<'_>, run: &Run) -> Result<bool, StoreError> {
    let all = steps::of(rx, &run.id)?;
    let reads = all.iter().filter(|step| step.name.ends_with("lease.record")).count();
    let sent_back = all.iter().filter(|step| step.name.ends_with("lease.agreed") && step.result == Some(json!(false))).count();
    Ok(reads > sent_back)
}

/// By what the run has read of the commit, and what is live now.
fn is_author(rx: &Rx<'_>, run: &Run, actor: &Actor) -> Result<bool, StoreError> {
    let read = steps::get(rx, &run.id, "facts")?.and_then(|step| step.result);
    let ground: Option<Ground> = read.and_then(|value| serde_json::from_value(value).ok());
    let (Some(ground), Some(sha), Some(environment)) = (ground, &run.subject.sha, &run.subject.environment) else {
        // Unknown is never in their favour.
        return Ok(true);
    };
    let place = EnvPlace { repo: run.subject.repo.id, environment: environment.clone() };
    let live = ledger::of(rx, &place, RECENT)?.into_iter().find(|entry| entry.until.is_none()).map(|entry| entry.sha);
    let known = &ground.facts.history;
    Ok(flags::is_author(actor, &flags::brought(known, sha, live.as_ref()), known))
}

fn which<'m>(text: &str, several: impl Iterator<Item = &'m Meant>) -> Refusal {
    let name = |meant: &Meant| {
        let environment = meant.run.subject.environment.as_ref().map(ToString::to_string).unwrap_or_default();
        let what = meant.plan.pin.tag.as_ref().map_or_else(|| meant.plan.pin.sha.short().to_owned(), ToString::to_string);
        format!("`{}` ({what} to {environment})", meant.run.id)
    };
    let ids: Vec<String> = several.take(5).map(name).collect();
    Refusal::user("which_deployment", text, format!("Look at it, and name its run: {}.", ids.join(", ")))
}

fn another_plan() -> Refusal {
    let text = "The deployment goes by another plan than the one that was shown, so this counts for nothing.";
    Refusal::user("plan_stale", text, "Look at the check run again, and decide on what it says now.")
}

fn begun_already() -> Refusal {
    let text = "The deployment has been agreed to and has begun.";
    Refusal::user("already_begun", text, "To stop it, abort it: `/abort` in a comment.")
}
