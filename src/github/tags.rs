//! All tags by name with their commits: for baselines, and for repositories with more than a hundred.
//!
//! `GET /tags` and not `git/matching-refs`: it peels annotated tags and takes a hundred on a page.

use super::client::Call;
use super::paths::repo_path;
use super::{Installation, Operation, Trouble};
use crate::domain::{RepoName, Sha, Tag, TagName};
use serde::Deserialize;

const MAX_PAGES: usize = 100;

impl Installation {
    /// Every tag. One request for each hundred, reused by ETag.
    pub async fn tag_names(&self, repo: &RepoName) -> Result<Vec<TagName>, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            commit: Commit,
        }
        #[derive(Deserialize)]
        struct Commit {
            sha: String,
        }
        let mut next = Some(repo_path(repo, "tags?per_page=100"));
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = match self.call(Call::new(Operation::Tags, target)).await {
                Ok(reply) => reply,
                // An empty repository has no references at all.
                Err(trouble) if trouble.code == "github_conflict" => return Ok(all),
                Err(trouble) => return Err(trouble),
            };
            next = reply.next_page();
            let page: Vec<Raw> = reply.json()?;
            all.extend(page.into_iter().filter_map(|raw| {
                Some(TagName { name: Tag::parse(&raw.name).ok()?, commit: Sha::parse(&raw.commit.sha).ok()? })
            }));
        }
        Ok(all)
    }
}
