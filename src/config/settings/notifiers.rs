//! `[notifiers.<name>]`: who is told of what happens. The operator's alone; no repository can name one or add to it.
//!
//! Invariant: an address that is a secret by itself, as Slack's are, is read from a file of its own and shown nowhere.

use super::fields::Fields;
use super::resources::{Repositories, Resources, repositories, secret, web};
use super::values::read_key;
use crate::config::Secret;
use crate::config::repo::glob;
use crate::domain::{EnvName, News, NewsKind, Refusal};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq)]
pub struct NotifierSettings {
    pub kind: NotifierKind,
    /// What is told; nothing else is.
    pub events: Vec<NewsKind>,
    pub repositories: Repositories,
    /// Patterns; empty: all, and what belongs to none.
    pub environments: Vec<String>,
    /// For one attempt.
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub enum NotifierKind {
    /// JSON, signed over its bytes.
    Webhook { url: String, secret: Secret },
    /// An incoming webhook as Slack has them; who knows its address may write there.
    Slack { url: Secret },
    /// A tool of one of `[peers]`.
    Peer { peer: String, tool: String },
}

impl NotifierSettings {
    pub fn wants(&self, news: &News) -> bool {
        let place = |name: &EnvName| self.environments.iter().any(|pattern| glob::matches(pattern, name.as_str()));
        let here = self.environments.is_empty() || news.environment.as_ref().is_some_and(place);
        self.events.contains(&news.kind) && self.repositories.allow(&news.repo) && here
    }
}

impl NotifierKind {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::Peer { .. } => "peer",
        }
    }
}

pub(super) fn notifier(fields: &mut Fields<'_, '_, '_>) -> Option<NotifierSettings> {
    let kind = match fields.required("kind").as_deref() {
        Some("webhook") => webhook(fields),
        Some("slack") => slack(fields),
        Some("peer") => peer(fields),
        Some(_) => {
            fields.bad("kind", "is no kind of notifier", "Use `webhook`, `slack` or `peer`.");
            None
        }
        None => None,
    };
    let events = events(fields);
    let environments = fields.texts("environments").unwrap_or_default();
    if environments.iter().any(|pattern| glob::check(pattern).is_err()) {
        fields.bad("environments", "holds something that is no pattern", "Write names like `production`, or `prod-*`.");
    }
    let timeout = fields.duration("timeout", Duration::from_secs(10), MINUTE);
    let repositories = repositories(fields);
    Some(NotifierSettings { kind: kind?, events: events?, repositories: repositories?, environments, timeout: timeout? })
}

fn webhook(fields: &mut Fields<'_, '_, '_>) -> Option<NotifierKind> {
    let url = fields.required("url").filter(|url| web(fields, "url", url));
    let secret = secret(fields);
    Some(NotifierKind::Webhook { url: url?, secret: secret? })
}

fn peer(fields: &mut Fields<'_, '_, '_>) -> Option<NotifierKind> {
    let (peer, tool) = (fields.required("peer"), fields.required("tool"));
    Some(NotifierKind::Peer { peer: peer?, tool: tool? })
}

/// Notifiers that name what is not there, once all of the file is read.
pub(super) fn check(lent: &Resources, problems: &mut Vec<Refusal>) {
    for (name, notifier) in &lent.notifiers {
        let NotifierKind::Peer { peer, tool } = &notifier.kind else { continue };
        let tools = lent.peers.get(peer).map(|peer| &peer.tools);
        let (what, fix) = match tools {
            None => ("a peer that is not there", "Add it as [peers.…], or name one that there is."),
            Some(tools) if !tools.contains_key(tool) => {
                ("a tool that is not pinned", "See what to pin with `lockkeeper peers`, and add it to `tools` of the peer.")
            }
            Some(_) => continue,
        };
        problems.push(Refusal::operator("settings_bad_value", format!("[notifiers.{name}] names {what}."), fix));
    }
}

fn slack(fields: &mut Fields<'_, '_, '_>) -> Option<NotifierKind> {
    let file = fields.required("url_file")?;
    let Ok(text) = read_key(file.as_ref()) else {
        fields.bad(
            "url_file",
            "cannot be read",
            "Name a file that the server can read and that holds the address, and nothing else.",
        );
        return None;
    };
    let url = text.trim().to_owned();
    web(fields, "url_file", &url).then(|| NotifierKind::Slack { url: Secret::new(url) })
}

fn events(fields: &mut Fields<'_, '_, '_>) -> Option<Vec<NewsKind>> {
    let known = NewsKind::ALL.map(NewsKind::as_str).join("`, `");
    let Some(words) = fields.texts("events").filter(|words| !words.is_empty()) else {
        fields.missing("events", &format!("Say what is told: some of `{known}`."));
        return None;
    };
    let events: Option<Vec<NewsKind>> = words.iter().map(|word| NewsKind::parse(word)).collect();
    if events.is_none() {
        fields.bad("events", "holds a word that is no event", &format!("Use some of `{known}`."));
    }
    events
}
