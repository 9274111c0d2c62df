//! What is live, what runs and what it waits for: from our own store, without asking GitHub.

use super::{Client, plans, succeeded};
use crate::actions::access::Caller;
use crate::actions::outcome::{Active, Live, Overview, QuotaLeft, RepoOverview};
use crate::domain::{EnvName, LedgerEntry, Millis, Refusal, RepoRef, Reported, RunId};
use crate::engine::reasons;
use crate::gates::{self, Verdict};
use crate::github::Quota;
use crate::render::when;
use crate::store::locks::{self, Place};
use crate::store::runs::{self, Run};
use crate::store::steps::{self, PENDING, Step};
use crate::store::{Rx, StoreError, elsewhere, holds, inbox, ledger, repos, timers};
use crate::workflow::{comment, deploy, look, release};
use serde::Deserialize;
use std::collections::HashMap;

/// How many ended runs of a repository are looked through for those that are live.
const RECENT: u32 = 300;
/// Among so many there is nearly always one that succeeded.
const MOSTLY: u32 = 20;

impl Client {
    /// What this caller may see of it.
    pub(super) async fn overview(&self, repo: Option<RepoRef>, caller: &Caller) -> Result<Overview, Refusal> {
        let (now, caller) = (self.host.now(), caller.clone());
        let mut quota = self.github.quotas();
        // What is left for others is not theirs to know, and not theirs to use.
        if let Some(repo) = &repo {
            let whole = caller.only_repo().is_none();
            quota.retain(|quota| quota.installation.map_or(whole, |id| id == repo.installation));
        }
        let quota = quota.into_iter().map(left).collect();
        self.read(move |rx| {
            let all = match repo {
                Some(repo) => vec![repo],
                None if caller.only_repo().is_some() => Vec::new(),
                None => repos::active(rx, None)?,
            };
            let turns = turns(locks::all(rx)?);
            let repositories: Result<Vec<_>, StoreError> =
                all.iter().map(|repo| of_repo(rx, repo, &turns, now, caller.reads_errors())).collect();
            let repositories = repositories?.into_iter().map(|repo| seen_by(&caller, repo)).collect();
            let depth = if caller.only_repo().is_none() { Some(inbox::depth(rx)?) } else { None };
            let (inbox_depth, dead_letters) = depth.map(|depth| (depth.pending, depth.dead)).unzip();
            Ok(Overview { repositories, inbox_depth, dead_letters, quota })
        })
        .await
    }
}

/// How many have their turn in the environment before a run: nobody before the one that holds its lock.
fn turns(mut places: Vec<Place>) -> HashMap<RunId, u32> {
    places.retain(|place| place.key.starts_with(deploy::LOCKS));
    places.sort_by(|a, b| (&a.key, a.token).cmp(&(&b.key, b.token)));
    let (mut turns, mut last, mut before) = (HashMap::new(), String::new(), 0);
    for place in places {
        before = if place.key == last { before + 1 } else { 0 };
        turns.insert(place.run, before);
        last = place.key;
    }
    turns
}

/// What the store alone tells this caller of a repository.
///
/// # Errors
/// Those of the store.
pub fn repository(rx: &Rx<'_>, repo: &RepoRef, caller: &Caller, now: Millis) -> Result<RepoOverview, StoreError> {
    Ok(seen_by(caller, of_repo(rx, repo, &turns(locks::all(rx)?), now, caller.reads_errors())?))
}

/// What somebody waits for who follows a run.
#[derive(Debug, Default)]
pub struct Waits {
    /// One sentence for each thing.
    pub on: Vec<String>,
    /// Whose approval, where a person has to agree.
    pub approval: Option<String>,
}

/// What a run with these steps waits for.
///
/// # Errors
/// Those of the store.
pub fn waiting(rx: &Rx<'_>, run: &RunId, steps: &[Step], errors: bool) -> Result<Waits, StoreError> {
    let before = turns(locks::all(rx)?).get(run).copied();
    let judged = reasons::gates(steps);
    // Until the run has judged by itself, what its plan said is what is known.
    let approval = if judged.is_empty() { plans::asked(rx, run)? } else { gates::asks_people(&judged) };
    Ok(Waits { on: waits_for(steps, &timers::of(rx, run)?, before, errors), approval })
}

/// Without the environments that are not theirs.
fn seen_by(caller: &Caller, mut repo: RepoOverview) -> RepoOverview {
    let theirs = |name: Option<&EnvName>| name.is_none_or(|name| caller.sees_environment(name));
    repo.live.retain(|live| theirs(live.environment.as_ref()));
    repo.holds.retain(|hold| caller.sees_environment(&hold.what.environment));
    repo.active.retain(|run| theirs(run.environment.as_ref()));
    repo
}

fn of_repo(
    rx: &Rx<'_>,
    repo: &RepoRef,
    turns: &HashMap<RunId, u32>,
    now: Millis,
    errors: bool,
) -> Result<RepoOverview, StoreError> {
    let newest = |limit: u32| runs::last_ended(rx, (repo.id, release::WORKFLOW.name, limit), released);
    let release = match newest(MOSTLY)? {
        None => newest(RECENT)?,
        found => found,
    };
    let mut live = Vec::new();
    let mut reports: HashMap<EnvName, Reported> = elsewhere::of(rx, repo.id)?.into_iter().collect();
    for (name, entry) in ledger::live(rx, repo.id)? {
        let drift = reports.remove(&name).filter(|reported| reported.differs_from(&entry));
        let by = runs::get(rx, &entry.run)?.map(|run| run.subject.actor.login);
        live.push(Live { by, drift, ..in_place(name, entry) });
    }
    let holds = holds::all_open(rx, repo.id, now)?;
    let mut active = Vec::new();
    let all = runs::active_of(rx, repo.id, comment::WORKFLOW.name)?;
    for run in all.into_iter().filter(|run| run.workflow != look::WORKFLOW.name) {
        let before = turns.get(&run.id).copied();
        let waits_for = waits_for(&steps::of(rx, &run.id)?, &timers::of(rx, &run.id)?, before, errors);
        let subject = run.subject;
        active.push(Active {
            run: run.id,
            workflow: run.workflow,
            tag: subject.tag,
            sha: subject.sha,
            environment: subject.environment,
            since: run.created_at,
            by: Some(subject.actor.login),
            holds_lock: before == Some(0),
            before: before.filter(|before| *before > 0),
            waits_for,
        });
    }
    Ok(RepoOverview { repo: repo.name.clone(), release, live, holds, active })
}

/// What a release that succeeded has made.
fn released(run: &Run) -> Option<Live> {
    let outcome = succeeded(run)?;
    Some(Live {
        run: run.id.clone(),
        environment: run.subject.environment.clone(),
        tag: run.subject.tag.clone(),
        sha: outcome.sha.or_else(|| run.subject.sha.clone()),
        version: outcome.version,
        url: outcome.url,
        since: run.updated_at,
        by: Some(run.subject.actor.login.clone()),
        bad: false,
        drift: None,
    })
}

/// What our ledger says is live.
pub(super) fn in_place(environment: EnvName, entry: LedgerEntry) -> Live {
    Live {
        run: entry.run,
        environment: Some(environment),
        tag: entry.tag,
        sha: Some(entry.sha),
        version: entry.version,
        url: entry.url,
        since: entry.since,
        by: None,
        bad: !entry.good,
        drift: None,
    }
}

/// The reasons of the gates that were judged last, while the run waits for them; otherwise what has not been answered. With
/// the time when it ends or is looked at again, where there is one.
pub(in crate::engine) fn waits_for(
    steps: &[Step],
    timers: &[(String, Millis)],
    before: Option<u32>,
    errors: bool,
) -> Vec<String> {
    #[derive(Deserialize)]
    struct Judged {
        verdicts: Vec<Verdict>,
    }
    let open: Vec<&Step> = steps.iter().filter(|step| step.state == PENDING).collect();
    let due = |step: &Step| timers.iter().find(|(name, _)| *name == step.name).map(|(_, at)| *at);
    if let Some(wake) = open.iter().find(|step| step.name.contains("/wake/")) {
        let judged = steps.iter().rev().find(|step| step.name.ends_with("/judged"));
        let judged: Option<Judged> = judged.and_then(|step| serde_json::from_value(step.result.clone()?).ok());
        let verdicts = judged.map(|judged| judged.verdicts).unwrap_or_default();
        let bad = verdicts.into_iter().filter(|v| !v.status.advances());
        let again = due(wake).map(|at| format!("It looks again at {} at the latest.", when(at)));
        return bad.map(|v| format!("{}: {}", v.gate, v.reason)).chain(again).collect();
    }
    open.into_iter().map(|step| sentence(step, due(step), before, errors)).collect()
}

fn sentence(step: &Step, due: Option<Millis>, before: Option<u32>, errors: bool) -> String {
    let what = match step.kind.as_str() {
        "lock" => match before {
            Some(before) if before > 1 => format!("the {before} deployments before it"),
            _ => "the deployment before it".to_owned(),
        },
        "sleep" => "its time".to_owned(),
        "child" => format!("the run of {}", step.name),
        _ if step.name.starts_with("bring_up/") => "a report of the version's being there".to_owned(),
        _ if step.name.contains("stop/") => "the end of the workflow run that was cancelled".to_owned(),
        _ if step.name.starts_with("watch.") || step.name.starts_with("bake/") => {
            "the new version to hold for its time".to_owned()
        }
        _ if step.name.contains("/ask.") => "an answer of a web service".to_owned(),
        _ if step.name.starts_with("paused.") => "a person to resume, promote or abort it".to_owned(),
        _ => format!("an answer to {}", step.name),
    };
    let what = due.map_or_else(|| what.clone(), |at| format!("{what}, until {} at the latest", when(at)));
    let again = step.next_at.map(|at| format!(" at {}", when(at))).unwrap_or_default();
    match step.last_error.as_ref() {
        None => what,
        Some(error) if errors => format!("{what}, which failed and is tried again{again} ({error})"),
        Some(_) => format!("{what}, which failed and is tried again{again}"),
    }
}

fn left(quota: Quota) -> QuotaLeft {
    QuotaLeft {
        installation: quota.installation.map(|id| id.0),
        resource: quota.resource,
        limit: quota.limit,
        remaining: quota.remaining,
        reset: quota.reset,
    }
}
