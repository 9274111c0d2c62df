//! `/deploy` on a pull request: what was seen is pinned, and exactly that is deployed.
//!
//! Invariant: between the comment and the deployment the commit is looked for once; the deployment takes over what was read
//! for it. A branch's head is deployed by a person's word: the order of an environment holds an older commit back also then
//! (`older_than_live`), and a merge that does not contain what is live waits for a person (`diverged_from_live`), unless it is
//! the merge of this very pull request. One that is closed meanwhile stops nothing; `/abort` does.

use super::{Input, Said, acts, kept, said, turned_away, wait_for_turn};
use crate::actions::Action;
use crate::actions::ask::Ask;
use crate::actions::deploy::{self as action, Deploy, Kind, Subject};
use crate::actions::pin::{self, Known, Meant, Pinned};
use crate::domain::{Millis, Person, Refusal, SeenHead, Sha};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Call, Given, Ground, Plan};
use crate::workflow::deploy::{self, ByComment};
use crate::workflow::ground;

/// The command, if it means the head of its pull request.
pub(super) fn of_head(ask: &Ask) -> Option<&Deploy> {
    let Ask::Act { action } = ask else { return None };
    let Action::Deploy(asked) = &**action else { return None };
    (asked.from.is_none() && Meant::of(asked.git_ref.as_deref()).is_some()).then_some(asked)
}

/// Such a command, and who may give it.
pub(super) struct Head<'a> {
    pub input: &'a Input,
    pub index: usize,
    pub asked: &'a Deploy,
    pub by: &'a Person,
}

/// What is deployed, and what was read for it.
struct Found {
    sha: Sha,
    ground: Ground,
    given: Option<Given>,
}

impl Head<'_> {
    pub fn deploy(&self, f: &mut Flow) -> Result<Said, Stop> {
        let found = match self.find(f)? {
            Ok(found) => found,
            Err(refusal) => return self.refused(f, refusal),
        };
        if self.asked.dry_run {
            let asked = Deploy { git_ref: Some(format!("@{}", found.sha)), ..self.asked.clone() };
            let ask = Ask::Act { action: Box::new(Action::Deploy(asked)) };
            return said(f, self.input, self.index, &acts(self.input, &ask, self.by)?);
        }
        wait_for_turn(f, &self.asked.environment)?;
        let now = f.now();
        let asked_at = f.record(&format!("asked.{}", self.index), || now)?;
        let (input, plan) = match self.plan(found, asked_at) {
            Ok(planned) => planned,
            Err(refusal) => return self.refused(f, refusal),
        };
        let action = kept(&Action::Deploy(self.asked.clone()))?;
        let call = Call::Start { action, input: kept(&input)?, plan: Box::new(plan), by: self.by.clone() };
        said(f, self.input, self.index, &call)
    }

    fn refused(&self, f: &mut Flow, refusal: Refusal) -> Result<Said, Stop> {
        let ask = Ask::Act { action: Box::new(Action::Deploy(self.asked.clone())) };
        turned_away(f, self.input, self.index, &ask, refusal)
    }

    fn find(&self, f: &mut Flow) -> Result<Result<Found, Refusal>, Stop> {
        let (input, at) = (self.input, self.index);
        let Some(meant) = Meant::of(self.asked.git_ref.as_deref()) else {
            return Ok(Err(Refusal::us("ref_unread", "The commit that is meant cannot be read.")));
        };
        let seen: Vec<SeenHead> = f.step(&format!("seen.{at}"), &Call::ReadHeads { pull: input.pull })?;
        let sha = pin::likely(&meant, &seen).cloned();
        let step = format!("ground.{at}");
        let read: Result<Ground, StepFailure> =
            f.try_step(&step, &Call::ReadPull { repo: input.repo.clone(), pull: input.pull, sha })?;
        let ground = match read {
            Ok(ground) => ground,
            Err(failure) => return Ok(Err(failure.refusal)),
        };
        let exists =
            ground::settings(&ground.facts.config).and_then(|config| action::find(&self.asked.environment, &config).map(drop));
        if let Err(refusal) = exists {
            return Ok(Err(refusal));
        }
        let again = self.again();
        let known = Known {
            repo: input.repo.id,
            now: ground.pull.as_ref(),
            seen: &seen,
            commented_at: input.commented_at,
            again: &again,
        };
        let sha = match pin::decide(&meant, &known) {
            Ok(Pinned::To(sha)) => Ok(sha),
            Ok(Pinned::AskWhen(head)) => self.when(f, &head, &known)?,
            Err(refusal) => Err(refusal),
        };
        Ok(sha.map(|sha| {
            let run = ground.run.clone();
            let given = (ground.facts.sha.as_ref() == Some(&sha)).then_some(Given { run, step });
            Found { sha, ground, given }
        }))
    }

    /// Nobody but GitHub knows whether this head was there before the comment.
    fn when(&self, f: &mut Flow, head: &Sha, known: &Known<'_>) -> Result<Result<Sha, Refusal>, Stop> {
        let branch = known.now.map(|now| now.branch.clone()).unwrap_or_default();
        let call = Call::ReadMove { repo: self.input.repo.clone(), branch, sha: head.clone() };
        let moved: Result<Option<Millis>, StepFailure> = f.try_step(&format!("moved.{}", self.index), &call)?;
        Ok(moved.map_err(|failure| failure.refusal).and_then(|at| pin::when(head, at, known)))
    }

    /// What is wrong with it is said at once, before there is a run.
    fn plan(&self, found: Found, asked_at: Millis) -> Result<(deploy::Input, Plan), Refusal> {
        let (input, asked) = (self.input, self.asked);
        let config = ground::settings(&found.ground.facts.config)?;
        let subject = Subject { sha: found.sha, tag: None, version: None, component: None };
        let plan = action::plan(
            &input.repo,
            &asked.environment,
            &subject,
            &input.actor,
            (&config, found.ground.lent.as_ref()),
            Kind::Head,
        )?;
        action::strategy(action::find(&asked.environment, &config)?, asked.strategy.as_deref(), false)?;
        let input = deploy::Input {
            repo: input.repo.clone(),
            environment: asked.environment.clone(),
            subject,
            actor: input.actor.clone(),
            asked_at,
            automatic: false,
            rollback: false,
            reason: asked.reason.clone(),
            strategy: asked.strategy.clone(),
            wait: asked.wait,
            remarks: Vec::new(),
            taken: None,
            by_comment: Some(ByComment {
                role_read: self.by.role_read,
                role: self.by.role,
                head: true,
                pull: None,
                given: found.given,
            }),
            leaving: None,
            configured: None,
        };
        Ok((input, plan))
    }

    /// The command as it would be written with a commit in it.
    fn again(&self) -> String {
        let asked = self.asked;
        let plain = |text: &&String| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let strategy = asked.strategy.as_ref().filter(plain).map(|name| format!(" --strategy {name}")).unwrap_or_default();
        let wait = if asked.wait { " --wait" } else { "" };
        let dry = if asked.dry_run { " --dry-run" } else { "" };
        format!("{}deploy {} {{}}{strategy}{wait}{dry}", self.input.prefix, asked.environment)
    }
}
