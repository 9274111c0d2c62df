//! What the press of a button asks for, found in our own record and asked for at the door of all actions.

use super::talk::heard;
use super::{Done, Steps, answer, stored};
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::authority;
use crate::actions::button::{Button, On};
use crate::domain::{EnvName, EnvPlace, Millis, Person, Refusal, RunId};
use crate::engine::host::{StepCtx, StepError};
use crate::store::runs::{self, Run};
use crate::store::{Rx, StoreError, ledger};
use crate::workflow::{deploy, protect};

/// A press, and who may do what.
pub(super) struct Press {
    pub run: RunId,
    pub identifier: String,
    pub by: Person,
    pub pressed_at: Millis,
}

impl Steps {
    /// Done once: what was done before a crash is on record beside it.
    pub(super) async fn press(&self, ctx: &StepCtx, press: Press) -> Done {
        let once = match self.before(ctx).await? {
            Ok(done) => return Ok(done),
            Err(once) => once,
        };
        let (repo, by) = (ctx.subject.repo.clone(), press.by.clone());
        let of = press.run.clone();
        let asked = self.store.read(move |rx| action(rx, &press)).await.map_err(stored)?;
        let (button, action, may) = asked.map_err(StepError::Fail)?;
        let door = self.door("button", Some(once))?;
        let done = match (action, may) {
            (action, Err(refusal)) => Err(door.turned_away(&action, &by.actor, &repo, refusal).await),
            (Action::Approve(ask), Ok(())) => door.review(&ask, &repo, &heard(ctx, &by)).await,
            (action, Ok(())) if button == Button::Retry => door.retry(&action, of, &Caller::person(by, repo.id)).await,
            (action, Ok(())) => {
                // It may be looked at in a run of its own, whose calls must not wait for this one's place.
                ctx.place.leave();
                door.act(action, &Caller::person(by, repo.id)).await
            }
        };
        answer(&done.map_err(StepError::Fail)?)
    }
}

/// What is asked for, and whether this person may ask for it there.
type Asked = (Button, Action, Result<(), Refusal>);

fn action(rx: &Rx<'_>, press: &Press) -> Result<Result<Asked, Refusal>, StoreError> {
    let Some((button, digest)) = Button::parse(&press.identifier) else { return Ok(Err(no_button())) };
    let run = runs::get(rx, &press.run)?.filter(|run| shows(&run.workflow));
    let Some(Run { id, subject, .. }) = &run else { return Ok(Err(no_button())) };
    let (Some(environment), Some(sha)) = (&subject.environment, &subject.sha) else { return Ok(Err(no_button())) };
    let may = match button {
        // Who may agree is the plan's to say.
        Button::Approve | Button::Reject => Ok(()),
        _ => authority::check(press.by.role, authority::DEPLOYS),
    };
    let place = EnvPlace { repo: subject.repo.id, environment: environment.clone() };
    let is_live = || Ok::<_, StoreError>(ledger::of(rx, &place, 1)?.first().is_some_and(|live| live.run == *id));
    let may = if button == Button::RollBack && !is_live()? { may.and(Err(not_live(environment))) } else { may };
    let (repo, tag) = (&subject.repo.name, subject.tag.as_ref());
    let on = On { repo, run: id, environment, sha, tag, pressed_at: press.pressed_at };
    Ok(Ok((button, button.action(digest, &on), may)))
}

fn not_live(environment: &EnvName) -> Refusal {
    let text = format!("Another version is live in {environment} by now, so there is nothing of this one to take back.");
    Refusal::user("not_live", text, "Look at the newest check run, or ask for a rollback by name: `/rollback` in a comment.")
}

/// Its check runs have buttons.
fn shows(workflow: &str) -> bool {
    [deploy::WORKFLOW.name, protect::WORKFLOW.name].contains(&workflow)
}

fn no_button() -> Refusal {
    Refusal::user("button_unknown", "There is no such button.", "Look at the check run again.")
}
