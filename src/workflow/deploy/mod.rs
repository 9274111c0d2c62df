//! A commit goes to an environment: gates, the environment's lock, the pin verified again, then the states of
//! `rollout::machine` until an end.
//!
//! Invariants: nothing is brought up before the lease, and nothing at the lease before the pin has been verified again; the
//! GitHub deployment and the check run `lockkeeper/<environment>` end in a final state; only named reporters count; what is
//! live is written only under the lease's fencing token.

mod bring_up;
mod drive;
mod end;
mod finish;
mod fresh;
mod health;
mod lease;
mod leg;
mod line;
mod measure;
mod order;
mod page;
mod phases;
mod shared;
mod slots;
mod steer;
mod watch;
mod who;
mod workflow_run;

#[cfg(test)]
mod tests;

pub(super) use bring_up::values_of;
pub use bring_up::{DISPATCH, ERRAND, callback_signal, waits_for};
pub use drive::subject_of;
pub use fresh::HEALTH_STALE;
pub(super) use health::filled;
pub(super) use leg::what;
pub(super) use line::IN_LINE;
pub use steer::{Trace, Traces};

use self::end::Ending;
use self::leg::Leg;
use self::page::Shown;
use super::gating::{self, Case, Gated};
use super::ground;
use super::place::Going;
use super::report::{Outcome, State};
use super::supplied;
use crate::actions::deploy::{self, Kind, Subject};
use crate::actions::rollback;
use crate::config::repo::{Environment, RepoConfig, Strategy, Target};
use crate::domain::{Actor, Artifact, EnvName, EnvPlace, Millis, Refusal, RepoRef, Role, RunId, Sha, Tag};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::gates::Verdict;
use crate::plan::{Call, Configured, Given, Ground, Plan};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "deploy", version: 5, run };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub environment: EnvName,
    /// Its `sha` and `tag` stand beside the others in the stored input, where the host finds them.
    #[serde(flatten)]
    pub subject: Subject,
    pub actor: Actor,
    pub asked_at: Millis,
    /// A tag or a merge asked for it, no person.
    #[serde(default)]
    pub automatic: bool,
    /// Back to a version that was live here before: its gates were passed then, and freezes, soaks and reviews do not hold
    /// it up.
    #[serde(default)]
    pub rollback: bool,
    /// Why, in the words of the person who asked.
    #[serde(default)]
    pub reason: Option<String>,
    /// Another strategy than the environment's own.
    #[serde(default)]
    pub strategy: Option<String>,
    /// Waits for a lock of the environment to end; without it the lock refuses.
    #[serde(default)]
    pub wait: bool,
    /// What was found out before it was started and is to be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// GitHub's id of a deployment that somebody else has made for it: it is shown there, and none of ours is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<u64>,
    /// Somebody asked for it on GitHub: in a comment, or by having its check run again.
    #[serde(default)]
    pub by_comment: Option<ByComment>,
    /// What was there when somebody asked for a way back from it. Once something else is, nobody has asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Sha>,
    /// What a peer supplied when it was planned, before this run was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<Configured>,
}

/// What is known of somebody who has asked on GitHub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ByComment {
    /// When GitHub has said what they may do.
    pub role_read: Millis,
    /// None where it has not been asked yet: it is when it is their turn.
    pub role: Role,
    /// It is the head of a pull request.
    #[serde(default)]
    pub head: bool,
    /// Another version that was asked for in a comment on this pull request: who approves there has seen which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<u64>,
    /// Where everything about the commit was read.
    pub given: Option<Given>,
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

/// What the locks of environments begin with.
pub const LOCKS: &str = "env:";

/// The lock of an environment.
pub fn lock_key(place: &EnvPlace) -> String {
    format!("{LOCKS}{}:{}", place.repo, place.environment)
}

impl Input {
    /// A person asked, and can answer for it; an agent or a script cannot.
    fn by_person(&self) -> bool {
        !self.automatic && self.actor.is_person()
    }

    /// A person goes ahead for a reason where the machine alone would not.
    fn insists(&self) -> bool {
        self.by_person() && self.reason.is_some()
    }

    fn kind(&self) -> Kind {
        match &self.by_comment {
            _ if self.rollback => Kind::Rollback,
            Some(by) if by.head => Kind::Head,
            _ => Kind::Version,
        }
    }

    pub fn place(&self) -> EnvPlace {
        EnvPlace { repo: self.repo.id, environment: self.environment.clone() }
    }
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let mut shown = Shown { progress: input.remarks.clone(), deployment: input.taken, ..Shown::default() };
    let outcome = match story(f, &input, &mut shown) {
        Err(Stop::Failed(failure)) => end::broken(f, &input, failure, &mut shown)?,
        other => other?,
    };
    f.finish(&Outcome { deployment: shown.deployment, ..outcome })
}

fn story(f: &mut Flow, input: &Input, shown: &mut Shown) -> Result<Outcome, Stop> {
    input.line_up(f)?;
    let tag = if input.rollback { None } else { input.subject.tag.clone() };
    let (repo, sha) = (input.repo.clone(), input.subject.sha.clone());
    let given = input.by_comment.as_ref().and_then(|by| by.given.clone()).filter(|_| tag.is_none());
    let read = match given {
        Some(given) => Call::ReadGiven { repo, sha, given },
        None => Call::ReadCommit { repo, tag, sha: Some(sha) },
    };
    let ground: Ground = f.step("facts", &read)?;
    let subject = &input.subject;
    if input.rollback && ground.facts.sha.is_none() {
        let refusal = rollback::gone_target(&subject.name(), &subject.sha);
        return Ending::refused(refusal).report(f, input, shown);
    }
    let config = match ground::settings(&ground.facts.config) {
        Ok(config) => config,
        Err(refusal) => return Ending::refused(refusal).report(f, input, shown),
    };
    let known = (&config, ground.lent.as_ref());
    let draft = || deploy::plan(&input.repo, &input.environment, subject, &input.actor, known, input.kind());
    let configuration = match input.supplied(f, &ground, &config, || draft().is_ok())? {
        Ok(configuration) => configuration,
        Err(refusal) => return Ending::refused(refusal).report(f, input, shown),
    };
    // What is kept is what people agree to, so with everything that it is made from.
    let planned = f.record("plan", || draft().map(|plan| plan.with(configuration.as_ref())))?;
    let plan = match planned {
        Ok(plan) => plan,
        Err(refusal) => return Ending::refused(refusal).report(f, input, shown),
    };
    let known = config.environment(&input.environment);
    let Some((environment, target)) = known.and_then(|e| config.targets.get(&e.target).map(|target| (e, target))) else {
        let text = "The planned environment or its target is not in the configuration that was planned from.";
        return Ending::failed(Refusal::us("environment_lost", text)).report(f, input, shown);
    };
    let strategy = match deploy::strategy(environment, input.strategy.as_deref(), input.rollback) {
        Ok(strategy) => strategy,
        Err(refusal) => return Ending::refused(refusal).report(f, input, shown),
    };
    if let Some(by) = &input.by_comment
        && by.role != Role::None
        && let Err(refusal) = who::may(f, "who", input, environment, by.role)?
    {
        return Ending::refused(refusal).report(f, input, shown);
    }
    let configuration = configuration.as_ref();
    Deployment { input, ground: &ground, config: &config, environment, target, plan: &plan, strategy, configuration }
        .go(f, shown)
}

impl Input {
    /// What a peer supplies for the environment, where it has one for that and can be planned for. For what was planned before,
    /// it must be what was planned with.
    fn supplied(
        &self,
        f: &mut Flow,
        ground: &Ground,
        config: &RepoConfig,
        can_be_planned: impl FnOnce() -> bool,
    ) -> Result<Result<Option<Value>, Refusal>, Stop> {
        let known = config.environment(&self.environment).filter(|environment| environment.configuration.is_some());
        let Some(environment) = known.filter(|_| can_be_planned()) else { return Ok(Ok(None)) };
        let about = supplied::About { repo: &self.repo, environment, subject: &self.subject, ground, back: self.rollback };
        let read = supplied::read(f, "configuration", about)?;
        let planned = self.configured.as_ref().filter(|_| !self.rollback);
        let drift = |now: &Option<Value>| planned.and_then(|was| supplied::drift(was, now.as_ref().unwrap_or(&Value::Null)));
        Ok(read.and_then(|now| drift(&now).map_or(Ok(now), Err)))
    }
}

/// What has passed the gates.
struct Cleared {
    verdicts: Vec<Verdict>,
    /// The files that gates were about.
    artifacts: Vec<Artifact>,
    /// When they did, on a look of that moment.
    passed_at: Millis,
}

/// A deployment that has been planned.
pub(super) struct Deployment<'a> {
    pub input: &'a Input,
    pub ground: &'a Ground,
    pub config: &'a RepoConfig,
    pub environment: &'a Environment,
    pub target: &'a Target,
    pub plan: &'a Plan,
    pub strategy: Strategy,
    /// What a peer has supplied.
    pub configuration: Option<&'a Value>,
}

impl Deployment<'_> {
    fn go(&self, f: &mut Flow, shown: &mut Shown) -> Result<Outcome, Stop> {
        if !self.input.keeps_its_order(f) {
            self.appear(f, shown)?;
        }
        // Whoever had to wait for a turn may find that a gate does not pass any more.
        for turn in 0_u32.. {
            let cleared = match self.pass_gates(f, shown, turn)? {
                Ok(cleared) => cleared,
                Err(outcome) => return Ok(*outcome),
            };
            if let Some(outcome) = self.with_lease(f, shown, &cleared, turn)? {
                return Ok(outcome);
            }
        }
        Err(Stop::Suspended)
    }

    /// Whoever brings a version up is asked through GitHub.
    fn needs_github(&self) -> bool {
        matches!(self.target, Target::Deployment(_) | Target::Workflow(_))
    }

    fn starts_when_made(&self) -> bool {
        matches!(self.target, Target::Deployment(_))
    }

    /// The version that was asked for.
    fn leg(&self, shown: &Shown) -> Leg {
        Leg { prefix: "", subject: self.input.subject.clone(), deployment: shown.deployment, slot: None, guard: None }
    }

    fn pass_gates(&self, f: &mut Flow, shown: &mut Shown, turn: u32) -> Result<Result<Cleared, Box<Outcome>>, Stop> {
        let input = self.input;
        let prefix = named("", turn);
        let gated = self
            .case(&prefix, |case| gating::pass(f, case, shown, |f, verdicts, shown| self.show_waiting(f, shown, verdicts)))?;
        let ending = match gated {
            Gated::Passed { verdicts, artifacts, .. } => {
                let now = f.now();
                let passed_at = f.record(&named("gates.passed", turn), || now)?;
                self.show_agreed(f, shown, &verdicts, turn)?;
                return Ok(Ok(Cleared { verdicts, artifacts, passed_at }));
            }
            Gated::Refused { verdicts, refusal, failed, expired } => {
                self.appear(f, shown)?;
                let state = match () {
                    () if expired => State::Expired,
                    // Who deletes a tag calls its deployment off.
                    () if refusal.code == "tag_gone" => State::Cancelled,
                    () => State::Rejected,
                };
                let outcome = Ending { verdicts: &verdicts, ..Ending::new(state, refusal) }.report(f, input, shown)?;
                return Ok(Err(Box::new(Outcome { failed_checks: failed, ..outcome })));
            }
            Gated::Cancelled(reason) => Ending::new(State::Cancelled, cancelled(&reason)),
        };
        Ok(Err(Box::new(ending.report(f, input, shown)?)))
    }

    /// What the gates look at.
    fn case<T>(&self, prefix: &str, work: impl FnOnce(&Case) -> Result<T, Stop>) -> Result<T, Stop> {
        let input = self.input;
        let scheme = ground::scheme(self.config).map_err(|refusal| refused_step("plan", refusal))?;
        let tag = if input.rollback { None } else { input.subject.tag.as_ref() };
        let parsed = tag.and_then(|tag| scheme.parse(tag.as_str()).ok());
        work(&Case {
            repo: &input.repo,
            ground: self.ground,
            config: self.config,
            pinned: &input.subject.sha,
            tag,
            parsed: parsed.as_ref(),
            event_sha: None,
            gates: &self.plan.gates,
            asked_at: input.asked_at,
            range: None,
            releasing: false,
            going: Some(self.going()),
            job: None,
            prefix,
        })
    }

    fn going(&self) -> Going<'_> {
        let input = self.input;
        Going {
            repo: &input.repo,
            environment: self.environment,
            digest: self.plan.digest.as_str(),
            actor: &input.actor,
            automatic: input.automatic,
            reason: input.reason.as_deref(),
            wait: input.wait,
            head: &input.subject.sha,
            history: &self.ground.facts.history,
            opened: None,
        }
    }

    fn run_id(&self) -> &RunId {
        &self.ground.run
    }
}

/// The name of something that a run does once in each of its turns.
fn named(name: &str, turn: u32) -> String {
    if turn == 0 { name.to_owned() } else { format!("turn.{turn}.{name}") }
}

pub fn cancelled(reason: &str) -> Refusal {
    Refusal::user("cancelled", format!("The deployment was stopped: {reason}."), "Ask for it again when it is wanted.")
}

pub(super) fn refused_step(step: &str, refusal: Refusal) -> Stop {
    Stop::Failed(StepFailure { step: step.to_owned(), refusal, dead: false })
}
