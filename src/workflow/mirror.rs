//! Where merged pull requests run: each gets a GitHub deployment on its own head beside the one that brought its merge, so that
//! its page says so. It begins when the deployment has ended, and nothing waits for it.
//!
//! Invariants: the deployment that brought them stays active; none is shown of a version that a rollback has taken away;
//! what one pull request is refused, the others are not; the mirrors of an environment are made and taken back one after
//! another, so that a version that was taken away is seen as such whoever was first.
//!
//! GitHub makes the mirrors before this one inactive by itself, as it does with every deployment of an environment that is not
//! production. In production they stay until a rollback takes their merges away.

use super::report::{Outcome, State};
use crate::domain::{EnvName, EnvPlace, MergedPull, MergedPulls, Mirror, RepoRef, RunId, Sha};
use crate::flow::{Flow, StepFailure, Stop, Turn, Workflow};
use crate::plan::{Call, DeploymentCall, MirrorCall, StatusCall, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

pub const WORKFLOW: Workflow = Workflow { name: "mirror", version: 1, run };

/// Pull requests that one deployment shows: two calls for each.
const MOST: usize = 100;
/// Pull requests that one rollback looks through: most of them have nothing to be taken back.
const MOST_TAKEN: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub environment: EnvName,
    /// What is live now.
    pub sha: Sha,
    /// As people call it.
    pub name: String,
    /// What was live and good before it.
    pub before: Option<Sha>,
    /// The deployment run that has brought it, and GitHub's deployment.
    pub of: RunId,
    pub deployment: Option<u64>,
    pub plan: String,
    pub production: bool,
    pub url: Option<String>,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It contains what was live before.
    Shows,
    /// A rollback: it lacks something that was live before.
    TakesBack,
}

/// How it ended, for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    #[serde(flatten)]
    pub outcome: Outcome,
    #[serde(flatten)]
    pub done: Done,
    /// Why there may be more pull requests than these.
    pub cut: Option<String>,
}

/// Pull requests by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Their pages say that they run there.
    pub shown: Vec<u64>,
    /// Their pages say that they do not run there any more.
    pub taken_back: Vec<u64>,
    /// With what GitHub said: the head of a fork that is gone, for example.
    pub skipped: Vec<Skipped>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub pull: u64,
    pub code: String,
}

impl Input {
    fn place(&self) -> EnvPlace {
        EnvPlace { repo: self.repo.id, environment: self.environment.clone() }
    }

    /// The natural key: once for each deployment.
    pub fn key(&self) -> String {
        format!("mirror:{}", self.of)
    }
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    f.lock("turn", &format!("mirror:{}:{}", input.repo.id, input.environment))?;
    let (done, cut) = match input.what {
        What::Shows => input.show(f)?,
        What::TakesBack => input.take_back(f)?,
    };
    let nothing = done == Done::default();
    let outcome = Outcome::new(if nothing { State::Nothing } else { State::Succeeded }).at(&input.sha);
    f.finish(&Report { outcome, done, cut })
}

type Story = Result<(Done, Option<String>), Stop>;

impl Input {
    fn show(&self, f: &mut Flow) -> Story {
        let found = self.merged(f, self.before.clone(), &self.sha, MOST)?;
        let mut pulls = found.pulls;
        // The deployment itself is on its page.
        pulls.retain(|pull| pull.head != self.sha);
        let done = f.fold(
            "pulls",
            || (0, Done::default()),
            |f, (at, mut done): (usize, Done)| {
                let Some(pull) = pulls.get(at) else { return Ok(Turn::End(done)) };
                match self.show_on(f, pull)? {
                    Ok(true) => done.shown.push(pull.number),
                    // A rollback has come before: what follows would not be true either.
                    Ok(false) => return Ok(Turn::End(done)),
                    Err(failure) => done.skipped.push(Skipped { pull: pull.number, code: failure.refusal.code }),
                }
                Ok(Turn::Next((at + 1, done)))
            },
        )?;
        Ok((done, found.cut))
    }

    /// False when a rollback has taken the version away.
    fn show_on(&self, f: &mut Flow, pull: &MergedPull) -> Result<Result<bool, StepFailure>, Stop> {
        let mut payload = BTreeMap::new();
        payload.insert("pull_request".to_owned(), pull.number.to_string());
        payload.extend(self.deployment.map(|id| ("mirror_of".to_owned(), id.to_string())));
        let deployment = DeploymentCall {
            stoppable: false,
            repo: self.repo.clone(),
            sha: pull.head.clone(),
            tag: None,
            environment: self.environment.clone(),
            production: self.production,
            description: format!("#{} is part of {}", pull.number, self.name),
            plan: self.plan.clone(),
            task: Task::Mirror,
            payload,
        };
        let call = MirrorCall { deployment, pull: pull.number, of: self.of.clone(), live: self.sha.clone() };
        let made: Result<Option<Mirror>, StepFailure> = f.try_step("made", &Call::Mirror(call))?;
        let made = match made {
            Ok(Some(made)) => made,
            Ok(None) => return Ok(Ok(false)),
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(self.status(f, made.deployment, "success", format!("{} is live", self.name), self.url.clone())?.map(|()| true))
    }

    fn take_back(&self, f: &mut Flow) -> Story {
        let all: Vec<Mirror> = f.step("mirrors", &Call::ReadMirrors { place: self.place() })?;
        let Some(left) = self.before.as_ref().filter(|_| !all.is_empty()) else { return Ok((Done::default(), None)) };
        let gone = self.merged(f, Some(self.sha.clone()), left, MOST_TAKEN)?;
        let mirrors: Vec<&Mirror> = all.iter().filter(|m| gone.pulls.iter().any(|pull| pull.number == m.pull)).collect();
        let done = f.fold(
            "mirrors.gone",
            || (0, Done::default()),
            |f, (at, mut done): (usize, Done)| {
                let Some(mirror) = mirrors.get(at) else { return Ok(Turn::End(done)) };
                let text = format!("{} is live again, without #{}", self.name, mirror.pull);
                match self.status(f, mirror.deployment, "inactive", text, None)? {
                    Ok(()) => {
                        f.step::<Value>("forget", &Call::ForgetMirror { place: self.place(), deployment: mirror.deployment })?;
                        done.taken_back.push(mirror.pull);
                    }
                    Err(failure) => done.skipped.push(Skipped { pull: mirror.pull, code: failure.refusal.code }),
                }
                Ok(Turn::Next((at + 1, done)))
            },
        )?;
        Ok((done, gone.cut))
    }

    fn merged(&self, f: &mut Flow, base: Option<Sha>, head: &Sha, most: usize) -> Result<MergedPulls, Stop> {
        f.step("merged", &Call::ReadMerged { repo: self.repo.clone(), base, head: head.clone(), most })
    }

    fn status(
        &self,
        f: &mut Flow,
        deployment: u64,
        state: &str,
        text: String,
        url: Option<String>,
    ) -> Result<Result<(), StepFailure>, Stop> {
        let call = Call::DeploymentStatus(StatusCall {
            repo: self.repo.clone(),
            deployment,
            state: state.to_owned(),
            description: text,
            environment_url: url,
            log_url: None,
            beside: true,
        });
        let made: Result<Value, StepFailure> = f.try_step("status", &call)?;
        Ok(made.map(drop))
    }
}
