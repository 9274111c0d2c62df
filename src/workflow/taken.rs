//! Somebody else has made a GitHub deployment for an environment of ours: by the API, as another App, in a step of a workflow. It
//! is taken over: who made it is judged as if they had asked for it, its gates run, and the environment's target carries it out.
//!
//! Invariants: nothing is done before GitHub has said what a person may do; programs count as agents; a commit of which nobody
//! can say that it is the repository's own is refused; whatever is refused, the deployment says why. One for an environment that
//! is not ours, or in which somebody else answers deployments by themselves, is left alone.

use super::deploy::{self, ByComment};
use super::ground;
use super::kept;
use super::report::{Outcome, State};
use crate::actions::Action;
use crate::actions::authority;
use crate::actions::deploy::{self as action, Deploy, Kind};
use crate::actions::outcome;
use crate::config::repo::{RepoConfig, Target};
use crate::domain::{Actor, ActorKind, Ancestry, EnvName, Millis, Person, Refusal, RepoRef, Role, Sha};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::gates::BranchStanding;
use crate::plan::{Call, Given, Ground, Plan, StatusCall};
use crate::render::line;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "taken", version: 1, run };

/// The step that reads everything about the commit.
const FACTS: &str = "facts";
/// GitHub's limit for a deployment status's description.
const DESCRIPTION: usize = 140;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    /// GitHub's id.
    pub deployment: u64,
    /// As GitHub writes it.
    pub environment: String,
    pub sha: Sha,
    pub git_ref: String,
    pub actor: Actor,
    /// Our own store has said that the environment is ours.
    pub known: bool,
    pub asked_at: Millis,
}

/// The natural key: once for each deployment.
pub fn key(repo: &RepoRef, deployment: u64) -> String {
    format!("taken:{}:{deployment}", repo.id)
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let outcome = match story(f, &input) {
        Err(Stop::Failed(failure)) if input.known => refused(f, &input, "error", State::Failed, failure.refusal)?,
        Err(Stop::Failed(failure)) => Outcome::refused(State::Failed, failure.refusal),
        other => other?,
    };
    f.finish(&Outcome { deployment: Some(input.deployment), ..outcome.at(&input.sha) })
}

fn story(f: &mut Flow, input: &Input) -> Result<Outcome, Stop> {
    let read = Call::ReadCommit { repo: input.repo.clone(), tag: None, sha: Some(input.sha.clone()) };
    let mut ground: Ground = f.step(FACTS, &read)?;
    ground.facts.tag = ground::tag_of(&ground.facts, &input.git_ref, &input.sha).cloned();
    let config = match ground::settings(&ground.facts.config) {
        Ok(config) => config,
        Err(refusal) if input.known => return refused(f, input, "error", State::Rejected, refusal),
        // Nobody knows whether it is one of ours.
        Err(refusal) => return Ok(Outcome::refused(State::Nothing, refusal)),
    };
    let Some(environment) = ours(&config, &input.environment).filter(|name| !answers_by_itself(&config, name)) else {
        return Ok(Outcome::new(State::Nothing));
    };
    let asked = match allowed(f, input, &ground, &config, &environment)? {
        Ok(asked) => asked,
        Err(refusal) => return refused(f, input, "failure", State::Rejected, refusal),
    };
    start(f, input, asked)
}

/// GitHub does not tell upper and lower case apart.
pub fn ours(config: &RepoConfig, name: &str) -> Option<EnvName> {
    config.environments.iter().map(|e| &e.name).find(|known| known.as_str().eq_ignore_ascii_case(name)).cloned()
}

/// Whoever deploys there acts on every deployment as soon as it is made: a second one would have it done twice, and a word of
/// ours about this one would not stop it.
pub fn answers_by_itself(config: &RepoConfig, environment: &EnvName) -> bool {
    let target = config.environment(environment).and_then(|e| config.targets.get(&e.target));
    matches!(target, Some(Target::Deployment(_)))
}

/// What is asked for at the door of all actions.
struct Asked {
    action: Action,
    input: deploy::Input,
    plan: Plan,
    by: Person,
}

fn allowed(
    f: &mut Flow,
    input: &Input,
    ground: &Ground,
    config: &RepoConfig,
    environment: &EnvName,
) -> Result<Result<Asked, Refusal>, Stop> {
    let by_person = input.actor.kind == ActorKind::User;
    let role = match role(f, input)? {
        Ok(role) => role,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let now = f.now();
    let role_read: Millis = f.record("role.at", || now)?;
    let subject = match ground::subject(ground, config, &input.sha) {
        Ok(subject) => subject,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let released = ground::is_released(&ground.facts, &subject);
    if !released && !is_on_its_branch(f, input)? {
        return Ok(Err(elsewhere()));
    }
    let head = by_person && !released;
    let kind = if head { Kind::Head } else { Kind::Version };
    let known = (config, ground.lent.as_ref());
    let planned = f.record("wanted", || action::plan(&input.repo, environment, &subject, &input.actor, known, kind))?;
    let given = Some(Given { run: ground.run.clone(), step: FACTS.to_owned() });
    Ok(planned.map(|plan| Asked {
        action: Action::Deploy(Deploy {
            repo: input.repo.name.clone(),
            environment: environment.clone(),
            git_ref: Some(input.sha.to_string()),
            from: None,
            strategy: None,
            reason: None,
            overriding: None,
            wait: true,
            dry_run: false,
        }),
        input: deploy::Input {
            repo: input.repo.clone(),
            environment: environment.clone(),
            subject,
            actor: input.actor.clone(),
            asked_at: input.asked_at,
            automatic: false,
            rollback: false,
            reason: None,
            strategy: None,
            wait: true,
            remarks: Vec::new(),
            by_comment: by_person.then_some(ByComment { role_read, role, head, pull: None, given }),
            leaving: None,
            configured: None,
            taken: Some(input.deployment),
        },
        plan,
        by: Person { actor: input.actor.clone(), role, role_read },
    }))
}

/// What the person may do. What a program may is the environment's to say.
fn role(f: &mut Flow, input: &Input) -> Result<Result<Role, Refusal>, Stop> {
    if input.actor.kind != ActorKind::User {
        return Ok(Ok(Role::None));
    }
    let (repo, account, login) = (input.repo.clone(), input.actor.id, input.actor.login.clone());
    let role: Result<Role, StepFailure> = f.try_step("role", &Call::ReadRole { repo, account, login })?;
    let role = role.map_err(|failure| failure.refusal);
    Ok(role.and_then(|role| authority::check(role, authority::DEPLOYS).map(|()| role)))
}

/// GitHub makes deployments of commits of forks too. A branch here is moved only by those who may write here.
fn is_on_its_branch(f: &mut Flow, input: &Input) -> Result<bool, Stop> {
    if Sha::parse(&input.git_ref).is_ok() || input.git_ref.is_empty() {
        return Ok(false);
    }
    let globs = vec![input.git_ref.clone()];
    let call = Call::ReadBranches { repo: input.repo.clone(), sha: input.sha.clone(), globs };
    let read: Result<Vec<BranchStanding>, StepFailure> = f.try_step("branch", &call)?;
    let contained = |branch: &BranchStanding| branch.ancestry == Some(Ancestry::Contained);
    Ok(read.is_ok_and(|all| all.iter().any(contained)))
}

fn start(f: &mut Flow, input: &Input, asked: Asked) -> Result<Outcome, Stop> {
    let Asked { action, input: wanted, plan, by } = asked;
    let call = Call::Start { action: kept(&action)?, input: kept(&wanted)?, plan: Box::new(plan), by };
    let started: Result<outcome::Outcome, StepFailure> = f.try_step("start", &call)?;
    match started {
        Ok(outcome::Outcome::Started(started)) if !started.new => {
            let text = format!("The run {} deploys this commit there already.", started.run);
            status(f, input, "inactive", &text)?;
            Ok(Outcome::new(State::Nothing))
        }
        // From now on its run tells how it goes.
        Ok(_) => Ok(Outcome::new(State::Succeeded)),
        Err(failure) => refused(f, input, "failure", State::Rejected, failure.refusal),
    }
}

fn refused(f: &mut Flow, input: &Input, word: &str, state: State, refusal: Refusal) -> Result<Outcome, Stop> {
    status(f, input, word, &refusal.message)?;
    Ok(Outcome::refused(state, refusal))
}

fn status(f: &mut Flow, input: &Input, state: &str, text: &str) -> Result<(), Stop> {
    let call = Call::DeploymentStatus(StatusCall {
        repo: input.repo.clone(),
        deployment: input.deployment,
        state: state.to_owned(),
        description: line(text, DESCRIPTION),
        environment_url: None,
        log_url: None,
        beside: false,
    });
    let made: Result<Value, StepFailure> = f.try_step("status", &call)?;
    // Whoever has deleted it needs no answer.
    drop(made);
    Ok(())
}

fn elsewhere() -> Refusal {
    let text = "The commit is neither on the default branch nor on the branch that the deployment names.";
    let fix = "Make the deployment of a tag or a branch of this repository, or ask on the pull request with a comment.";
    Refusal::user("commit_elsewhere", text, fix)
}
