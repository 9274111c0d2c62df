//! Comments come, change and go; reactions; the record of moved references.

use crate::sandbox::hooks::Event;
use crate::sandbox::ids::Kind;
use crate::sandbox::model::{Comment, Push, Reaction};
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::{Value, json};

impl World {
    pub fn add_comment(&mut self, id: u64, comment: Comment) {
        let (comment_id, author) = (comment.id, comment.author.clone());
        if let Some(repo) = self.repos.get_mut(&id) {
            repo.comments.push(comment);
        }
        self.tell_comment(id, comment_id, "created", &author, json!({}));
    }

    /// Tells nobody when nothing changed, as GitHub does.
    pub fn edit_comment(&mut self, id: u64, comment: u64, body: &str, by: &str) {
        let now = self.now();
        let found = self.repos.get_mut(&id).and_then(|r| r.comments.iter_mut().find(|c| c.id == comment));
        let Some(found) = found.filter(|found| found.body != body) else { return };
        let old = std::mem::replace(&mut found.body, body.to_owned());
        found.updated_at = now;
        found.edits += 1;
        self.tell_comment(id, comment, "edited", by, json!({ "changes": { "body": { "from": old } } }));
    }

    pub fn remove_comment(&mut self, id: u64, comment: u64, by: &str) {
        self.tell_comment(id, comment, "deleted", by, json!({}));
        if let Some(repo) = self.repos.get_mut(&id) {
            repo.comments.retain(|c| c.id != comment);
        }
    }

    fn tell_comment(&mut self, id: u64, comment: u64, action: &'static str, actor: &str, extra: Value) {
        let Some(repo) = self.repos.get(&id) else { return };
        let Some(comment) = repo.comments.iter().find(|c| c.id == comment) else { return };
        let Some(pull) = repo.pulls.get(&comment.pull) else { return };
        let mut payload = json!({ "issue": views::issue(self, repo, pull), "comment": views::comment(self, repo, comment) });
        if let (Value::Object(into), Value::Object(extra)) = (&mut payload, extra) {
            into.extend(extra);
        }
        self.emit(id, Event { name: "issue_comment", action: Some(action), payload, actor: actor.to_owned() });
    }

    /// The reaction, and whether it is new: one account has each at most once.
    pub fn react(&mut self, id: u64, comment: u64, content: &str, by: &str) -> Option<(Reaction, bool)> {
        let new = self.ids.next(Kind::Reaction);
        let comment = self.repos.get_mut(&id)?.comments.iter_mut().find(|c| c.id == comment)?;
        if let Some(known) = comment.reactions.iter().find(|r| r.by == by && r.content == content) {
            return Some((known.clone(), false));
        }
        let reaction = Reaction { id: new, by: by.to_owned(), content: content.to_owned() };
        comment.reactions.push(reaction.clone());
        Some((reaction, true))
    }

    pub fn note_push(&mut self, id: u64, by: &str, git_ref: &str, [before, after]: [String; 2], forced: bool) {
        let push = Push {
            id: self.ids.next(Kind::Push),
            by: by.to_owned(),
            git_ref: git_ref.to_owned(),
            before,
            after,
            forced,
            at: self.now(),
        };
        if let Some(repo) = self.repos.get_mut(&id) {
            repo.pushes.push(push);
        }
    }
}
