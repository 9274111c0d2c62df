//! What people write on pull requests.

use super::{RepoHandle, no, repo_of};
use crate::sandbox::SandboxError;
use crate::sandbox::ids::Kind;
use crate::sandbox::model::Comment;

/// A comment to be.
#[derive(Clone, Debug)]
pub struct CommentSeed {
    author: String,
    body: String,
}

impl CommentSeed {
    pub fn new(author: &str, body: &str) -> Self {
        Self { author: author.to_owned(), body: body.to_owned() }
    }
}

impl RepoHandle {
    /// Somebody comments on a pull request; the comment's id.
    pub fn comment(&self, pull: u64, seed: CommentSeed) -> Result<u64, SandboxError> {
        self.change(|world, id| {
            world.account(&seed.author);
            let (comment, at) = (world.ids.next(Kind::Comment), world.now());
            repo_of(world, id)?.pulls.get(&pull).ok_or_else(|| no("no such pull request"))?;
            world.add_comment(
                id,
                Comment {
                    id: comment,
                    pull,
                    author: seed.author,
                    body: seed.body,
                    by_app: false,
                    created_at: at,
                    updated_at: at,
                    edits: 0,
                    reactions: Vec::new(),
                },
            );
            Ok(comment)
        })
    }

    /// Changes what a comment says; `by` need not be who wrote it.
    pub fn edit_comment(&self, comment: u64, body: &str, by: &str) -> Result<(), SandboxError> {
        self.change(|world, id| {
            world.account(by);
            world.edit_comment(id, comment, body, by);
            Ok(())
        })
    }

    pub fn delete_comment(&self, comment: u64, by: &str) -> Result<(), SandboxError> {
        self.change(|world, id| {
            world.account(by);
            world.remove_comment(id, comment, by);
            Ok(())
        })
    }

    /// Of all pull requests, oldest first.
    pub fn comments(&self) -> Vec<Comment> {
        self.read(|repo| repo.comments.clone())
    }

    pub fn find_comment(&self, comment: u64) -> Option<Comment> {
        self.read(|repo| repo.comments.iter().find(|c| c.id == comment).cloned())
    }
}
