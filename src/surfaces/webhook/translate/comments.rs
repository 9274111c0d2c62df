//! Commands in comments on pull requests.
//!
//! Invariants: only new comments command; what an edit brings is answered, not done; neither a bot nor anybody on whose behalf
//! an App writes is heard, and a sender is heard only for what is their own.

use super::{Delivery, Intents, actor, nothing, one, unreadable};
use crate::actions::ask::Asked;
use crate::domain::{ActorKind, Millis, Refusal, RepoRef};
use crate::engine::intent::Intent;
use crate::surfaces::comment::{Reader, read};
use crate::surfaces::webhook::event::{self, Comment, Commented};

impl Delivery<'_> {
    pub(super) fn issue_comment(&self) -> Intents {
        if !matches!(self.action, "created" | "edited") {
            return nothing("only new comments command");
        }
        let told: event::IssueCommentEvent = self.payload()?;
        if told.issue.pull_request.is_none() {
            return nothing("the comment is not on a pull request");
        }
        let (author, sender) = (actor(told.comment.user.as_ref()), self.actor());
        let by_app =
            self.envelope.comment.as_ref().and_then(Commented::maker).is_some_and(|by| by.performed_via_github_app.is_some());
        if author.kind == ActorKind::Bot || sender.kind == ActorKind::Bot || by_app {
            return nothing("programs do not command");
        }
        if author.id != sender.id {
            return nothing("somebody else has changed the comment");
        }
        let repo = self.repo()?;
        let asked = self.asked(&repo, told.comment.body.as_deref());
        let edited = self.action == "edited";
        let asked = if edited {
            let before = self.asked(&repo, told.changes.and_then(|changes| changes.body).and_then(|body| body.from).as_deref());
            let new = asked.into_iter().filter(|one| before.iter().all(|known| known.line != one.line));
            new.map(|one| Asked { what: Err(edit_commands_nothing()), ..one }).collect()
        } else {
            asked
        };
        if asked.is_empty() {
            return nothing("the comment commands nothing");
        }
        let Comment { id: comment, created_at, .. } = told.comment;
        let at = Millis::parse_rfc3339(&created_at).ok_or_else(|| unreadable(self.event, "`comment.created_at` is no time"))?;
        let prefix = self.own.prefix.as_str().to_owned();
        let closed = told.issue.state.as_deref() == Some("closed");
        one(Intent::Commented { repo, pull: told.issue.number, comment, closed, at, actor: sender, asked, prefix, edited })
    }

    fn asked(&self, repo: &RepoRef, body: Option<&str>) -> Vec<Asked> {
        let reader = Reader { prefix: self.own.prefix.as_str(), slug: self.own.slug.as_deref(), repo: &repo.name };
        body.map(|body| read(body, &reader)).unwrap_or_default()
    }
}

fn edit_commands_nothing() -> Refusal {
    Refusal::user(
        "edited_command",
        "Only new comments command: whoever has read this one before the edit has not seen this.",
        "Write the command in a new comment.",
    )
}
