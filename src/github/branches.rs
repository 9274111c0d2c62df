//! Which branches hold a commit: for repositories that release from more than the default branch.

use super::client::Call;
use super::commit_facts::ancestry;
use super::git_objects::Oid;
use super::graphql::{Page, PageSize};
use super::paths::{encode_path, repo_path};
use super::{Installation, Operation, Trouble};
use crate::domain::{Ancestry, BranchRef, RepoName, Sha};
use serde::Deserialize;
use serde_json::json;

const BRANCH_FACTS: &str = include_str!("queries/branch_facts.graphql");
/// More branches than this (2,000 at full pages) are not looked through.
const MAX_PAGES: usize = 20;

/// A branch and how a commit stands to it; `None` where GitHub did not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchStanding {
    pub branch: BranchRef,
    pub standing: Option<Ancestry>,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    refs: Option<Page<Branch>>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    target: Option<Oid>,
    compare: Option<Compared>,
}

#[derive(Deserialize)]
struct Compared {
    status: String,
}

impl Installation {
    /// Every branch with the commit's standing; one request for each hundred branches.
    pub async fn branches(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<BranchStanding>, Trouble> {
        let (mut size, mut after, mut all) = (PageSize::full(), None::<String>, Vec::new());
        for _ in 0..MAX_PAGES {
            let page = loop {
                let variables = json!({
                    "owner": repo.owner(), "name": repo.name(), "sha": sha, "branches": size.get(), "after": after,
                });
                match self.query::<Data>(Operation::BranchFacts, BRANCH_FACTS, variables).await {
                    Ok(answered) => break answered.tolerating(&["compare"])?.data.repository.and_then(|r| r.refs),
                    Err(trouble) => size.shrink(trouble)?,
                }
            };
            let page = page.unwrap_or_default();
            let info = page.page_info.clone();
            all.extend(page.into_nodes().filter_map(Branch::standing));
            after = info.end_cursor.filter(|_| info.has_next_page);
            if after.is_none() {
                return Ok(all);
            }
        }
        let fix = "Name the branch in `release.branches` without a wildcard, or delete branches that are done.";
        let message = "The repository has more branches than Lockkeeper looks through.";
        Err(Trouble::new(super::Class::Refused, "too_many_branches", message, fix))
    }
}

impl Installation {
    /// The commit at the head of this branch; nothing when there is no such branch. One request.
    pub async fn branch_head(&self, repo: &RepoName, branch: &str) -> Result<Option<Sha>, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            object: Object,
        }
        #[derive(Deserialize)]
        struct Object {
            sha: String,
        }
        let path = repo_path(repo, &format!("git/ref/heads/{}", encode_path(branch)));
        let raw: Raw = match self.call(Call::new(Operation::BranchHead, path)).await {
            Ok(reply) => reply.json()?,
            Err(trouble) if trouble.code == "github_not_found" => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        Ok(Sha::parse(&raw.object.sha).ok())
    }
}

impl Branch {
    fn standing(self) -> Option<BranchStanding> {
        let head = Sha::parse(&self.target?.oid).ok()?;
        let standing = self.compare.map(|c| ancestry(&c.status));
        Some(BranchStanding { branch: BranchRef { name: self.name, head }, standing })
    }
}
