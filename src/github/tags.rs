//! All tags by name, without their commits: for baselines and for repositories with more than a hundred.

use super::client::Call;
use super::paths::{encode_path, repo_path};
use super::{Installation, Operation, Trouble};
use crate::domain::{RepoName, Sha, Tag, TagName};
use serde::Deserialize;

const MAX_PAGES: usize = 100;

impl Installation {
    /// Tags whose name starts with `prefix` (empty: all), by name. One request, reused by ETag.
    pub async fn tag_names(&self, repo: &RepoName, prefix: &str) -> Result<Vec<TagName>, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            r#ref: String,
            object: Object,
        }
        #[derive(Deserialize)]
        struct Object {
            sha: String,
        }
        let mut next = Some(repo_path(repo, &format!("git/matching-refs/tags/{}", encode_path(prefix))));
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = match self.call(Call::new(Operation::MatchingTags, target)).await {
                Ok(reply) => reply,
                // An empty repository has no references at all.
                Err(trouble) if trouble.code == "github_conflict" => return Ok(all),
                Err(trouble) => return Err(trouble),
            };
            next = reply.next_page();
            let page: Vec<Raw> = reply.json()?;
            all.extend(page.into_iter().filter_map(|raw| {
                let name = Tag::parse(raw.r#ref.strip_prefix("refs/tags/")?).ok()?;
                Some(TagName { name, object: Sha::parse(&raw.object.sha).ok()? })
            }));
        }
        Ok(all)
    }
}
