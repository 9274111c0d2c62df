//! A commit goes to an environment by the strategy `direct`: gates, the environment's lock, the pin verified again, the
//! target brings it up, health, report.
//!
//! Invariants: nothing is brought up before the lease, and nothing at the lease before the pin has been verified again; the
//! GitHub deployment and the check run `lockkeeper/<environment>` end in a final state; only named reporters count.

use super::gating::{self, Case, Gated};
use super::report::{Outcome, State};
use super::{ground, health, rollout};
use crate::actions::deploy::{self, Subject};
use crate::config::repo::{Environment, RepoConfig};
use crate::domain::Sha;
use crate::domain::{Actor, Blame, EnvName, Millis, Recheck, Refusal, RepoRef, Tag};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::gates::Verdict;
use crate::plan::{Call, CheckOutcome, CheckRunCall, CheckRunMade, DeploymentCall, DeploymentMade, Ground, Plan, StatusCall};
use crate::render::check::{self, Deploy};
use crate::render::line;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "deploy", version: 1, run };

/// GitHub's limit for a deployment status's description.
const DESCRIPTION: usize = 140;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub environment: EnvName,
    /// Its `sha` and `tag` stand beside the others in the stored input, where the host finds them.
    #[serde(flatten)]
    pub subject: Subject,
    pub actor: Actor,
    pub asked_at: Millis,
}

/// The natural key of a deployment run: the same thing to the same place, asked for the n-th time.
pub fn key(repo: &RepoRef, environment: &EnvName, sha: &Sha, tag: Option<&Tag>, nth: u32) -> String {
    format!("{}:{nth}", stem(repo, environment, sha, tag))
}

/// What all keys of the same thing to the same place begin with.
pub fn stem(repo: &RepoRef, environment: &EnvName, sha: &Sha, tag: Option<&Tag>) -> String {
    let tag = tag.map_or("-", Tag::as_str);
    format!("deploy:{}:{environment}:{sha}:{tag}", repo.id)
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let mut shown = Shown::default();
    let outcome = match story(f, &input, &mut shown) {
        Err(Stop::Failed(failure)) => broken(f, &input, failure, &shown)?,
        other => other?,
    };
    f.finish(&Outcome { deployment: shown.deployment, ..outcome })
}

/// What people can see of the run so far.
#[derive(Default)]
pub(super) struct Shown {
    pub deployment: Option<u64>,
    check_run: Option<u64>,
    waiting: bool,
    pub progress: Vec<String>,
}

fn story(f: &mut Flow, input: &Input, shown: &mut Shown) -> Result<Outcome, Stop> {
    let read =
        Call::ReadCommit { repo: input.repo.clone(), tag: input.subject.tag.clone(), sha: Some(input.subject.sha.clone()) };
    let ground: Ground = f.step("facts", &read)?;
    let config = match ground::settings(&ground.facts.config) {
        Ok(config) => config,
        Err(refusal) => return end(f, input, shown, State::Rejected, Some(refusal), &[]),
    };
    let planned = f.record("plan", || deploy::plan(&input.repo, &input.environment, &input.subject, &input.actor, &config))?;
    let plan = match planned {
        Ok(plan) => plan,
        Err(refusal) => return end(f, input, shown, State::Rejected, Some(refusal), &[]),
    };
    let Some(environment) = config.environment(&input.environment) else {
        let refusal =
            Refusal::us("environment_lost", "The planned environment is not in the configuration that was planned from.");
        return end(f, input, shown, State::Failed, Some(refusal), &[]);
    };
    let this = Deployment { input, ground: &ground, config: &config, environment, plan: &plan };
    this.go(f, shown)
}

/// A deployment that has been planned.
pub(super) struct Deployment<'a> {
    pub input: &'a Input,
    pub ground: &'a Ground,
    pub config: &'a RepoConfig,
    pub environment: &'a Environment,
    pub plan: &'a Plan,
}

impl Deployment<'_> {
    fn go(&self, f: &mut Flow, shown: &mut Shown) -> Result<Outcome, Stop> {
        let input = self.input;
        self.create(f, shown)?;
        let scheme = ground::scheme(self.config).map_err(|refusal| refused_step("plan", refusal))?;
        let parsed = input.subject.tag.as_ref().and_then(|tag| scheme.parse(tag.as_str()).ok());
        let case = Case {
            repo: &input.repo,
            ground: self.ground,
            config: self.config,
            pinned: &input.subject.sha,
            tag: input.subject.tag.as_ref(),
            parsed: parsed.as_ref(),
            event_sha: None,
            gates: &self.plan.gates,
            asked_at: input.asked_at,
            range: None,
            releasing: false,
        };
        let verdicts = match gating::pass(f, &case, |f, verdicts| self.show_waiting(f, shown, verdicts))? {
            Gated::Passed { verdicts, .. } => verdicts,
            Gated::Refused { verdicts, refusal, failed, expired } => {
                let state = if expired { State::Expired } else { State::Rejected };
                let outcome = end(f, input, shown, state, Some(refusal), &verdicts)?;
                return Ok(Outcome { failed_checks: failed, ..outcome });
            }
            Gated::Cancelled(reason) => {
                let refusal = Refusal::user(
                    "cancelled",
                    format!("The deployment was stopped: {reason}."),
                    "Ask for it again when it is wanted.",
                );
                return end(f, input, shown, State::Cancelled, Some(refusal), &[]);
            }
        };
        self.with_lease(f, shown, &verdicts)
    }

    fn create(&self, f: &mut Flow, shown: &mut Shown) -> Result<(), Stop> {
        let subject = &self.input.subject;
        let call = DeploymentCall {
            repo: self.input.repo.clone(),
            sha: subject.sha.clone(),
            tag: subject.tag.clone(),
            environment: self.input.environment.clone(),
            production: self.environment.is_production(),
            description: line(&format!("{} to {}", what(subject), self.input.environment), DESCRIPTION),
            plan: self.plan.digest.to_string(),
        };
        let made: DeploymentMade = f.step("deployment", &Call::CreateDeployment(call))?;
        shown.deployment = Some(made.id);
        if made.sha == subject.sha {
            return Ok(());
        }
        let refusal = Refusal::us(
            "deployment_sha_differs",
            format!("GitHub answered commit {} instead of {}.", made.sha.short(), subject.sha.short()),
        );
        Err(refused_step("deployment", refusal))
    }

    fn show_waiting(&self, f: &mut Flow, shown: &mut Shown, verdicts: &[Verdict]) -> Result<(), Stop> {
        if std::mem::replace(&mut shown.waiting, true) {
            return Ok(());
        }
        status(f, "status.pending", self.input, shown, "pending", &check::waiting(verdicts), None)?;
        let call = check_run(self.input, shown, None, sheet(self.input, None, verdicts, &[]).text());
        let made: Result<CheckRunMade, StepFailure> = f.try_step("check.pending", &call)?;
        shown.check_run = made.ok().map(|made| made.id);
        Ok(())
    }

    /// One deployment at a time; what was true when it was asked for is looked at again once it is its turn.
    fn with_lease(&self, f: &mut Flow, shown: &mut Shown, verdicts: &[Verdict]) -> Result<Outcome, Stop> {
        let input = self.input;
        let lock = format!("env:{}:{}", input.repo.id, input.environment);
        if f.step("lease.busy", &Call::IsLocked { key: lock.clone() })? {
            status(f, "status.queued", input, shown, "queued", "Waits for the deployment before it", None)?;
        }
        f.lock("lease", &lock)?;
        if let Some(refusal) = self.verify_pin(f)? {
            return end(f, input, shown, State::Rejected, Some(refusal), verdicts);
        }
        status(f, "status.in_progress", input, shown, "in_progress", &format!("Deploying {}", what(&input.subject)), None)?;
        let url = match rollout::bring_up(f, self, shown)? {
            Ok(url) => url.or_else(|| self.environment.url.clone()),
            Err(refusal) => return end(f, input, shown, State::Failed, Some(refusal), verdicts),
        };
        if let Err(refusal) = health::verify(f, self, url.as_deref(), shown)? {
            return end(f, input, shown, State::Failed, Some(refusal), verdicts);
        }
        self.succeeded(f, shown, verdicts, url)
    }

    fn verify_pin(&self, f: &mut Flow) -> Result<Option<Refusal>, Stop> {
        let (input, subject) = (self.input, &self.input.subject);
        let call = Call::Recheck {
            repo: input.repo.clone(),
            tag: subject.tag.clone(),
            sha: subject.sha.clone(),
            base: None,
            authors: Vec::new(),
            folder: None,
        };
        let look: Recheck = f.step("lease.look", &call)?;
        let Some(tag) = &subject.tag else { return Ok(None) };
        match look.tag {
            Some(now) if now.commit == subject.sha => Ok(None),
            Some(now) => Ok(Some(Refusal::user(
                "tag_moved",
                format!(
                    "The tag {tag} stood at {} when this was asked for and now stands at {}.",
                    subject.sha.short(),
                    now.commit.short()
                ),
                "Never move a tag that may have been used: put it back, or deploy a new version.",
            ))),
            None => Ok(Some(crate::actions::publish::gone(tag))),
        }
    }

    fn succeeded(&self, f: &mut Flow, shown: &mut Shown, verdicts: &[Verdict], url: Option<String>) -> Result<Outcome, Stop> {
        let input = self.input;
        status(f, "status.success", input, shown, "success", &format!("{} is live", what(&input.subject)), url.clone())?;
        let mut page = sheet(input, None, verdicts, &shown.progress);
        page.done = true;
        page.url = url.as_deref();
        let call = check_run(input, shown, Some(CheckOutcome::Success), page.text());
        let made: Result<CheckRunMade, StepFailure> = f.try_step("check", &call)?;
        // The version is live; a check run that GitHub does not take changes nothing about that.
        drop(made);
        let mut outcome = Outcome::new(State::Succeeded).at(&input.subject.sha);
        outcome.version = input.subject.version.clone();
        outcome.url = url;
        Ok(outcome)
    }
}

/// Ends a deployment that is not live: terminal status, terminal check run.
fn end(
    f: &mut Flow,
    input: &Input,
    shown: &Shown,
    state: State,
    refusal: Option<Refusal>,
    verdicts: &[Verdict],
) -> Result<Outcome, Stop> {
    let (word, outcome) = match state {
        State::Cancelled => ("inactive", CheckOutcome::Cancelled),
        State::Expired => ("inactive", CheckOutcome::TimedOut),
        _ => ("failure", CheckOutcome::Failure),
    };
    let said = refusal.as_ref().map_or("", |r| r.message.as_str());
    status(f, "status.end", input, shown, word, said, None)?;
    let text = sheet(input, refusal.as_ref(), verdicts, &shown.progress).text();
    let made: Result<CheckRunMade, StepFailure> = f.try_step("check", &check_run(input, shown, Some(outcome), text))?;
    // The deployment's own status says the same.
    drop(made);
    let mut ended = Outcome::new(state).at(&input.subject.sha);
    ended.refusal = refusal;
    Ok(ended)
}

/// A step failed for good, or the run was stopped while it waited.
fn broken(f: &mut Flow, input: &Input, failure: StepFailure, shown: &Shown) -> Result<Outcome, Stop> {
    f.unwind()?;
    let cancelled = failure.refusal.code == "cancelled";
    let (state, word, outcome) = match () {
        () if cancelled => (State::Cancelled, "inactive", CheckOutcome::Cancelled),
        () if failure.dead && failure.refusal.blame != Blame::Us => (State::Expired, "inactive", CheckOutcome::TimedOut),
        () => (State::Failed, "failure", CheckOutcome::Failure),
    };
    status(f, "status.broken", input, shown, word, &failure.refusal.message, None)?;
    let text = sheet(input, Some(&failure.refusal), &[], &shown.progress).text();
    let made: Result<CheckRunMade, StepFailure> = f.try_step("check.broken", &check_run(input, shown, Some(outcome), text))?;
    // Nothing more can be said where GitHub takes no check run.
    drop(made);
    Ok(Outcome::refused(state, failure.refusal).at(&input.subject.sha))
}

/// Reports on the deployment, if there is one. A report that GitHub does not take never changes what happens here.
pub(super) fn status(
    f: &mut Flow,
    name: &str,
    input: &Input,
    shown: &Shown,
    state: &str,
    text: &str,
    url: Option<String>,
) -> Result<(), Stop> {
    let Some(deployment) = shown.deployment else { return Ok(()) };
    let call = Call::DeploymentStatus(StatusCall {
        repo: input.repo.clone(),
        deployment,
        state: state.to_owned(),
        description: line(text, DESCRIPTION),
        environment_url: url,
        log_url: None,
    });
    let made: Result<Value, StepFailure> = f.try_step(name, &call)?;
    drop(made);
    Ok(())
}

pub(super) fn what(subject: &Subject) -> String {
    subject.tag.as_ref().map_or_else(|| format!("commit {}", subject.sha.short()), ToString::to_string)
}

pub(super) fn refused_step(step: &str, refusal: Refusal) -> Stop {
    Stop::Failed(StepFailure { step: step.to_owned(), refusal, dead: false })
}

fn sheet<'a>(input: &'a Input, refusal: Option<&'a Refusal>, gates: &'a [Verdict], progress: &'a [String]) -> Deploy<'a> {
    let what = input.subject.tag.as_ref().map_or("the merge", Tag::as_str);
    let environment = input.environment.as_str();
    Deploy { what, sha: input.subject.sha.short(), environment, refusal, done: false, url: None, gates, progress }
}

fn check_run(input: &Input, shown: &Shown, outcome: Option<CheckOutcome>, text: check::Text) -> Call {
    Call::CheckRun(CheckRunCall {
        repo: input.repo.clone(),
        name: format!("lockkeeper/{}", input.environment),
        sha: input.subject.sha.clone(),
        update: shown.check_run,
        outcome,
        title: text.title,
        summary: text.summary,
        details_url: None,
        annotations: Vec::new(),
    })
}
