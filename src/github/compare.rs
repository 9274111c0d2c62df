//! REST's comparison of two commits: ancestry and counts where GraphQL does not give them.

use super::client::Call;
use super::commit_facts::ancestry;
use super::paths::{encode, repo_path};
use super::{Installation, Operation, Trouble};
use crate::domain::{Ancestry, RepoName, Sha};
use serde::Deserialize;

/// How far two commits are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distance {
    /// Commits that the head has and the base has not.
    pub ahead: u64,
    pub behind: u64,
}

#[derive(Deserialize)]
struct Compared {
    status: String,
    ahead_by: u64,
    behind_by: u64,
    merge_base_commit: Base,
}

#[derive(Deserialize)]
struct Base {
    sha: String,
}

impl Installation {
    /// How `sha` stands to a branch; one request. An unknown branch is `Gone`.
    pub async fn ancestry(&self, repo: &RepoName, branch: &str, sha: &Sha) -> Result<Ancestry, Trouble> {
        Ok(ancestry(&self.compared(repo, &encode(branch), sha).await?.status))
    }

    /// How far `head` is from `base`; one request. Unrelated histories and unknown commits are `Gone`.
    pub async fn distance(&self, repo: &RepoName, base: &Sha, head: &Sha) -> Result<Distance, Trouble> {
        let compared = self.compared(repo, base.as_str(), head).await?;
        Ok(Distance { ahead: compared.ahead_by, behind: compared.behind_by })
    }

    /// The newest commit that both contain; one request. Unrelated histories and unknown commits are `Gone`.
    pub(super) async fn merge_base(&self, repo: &RepoName, base: &Sha, head: &Sha) -> Result<Sha, Trouble> {
        let compared = self.compared(repo, base.as_str(), head).await?;
        let nonsense = |_| Trouble::nonsense(Operation::CompareCommits, "the merge base is no commit id");
        Sha::parse(&compared.merge_base_commit.sha).map_err(nonsense)
    }

    async fn compared(&self, repo: &RepoName, base: &str, head: &Sha) -> Result<Compared, Trouble> {
        // The second page holds neither files nor, mostly, commits: a short answer.
        let path = repo_path(repo, &format!("compare/{base}...{head}?per_page=1&page=2"));
        self.call(Call::new(Operation::CompareCommits, path)).await?.json()
    }
}
