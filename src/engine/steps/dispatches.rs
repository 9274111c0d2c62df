//! Workflows that do the work: started once, looked at, asked to end.
//!
//! Invariant: a run that somebody else of us has started is never taken for the one that is looked for, and neither is one of
//! which nobody can say whose it is.

use super::traffic::health_stale;
use super::{Done, Steps, answer, stored, trouble};
use crate::domain::{Millis, Refusal, RepoRef, RunId, Sha, WORKFLOW_RUN_AMBIGUOUS, WORKFLOW_RUN_GONE, WorkflowRunInfo};
use crate::engine::host::{StepCtx, StepError};
use crate::flow::StepFailure;
use crate::github::{DispatchedAsk, StartedRun, Trouble};
use crate::plan::{Call, DispatchMade};
use crate::store::steps::{self, Step};
use crate::workflow::deploy::DISPATCH;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How GitHub begins to say that a workflow does not declare an input; the names follow as a JSON list.
const UNEXPECTED: &str = "Unexpected inputs provided: ";
/// Further back than any dispatch whose run looks new to a clock that is wrong.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60 * 60);
/// How far GitHub's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(2 * 60);
/// How long GitHub may take to list a run that it may have started, and one of which it has said so.
const LISTED: Duration = Duration::from_secs(10);
const LISTED_AT_LAST: Duration = Duration::from_secs(5 * 60);
/// How often a run is looked for before it is gone.
const FOUND: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Dispatches whose answer is open are few; more than this are forgotten.
const MOST_TRIES: usize = 10_000;
/// How often it is looked whether another deployment has learned meanwhile which run is its own.
const LOOKS: u32 = 8;

impl Steps {
    /// Starts a workflow once. Inputs that are only offered are left out when the workflow does not declare them.
    pub(super) async fn dispatch(&self, ctx: &StepCtx, mut ask: Dispatch<'_>) -> Done {
        let at = self.at(ask.repo);
        if ask.offered {
            let path = format!(".github/workflows/{}", ask.workflow);
            let files = at.files(&ask.repo.name, ask.sha, &[path]).await.map_err(trouble)?;
            if let Some(Ok(Some(file))) = files.into_iter().next() {
                ask.inputs.retain(|name, _| declares(&file.text, name));
            }
        }
        if !ctx.first {
            if let Some(made) = self.dispatched(ctx, &ask).await? {
                self.tries.over(ctx);
                return answer(&made);
            }
            // What was started a moment ago may not be listed yet.
            if self.tries.is_to_wait(ctx, self.now()) {
                return Err(StepError::Retry { after: Some(LOOK_AGAIN), refusal: not_there_yet() });
            }
        }
        if ask.stoppable {
            self.still_wanted(ctx).await?;
        }
        if self.is_stale(ask.healthy_until) {
            return Err(health_stale());
        }
        loop {
            match at.dispatch_workflow(&ask.repo.name, ask.workflow, ask.git_ref, &ask.inputs).await {
                Ok(Some(id)) => return answer(&DispatchMade { workflow_run: id, url: None, told_sha: ask.tells_sha() }),
                Ok(None) => {
                    self.tries.begun(ctx, self.now().plus(LISTED_AT_LAST));
                    let made = self.dispatched(ctx, &ask).await?;
                    return made
                        .map_or_else(|| Err(StepError::Retry { after: None, refusal: not_there_yet() }), |made| answer(&made));
                }
                Err(why) if why.is_retryable() => {
                    self.tries.begun(ctx, self.now().plus(LISTED));
                    return Err(trouble(why));
                }
                Err(why) => {
                    let undeclared = unexpected(&why);
                    let before = ask.inputs.len();
                    ask.inputs.retain(|name, _| !undeclared.contains(name));
                    if !ask.offered || ask.inputs.len() == before {
                        return Err(trouble(why));
                    }
                }
            }
        }
    }

    /// The run that an earlier dispatch of this step started.
    async fn dispatched(&self, ctx: &StepCtx, ask: &Dispatch<'_>) -> Result<Option<DispatchMade>, StepError> {
        // By GitHub's clock, which may be behind ours.
        let since = self.asked_at(ctx).await?.minus(SKEW);
        let look = DispatchedAsk { workflow: ask.workflow, run: ctx.run.as_str(), branch: ask.git_ref, since };
        let found = self.at(ask.repo).find_dispatched(&ask.repo.name, &look).await.map_err(trouble)?;
        if found.is_empty() {
            return Ok(None);
        }
        // Read after GitHub: whoever had started one of those has asked for it in our store before.
        let others = self.others(ctx, ask, since).await?;
        let must_be = if ask.tells_sha() { None } else { Some(ask.sha) };
        let found = own(found, &ctx.run, must_be, &others).map_err(|doubt| doubt.told(|| self.tries.doubted(ctx)))?;
        Ok(found.map(|run| DispatchMade { workflow_run: run.id, url: Some(run.url), told_sha: ask.tells_sha() }))
    }

    /// What else of ours has started this workflow, or tries to.
    async fn others(&self, ctx: &StepCtx, ask: &Dispatch<'_>, since: Millis) -> Result<Vec<Other>, StepError> {
        let (repo, from) = (ask.repo.id, since.minus(CLOCKS_DIFFER));
        let calls = self.store.read(move |rx| steps::calls_since(rx, repo, DISPATCH, from)).await.map_err(stored)?;
        let mine = |run: &RunId, step: &Step| *run == ctx.run && step.name == ctx.step;
        let same = |step: &Step| match serde_json::from_value(step.body.clone()) {
            Ok(Call::Dispatch { workflow, git_ref, .. }) => workflow == ask.workflow && git_ref == ask.git_ref,
            _ => false,
        };
        let others = calls.into_iter().filter(|(run, step)| !mine(run, step) && same(step));
        Ok(others.filter_map(|(run, step)| Some(Other { workflow_run: started(&step, since)?, run })).collect())
    }

    /// When this step was first asked for.
    async fn asked_at(&self, ctx: &StepCtx) -> Result<Millis, StepError> {
        let (run, step) = (ctx.run.clone(), ctx.step.clone());
        let found = self.store.read(move |rx| steps::get(rx, &run, &step)).await.map_err(stored)?;
        Ok(found.map(|step| step.started_at).unwrap_or_default())
    }

    pub(super) async fn read_workflow_run(&self, ctx: &StepCtx, repo: &RepoRef, workflow_run: u64) -> Done {
        match self.at(repo).workflow_run(&repo.name, workflow_run).await.map_err(trouble)? {
            Some(run) => answer(&run),
            // One that was started a moment ago may not be there yet.
            None if ctx.attempt < FOUND => Err(StepError::Retry { after: Some(LOOK_AGAIN), refusal: not_there_yet() }),
            None => Err(StepError::Fail(Refusal::user(
                WORKFLOW_RUN_GONE,
                "The workflow run that deploys was deleted.",
                "Re-run this check to deploy again.",
            ))),
        }
    }

    /// Cancelling what is cancelled is refused by GitHub and does no harm, so nobody has to look before.
    pub(super) async fn cancel_workflow_run(&self, repo: &RepoRef, workflow_run: u64) -> Done {
        answer(&self.at(repo).cancel_workflow_run(&repo.name, workflow_run).await.map_err(trouble)?)
    }
}

/// Since when something is tried, and how that went, as far as this process knows. Known race: a program that is killed
/// right after GitHub has taken a dispatch without telling its run waits only ten seconds for it to be listed.
#[derive(Default)]
pub struct Tries(Mutex<HashMap<(RunId, String), Try>>);

#[derive(Default)]
struct Try {
    /// Until when a run that was started may not be listed.
    until: Option<Millis>,
    doubts: u32,
}

impl Tries {
    fn with<T>(&self, ctx: &StepCtx, work: impl FnOnce(&mut Try) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > MOST_TRIES {
            all.clear();
        }
        work(all.entry((ctx.run.clone(), ctx.step.clone())).or_default())
    }

    fn begun(&self, ctx: &StepCtx, until: Millis) {
        self.with(ctx, |it| it.until = Some(until));
    }

    /// Whoever knows nothing of an earlier try has been started since, and it may have been the last thing done before.
    fn is_to_wait(&self, ctx: &StepCtx, now: Millis) -> bool {
        self.with(ctx, |it| now < *it.until.get_or_insert_with(|| now.plus(LISTED)))
    }

    /// Its answer is known.
    fn over(&self, ctx: &StepCtx) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(ctx.run.clone(), ctx.step.clone()));
    }

    fn doubted(&self, ctx: &StepCtx) -> u32 {
        self.with(ctx, |it| {
            it.doubts = it.doubts.saturating_add(1);
            it.doubts
        })
    }
}

/// One `workflow_dispatch`.
pub(super) struct Dispatch<'a> {
    pub repo: &'a RepoRef,
    pub workflow: &'a str,
    pub git_ref: &'a str,
    pub sha: &'a Sha,
    pub inputs: BTreeMap<String, String>,
    /// The inputs may be left out.
    pub offered: bool,
    /// Nobody is moved to a copy that was seen healthy before this.
    pub healthy_until: Option<Millis>,
    /// It is not begun any more once the run is asked to stop.
    pub stoppable: bool,
}

impl Dispatch<'_> {
    fn tells_sha(&self) -> bool {
        self.inputs.contains_key("sha")
    }
}

/// Another dispatch of the same workflow by us.
struct Other {
    run: RunId,
    /// Nothing while it is not known, or if it never will be.
    workflow_run: Option<u64>,
}

/// What a dispatch has started; nothing when that is nothing that could be found after `since`.
fn started(step: &Step, since: Millis) -> Option<Option<u64>> {
    let Some(ended) = step.finished_at else { return Some(None) };
    let result = step.result.clone().unwrap_or_default();
    if let Ok(made) = serde_json::from_value::<DispatchMade>(result.clone()) {
        return Some(Some(made.workflow_run));
    }
    // GitHub has refused to start it; else nobody knows what it has started.
    let refused = serde_json::from_value::<StepFailure>(result)
        .is_ok_and(|failure| !failure.dead && failure.refusal.code != WORKFLOW_RUN_AMBIGUOUS);
    (!refused && ended >= since).then_some(None)
}

#[derive(Debug, PartialEq, Eq)]
enum Doubt {
    /// Another dispatch may have started it.
    NotYet,
    /// Nobody will ever be able to say.
    Ambiguous,
}

impl Doubt {
    /// `doubted`: how often that has been so.
    fn told(self, doubted: impl FnOnce() -> u32) -> StepError {
        let fix = "Look at the runs of the workflow by hand. Give it an input `run = \"{{ run }}\"` and put that into its \
                   `run-name`, so that each run says whose it is.";
        if self == Self::NotYet && doubted() < LOOKS {
            let text = "Another deployment starts the same workflow, and nothing says yet whose run is whose.";
            return StepError::Retry { after: None, refusal: Refusal::world("workflow_run_unclear", text, fix) };
        }
        let text = "The workflow may have been started, and nothing says which of its runs belongs to this deployment.";
        StepError::Fail(Refusal::user(WORKFLOW_RUN_AMBIGUOUS, text, fix))
    }
}

/// Which of the runs that look like ours is ours.
fn own(
    mut found: Vec<StartedRun>,
    run: &RunId,
    must_be: Option<&Sha>,
    others: &[Other],
) -> Result<Option<WorkflowRunInfo>, Doubt> {
    let of = |other: &Other, it: &StartedRun| {
        other.workflow_run == Some(it.info.id) || other.run != *run && it.is_named(other.run.as_str())
    };
    found.retain(|it| !others.iter().any(|other| of(other, it)));
    if let Some(at) = found.iter().position(|it| it.is_named(run.as_str())) {
        return Ok(Some(found.swap_remove(at).info));
    }
    let Some(only) = found.pop() else { return Ok(None) };
    match () {
        () if !found.is_empty() => Err(Doubt::Ambiguous),
        () if others.iter().any(|other| other.workflow_run.is_none()) => Err(Doubt::NotYet),
        // It would not deploy this commit, whoever has started it.
        () if must_be.is_some_and(|sha| only.info.head_sha != *sha) => Err(Doubt::Ambiguous),
        () => Ok(Some(only.info)),
    }
}

/// Whether a workflow has an input of this name, by the look of its lines: a wrong guess costs one refused request or an
/// input that was not needed.
fn declares(workflow: &str, input: &str) -> bool {
    let after = workflow.split_once("workflow_dispatch").map_or("", |(_, after)| after);
    let named = |line: &str| {
        line.starts_with("      ") && line.trim_start().strip_prefix(input).is_some_and(|rest| rest.starts_with(':'))
    };
    after.lines().take_while(|line| !line.starts_with("jobs:")).any(named)
}

fn unexpected(why: &Trouble) -> Vec<String> {
    let Some((_, names)) = why.message.split_once(UNEXPECTED) else { return Vec::new() };
    let list = names.find(']').map_or(names, |end| &names[..=end]);
    serde_json::from_str(list).unwrap_or_default()
}

fn not_there_yet() -> Refusal {
    Refusal::world(
        "workflow_run_unknown",
        "GitHub has not listed the started workflow run yet.",
        "Nothing: Lockkeeper looks again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "01890000-0000-7000-8000-000000000001";
    const THEIRS: &str = "01890000-0000-7000-8000-000000000002";

    fn sha(letter: &str) -> Sha {
        Sha::parse(&letter.repeat(40)).unwrap()
    }

    fn run(id: u64, name: &str) -> StartedRun {
        let info = WorkflowRunInfo {
            id,
            status: "queued".into(),
            conclusion: None,
            head_sha: sha("a"),
            url: "u".into(),
            created_at: Millis(0),
        };
        StartedRun { info, names: vec![name.to_owned()] }
    }

    fn other(run: &str, workflow_run: Option<u64>) -> Other {
        Other { run: RunId::parse(run).unwrap(), workflow_run }
    }

    #[test]
    fn a_run_is_ours_only_when_it_can_be_nobody_elses() {
        let (ours, theirs) = (format!("Deploy ({OURS})"), format!("Deploy ({THEIRS})"));
        let (dull, good, bad) = ("Deploy", Some(sha("a")), Some(sha("b")));
        let is = |id| Ok(Some(id));
        type Case<'a> = (&'a str, Vec<StartedRun>, &'a Option<Sha>, Vec<Other>, Result<Option<u64>, Doubt>);
        let cases: Vec<Case<'_>> = vec![
            ("the only one", vec![run(1, dull)], &good, vec![], is(1)),
            ("the only one, told its commit", vec![run(1, dull)], &None, vec![], is(1)),
            ("at another commit", vec![run(1, dull)], &bad, vec![], Err(Doubt::Ambiguous)),
            ("of two", vec![run(2, dull), run(1, dull)], &None, vec![], Err(Doubt::Ambiguous)),
            ("another's", vec![run(1, dull)], &None, vec![other(THEIRS, Some(1))], Ok(None)),
            ("another's of our own run", vec![run(1, &ours)], &None, vec![other(OURS, Some(1))], Ok(None)),
            ("beside another's", vec![run(2, dull), run(1, dull)], &None, vec![other(THEIRS, Some(2))], is(1)),
            ("perhaps another's", vec![run(1, dull)], &None, vec![other(THEIRS, None)], Err(Doubt::NotYet)),
            ("named after another", vec![run(1, &theirs)], &None, vec![other(THEIRS, None)], Ok(None)),
            ("named after us", vec![run(2, dull), run(1, &ours)], &bad, vec![other(THEIRS, None)], is(1)),
            ("nobody has one", vec![], &None, vec![other(THEIRS, None)], Ok(None)),
        ];
        let run = RunId::parse(OURS).unwrap();
        for (name, found, must_be, others, expected) in cases {
            let found = own(found, &run, must_be.as_ref(), &others).map(|run| run.map(|run| run.id));
            assert_eq!(found, expected, "{name}");
        }
    }

    /// A clear refusal has started nothing; all other ends may have.
    #[test]
    fn what_another_has_started_is_known_or_unknown() {
        let failed = |dead: bool, code: &str| {
            let failure = StepFailure { step: "dispatch".into(), refusal: Refusal::user(code, "x", "y"), dead };
            serde_json::to_value(failure).unwrap()
        };
        let made = serde_json::json!({ "workflow_run": 7, "url": null, "told_sha": true });
        let cases = [
            (None, None, Some(None)),
            (Some(1), Some(made), Some(Some(7))),
            (Some(9), Some(failed(false, "github_rejected")), None),
            (Some(9), Some(failed(false, WORKFLOW_RUN_AMBIGUOUS)), Some(None)),
            (Some(9), Some(failed(true, "github_unavailable")), Some(None)),
            (Some(1), Some(failed(true, "github_unavailable")), None),
        ];
        for (finished, result, expected) in cases {
            let step = Step {
                name: "dispatch".into(),
                seq: 1,
                kind: steps::CALL.into(),
                state: String::new(),
                attempts: 0,
                first_error: None,
                last_error: None,
                first_error_at: None,
                next_at: None,
                started_at: Millis(0),
                finished_at: finished.map(Millis),
                link: None,
                body: serde_json::Value::Null,
                result: result.clone(),
            };
            assert_eq!(started(&step, Millis(5)), expected, "{result:?}");
        }
    }

    #[test]
    fn inputs_are_found_where_they_are_declared() {
        let text = "on:\n  workflow_dispatch:\n    inputs:\n      environment:\n        type: string\n      sha: {}\njobs:\n  x:\n      version: 1\n";
        assert!(declares(text, "environment") && declares(text, "sha"));
        assert!(!declares(text, "version") && !declares(text, "ref") && !declares("on: push", "sha"));
    }
}
