//! A job of a workflow waits for us before it deploys: a custom deployment protection rule. The gates of its environment are
//! asked about its commit, and the job is approved or rejected, once.
//!
//! Invariants: a job is answered whatever happens, at the latest when its time is over, so that none waits in vain; what cannot
//! be read is rejected. A run that is over is answered no more. Nothing of a fork is approved. A workflow that a deployment of
//! ours has started was judged before it was started. The deployment itself is the workflow's: our ledger knows nothing of it.

use super::deploy::cancelled;
use super::gating::{self, Case, Gated};
use super::place::Going;
use super::report::{Outcome, State};
use super::{ground, preview};
use crate::actions::button::Button;
use crate::actions::deploy::{self, Kind, Subject};
use crate::config::repo::{CONFIG_PATH, Environment, RepoConfig};
use crate::domain::{Actor, EnvName, Millis, Refusal, RepoRef, RunId, Sha};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::gates::{self, Verdict};
use crate::plan::{Awaiting, Call, CheckOutcome, CheckRunMade, Ground, Plan, ReviewCall};
use crate::render::check::Text;
use crate::render::job::Report;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

pub const WORKFLOW: Workflow = Workflow { name: "protect", version: 1, run };

/// What stops a run of ours when the job's run has ended.
pub const RUN_OVER: &str = "the run of the workflow is over";
/// The step that reads which run waits.
pub const AWAITING: &str = "awaiting";
/// GitHub gives up after thirty days; then nobody would know why.
const PATIENCE: Duration = Duration::from_secs(29 * 24 * 3600);
/// GitHub takes ten for each deployment.
const REPORTS: u32 = 9;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    /// GitHub's id of the deployment that it has made for the job.
    pub deployment: u64,
    /// As GitHub writes it.
    pub environment: String,
    pub sha: Sha,
    pub git_ref: String,
    /// Nothing where the payload's address was not GitHub's: it is looked for.
    pub workflow_run: Option<u64>,
    pub actor: Actor,
    pub asked_at: Millis,
}

/// The natural key: one answer for each job that waits.
pub fn key(repo: &RepoRef, deployment: u64) -> String {
    format!("protect:{}:{deployment}", repo.id)
}

/// What people can see of it so far.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Shown {
    reports: u32,
    /// What was said last: gates, and how they stand.
    said: Vec<(String, String)>,
    check_run: Option<u64>,
    /// The check run's name, whatever the settings call the environment later.
    #[serde(default)]
    name: Option<String>,
    asking: Option<String>,
}

/// A job, and its run at GitHub.
struct Job<'a> {
    input: &'a Input,
    workflow_run: u64,
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let call = Call::ReadAwaiting {
        repo: input.repo.clone(),
        workflow_run: input.workflow_run,
        sha: input.sha.clone(),
        environment: input.environment.clone(),
    };
    let found: Result<Option<Awaiting>, StepFailure> = f.try_step(AWAITING, &call)?;
    let found = match (found, input.workflow_run) {
        (Ok(found), _) => found.filter(|run| !run.over),
        // It is answered all the same: fail closed.
        (Err(failure), Some(workflow_run)) => {
            let job = Job { input: &input, workflow_run };
            let outcome = job.reject(f, "unread", State::Failed, failure.refusal, &[], &Shown::default())?;
            return f.finish(&outcome);
        }
        (Err(failure), None) => return f.finish(&Outcome::refused(State::Failed, failure.refusal).at(&input.sha)),
    };
    let Some(found) = found else { return f.finish(&Outcome::new(State::Nothing).at(&input.sha)) };
    let job = Job { input: &input, workflow_run: found.workflow_run };
    let mut shown = Shown::default();
    let outcome = match job.story(f, found.fork, &mut shown) {
        Err(Stop::Failed(failure)) if failure.refusal.code == "cancelled" => {
            job.stopped(f, &failure.refusal.message, &shown)?
        }
        Err(Stop::Failed(failure)) => {
            let state = if failure.dead { State::Expired } else { State::Failed };
            job.reject(f, "broken", state, failure.refusal, &[], &shown)?
        }
        other => other?,
    };
    f.finish(&outcome)
}

impl Job<'_> {
    fn story(&self, f: &mut Flow, fork: bool, shown: &mut Shown) -> Result<Outcome, Stop> {
        let input = self.input;
        if fork {
            return self.reject(f, "answer", State::Rejected, from_fork(), &[], shown);
        }
        let read = Call::ReadCommit { repo: input.repo.clone(), tag: None, sha: Some(input.sha.clone()) };
        let mut ground: Ground = f.step("facts", &read)?;
        ground.facts.tag = ground::tag_of(&ground.facts, &input.git_ref, &input.sha).cloned();
        let known = ground::settings(&ground.facts.config).and_then(|config| {
            let environment = self.environment(&config)?.clone();
            Ok((config, environment))
        });
        let (config, environment) = match known {
            Ok(known) => known,
            Err(refusal) => return self.reject(f, "answer", State::Rejected, refusal, &[], shown),
        };
        if let Some(run) = self.starter(f, &environment.name)? {
            let report = Report { own: Some(run.as_str()), ..self.report(&environment.name, &[]) };
            return self.approve(f, report.text(), shown);
        }
        let known = ground.facts.sha.as_ref().ok_or_else(commit_unknown);
        let subject = match known.and_then(|_| ground::subject(&ground, &config, &input.sha)) {
            Ok(subject) => subject,
            Err(refusal) => return self.reject(f, "answer", State::Rejected, refusal, &[], shown),
        };
        let kind = if ground::is_released(&ground.facts, &subject) { Kind::Version } else { Kind::Head };
        let known = (&config, ground.lent.as_ref());
        let planned = f.record("plan", || deploy::plan(&input.repo, &environment.name, &subject, &input.actor, known, kind))?;
        match planned {
            Ok(plan) => self.judge(f, (&ground, &config, &environment), (&subject, &plan), shown),
            Err(refusal) => self.reject(f, "answer", State::Rejected, refusal, &[], shown),
        }
    }

    fn judge(
        &self,
        f: &mut Flow,
        (ground, config, environment): (&Ground, &RepoConfig, &Environment),
        (subject, plan): (&Subject, &Plan),
        shown: &mut Shown,
    ) -> Result<Outcome, Stop> {
        let input = self.input;
        let scheme = ground::scheme(config).map_err(|refusal| super::deploy::refused_step("plan", refusal))?;
        let parsed = subject.tag.as_ref().and_then(|tag| scheme.parse(tag.as_str()).ok());
        let case = Case {
            repo: &input.repo,
            ground,
            config,
            pinned: &subject.sha,
            tag: subject.tag.as_ref(),
            parsed: parsed.as_ref(),
            event_sha: None,
            gates: &plan.gates,
            asked_at: input.asked_at,
            range: None,
            releasing: false,
            going: Some(Going {
                repo: &input.repo,
                environment,
                digest: plan.digest.as_str(),
                actor: &input.actor,
                automatic: true,
                reason: None,
                wait: true,
                head: &subject.sha,
                history: &ground.facts.history,
                opened: None,
            }),
            job: Some(input.asked_at.plus(PATIENCE)),
            prefix: "",
        };
        let gated = gating::pass(f, &case, shown, |f, verdicts, shown| self.show(f, &environment.name, plan, verdicts, shown))?;
        match gated {
            Gated::Passed { verdicts, .. } => {
                let report = self.report(&environment.name, &verdicts);
                self.approve(f, report.text(), shown)
            }
            Gated::Refused { verdicts, refusal, failed, expired } => {
                let state = if expired { State::Expired } else { State::Rejected };
                let outcome = self.reject(f, "answer", state, refusal, &verdicts, shown)?;
                Ok(Outcome { failed_checks: failed, ..outcome })
            }
            Gated::Cancelled(reason) => self.stopped(f, &reason, shown),
        }
    }

    /// GitHub does not tell upper and lower case apart.
    fn environment<'c>(&self, config: &'c RepoConfig) -> Result<&'c Environment, Refusal> {
        let name = &self.input.environment;
        let same = |known: &&Environment| known.name.as_str().eq_ignore_ascii_case(name);
        config.environments.iter().find(same).ok_or_else(|| {
            let name = crate::render::line(name, 64);
            let fix = format!(
                "Add it to {CONFIG_PATH} on the default branch, or take Lockkeeper out of the environment's protection rules."
            );
            Refusal::user("unknown_environment", format!("Lockkeeper knows no gates of the environment {name}."), fix)
        })
    }

    fn starter(&self, f: &mut Flow, environment: &EnvName) -> Result<Option<RunId>, Stop> {
        f.step("starter", &Call::ReadStarter { workflow_run: self.workflow_run, environment: environment.clone() })
    }

    fn report<'r>(&'r self, environment: &'r EnvName, gates: &'r [Verdict]) -> Report<'r> {
        let Input { sha, git_ref, .. } = self.input;
        let (what, environment) = (if git_ref.is_empty() { "the commit" } else { git_ref }, environment.as_str());
        Report { what, sha: sha.short(), environment, refusal: None, waits: false, own: None, gates }
    }

    /// Says what it waits for, when that is something new.
    fn show(
        &self,
        f: &mut Flow,
        environment: &EnvName,
        plan: &Plan,
        verdicts: &[Verdict],
        shown: &mut Shown,
    ) -> Result<(), Stop> {
        let report = Report { waits: true, ..self.report(environment, verdicts) };
        let says: Vec<(String, String)> = verdicts.iter().map(|v| (v.gate.to_string(), v.code.clone())).collect();
        if shown.reports < REPORTS && shown.said != says {
            shown.reports += 1;
            shown.said = says;
            self.say(f, "report", None, report.text())?;
        }
        let asking = gates::asks_people(verdicts);
        if asking.is_some() && shown.asking != asking {
            shown.asking = asking;
            let text = Text { title: crate::render::check::waiting(verdicts), summary: report.text() };
            let name = shown.name.get_or_insert_with(|| format!("lockkeeper/{environment}"));
            let call = preview::check_run(&self.input.repo, &self.input.sha, name, CheckOutcome::ActionRequired, text);
            let buttons = [Button::Approve, Button::Reject].map(|button| button.shown(plan.digest.as_str())).to_vec();
            let made: Result<CheckRunMade, StepFailure> =
                f.try_step("check.asks", &updating(call, shown.check_run, buttons))?;
            // Without it people approve in a comment.
            shown.check_run = made.ok().map(|made| made.id).or(shown.check_run);
        }
        Ok(())
    }

    fn end_check(&self, f: &mut Flow, shown: &Shown, outcome: CheckOutcome, title: &str, summary: &str) -> Result<(), Stop> {
        let Some(id) = shown.check_run else { return Ok(()) };
        let text = Text { title: title.to_owned(), summary: summary.to_owned() };
        let name = shown.name.clone().unwrap_or_else(|| format!("lockkeeper/{}", self.input.environment));
        let call = preview::check_run(&self.input.repo, &self.input.sha, &name, outcome, text);
        let made: Result<CheckRunMade, StepFailure> = f.try_step("check", &updating(call, Some(id), Vec::new()))?;
        // The job has its answer, whatever the check run says.
        drop(made);
        Ok(())
    }

    /// A report that GitHub does not take is nothing; a decision that it does not take is one that nobody got.
    fn say(&self, f: &mut Flow, step: &str, approve: Option<bool>, comment: String) -> Result<Option<Refusal>, Stop> {
        let call = Call::ReviewJob(ReviewCall {
            repo: self.input.repo.clone(),
            workflow_run: self.workflow_run,
            environment: self.input.environment.clone(),
            approve,
            comment,
        });
        let said: Result<bool, StepFailure> = f.try_step(step, &call)?;
        Ok(said.err().map(|failure| failure.refusal))
    }

    /// Approved is only what GitHub has taken.
    fn approve(&self, f: &mut Flow, text: String, shown: &Shown) -> Result<Outcome, Stop> {
        let Some(refusal) = self.say(f, "answer", Some(true), text.clone())? else {
            self.end_check(f, shown, CheckOutcome::Success, "Approved", &text)?;
            return Ok(Outcome::new(State::Succeeded).at(&self.input.sha));
        };
        self.end_check(f, shown, CheckOutcome::Failure, &crate::render::line(&refusal.message, 250), &text)?;
        Ok(Outcome::refused(State::Failed, refusal).at(&self.input.sha))
    }

    fn reject(
        &self,
        f: &mut Flow,
        step: &str,
        state: State,
        refusal: Refusal,
        verdicts: &[Verdict],
        shown: &Shown,
    ) -> Result<Outcome, Stop> {
        let environment = &self.input.environment;
        let what = if self.input.git_ref.is_empty() { "the commit" } else { &self.input.git_ref };
        let sha = self.input.sha.short();
        let report =
            Report { what, sha, environment, refusal: Some(&refusal), waits: false, own: None, gates: verdicts }.text();
        self.say(f, step, Some(false), report.clone())?;
        let outcome = if state == State::Expired { CheckOutcome::TimedOut } else { CheckOutcome::Failure };
        self.end_check(f, shown, outcome, &crate::render::line(&refusal.message, 250), &report)?;
        Ok(Outcome::refused(state, refusal).at(&self.input.sha))
    }

    /// The word of an attempt before it may come late. Where nobody can say, it is answered.
    fn is_over(&self, f: &mut Flow) -> Result<bool, Stop> {
        let Input { repo, sha, environment, .. } = self.input.clone();
        let call = Call::ReadAwaiting { repo, workflow_run: Some(self.workflow_run), sha, environment };
        let found: Result<Option<Awaiting>, StepFailure> = f.try_step("awaiting.over", &call)?;
        Ok(found.is_ok_and(|found| found.is_none_or(|run| run.over)))
    }

    /// Somebody has stopped it; a run that is over needs no answer.
    fn stopped(&self, f: &mut Flow, reason: &str, shown: &Shown) -> Result<Outcome, Stop> {
        if reason.contains(RUN_OVER) && self.is_over(f)? {
            self.end_check(f, shown, CheckOutcome::Cancelled, "Nobody waits for this any more", "The workflow has ended.")?;
            return Ok(Outcome::new(State::Nothing).at(&self.input.sha));
        }
        self.reject(f, "stopped", State::Cancelled, cancelled(reason), &[], shown)
    }
}

fn updating(call: Call, update: Option<u64>, actions: Vec<crate::plan::CheckAction>) -> Call {
    match call {
        Call::CheckRun(call) => Call::CheckRun(crate::plan::CheckRunCall { update, actions, ..call }),
        other => other,
    }
}

fn commit_unknown() -> Refusal {
    let fix = "Run the workflow again on a commit that is there.";
    Refusal::user("commit_unknown", "The commit is not in the repository any more.", fix)
}

fn from_fork() -> Refusal {
    Refusal::user(
        "fork",
        "The workflow runs for a fork, or nobody can say that it does not, and what comes from a fork is not deployed.",
        "Merge it, or push it to a branch of this repository.",
    )
}
