//! Talking with people on pull requests: reactions, replies, roles, and what is told of the whole.

use super::{Done, Steps, answer, trouble};
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::domain::{Actor, Millis, Refusal, RepoRef, UserId};
use crate::engine::client::Client;
use crate::engine::host::{StepCtx, StepError};
use crate::plan::Replied;
use crate::render::reply::marker;
use serde_json::Value;
use std::time::Duration;

/// The host is set as soon as it has started; a step that runs before that is tried again.
const SOON: Duration = Duration::from_millis(50);

impl Steps {
    /// The comment may have been deleted, or GitHub be in trouble: nothing hangs on it.
    pub(super) async fn react(&self, repo: &RepoRef, comment: u64, content: &str) -> Done {
        answer(&self.at(repo).react(&repo.name, comment, content).await.is_ok())
    }

    pub(super) async fn read_role(&self, repo: &RepoRef, account: UserId, login: &str) -> Done {
        answer(&self.at(repo).role(&repo.name, login, account).await.map_err(trouble)?)
    }

    pub(super) async fn reply(&self, ctx: &StepCtx, repo: &RepoRef, pull: u64, body: &str, since: Millis) -> Done {
        let (at, marker) = (self.at(repo), marker(ctx.run.as_str()));
        let earlier =
            if ctx.first { None } else { at.find_comment(&repo.name, pull, &marker, since).await.map_err(trouble)? };
        let made = match earlier {
            Some(made) => made,
            None => at.create_comment(&repo.name, pull, &format!("{body}\n\n{marker}")).await.map_err(trouble)?,
        };
        answer(&Replied { id: made.id, url: made.url })
    }

    /// Only what changes nothing goes through here: an attempt that a crash cuts off is made again.
    pub(super) async fn look(&self, ctx: &StepCtx, action: Value, actor: Actor) -> Done {
        let action: Action = serde_json::from_value(action).map_err(|why| {
            StepError::Fail(Refusal::us("action_unreadable", format!("The stored action cannot be read: {why}.")))
        })?;
        if !action.traits().read_only {
            return Err(StepError::Fail(Refusal::us("not_a_look", "What changes something cannot be asked for in this way.")));
        }
        let Some(host) = self.host.get().cloned() else {
            let refusal = Refusal::world("not_started", "The server has not started yet.", "Nothing: it goes on by itself.");
            return Err(StepError::Retry { after: Some(SOON), refusal });
        };
        // It may be a run of its own, whose calls must not wait for this one's place.
        ctx.place.leave();
        let client = Client { host, store: self.store.clone(), github: self.github.clone(), door: "comment" };
        let caller = Caller::person(actor, ctx.subject.repo.id);
        answer(&client.act(action, &caller).await.map_err(StepError::Fail)?)
    }
}
