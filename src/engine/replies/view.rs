//! What an answer says now: from the record of the comment's run, and from the runs that it tells of.

use crate::actions::rollback;
use crate::domain::{Commit, EnvironmentRecord, LedgerEntry, RepoRef, RunId};
use crate::engine::accept::outcome;
use crate::engine::reasons::gates;
use crate::plan::{Call, Ground};
use crate::render::reply::{Answer, Change, Deployed, Page, Phase, deployment, marker, released};
use crate::store::runs::{self, Run, RunState};
use crate::store::steps::{self, PENDING, Step};
use crate::store::{Rx, StoreError, ledger};
use crate::workflow::comment::{self, ANSWERS, Answered, Told};
use crate::workflow::{Outcome, State, deploy, release};
use serde::de::DeserializeOwned;
use std::collections::HashSet;

pub(super) struct View {
    pub run: RunId,
    pub repo: RepoRef,
    pub asked: u64,
    pub text: String,
    pub shows: Vec<RunId>,
    /// Those that are not over.
    pub left: HashSet<RunId>,
    /// Nothing was refused, and everything succeeded.
    pub good: bool,
}

/// Nothing where the run is gone, or has not recorded its answers.
pub(super) fn of(rx: &Rx<'_>, run: &RunId) -> Result<Option<View>, StoreError> {
    let input = runs::input(rx, run)?.and_then(|value| serde_json::from_value::<comment::Input>(value).ok());
    let answers = steps::get(rx, run, ANSWERS)?.and_then(|step| read::<Vec<Answered>>(&step));
    let (Some(input), Some(answers)) = (input, answers) else { return Ok(None) };
    let (mut shows, mut left, mut good, mut shown) = (Vec::new(), HashSet::new(), true, Vec::new());
    for answered in &answers {
        let answer = match &answered.told {
            Err(refusal) => {
                good = false;
                Err(refusal.clone())
            }
            Ok(Told::Said { text }) => Ok(text.clone()),
            Ok(Told::Run { run, text }) => {
                shows.push(run.clone());
                let found = runs::get(rx, run)?;
                if found.as_ref().is_some_and(|run| run.state == RunState::Active) {
                    left.insert(run.clone());
                } else {
                    good &= found.as_ref().and_then(outcome).is_some_and(|ended| ended.state == State::Succeeded);
                }
                let now = found.map_or(Ok(None), |found| of_deployment(rx, &found, &input.prefix, answers.len()))?;
                Ok(now.unwrap_or_else(|| text.clone()))
            }
        };
        shown.push(Answer { line: &answered.line, answer });
    }
    let page = Page { to: &input.actor.login, prefix: &input.prefix, answers: &shown }.text();
    let text = format!("{page}\n\n{}", marker(run.as_str()));
    Ok(Some(View { run: run.clone(), repo: input.repo, asked: input.comment, text, shows, left, good }))
}

/// Nothing for what is neither a deployment nor a release that is over.
fn of_deployment(rx: &Rx<'_>, run: &Run, prefix: &str, answers: usize) -> Result<Option<String>, StoreError> {
    if run.workflow == release::WORKFLOW.name {
        return Ok(of_release(run, prefix));
    }
    let input = runs::input(rx, &run.id)?.and_then(|value| serde_json::from_value::<deploy::Input>(value).ok());
    let Some(input) = input.filter(|_| run.workflow == deploy::WORKFLOW.name) else { return Ok(None) };
    let steps = steps::of(rx, &run.id)?;
    let ended = outcome(run);
    let ground: Option<Ground> = of_step(&steps, "facts");
    let history = ground.map(|ground| ground.facts.history).unwrap_or_default();
    let record: Option<EnvironmentRecord> = of_step(&steps, "lease.record");
    let before = match record {
        Some(record) => record.live().cloned(),
        None => ledger::of(rx, &input.place(), 1)?.into_iter().find(|entry| entry.until.is_none()),
    };
    let before = before.filter(|live| live.sha != input.subject.sha);
    let (changes, more) = if input.rollback { (Vec::new(), false) } else { changes(&history, before.as_ref()) };
    let told = told(&steps);
    let gates = gates(&steps);
    let phase = phase(ended.as_ref(), &steps);
    let name = before.as_ref().map(rollback::name);
    let view = Deployed {
        run: run.id.as_str(),
        environment: input.environment.as_str(),
        tag: input.subject.tag.as_ref().map(crate::domain::Tag::as_str),
        sha: &input.subject.sha,
        commit: history.first().map(change),
        rollback: input.rollback,
        own: input.by_comment.as_ref().is_some_and(|by| by.head || by.pull.is_some()),
        before: name.as_deref(),
        changes: &changes,
        more,
        gates: &gates,
        now: told.now.as_deref(),
        progress: &told.progress,
        phase,
        refusal: ended.as_ref().and_then(|ended| ended.refusal.as_ref()),
        url: ended.as_ref().and_then(|ended| ended.url.as_deref()),
        prefix,
    };
    Ok(Some(deployment(view, answers)))
}

/// While it goes on its check run tells how far it is.
fn of_release(run: &Run, prefix: &str) -> Option<String> {
    let (ended, tag) = (outcome(run)?, run.subject.tag.as_ref()?);
    Some(released(tag.as_str(), ended.url.as_deref(), ended.refusal.as_ref(), prefix))
}

/// So many commits are listed.
const LISTED: usize = 10;

/// What comes with it, newest first, and whether that is not all.
fn changes(history: &[Commit], before: Option<&LedgerEntry>) -> (Vec<Change>, bool) {
    let Some(before) = before else { return (Vec::new(), false) };
    let Some(new) = history.iter().position(|commit| commit.sha == before.sha) else { return (Vec::new(), false) };
    (history.iter().take(new.min(LISTED)).map(change).collect(), new > LISTED)
}

fn change(commit: &Commit) -> Change {
    let title = commit.message.lines().next().unwrap_or_default().to_owned();
    let author = commit.login.clone().unwrap_or_else(|| commit.author_name.clone());
    Change { sha: commit.sha.short().to_owned(), title, author }
}

/// What other pages say of it.
#[derive(Default)]
struct Elsewhere {
    now: Option<String>,
    /// In Markdown that we have written.
    progress: Vec<String>,
}

/// What was last said on the check run, or on GitHub's deployment.
fn told(steps: &[Step]) -> Elsewhere {
    let call = |step: &Step| serde_json::from_value::<Call>(step.body.clone()).ok().filter(|_| step.kind == steps::CALL);
    let mut told = Elsewhere::default();
    for step in steps {
        match call(step).as_ref().map(Call::inner) {
            Some(Call::CheckRun(check)) => {
                told.progress = check.summary.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect();
                told.now = Some(check.title.clone());
            }
            Some(Call::DeploymentStatus(status)) => told.now = Some(status.description.clone()),
            _ => {}
        }
    }
    told
}

fn phase(ended: Option<&Outcome>, steps: &[Step]) -> Phase {
    let open = |part: &str| steps.iter().any(|step| step.state == PENDING && step.name.contains(part));
    let queued = || steps.iter().any(|step| step.state == PENDING && step.kind == "lock");
    match ended.map(|ended| ended.state) {
        // Between two looks, too: what is open there is a step of the loop.
        None if open("gates/") => Phase::Waiting,
        None if queued() => Phase::Queued,
        None if open("paused.") => Phase::Paused,
        None => Phase::Going,
        Some(State::Succeeded | State::Nothing) => Phase::Live,
        Some(State::Rejected | State::Expired) => Phase::Refused,
        Some(State::Cancelled) => Phase::Stopped,
        Some(State::Superseded) => Phase::Superseded,
        Some(State::RolledBack) => Phase::RolledBack,
        Some(State::Failed | State::HaltedForward) => Phase::Failed,
        Some(State::RollbackFailed | State::Indeterminate) => Phase::Lost,
    }
}

fn of_step<T: DeserializeOwned>(steps: &[Step], name: &str) -> Option<T> {
    steps.iter().find(|step| step.name == name && step.state == "done").and_then(read)
}

fn read<T: DeserializeOwned>(step: &Step) -> Option<T> {
    serde_json::from_value(step.result.clone()?).ok()
}
