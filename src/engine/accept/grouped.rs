//! Groups of a merge queue.

use super::{Accept, Runs};
use crate::domain::{Actor, RepoRef, Sha};
use crate::store::runs::{self, RunState, Subject};
use crate::workflow::group;

impl Accept<'_> {
    /// One run for each group: a group that changes is another one, with another head.
    pub(super) fn grouped(&self, repo: &RepoRef, head: &Sha, actor: &Actor) -> Runs {
        let input = group::Input { repo: repo.clone(), head: head.clone(), asked_at: self.now };
        let subject = Subject { sha: Some(head.clone()), ..self.subject(repo, actor) };
        self.submit(group::WORKFLOW.name, group::key(repo, head), subject, &input)
    }

    /// Merged, or given up: nobody waits for its checks any more.
    pub(super) fn ungrouped(&self, repo: &RepoRef, head: &Sha) -> Runs {
        let mut stopped = Vec::new();
        for run in runs::active_by_sha(self.tx, repo.id, head)? {
            if run.workflow == group::WORKFLOW.name && run.state == RunState::Active {
                self.host.cancel_in(self.tx, &run.id, "the merge queue has no use for the group any more")?;
                stopped.push(run.id);
            }
        }
        Ok(stopped)
    }
}
