//! From a payload to what it asks of the engine. Pure.
//!
//! Invariants: never panics; a name or commit id that could not exist on GitHub is refused with a code before anything else
//! sees it; one delivery yields all of its intents or none. `push` and `create` of one tag yield the same intent, which the
//! engine folds into one run.

mod code;
mod comments;
mod deployments;
mod installed;
mod jobs;
mod reports;

use crate::domain::{Actor, ActorKind, InstallationId, Refusal, RepoId, RepoName, RepoRef, Sha, Tag, UserId};
use crate::engine::intent::Intent;
use crate::surfaces::webhook::event::{self, Account, Envelope, Maker};
use crate::surfaces::webhook::screen::{Ignored, Own, Screened, screen};
use serde::Deserialize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What one delivery means.
#[derive(Debug, PartialEq)]
pub enum Translation {
    Intents(Vec<Intent>),
    /// The event is known and there is nothing to do; says why.
    Nothing(&'static str),
    Ignored(Ignored),
    Refused(Refusal),
}

type Intents = Result<Translation, Refusal>;

/// `event` is the value of `X-GitHub-Event`, `body` the payload as received.
pub fn translate(event: &str, body: &[u8], own: &Own) -> Translation {
    let Ok(screened) = screen(event, body, own) else {
        return Translation::Refused(unreadable(event, "it is not a JSON object"));
    };
    if let Some(why) = screened.ignored {
        return Translation::Ignored(why);
    }
    let result = match screened.unreadable {
        Some(problem) => Err(unreadable(event, &problem)),
        None => known(event, body, &screened.envelope, own),
    };
    result.unwrap_or_else(Translation::Refused)
}

/// Why a delivery asks nothing of us, if that is certain at the first look, so that nobody need look at it again. A bug
/// that it runs into is left to the worker, which counts attempts.
pub fn nothing_to_do(event: &str, body: &[u8], screened: &Screened, own: &Own) -> Option<&'static str> {
    if screened.ignored.is_some() || screened.unreadable.is_some() {
        return None;
    }
    let look = AssertUnwindSafe(|| known(event, body, &screened.envelope, own));
    match catch_unwind(look) {
        Ok(Ok(Translation::Nothing(why))) => Some(why),
        _ => None,
    }
}

fn known(event: &str, body: &[u8], envelope: &Envelope, own: &Own) -> Intents {
    let delivery = Delivery { event, body, envelope, own, action: envelope.action.as_deref().unwrap_or_default() };
    match event {
        "push" => delivery.push(),
        "create" | "delete" => delivery.reference(),
        "pull_request" => delivery.pull_request(),
        "merge_group" => delivery.merge_group(),
        "check_run" => delivery.check_run(),
        "check_suite" => delivery.check_suite(),
        "status" => delivery.status(),
        "workflow_run" => delivery.workflow_run(),
        "deployment" => delivery.deployment(),
        "deployment_protection_rule" => delivery.protection_rule(),
        "deployment_review" => delivery.deployment_review(),
        "deployment_status" => delivery.deployment_status(),
        "issue_comment" => delivery.issue_comment(),
        "repository" => delivery.repository(),
        "installation" | "installation_repositories" => delivery.installation(),
        _ => Ok(Translation::Nothing("this event changes nothing here")),
    }
}

fn one(intent: Intent) -> Intents {
    Ok(Translation::Intents(vec![intent]))
}

fn nothing(why: &'static str) -> Intents {
    Ok(Translation::Nothing(why))
}

struct Delivery<'a> {
    event: &'a str,
    body: &'a [u8],
    envelope: &'a Envelope,
    own: &'a Own,
    action: &'a str,
}

impl Delivery<'_> {
    fn payload<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Refusal> {
        serde_json::from_slice(self.body).map_err(|error| unreadable(self.event, &error.to_string()))
    }

    fn missing(&self, field: &str) -> Refusal {
        unreadable(self.event, &format!("`{field}` is missing"))
    }

    fn installation_id(&self) -> Result<InstallationId, Refusal> {
        let id = self.envelope.installation.as_ref().ok_or_else(|| self.missing("installation.id"))?;
        Ok(InstallationId(id.id))
    }

    fn repo(&self) -> Result<RepoRef, Refusal> {
        let repository = self.envelope.repository.as_ref().ok_or_else(|| self.missing("repository"))?;
        repo_ref(repository, self.installation_id()?)
    }

    fn default_branch(&self) -> Result<&str, Refusal> {
        let branch = self.envelope.repository.as_ref().and_then(|repository| repository.default_branch.as_deref());
        branch.ok_or_else(|| self.missing("repository.default_branch"))
    }

    /// Whether a check was made by another App, as far as we know who we are.
    fn of_another_app(&self, maker: Option<&Maker>) -> bool {
        let app = maker.and_then(|maker| maker.app.as_ref());
        self.own.app_id.is_some_and(|own| app.is_none_or(|app| app.id != own))
    }

    fn actor(&self) -> Actor {
        actor(self.envelope.sender.as_ref())
    }
}

/// Nobody (id 0, which is authorized for nothing) if the payload names nobody.
fn actor(account: Option<&Account>) -> Actor {
    let Some(account) = account else {
        return Actor { kind: ActorKind::User, id: UserId(0), login: "ghost".to_owned() };
    };
    let kind = if account.kind.as_deref() == Some("Bot") { ActorKind::Bot } else { ActorKind::User };
    Actor { kind, id: UserId(account.id), login: account.login.clone() }
}

fn repo_ref(repository: &event::Repository, installation: InstallationId) -> Result<RepoRef, Refusal> {
    let name = RepoName::parse(&repository.full_name).map_err(|why| invalid("repository_invalid", "repository", why))?;
    Ok(RepoRef { id: RepoId(repository.id), name, installation })
}

fn tag(name: &str) -> Result<Tag, Refusal> {
    Tag::parse(name).map_err(|why| invalid("tag_invalid", "tag", why))
}

fn sha(text: &str) -> Result<Sha, Refusal> {
    Sha::parse(text).map_err(|why| invalid("sha_invalid", "commit", why))
}

fn invalid(code: &str, what: &str, why: impl std::fmt::Display) -> Refusal {
    let message = format!("The delivery names a {what} that cannot exist on GitHub: {why}.");
    Refusal::user(code, message, format!("Use a {what} that GitHub accepts, then redeliver the event or replay the delivery."))
}

fn unreadable(event: &str, problem: &str) -> Refusal {
    let problem: String = problem.chars().take(200).collect();
    let fix = "Compare the payload with GitHub's documentation of the event; if they agree, report this and replay the \
               delivery after the next update.";
    Refusal::world("payload_unreadable", format!("The `{event}` payload cannot be read: {problem}."), fix)
}
