//! The first look at a payload, at receipt: is it JSON, whose is it, and is it for us at all? Pure and quick.
//!
//! Invariants: what is ignored here is stored all the same, so that its redelivery is known; a JSON object that we cannot
//! read goes on to the translation, which refuses it with a reason, so that it is seen and can be replayed.

use super::event::{Commented, Envelope, Maker};
use crate::config::settings::CommandPrefix;
use serde::de::IgnoredAny;

/// Who we are on GitHub, to know our own echo. What is not known yet matches nothing: an echo that is worked on only makes
/// somebody look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    pub app_id: Option<u64>,
    /// The App's slug; its bot is `<slug>[bot]`.
    pub slug: Option<String>,
    /// What commands in comments begin with.
    pub prefix: CommandPrefix,
    /// Base of GitHub's REST API, without a slash at its end.
    pub api: String,
}

/// Why a delivery asks nothing of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    UnknownEvent,
    UnknownAction,
    OwnEcho,
    NoInstallation,
}

impl Ignored {
    /// One clause for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::UnknownEvent => "Lockkeeper does not handle this event",
            Self::UnknownAction => "Lockkeeper does not know this action of the event",
            Self::OwnEcho => "this is the echo of something that Lockkeeper did itself",
            Self::NoInstallation => "the event names no installation of the App; was it sent by a repository's own webhook?",
        }
    }
}

/// What receipt needs to know.
#[derive(Debug)]
pub struct Screened {
    /// Empty if the payload is a JSON object in which even the common fields cannot be read.
    pub envelope: Envelope,
    pub ignored: Option<Ignored>,
    /// Why the common fields cannot be read.
    pub unreadable: Option<String>,
}

/// The body is not a JSON object.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnObject;

/// The events that the App subscribes to or gets unasked, each with the actions that GitHub documents; events without
/// actions have none.
const KNOWN: &[(&str, &[&str])] = &[
    ("push", &[]),
    ("create", &[]),
    ("delete", &[]),
    ("status", &[]),
    (
        "pull_request",
        &[
            "assigned",
            "auto_merge_disabled",
            "auto_merge_enabled",
            "closed",
            "converted_to_draft",
            "demilestoned",
            "dequeued",
            "edited",
            "enqueued",
            "labeled",
            "locked",
            "milestoned",
            "opened",
            "ready_for_review",
            "reopened",
            "review_request_removed",
            "review_requested",
            "synchronize",
            "unassigned",
            "unlabeled",
            "unlocked",
        ],
    ),
    ("merge_group", &["checks_requested", "destroyed"]),
    ("check_run", &["completed", "created", "requested_action", "rerequested"]),
    ("check_suite", &["completed", "requested", "rerequested"]),
    ("workflow_run", &["completed", "in_progress", "requested"]),
    ("deployment", &["created"]),
    ("deployment_protection_rule", &["requested"]),
    ("deployment_review", &["approved", "rejected", "requested"]),
    ("deployment_status", &["created"]),
    ("issue_comment", &["created", "deleted", "edited", "pinned", "unpinned"]),
    ("release", &["created", "deleted", "edited", "prereleased", "published", "released", "unpublished"]),
    (
        "repository",
        &["archived", "created", "deleted", "edited", "privatized", "publicized", "renamed", "transferred", "unarchived"],
    ),
    ("installation", &["created", "deleted", "new_permissions_accepted", "suspend", "unsuspend"]),
    ("installation_repositories", &["added", "removed"]),
];

/// The event's name if we know it, for places that must not grow with what strangers send.
pub fn label(event: &str) -> &'static str {
    KNOWN.iter().map(|(name, _)| *name).chain(["ping"]).find(|name| *name == event).unwrap_or("other")
}

/// Looks at one delivery. `event` is the value of `X-GitHub-Event`.
pub fn screen(event: &str, body: &[u8], own: &Own) -> Result<Screened, NotAnObject> {
    let text = std::str::from_utf8(body).map_err(|_| NotAnObject)?;
    // A struct would also be read from an array.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(NotAnObject);
    }
    let (envelope, unreadable) = match serde_json::from_str::<Envelope>(text) {
        Ok(envelope) => (envelope, None),
        Err(error) if is_json(text) => (Envelope::default(), Some(error.to_string())),
        Err(_) => return Err(NotAnObject),
    };
    let ignored = ignored(event, &envelope, unreadable.is_some(), own);
    Ok(Screened { envelope, ignored, unreadable })
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn ignored(event: &str, envelope: &Envelope, unreadable: bool, own: &Own) -> Option<Ignored> {
    let Some((_, actions)) = KNOWN.iter().find(|(name, _)| *name == event) else {
        return Some(Ignored::UnknownEvent);
    };
    if unreadable {
        return None;
    }
    let action = envelope.action.as_deref().unwrap_or_default();
    if !actions.is_empty() && !actions.contains(&action) {
        return Some(Ignored::UnknownAction);
    }
    if envelope.installation.is_none() {
        return Some(Ignored::NoInstallation);
    }
    is_echo(event, action, envelope, own).then_some(Ignored::OwnEcho)
}

/// A re-run that somebody asks of us names our App as the maker too, but a person as the sender: that is no echo.
fn is_echo(event: &str, action: &str, envelope: &Envelope, own: &Own) -> bool {
    let made_by_us = |maker: Option<&Maker>| {
        let ids = [maker.and_then(|m| m.app.as_ref()), maker.and_then(|m| m.performed_via_github_app.as_ref())];
        ids.into_iter().flatten().any(|app| Some(app.id) == own.app_id)
    };
    let made = match (event, action) {
        ("check_run", "created" | "completed") => made_by_us(envelope.check_run.as_ref()),
        ("check_suite", "completed") => made_by_us(envelope.check_suite.as_ref()),
        ("deployment", _) => made_by_us(envelope.deployment.as_ref()),
        ("deployment_status", _) => made_by_us(envelope.deployment_status.as_ref()),
        ("issue_comment", _) => made_by_us(envelope.comment.as_ref().and_then(Commented::maker)),
        _ => false,
    };
    let echoes = matches!(
        event,
        "check_run" | "check_suite" | "deployment" | "deployment_status" | "issue_comment" | "release" | "status"
    );
    made || echoes && sent_by_us(envelope, own)
}

fn sent_by_us(envelope: &Envelope, own: &Own) -> bool {
    let (Some(sender), Some(slug)) = (&envelope.sender, &own.slug) else { return false };
    sender.login.strip_suffix("[bot]").is_some_and(|login| login.eq_ignore_ascii_case(slug))
}
