//! Buttons of our check runs that somebody has pressed.

use super::{Accept, Runs};
use crate::actions::button::Button;
use crate::domain::{Actor, RepoRef, RunId};
use crate::store::runs;
use crate::workflow::{button, deploy, protect};

impl Accept<'_> {
    /// A run for each press; a press that GitHub tells of twice is one.
    pub(super) fn pressed(&self, repo: &RepoRef, external_id: &str, identifier: &str, actor: &Actor) -> Runs {
        let of = RunId::parse(external_id).map(|id| runs::get(self.tx, &id)).transpose()?.flatten();
        let (Some(of), Some(delivery)) = (of, self.delivery) else { return Ok(Vec::new()) };
        if of.subject.repo.id != repo.id
            || ![deploy::WORKFLOW.name, protect::WORKFLOW.name].contains(&of.workflow.as_str())
            || Button::parse(identifier).is_none()
        {
            return Ok(Vec::new());
        }
        let input = button::Input {
            repo: repo.clone(),
            of: of.id,
            identifier: identifier.to_owned(),
            actor: actor.clone(),
            pressed_at: self.now,
        };
        let key = format!("button:{}:{delivery}", repo.id);
        self.submit(button::WORKFLOW.name, key, self.subject(repo, actor), &input)
    }
}
