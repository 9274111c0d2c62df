//! Commands in one comment: seen, allowed, done one after another, and answered in one reply.
//!
//! Invariants: nothing is done before GitHub has said what the person may do; each command is answered, also when another one
//! went wrong; reactions only decorate. Whoever may not write is answered only so often: each reply uses up what GitHub lets the
//! whole installation create.

use super::deploy::refused_step;
use super::report::{self, State};
use crate::actions::Action;
use crate::actions::ask::{Ask, Asked};
use crate::actions::authority;
use crate::actions::outcome::Outcome;
use crate::domain::{Actor, Millis, Refusal, RepoRef, Role};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::plan::{Call, Replied};
use crate::render::reply::{self, Answer, Page};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "comment", version: 1, run };

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
    /// How many comments of theirs were answered here in the last hour.
    #[serde(default)]
    pub recent: usize,
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    if input.recent >= PATIENCE && !may_write(f, &input)? {
        return f.finish(&report::Outcome::new(State::Nothing));
    }
    let role = seen(f, &input)?;
    let mut answers = Vec::new();
    for (index, asked) in input.asked.iter().enumerate() {
        let answer = match &asked.what {
            Ok(ask) => done(f, &input, index, ask, &role)?,
            Err(refusal) => Err(refusal.clone()),
        };
        answers.push(Answer { line: &asked.line, answer });
    }
    let refusal = answers.iter().find_map(|answer| answer.answer.as_ref().err().cloned());
    let body = Page { to: &input.actor.login, answers: &answers }.text();
    let call = Call::Reply { repo: input.repo.clone(), pull: input.pull, body, since: input.commented_at };
    let replied: Result<Replied, StepFailure> = f.try_step("reply", &call)?;
    let content = if refusal.is_none() { "rocket" } else { "confused" };
    f.step::<bool>("end", &react(&input, content))?;
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

/// Shows that somebody has read it, and asks meanwhile who wrote it.
fn seen(f: &mut Flow, input: &Input) -> Result<Result<Role, Refusal>, Stop> {
    let role = ask_role(input);
    let mut calls = vec![("seen", react(input, "eyes"))];
    if input.asked.iter().any(|asked| asked.what.is_ok()) {
        calls.push(("role", role));
    }
    let mut ends: Vec<Result<Value, StepFailure>> = f.try_all(&calls)?;
    match ends.pop().filter(|_| calls.len() == 2) {
        // Nothing is asked for that a role could allow.
        None => Ok(Ok(Role::None)),
        Some(Err(failure)) => Ok(Err(failure.refusal)),
        Some(Ok(role)) => Ok(serde_json::from_value(role)
            .map_err(|why| Refusal::us("role_unreadable", format!("The stored role cannot be read: {why}.")))),
    }
}

fn done(f: &mut Flow, input: &Input, index: usize, ask: &Ask, role: &Result<Role, Refusal>) -> Result<Said, Stop> {
    let allowed = role.clone().and_then(|role| authority::check(role, authority::needs(ask)));
    if let Err(refusal) = allowed {
        return Ok(Err(refusal));
    }
    match ask {
        Ask::Help { page } => Ok(Ok(page.clone())),
        Ask::Look { action } => look(f, input, index, action),
    }
}

type Said = Result<String, Refusal>;

fn look(f: &mut Flow, input: &Input, index: usize, action: &Action) -> Result<Said, Stop> {
    let action = serde_json::to_value(action)
        .map_err(|why| refused_step("look", Refusal::us("action_unwritable", format!("It cannot be kept: {why}."))))?;
    let call = Call::Look { action, actor: input.actor.clone() };
    let outcome: Result<Outcome, StepFailure> = f.try_step(&format!("act.{index}"), &call)?;
    let unknown = || Refusal::us("answer_unknown", "What was answered is not what a comment asks for.");
    Ok(outcome
        .map_err(|failure| failure.refusal)
        .and_then(|outcome| reply::outcome(&outcome, input.asked.len()).ok_or_else(unknown)))
}

fn react(input: &Input, content: &str) -> Call {
    Call::React { repo: input.repo.clone(), comment: input.comment, content: content.to_owned() }
}
