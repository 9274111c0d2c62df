//! Talking with people on pull requests: reactions, replies, roles, and what is told of the whole.

use super::{Done, Steps, answer, stored, trouble, unmade};
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::approve::{self, Approve, Where};
use crate::actions::ask::Ask;
use crate::actions::outcome::{Gates, Planned};
use crate::domain::{Actor, Millis, Person, Refusal, RepoRef, Role, Said as Spoken, UserId};
use crate::engine::client::{Client, Heard, Once};
use crate::engine::host::{StepCtx, StepError};
use crate::engine::reasons;
use crate::plan::{Plan, Replied, ReplyCall};
use crate::render::reply::marker;
use crate::store::{acts, replies};
use crate::workflow::{deploy, environment_review, taken};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// The host is set as soon as it has started; a step that runs before that is tried again.
const SOON: Duration = Duration::from_millis(50);

/// When and where somebody has said it.
pub(super) struct Said {
    /// By GitHub's clock.
    pub at: Millis,
    pub pull: Option<u64>,
}

impl Steps {
    /// The comment may have been deleted, or GitHub be in trouble: nothing hangs on it.
    pub(super) async fn react(&self, repo: &RepoRef, comment: u64, content: &str) -> Done {
        answer(&self.at(repo).react(&repo.name, comment, content).await.is_ok())
    }

    pub(super) async fn read_role(&self, repo: &RepoRef, account: UserId, login: &str) -> Done {
        answer(&self.at(repo).role(&repo.name, login, account).await.map_err(trouble)?)
    }

    pub(super) async fn reply(&self, ctx: &StepCtx, call: ReplyCall) -> Done {
        let ReplyCall { repo, pull, body, since, follows, spare } = call;
        let (at, marker) = (self.at(&repo), marker(ctx.run.as_str()));
        let earlier =
            if ctx.first { None } else { at.find_comment(&repo.name, pull, &marker, since).await.map_err(trouble)? };
        let made = match earlier {
            Some(made) => made,
            None => {
                let text = format!("{body}\n\n{marker}");
                at.create_comment(&repo.name, pull, &text, spare).await.map_err(unmade)?
            }
        };
        let made = Replied { id: made.id, url: made.url };
        if follows { self.follow(ctx, made).await } else { answer(&made) }
    }

    /// Others edit it from now on.
    async fn follow(&self, ctx: &StepCtx, made: Replied) -> Done {
        let (run, comment) = (ctx.run.clone(), made.id);
        self.store.write(move |tx| replies::open(tx, &run, comment)).await.map_err(stored)?;
        answer(&made)
    }

    /// Only what changes nothing goes through here: an attempt that a crash cuts off is made again.
    pub(super) async fn look(&self, ctx: &StepCtx, action: Value, actor: Actor) -> Done {
        let action: Action = serde_json::from_value(action).map_err(|why| {
            StepError::Fail(Refusal::us("action_unreadable", format!("The stored action cannot be read: {why}.")))
        })?;
        if !action.traits().read_only {
            return Err(StepError::Fail(Refusal::us("not_a_look", "What changes something cannot be asked for in this way.")));
        }
        // It may be a run of its own, whose calls must not wait for this one's place.
        ctx.place.leave();
        let by = Person { actor, role: Role::Read, role_read: Millis(0) };
        let caller = Caller::person(by, ctx.subject.repo.id);
        answer(&self.door("comment", None)?.act(action, &caller).await.map_err(StepError::Fail)?)
    }

    /// Done once: what was done before a crash is on record beside it.
    pub(super) async fn act(&self, ctx: &StepCtx, ask: Value, by: Person, said: Said) -> Done {
        let ask: Ask = read(ask)?;
        let once = match self.before(ctx).await? {
            Ok(done) => return Ok(done),
            Err(once) => once,
        };
        ctx.place.leave();
        let (client, repo) = (self.door(door_of(ctx), Some(once))?, ctx.subject.repo.clone());
        let done = match ask {
            Ask::Act { action } => client.act(*action, &Caller::person(by, repo.id).on(said.pull)).await,
            Ask::Steer { verb, at, reason } => {
                let said_at = self.github.to_ours(said.at);
                client.steer_at(verb, at, reason, (&Caller::person(by, repo.id), said_at)).await
            }
            Ask::Approve { at, plan } => {
                let ask = Approve { said: Spoken::Approved, ..self.asked(&repo, said, at, plan) };
                client.review(&ask, &repo, &heard(ctx, &by)).await
            }
            Ask::Reject { at, plan, reason } => {
                let ask = self.asked(&repo, said, at, plan);
                match approve::rejection(&reason) {
                    Ok(said) => client.review(&Approve { said, ..ask }, &repo, &heard(ctx, &by)).await,
                    Err(refusal) => Err(client.turned_away(&Action::Approve(ask), &by.actor, &repo, refusal).await),
                }
            }
            Ask::Help { .. } | Ask::Look { .. } | Ask::Why { .. } => {
                Err(Refusal::us("nothing_to_do", "This changes nothing, so it is not asked for in this way."))
            }
        };
        answer(&done.map_err(StepError::Fail)?)
    }

    fn asked(&self, repo: &RepoRef, said: Said, at: Option<String>, digest: Option<String>) -> Approve {
        let asked_at = self.github.to_ours(said.at);
        let nothing = Spoken::Rejected { reason: String::new() };
        Approve { repo: repo.name.clone(), at: Where::Said { at, pull: said.pull }, digest, said: nothing, asked_at }
    }

    /// Once, as what is done.
    pub(super) async fn turned_away(&self, ctx: &StepCtx, ask: Value, actor: Actor, refusal: Refusal) -> Done {
        let once = match self.before(ctx).await? {
            Ok(done) => return Ok(done),
            Err(once) => once,
        };
        let (detail, ask, repo): (Value, Ask, _) = (ask.clone(), read(ask)?, ctx.subject.repo.id);
        self.door("comment", Some(once))?.refused(ask.name(), detail, &actor, repo, &refusal).await.map_err(StepError::Fail)?;
        Ok(Value::Null)
    }

    /// What this step has done already, or the name to do it under.
    pub(super) async fn before(&self, ctx: &StepCtx) -> Result<Result<Value, Once>, StepError> {
        let (run, step) = (ctx.run.clone(), ctx.step.clone());
        let once = Once::Step { run: run.clone(), step: step.clone() };
        if ctx.first {
            return Ok(Err(once));
        }
        let done = self.store.read(move |rx| acts::get(rx, &run, &step)).await.map_err(stored)?;
        Ok(done.ok_or(once))
    }

    pub(super) async fn start(&self, ctx: &StepCtx, action: Value, input: Value, plan: Plan, by: Person) -> Done {
        let once = match self.before(ctx).await? {
            Ok(done) => return Ok(done),
            Err(once) => once,
        };
        let (action, input): (Action, deploy::Input) = (read(action)?, read(input)?);
        let caller = Caller::person(by, ctx.subject.repo.id);
        let planned = Planned { run: ctx.run.clone(), plan, gates: Gates::of(Vec::new()), notes: None, remarks: Vec::new() };
        let door = self.door(door_of(ctx), Some(once))?;
        answer(&door.start_pinned(action, &caller, planned, input).await.map_err(StepError::Fail)?)
    }

    pub(super) async fn why(&self, ctx: &StepCtx, about: Option<String>) -> Done {
        let repo = ctx.subject.repo.id;
        let found = self.store.read(move |rx| reasons::of(rx, repo, about.as_deref())).await.map_err(stored)?;
        answer(&found.map_err(StepError::Fail)?)
    }

    /// The door that all actions go through.
    pub(super) fn door(&self, door: &'static str, once: Option<Once>) -> Result<Client, StepError> {
        let Some(host) = self.host.get().cloned() else {
            let refusal = Refusal::world("not_started", "The server has not started yet.", "Nothing: it goes on by itself.");
            return Err(StepError::Retry { after: Some(SOON), refusal });
        };
        Ok(Client { host, store: self.store.clone(), github: self.github.clone(), door, once })
    }
}

fn read<T: DeserializeOwned>(stored: Value) -> Result<T, StepError> {
    serde_json::from_value(stored)
        .map_err(|why| StepError::Fail(Refusal::us("ask_unreadable", format!("The stored command cannot be read: {why}."))))
}

/// The same for each attempt: what is said is kept once.
pub(super) fn heard<'a>(ctx: &StepCtx, by: &'a Person) -> Heard<'a> {
    Heard { by, source: format!("{}/{}", ctx.run, ctx.step) }
}

/// Where it was asked for, for the record.
fn door_of(ctx: &StepCtx) -> &'static str {
    match ctx.workflow.as_str() {
        name if name == taken::WORKFLOW.name => "deployment",
        name if name == environment_review::WORKFLOW.name => environment_review::DOOR,
        _ => "comment",
    }
}
