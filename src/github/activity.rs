//! What GitHub itself has noted of pushes: who moved a branch to which commit, and when by its own clock.

use super::client::Call;
use super::paths::{encode, repo_path};
use super::{Installation, Operation, Trouble};
use crate::domain::{Millis, RepoName, Sha};
use serde::Deserialize;

#[derive(Deserialize)]
struct Move {
    #[serde(rename = "ref")]
    git_ref: String,
    after: String,
    timestamp: String,
}

impl Installation {
    /// When a branch was last moved to this commit; nothing where GitHub has no record of it.
    pub async fn moved_at(&self, repo: &RepoName, branch: &str, head: &Sha) -> Result<Option<Millis>, Trouble> {
        let (name, query) = (format!("refs/heads/{branch}"), encode(&format!("refs/heads/{branch}")));
        let path = repo_path(repo, &format!("activity?ref={query}&per_page=100"));
        let all: Vec<Move> = match self.call(Call::new(Operation::Activity, path)).await {
            Ok(reply) => reply.json()?,
            // A server that does not know the call, or hides it.
            Err(trouble) if trouble.is_gone() || trouble.status == Some(501) => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let there = all.iter().filter(|one| one.git_ref == name && one.after == head.as_str());
        Ok(there.filter_map(|one| Millis::parse_rfc3339(&one.timestamp)).max())
    }
}
