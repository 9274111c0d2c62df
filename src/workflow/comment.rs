//! Commands in one comment: seen, allowed, done one after another, and answered in one reply.
//!
//! Invariants: nothing is done before GitHub has said what the person may do; each command is answered, also when another one
//! went wrong; reactions only decorate. Whoever may not write is answered only so often: each reply uses up what GitHub lets the
//! whole installation create.

mod deploy;

use super::deploy::IN_LINE;
use super::kept;
use super::report::{self, State};
use crate::actions::Action;
use crate::actions::ask::{Ask, Asked};
use crate::actions::authority;
use crate::actions::outcome::{Outcome, Reason};
use crate::domain::{Actor, EnvName, Millis, Person, Refusal, RepoRef, Role, RunId};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::plan::{Call, Replied, ReplyCall};
use crate::render::reply::{self, Answer, Page};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

pub const WORKFLOW: Workflow = Workflow { name: "comment", version: 2, run };

/// A role that was read longer ago is read again.
const ROLE_IS_GOOD_FOR: Duration = Duration::from_secs(60);
/// Comments in an hour that are answered to somebody who may not write.
const PATIENCE: usize = 10;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub pull: u64,
    pub comment: u64,
    /// By GitHub's clock.
    pub commented_at: Millis,
    pub actor: Actor,
    pub asked: Vec<Asked>,
    /// The pull request was merged or closed.
    #[serde(default)]
    pub closed: bool,
    /// What commands begin with here.
    #[serde(default = "slash")]
    pub prefix: String,
    /// How many comments of theirs were answered here in the last hour.
    #[serde(default)]
    pub recent: usize,
}

/// What one command was answered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The command as it was written.
    pub line: String,
    pub told: Result<Told, Refusal>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    Said {
        text: String,
    },
    /// It has a run, which the reply goes on to tell of.
    Run {
        run: RunId,
        text: String,
    },
}

/// The record of all answers, where the reply goes on.
pub const ANSWERS: &str = "answers";

impl Answered {
    /// Before anything more is known of it.
    fn first(&self) -> Answer<'_> {
        let text = |told: &Told| match told {
            Told::Said { text } | Told::Run { text, .. } => text.clone(),
        };
        Answer { line: &self.line, answer: self.told.as_ref().map(text).map_err(Clone::clone) }
    }
}

fn slash() -> String {
    "/".to_owned()
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    line_up(f, &input)?;
    if input.recent >= PATIENCE && !may_write(f, &input)? {
        return f.finish(&report::Outcome::new(State::Nothing));
    }
    let now = f.now();
    let role_read: Millis = f.record("role.asked", || now)?;
    let mut by = seen(f, &input)?.map(|role| Person { actor: input.actor.clone(), role, role_read });
    if !may_start(&by) {
        step_out(f, &input, input.asked.len());
    }
    let mut answers = Vec::new();
    for (index, asked) in input.asked.iter().enumerate() {
        by = still(f, &input, index, by)?;
        let told = match &asked.what {
            Ok(ask) => done(f, &input, index, ask, &by)?,
            Err(refusal) => Err(refusal.clone()),
        };
        step_out(f, &input, index + 1);
        answers.push(Answered { line: asked.line.clone(), told });
    }
    let follows = answers.iter().any(|answer| matches!(answer.told, Ok(Told::Run { .. })));
    if follows {
        answers = f.record(ANSWERS, || answers)?;
    }
    let refusal = answers.iter().find_map(|answer| answer.told.as_ref().err().cloned());
    let shown: Vec<Answer<'_>> = answers.iter().map(Answered::first).collect();
    let body = Page { to: &input.actor.login, prefix: &input.prefix, answers: &shown }.text();
    let call = ReplyCall { repo: input.repo.clone(), pull: input.pull, body, since: input.commented_at, follows, spare: false };
    let call = Call::Reply(call);
    let replied: Result<Replied, StepFailure> = f.try_step("reply", &call)?;
    let seen: Result<Value, StepFailure> = f.end_of("seen")?;
    drop(seen);
    // What goes on is not over: whoever edits the reply reacts when it is.
    if !follows || replied.is_err() {
        let content = if refusal.is_none() { "rocket" } else { "confused" };
        f.step::<bool>("end", &react(&input, content))?;
    }
    let outcome = match (refusal, replied) {
        (_, Err(failure)) => report::Outcome::refused(State::Failed, failure.refusal),
        (Some(refusal), Ok(_)) => report::Outcome::refused(State::Rejected, refusal),
        (None, Ok(replied)) => report::Outcome { url: Some(replied.url), ..report::Outcome::new(State::Succeeded) },
    };
    f.finish(&outcome)
}

/// Whoever cannot be asked about is answered no more either.
fn may_write(f: &mut Flow, input: &Input) -> Result<bool, Stop> {
    let role: Result<Role, StepFailure> = f.try_step("who", &ask_role(input))?;
    Ok(role.is_ok_and(|role| role >= Role::Write))
}

fn ask_role(input: &Input) -> Call {
    Call::ReadRole { repo: input.repo.clone(), account: input.actor.id, login: input.actor.login.clone() }
}

/// Who wrote first is deployed first, though GitHub may answer sooner what we ask for another comment: a comment has a place in a
/// line for each environment to which it deploys. All are taken at once, so that no two comments wait for each other.
fn line_up(f: &mut Flow, input: &Input) -> Result<(), Stop> {
    let until = f.now().plus(IN_LINE);
    let environments: BTreeSet<&EnvName> = input.asked.iter().filter_map(deployed_to).collect();
    // Comments of before the second version have no places.
    let environments = if f.flow_version() >= 2 { environments } else { BTreeSet::new() };
    environments.into_iter().try_for_each(|name| f.line_up(&line_step(name), &line_key(input, name), Some(until)))
}

/// Before something is started: what it needs to know has been read meanwhile.
fn wait_for_turn(f: &mut Flow, environment: &EnvName) -> Result<(), Stop> {
    if f.flow_version() >= 2 { f.turn(&line_step(environment)).map(drop) } else { Ok(()) }
}

/// Leaves the lines of those environments to which nothing is deployed any more by this comment.
fn step_out(f: &mut Flow, input: &Input, done: usize) {
    let left: BTreeSet<&EnvName> = input.asked.iter().skip(done).filter_map(deployed_to).collect();
    let over = input.asked.iter().filter_map(deployed_to).filter(|name| !left.contains(name));
    over.for_each(|name| f.unlock(&line_key(input, name)));
}

fn line_step(environment: &EnvName) -> String {
    format!("line.{environment}")
}

fn line_key(input: &Input, environment: &EnvName) -> String {
    format!("asked:{}:{environment}", input.repo.id)
}

fn deployed_to(asked: &Asked) -> Option<&EnvName> {
    let Ok(Ask::Act { action }) = &asked.what else { return None };
    let Action::Deploy(deploy) = &**action else { return None };
    (!deploy.dry_run).then_some(&deploy.environment)
}

/// Shows that somebody has read it, and asks meanwhile who wrote it. That it was shown is waited for at the end only.
fn seen(f: &mut Flow, input: &Input) -> Result<Result<Role, Refusal>, Stop> {
    f.begin("seen", &react(input, "eyes"))?;
    // Nothing is asked for that a role could allow.
    if !input.asked.iter().any(|asked| asked.what.is_ok()) {
        return Ok(Ok(Role::None));
    }
    let role: Result<Role, StepFailure> = f.try_step("role", &ask_role(input))?;
    Ok(role.map_err(|failure| failure.refusal))
}

fn may_start(by: &Result<Person, Refusal>) -> bool {
    by.as_ref().is_ok_and(|by| by.role >= Role::Write)
}

/// Who has waited for a turn may have lost what they were allowed to do.
fn still(f: &mut Flow, input: &Input, index: usize, by: Result<Person, Refusal>) -> Result<Result<Person, Refusal>, Stop> {
    let waited =
        f.flow_version() >= 2 && may_start(&by) && input.asked[..index].iter().any(|asked| deployed_to(asked).is_some());
    let by = match by {
        Ok(by) if waited => by,
        other => return Ok(other),
    };
    let now = f.now();
    let now: Millis = f.record(&format!("role.asked.{index}"), || now)?;
    if now <= by.role_read.plus(ROLE_IS_GOOD_FOR) {
        return Ok(Ok(by));
    }
    let role: Result<Role, StepFailure> = f.try_step(&format!("role.{index}"), &ask_role(input))?;
    Ok(role.map(|role| Person { role, role_read: now, ..by }).map_err(|failure| failure.refusal))
}

fn done(f: &mut Flow, input: &Input, index: usize, ask: &Ask, by: &Result<Person, Refusal>) -> Result<Said, Stop> {
    let allowed =
        by.as_ref().map_err(Clone::clone).and_then(|by| authority::check(by.role, authority::needs(ask)).map(|()| by));
    let allowed =
        allowed.and_then(|by| if input.closed && ends_with_it(ask, input.pull) { Err(closed_already()) } else { Ok(by) });
    let by = match allowed {
        Ok(by) => by,
        Err(refusal) => return turned_away(f, input, index, ask, refusal),
    };
    if let Some(asked) = deploy::of_head(ask) {
        return deploy::Head { input, index, asked, by }.deploy(f);
    }
    if let Some(environment) = deployed_to(&input.asked[index]) {
        wait_for_turn(f, environment)?;
    }
    match ask {
        Ask::Help { page } => Ok(Ok(Told::Said { text: page.clone() })),
        Ask::Look { action } => look(f, input, index, action),
        Ask::Act { .. } | Ask::Steer { .. } | Ask::Approve { .. } | Ask::Reject { .. } => {
            said(f, input, index, &acts(input, ask, by)?)
        }
        Ask::Why { about } => {
            let found: Result<Vec<Reason>, StepFailure> =
                f.try_step(&format!("why.{index}"), &Call::Why { about: about.clone() })?;
            let text = |reasons: Vec<Reason>| reply::why(&reasons, &input.prefix, input.asked.len());
            Ok(found.map(|reasons| Told::Said { text: text(reasons) }).map_err(|failure| failure.refusal))
        }
    }
}

type Said = Result<Told, Refusal>;

fn acts(input: &Input, ask: &Ask, by: &Person) -> Result<Call, Stop> {
    let mut ask = ask.clone();
    // `--pr` alone means the pull request on which it is written.
    if let Ask::Act { action } = &mut ask
        && let Action::Lock(lock) = &mut **action
    {
        lock.pull = lock.pull.map(|named| if named == 0 { input.pull } else { named });
    }
    Ok(Call::Act { ask: kept(&ask)?, by: by.clone(), said_at: input.commented_at, pull: Some(input.pull) })
}

/// Nothing closes a pull request once more.
fn ends_with_it(ask: &Ask, pull: u64) -> bool {
    matches!(ask, Ask::Act { action } if matches!(&**action, Action::Lock(lock) if lock.pull.is_some_and(|named| named == 0 || named == pull)))
}

fn closed_already() -> Refusal {
    let fix = "Leave `--pr` out, and say with `--for` how long it is to last.";
    Refusal::user("pull_request_closed", "The pull request is closed, so that nothing could end with it.", fix)
}

/// What is refused before it comes to the door of all actions is on record too.
fn turned_away(f: &mut Flow, input: &Input, index: usize, ask: &Ask, refusal: Refusal) -> Result<Said, Stop> {
    let call = Call::TurnedAway { ask: kept(ask)?, actor: input.actor.clone(), refusal: refusal.clone() };
    let kept: Result<Value, StepFailure> = f.try_step(&format!("refused.{index}"), &call)?;
    Ok(Err(kept.err().map_or(refusal, |failure| failure.refusal)))
}

fn look(f: &mut Flow, input: &Input, index: usize, action: &Action) -> Result<Said, Stop> {
    said(f, input, index, &Call::Look { action: kept(action)?, actor: input.actor.clone() })
}

/// What the door of all actions answers.
fn said(f: &mut Flow, input: &Input, index: usize, call: &Call) -> Result<Said, Stop> {
    let outcome: Result<Outcome, StepFailure> = f.try_step(&format!("act.{index}"), call)?;
    let told = |outcome: Outcome| {
        let text = reply::outcome(&outcome, &input.prefix, input.asked.len());
        match outcome {
            Outcome::Started(started) => Told::Run { run: started.run, text },
            _ => Told::Said { text },
        }
    };
    Ok(outcome.map(told).map_err(|failure| failure.refusal))
}

fn react(input: &Input, content: &str) -> Call {
    Call::React { repo: input.repo.clone(), comment: input.comment, content: content.to_owned() }
}
