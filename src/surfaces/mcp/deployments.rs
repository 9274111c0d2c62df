//! Deployments and releases as agents see them, from the store; a deployment also as it goes on.
//!
//! Invariant: whoever has no right to a run hears what it would hear of one that does not exist.

use super::envelope::{Envelope, Word};
use super::refuse::here;
use super::server::{Agents, Tell};
use super::views::{Approval, Deployment, Event, Failure, Release, word};
use crate::actions::access::Caller;
use crate::domain::{EnvName, Refusal, RepoId, RunId};
use crate::engine::accept::outcome as ended;
use crate::engine::client::{Waits, waiting};
use crate::store::events;
use crate::store::runs::{self, Filter, Run, RunState};
use crate::store::steps;
use crate::surfaces::control::sees;
use crate::workflow::{State, deploy, release};
use std::time::Duration;
use tokio::time::Instant;

/// Events of one answer at most; the next call gets the others.
const EVENTS: u32 = 100;
const DEFAULT: u32 = 20;

impl Agents {
    /// The deployment at once, or as soon as something has happened after `seq`, or when the time is over. Whoever is told
    /// what happens waits for its end.
    pub(super) async fn follow(
        &self,
        (id, seq): (&RunId, u64),
        wait: Duration,
        tell: Option<Tell>,
        caller: &Caller,
    ) -> Result<Envelope, Refusal> {
        let mut told = seq;
        let end = Instant::now() + wait;
        // Before the first look, so that nothing is missed between the two.
        let mut news = self.client.as_ref().map(|client| client.host.watch());
        // Those who wait take places from each other, not from the others.
        let place = self.waits.clone().try_acquire_owned().ok().filter(|_| wait > Duration::ZERO);
        loop {
            let found = self.deployment(id, seq, caller).await?;
            let goes_on = matches!(found.outcome, Word::InProgress | Word::PendingApproval);
            let events = found.deployment.iter().flat_map(|deployment| deployment.events.iter().flatten());
            let mut nothing_new = goes_on;
            for event in events {
                if let Some(tell) = tell.as_ref().filter(|_| event.seq > told) {
                    // Nobody hears it any more when the client has gone.
                    let _ = tell.send(format!("{}: {}", event.step, event.state));
                }
                told = told.max(event.seq);
                nothing_new &= tell.is_some();
            }
            let Some(news) = news.as_mut().filter(|_| nothing_new && place.is_some()) else { return Ok(found) };
            let mut stopping = self.stopping.clone();
            let about = async {
                // A watcher that fell behind looks for itself.
                while news.recv().await.is_ok_and(|event| event.run != *id) {}
            };
            let over = async {
                // A sender that is gone means the same as a word from it.
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            let in_time = tokio::select! {
                () = about => true,
                () = over => false,
                () = tokio::time::sleep_until(end) => false,
            };
            if !in_time {
                return Ok(found);
            }
        }
    }

    async fn deployment(&self, id: &RunId, seq: u64, caller: &Caller) -> Result<Envelope, Refusal> {
        let (wanted, errors) = (id.clone(), caller.reads_errors());
        let read = self.desk.read(move |rx| {
            let Some(run) = runs::get(rx, &wanted)?.filter(|run| run.workflow == deploy::WORKFLOW.name) else {
                return Ok(None);
            };
            let waits = match run.state {
                RunState::Active => waiting(rx, &wanted, &steps::of(rx, &wanted)?, errors)?,
                _ => Waits::default(),
            };
            Ok(Some((waits, events::after(rx, &wanted, seq, EVENTS)?, run)))
        });
        let (waits, events, run) = read.await?.filter(|(_, _, run)| sees(caller, run)).ok_or_else(unknown)?;
        let last_seq = events.last().map_or(seq, |event| event.seq);
        let events = events.into_iter().map(|event| Event {
            seq: event.seq,
            at: event.at.rfc3339(),
            step: event.step,
            state: event.state,
        });
        let (outcome, mut shown) = of_run(run, waits.on);
        (shown.events, shown.last_seq) = (Some(events.collect()), Some(last_seq));
        let approval = waits.approval.and_then(|who_may| self.approval(&shown, &who_may));
        let outcome = if approval.is_some() { Word::PendingApproval } else { outcome };
        let envelope = Envelope { deployment: Some(shown), approval, ..Envelope::new(outcome) };
        let id = id.to_string();
        Ok(match outcome {
            Word::InProgress | Word::PendingApproval => {
                let mut next = envelope.next("get_deployment", &[("deployment_id", &id)]);
                for call in &mut next.next {
                    call.args.extend([("after_seq".to_owned(), last_seq.into()), ("wait_s".to_owned(), 25.into())]);
                }
                next
            }
            _ => envelope,
        })
    }

    /// Newest first.
    pub(super) async fn deployments(
        &self,
        repo: RepoId,
        environment: Option<EnvName>,
        state: Option<RunState>,
        limit: Option<u32>,
        caller: &Caller,
    ) -> Result<Vec<Deployment>, Refusal> {
        let most = limit.unwrap_or(DEFAULT);
        let active = state.filter(|state| *state == RunState::Active);
        let list = self.runs((repo, deploy::WORKFLOW.name), environment, active, caller).await?;
        let list = list.into_iter().filter(|run| match state {
            Some(RunState::Active) => run.state == RunState::Active,
            Some(_) => run.state != RunState::Active,
            None => true,
        });
        Ok(list.take(most as usize).map(|run| of_run(run, Vec::new()).1).collect())
    }

    /// Newest first.
    pub(super) async fn releases(&self, repo: RepoId, limit: Option<u32>, caller: &Caller) -> Result<Vec<Release>, Refusal> {
        let list = self.runs((repo, release::WORKFLOW.name), None, None, caller).await?;
        Ok(list.into_iter().take(limit.unwrap_or(DEFAULT) as usize).map(of_release).collect())
    }

    /// A deployment that was just asked for: what of it never changes, so that the answer can be given again.
    pub(super) async fn begun(&self, id: &RunId, caller: &Caller) -> Result<Deployment, Refusal> {
        let wanted = id.clone();
        let run = self.desk.read(move |rx| runs::get(rx, &wanted)).await?;
        let run = run.filter(|run| sees(caller, run)).ok_or_else(unknown)?;
        let shown = of_run(Run { state: RunState::Active, outcome: None, ..run }, Vec::new()).1;
        Ok(Deployment { state: "accepted".to_owned(), updated_at: None, ..shown })
    }

    /// Where people approve: at the commit's checks, or in a comment.
    pub(super) fn approval(&self, of: &Deployment, who_may: &str) -> Option<Approval> {
        let url = format!("{}/{}/commit/{}/checks", self.site, of.repository, of.sha.as_ref()?);
        Some(Approval { url, who_may: who_may.to_owned() })
    }

    async fn runs(
        &self,
        (repo, workflow): (RepoId, &str),
        environment: Option<EnvName>,
        state: Option<RunState>,
        caller: &Caller,
    ) -> Result<Vec<Run>, Refusal> {
        let workflow = Some(workflow.to_owned());
        let filter = Filter { repo: Some(repo), workflow, environment, state, limit: Some(runs::RECENT), ..Filter::default() };
        let list = self.desk.read(move |rx| runs::list(rx, &filter)).await?;
        Ok(list.into_iter().filter(|run| sees(caller, run)).collect())
    }
}

/// What it is now, and what is to be shown of it.
fn of_run(run: Run, waits_for: Vec<String>) -> (Word, Deployment) {
    let end = ended(&run);
    let (outcome, state) = match (run.state, &end) {
        (RunState::Active, _) => (Word::InProgress, "in_progress".to_owned()),
        (RunState::Dead, _) => (Word::Failed, "given_up".to_owned()),
        (RunState::Finished, Some(end)) if end.state == State::Succeeded => (Word::Succeeded, word(&end.state)),
        (RunState::Finished, Some(end)) => (Word::Failed, word(&end.state)),
        (RunState::Finished, None) => (Word::Failed, "failed".to_owned()),
    };
    let subject = run.subject;
    let shown = Deployment {
        id: run.id.to_string(),
        repository: subject.repo.name.to_string(),
        environment: subject.environment,
        state,
        tag: subject.tag,
        sha: subject.sha,
        url: end.as_ref().and_then(|end| end.url.clone()),
        asked_by: subject.actor.login,
        created_at: run.created_at.rfc3339(),
        updated_at: Some(run.updated_at.rfc3339()),
        waits_for,
        failure: end.and_then(|end| end.refusal).map(Failure::from),
        events: None,
        last_seq: None,
    };
    (outcome, shown)
}

fn of_release(run: Run) -> Release {
    let end = ended(&run);
    let state = match (run.state, &end) {
        (RunState::Active, _) => "in_progress".to_owned(),
        (RunState::Dead, _) => "given_up".to_owned(),
        (RunState::Finished, end) => end.as_ref().map_or_else(|| "failed".to_owned(), |end| word(&end.state)),
    };
    Release {
        run: run.id.to_string(),
        tag: run.subject.tag.map(String::from).unwrap_or_default(),
        sha: end.as_ref().and_then(|end| end.sha.clone()).or(run.subject.sha),
        version: end.as_ref().and_then(|end| end.version.clone()),
        state,
        url: end.as_ref().and_then(|end| end.url.clone()),
        created_at: Some(run.created_at.rfc3339()),
        failure: end.and_then(|end| end.refusal).map(Failure::from),
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, message: here(&refusal.message), fix: here(&refusal.fix) }
    }
}

fn unknown() -> Refusal {
    let text = "There is no deployment with this id.";
    Refusal::user("run_unknown", text, "Take the id from list_deployments, get_status or the answer that started it.")
}
