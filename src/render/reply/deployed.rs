//! A deployment in a reply, as it goes on and when it is over.

use super::{gates, here};
use crate::domain::{Refusal, Sha};
use crate::gates::{Verdict, asks_people};
use crate::render::markdown::{escape, prose};
use askama::Template;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// For gates.
    Waiting,
    /// For the deployment before it.
    Queued,
    Going,
    /// A person says how it goes on.
    Paused,
    Live,
    Refused,
    Stopped,
    Superseded,
    RolledBack,
    Failed,
    /// Nobody knows, or the way back failed.
    Lost,
}

/// A commit that comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub sha: String,
    /// The first line of its message.
    pub title: String,
    pub author: String,
}

#[derive(Template)]
#[template(path = "reply/deployed.md", config = "templates/askama.toml")]
pub struct Deployed<'a> {
    pub run: &'a str,
    pub environment: &'a str,
    pub tag: Option<&'a str>,
    pub sha: &'a Sha,
    pub commit: Option<Change>,
    pub rollback: bool,
    /// It is the head of the pull request on which this is told, or was asked for there: it need not be named by its id.
    pub own: bool,
    /// What was live before it.
    pub before: Option<&'a str>,
    /// Since then, newest first.
    pub changes: &'a [Change],
    pub more: bool,
    pub gates: &'a [Verdict],
    /// What it does now.
    pub now: Option<&'a str>,
    /// Markdown of ours.
    pub progress: &'a [String],
    pub phase: Phase,
    pub refusal: Option<&'a Refusal>,
    pub url: Option<&'a str>,
    pub prefix: &'a str,
}

pub fn text(view: &Deployed<'_>) -> String {
    view.render().unwrap_or_default().trim().to_owned()
}

impl Deployed<'_> {
    fn headline(&self) -> String {
        let what = self
            .tag
            .map_or_else(|| format!("`{}`", self.sha.short()), |tag| format!("{} (`{}`)", escape(tag), self.sha.short()));
        let place = format!("**{}**", escape(self.environment));
        let back = if self.rollback { " back" } else { "" };
        match self.phase {
            Phase::Waiting => format!("⏳ {what} waits to go{back} to {place}"),
            Phase::Queued => format!("⏳ {what} waits for the deployment before it in {place}"),
            Phase::Going => format!("🚢 {what} goes{back} to {place}"),
            Phase::Paused => format!("⏸️ {what} is paused on its way to {place}"),
            Phase::Live => format!("✅ {what} is live{} in {place}", if self.rollback { " again" } else { "" }),
            Phase::Refused => format!("🛑 {what} was not deployed to {place}"),
            Phase::Stopped => format!("⏹️ {what} was stopped on its way to {place}"),
            Phase::Superseded => format!("⏭️ {what} gave way to a newer version in {place}"),
            Phase::RolledBack => format!("↩️ {what} was taken back from {place}"),
            Phase::Failed => format!("❌ {what} failed in {place}"),
            Phase::Lost => format!("🚨 nobody can say what became of {what} in {place}"),
        }
    }

    /// The link to the place, where it is one.
    fn link(&self) -> Option<&str> {
        self.url.filter(|url| super::overview::is_link(url))
    }

    /// While it goes on, or where a gate has stopped it: what has passed is of no more interest once it is live.
    fn table(&self) -> Option<String> {
        let wanted = match self.phase {
            Phase::Waiting | Phase::Queued | Phase::Going | Phase::Paused | Phase::Refused => true,
            Phase::Live | Phase::Stopped | Phase::Superseded | Phase::RolledBack | Phase::Failed | Phase::Lost => false,
        };
        (wanted && !self.gates.is_empty()).then(|| gates(self.gates, self.prefix))
    }

    fn said(&self, text: &str) -> String {
        prose(&here(text, self.prefix))
    }

    /// What it does, where the headline does not say it.
    fn doing(&self) -> Option<String> {
        let on = matches!(self.phase, Phase::Going | Phase::Paused);
        self.now.filter(|_| on).map(prose)
    }

    /// What to type next.
    fn next(&self) -> String {
        let (p, at) = (self.prefix, self.environment);
        match self.phase {
            Phase::Waiting if asks_people(self.gates).is_some() => {
                let it = if self.own { at } else { self.run };
                format!("`{p}approve {it}` agrees to it, `{p}reject {it} --reason …` ends it, `{p}abort {at}` stops it.")
            }
            Phase::Waiting | Phase::Queued | Phase::Going => format!("`{p}abort {at}` stops it."),
            Phase::Paused => format!("`{p}resume {at}` goes on, `{p}promote {at}` moves everybody, `{p}abort {at}` goes back."),
            Phase::Live => format!("`{p}rollback {at} --reason …` goes back, `{p}lock {at} --reason …` keeps it as it is."),
            Phase::Refused | Phase::Stopped | Phase::Superseded | Phase::RolledBack | Phase::Failed | Phase::Lost => {
                format!("`{p}status` shows what is live.")
            }
        }
    }
}

fn by(change: &Change) -> String {
    if change.author.is_empty() { String::new() } else { format!(" · {}", escape(&change.author)) }
}
