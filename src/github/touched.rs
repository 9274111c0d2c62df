//! Which commits touch a folder: the history of a path. Its first page comes with the second look.
//!
//! Invariant: either all of them from the given time on are known, or nothing is said.

use super::graphql::{Page, PageSize};
use super::{Installation, Operation, Trouble};
use crate::domain::{Folder, RepoName, Sha};
use serde::Deserialize;
use serde_json::json;

const TOUCHED_COMMITS: &str = include_str!("queries/touched_commits.graphql");
/// More commits than this are not followed: 1,000 with pages of full size.
const MAX_COMMITS: usize = 1_000;

#[derive(Debug, Deserialize)]
pub(super) struct Id {
    oid: Sha,
}

impl Installation {
    /// All that touch the folder, after the first page of them; `None` if there are too many or GitHub does not say.
    pub(super) async fn touched(
        &self,
        repo: &RepoName,
        sha: &Sha,
        folder: &Folder,
        first: Option<Page<Id>>,
    ) -> Result<Option<Vec<Sha>>, Trouble> {
        let (mut page, mut shas, mut size) = (first, Vec::new(), PageSize::full());
        loop {
            let Some(got) = page.take() else { return Ok(None) };
            let after = got.page_info.end_cursor.clone().filter(|_| got.page_info.has_next_page);
            shas.extend(got.into_nodes().map(|id| id.oid));
            let Some(after) = after else { return Ok(Some(shas)) };
            if shas.len() >= MAX_COMMITS {
                return Ok(None);
            }
            page = self.touched_page(repo, sha, folder, &after, &mut size).await?;
        }
    }

    async fn touched_page(
        &self,
        repo: &RepoName,
        sha: &Sha,
        folder: &Folder,
        after: &str,
        size: &mut PageSize,
    ) -> Result<Option<Page<Id>>, Trouble> {
        #[derive(Deserialize)]
        struct Data {
            repository: Option<Repository>,
        }
        #[derive(Deserialize)]
        struct Repository {
            asked: Option<Asked>,
        }
        #[derive(Deserialize)]
        struct Asked {
            touched: Option<Page<Id>>,
        }
        loop {
            let variables = json!({
                "owner": repo.owner(), "name": repo.name(), "sha": sha, "path": folder.path,
                "since": folder.since.rfc3339(), "size": size.get(), "after": after,
            });
            match self.query::<Data>(Operation::TouchedCommits, TOUCHED_COMMITS, variables).await {
                Ok(answered) => {
                    let data = answered.tolerating(&["touched"])?.data;
                    return Ok(data.repository.and_then(|r| r.asked).and_then(|c| c.touched));
                }
                Err(trouble) => size.shrink(trouble)?,
            }
        }
    }
}
