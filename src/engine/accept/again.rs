//! The same thing once more, because somebody wants it: "Re-run" on one of our check runs or on all checks of a commit.
//!
//! Invariant: what a person or an agent has asked for is asked for again only by a person, with what that one may do.

use super::{Accept, Runs, generation, outcome, planned};
use crate::domain::{Actor, ActorKind, Millis, RepoRef, Role, RunId, Sha};
use crate::plan::Plan;
use crate::store::StoreError;
use crate::store::runs::{self, Run, RunState, Subject};
use crate::workflow::{State, comment, deploy, group, preview, protect};
use serde_json::{Value, json};

/// They change nothing. The first of a kind has no number in its key.
const ONLY_SHOW: [&str; 2] = [preview::WORKFLOW.name, group::WORKFLOW.name];

impl Accept<'_> {
    pub(super) fn rerequested(&self, repo: &RepoRef, external_id: &str, by: &Actor) -> Runs {
        let Some(run) = RunId::parse(external_id).map(|id| runs::get(self.tx, &id)).transpose()?.flatten() else {
            return Ok(Vec::new());
        };
        // The id is text that any App can put on a check run.
        if run.subject.repo.id != repo.id {
            return Ok(Vec::new());
        }
        if run.state != RunState::Active && !self.by_itself(&run)? {
            // What a person or an agent has asked for is asked for anew, by whoever does, with what they may do.
            return if by.kind == ActorKind::User { self.again_by(&run, Some(by)) } else { Ok(Vec::new()) };
        }
        if self.wake(&run)? {
            return Ok(vec![run.id]);
        }
        self.again(&run)
    }

    /// By somebody who has pressed a button: the new run, and the plan of the one that failed.
    ///
    /// # Errors
    /// Those of the store.
    pub fn retried(&self, of: &RunId, by: &Actor) -> Result<Option<(RunId, Plan)>, StoreError> {
        let Some(run) = runs::get(self.tx, of)? else { return Ok(None) };
        let plan = planned(self.tx, of)?;
        let new = self.again_by(&run, Some(by))?.into_iter().next();
        Ok(new.zip(plan))
    }

    pub(super) fn all_rerequested(&self, repo: &RepoRef, sha: &Sha) -> Runs {
        let mut touched = Vec::new();
        for run in self.of_commit(repo, sha)? {
            if self.wake(&run)? {
                touched.push(run.id);
            } else if self.by_itself(&run)? {
                touched.extend(self.again(&run)?);
            }
        }
        Ok(touched)
    }

    /// Whether an event asked for it. What a person asked for once, a rollback above all, nobody asks for again by having all
    /// checks of a commit run again.
    fn by_itself(&self, run: &Run) -> Result<bool, StoreError> {
        if run.workflow != deploy::WORKFLOW.name {
            return Ok(true);
        }
        let input = runs::input(self.tx, &run.id)?.and_then(|value| serde_json::from_value::<deploy::Input>(value).ok());
        Ok(input.is_some_and(|input| input.automatic && !input.rollback && input.by_comment.is_none()))
    }

    /// Starts the same thing once more, unless it was done or a newer run of it exists.
    pub(super) fn again(&self, run: &Run) -> Runs {
        self.again_by(run, None)
    }

    /// The same for somebody else. What they may do is asked when it is their turn.
    fn again_by(&self, run: &Run, by: Option<&Actor>) -> Runs {
        // What was asked for in a comment is asked for again in another one, and a job's question by GitHub; the numbers in
        // their keys are the comment's and the deployment's.
        if [comment::WORKFLOW.name, protect::WORKFLOW.name].contains(&run.workflow.as_str()) {
            return Ok(Vec::new());
        }
        // What only shows something is shown anew as often as somebody wants to see it.
        let only_shows = ONLY_SHOW.contains(&run.workflow.as_str());
        let done = outcome(run).is_some_and(|o| matches!(o.state, State::Succeeded | State::Nothing));
        let counted = generation(&run.key).or_else(|| only_shows.then_some((run.key.as_str(), 1)));
        let Some((stem, nth)) = counted.filter(|_| run.state != RunState::Active && (only_shows || !done)) else {
            return Ok(Vec::new());
        };
        let key = format!("{stem}:{}", nth + 1);
        if runs::by_key(self.tx, &key)?.is_some() {
            return Ok(Vec::new());
        }
        let Some(mut input) = runs::input(self.tx, &run.id)? else { return Ok(Vec::new()) };
        // Deadlines count from now; everything else is what was asked for. A reason opens what was in the way when it was
        // given, not what has been put there since.
        input["asked_at"] = json!(self.now);
        // It is planned anew.
        if let Some(fields) = input.as_object_mut() {
            fields.remove("configured");
        }
        // What somebody else has made has had its answer.
        if input["taken"] != Value::Null {
            input["taken"] = Value::Null;
        }
        if run.workflow == deploy::WORKFLOW.name && input["rollback"] != json!(true) {
            input["reason"] = Value::Null;
        }
        let mut subject = Subject { delivery: self.delivery.cloned(), ..run.subject.clone() };
        if let Some(by) = by {
            let head = input["by_comment"]["head"] == json!(true);
            let asked = deploy::ByComment { role_read: Millis(0), role: Role::None, head, pull: None, given: None };
            input["actor"] = json!(by);
            input["by_comment"] = json!(asked);
            subject.actor = by.clone();
        }
        self.submit(&run.workflow, key, subject, &input)
    }
}
