//! Target `workflow`: starts a workflow for a leg, follows its run, and has it end before anything is done in its place.
//!
//! Invariants: a way back begins only when the run that it undoes is over, so that two never deploy side by side; where nobody
//! can say that, nobody can say what runs, and the environment is left locked.

use super::bring_up::{DISPATCH, Errand, Followed, POLL, follow};
use super::leg::Leg;
use super::page::Shown;
use super::{Deployment, bring_up, refused_step};
use crate::config::repo::{CONFIG_PATH, WorkflowTarget};
use crate::domain::{Millis, Refusal, WORKFLOW_RUN_AMBIGUOUS, WORKFLOW_RUN_GONE, WorkflowRunInfo};
use crate::flow::{Flow, StepFailure, Stop, Turn};
use crate::plan::{Call, DispatchMade};
use crate::targets::{self, Progress};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// GitHub ends by force what has not ended five minutes after it was cancelled.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Between two looks where users are kept out meanwhile.
const GUARDED: Duration = Duration::from_secs(10);
/// Some workflow run of the repository has changed.
const SIGNAL: &str = "workflow_run";

pub(super) fn by_workflow(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    errand: &Errand,
    target: &WorkflowTarget,
    shown: &mut Shown,
) -> Result<Progress, Stop> {
    let subject = &leg.subject;
    // Beside the old copy nobody is sent to a new one before a shift says so; in place everybody is.
    let weight = errand.weight.unwrap_or(if leg.slot.is_some() { 0 } else { 100 });
    let mut values = bring_up::values(this, leg, None);
    values.extend([
        ("action", errand.action.as_str().to_owned()),
        ("step", errand.action.as_str().to_owned()),
        ("weight", weight.to_string()),
    ]);
    let offered = target.inputs.is_empty();
    let inputs = if offered {
        targets::workflow::offer(&values)
    } else {
        targets::workflow::inputs(target, &values).map_err(unfilled)?
    };
    let branch = &this.ground.facts.default_branch.name;
    let call = Call::Dispatch {
        repo: this.input.repo.clone(),
        workflow: target.workflow.clone(),
        sha: subject.sha.clone(),
        git_ref: subject.tag.as_ref().map_or_else(|| branch.clone(), ToString::to_string),
        inputs,
        offered,
        healthy_until: errand.healthy_until,
        stoppable: leg.prefix.is_empty(),
    };
    let started = dispatched(f, &errand.step(leg, DISPATCH), &call)?;
    if let Some(url) = &started.url {
        shown.progress.push(format!("Workflow run: {url}"));
    }
    let followed = follow(f, leg, errand, SIGNAL, (target.timeout, POLL), (), |f, (), _| {
        let read = Call::ReadWorkflowRun { repo: this.input.repo.clone(), workflow_run: started.workflow_run };
        let run: WorkflowRunInfo = match f.try_step("workflow", &read)? {
            Ok(run) => run,
            Err(failure) if failure.refusal.code == WORKFLOW_RUN_GONE => return Err(Stop::Failed(failure)),
            // What nobody can look at may be at work.
            Err(StepFailure { refusal, .. }) => {
                let end = Progress::Failed { reason: format!("the workflow run cannot be read ({})", refusal.message) };
                return Ok(Followed { end, goes_on: true });
            }
        };
        if !started.told_sha && run.head_sha != subject.sha {
            let at = run.head_sha.short();
            let reason = format!("the workflow ran at {at}; give it an input `sha` so that it deploys {}", subject.sha.short());
            return Ok(Followed { end: Progress::Failed { reason }, goes_on: !targets::workflow::is_over(&run) });
        }
        Ok(targets::workflow::progress(&run).into())
    })?;
    // After a way back nothing else is begun, and the environment is locked: it may still come to its end.
    if !followed.goes_on || leg.prefix == "back." {
        return Ok(followed.end);
    }
    stop(f, this, leg, errand, started.workflow_run, followed.end, shown)
}

/// Starts the workflow. Where a run may have been started and nobody can say which one, nobody can say what runs.
fn dispatched(f: &mut Flow, step: &str, call: &Call) -> Result<DispatchMade, Stop> {
    let made: Result<DispatchMade, StepFailure> = f.try_step(step, call)?;
    if made.as_ref().is_err_and(|failure| failure.refusal.code == "cancelled") {
        // Told here, so that it interrupts nothing of what follows.
        f.cancelled(&format!("{step}.stopped"))?;
    }
    made.map_err(|failure| {
        let dead = failure.dead || failure.refusal.code == WORKFLOW_RUN_AMBIGUOUS;
        Stop::Failed(StepFailure { dead, ..failure })
    })
}

/// Has a workflow run end that is not wanted any more and waits until it has: the last one to end decides what runs.
fn stop(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    errand: &Errand,
    workflow_run: u64,
    end: Progress,
    shown: &mut Shown,
) -> Result<Progress, Stop> {
    let repo = &this.input.repo;
    let cancel = Call::CancelWorkflowRun { repo: repo.clone(), workflow_run }.passing();
    // When GitHub does not take it, the run may come to its end all the same.
    let taken: Result<bool, StepFailure> = f.try_step(&errand.step(leg, "cancel"), &cancel)?;
    let taken = taken.is_ok();
    let now = f.now();
    let first = || Stopping { deadline: now.plus(PATIENCE), at: now };
    let over: Result<String, String> = f.fold(&errand.step(leg, "stop"), first, |f, Stopping { deadline, at }| {
        let read = Call::ReadWorkflowRun { repo: repo.clone(), workflow_run }.passing();
        let run: Result<WorkflowRunInfo, StepFailure> = f.try_step("workflow", &read)?;
        let says = match run {
            Ok(run) if targets::workflow::is_over(&run) => return Ok(Turn::End(Ok(run.url))),
            // GitHub lets nobody delete one that goes on.
            Err(failure) if failure.refusal.code == WORKFLOW_RUN_GONE => {
                return Ok(Turn::End(Ok(failure.refusal.message)));
            }
            Ok(run) => run.url,
            Err(failure) => failure.refusal.message,
        };
        if at >= deadline {
            return Ok(Turn::End(Err(says)));
        }
        if !taken {
            let again: Result<bool, StepFailure> = f.try_step("cancel", &cancel)?;
            drop(again);
        }
        leg.keep_users_out(f)?;
        let poll = if leg.guard.is_some() { GUARDED } else { POLL };
        // Whoever asks to stop only now gets that below, and not before the run is over.
        f.signal_or_timeout("wait", SIGNAL, Some(deadline.min(at.plus(poll))))?;
        Ok(Turn::Next(Stopping { deadline, at: f.now() }))
    })?;
    match over {
        Ok(url) => shown.progress.push(format!("The workflow run is over: {url}")),
        Err(why) => return Err(goes_on(&errand.step(leg, "stop"), &end, &why)),
    }
    Ok(match f.cancelled(&errand.step(leg, "stop.asked"))? {
        Some(reason) => Progress::Stopped { reason },
        None => end,
    })
}

/// Where the end of a workflow run that was cancelled is waited for.
#[derive(Serialize, Deserialize)]
struct Stopping {
    deadline: Millis,
    /// When this round began.
    at: Millis,
}

/// As with a step of which nobody knows what it has done.
fn goes_on(step: &str, end: &Progress, why: &str) -> Stop {
    let because = match end {
        Progress::Failed { reason } | Progress::Stopped { reason } => reason.as_str(),
        Progress::Working | Progress::Done { .. } => "it is not wanted",
    };
    let text = format!("The workflow run was cancelled ({because}), and nobody can say that it has ended: {why}.");
    let refusal = Refusal::user("workflow_not_stopped", text, "Look at the workflow run and see that it ends.");
    Stop::Failed(StepFailure { step: step.to_owned(), refusal, dead: true })
}

fn unfilled(why: String) -> Stop {
    let fix = format!("Mend the inputs of the target in {CONFIG_PATH}.");
    refused_step(DISPATCH, Refusal::user("inputs_invalid", format!("The workflow's inputs cannot be filled in: {why}."), fix))
}
