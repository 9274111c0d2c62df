//! Facts of a pull request: one GraphQL request, more only for more than a hundred files.

use super::client::Call;
use super::git_objects::{CommitNode, Login, Oid};
use super::graphql::{Page, PageSize};
use super::paths::repo_path;
use super::{Installation, Operation, Trouble};
use crate::domain::{Commit, PullRequest, RepoName, Sha};
use serde::Deserialize;
use serde_json::json;

const PULL_REQUEST_FACTS: &str = include_str!("queries/pull_request_facts.graphql");
/// GitHub lists at most 3,000 files.
const MAX_PAGES: usize = 30;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestFacts {
    pub pull_request: PullRequest,
    pub state: PullRequestState,
    pub draft: bool,
    /// From another repository, also when that is gone.
    pub from_fork: bool,
    pub head: Sha,
    pub head_branch: String,
    pub base_branch: String,
    /// What stands on the base branch after the merge.
    pub merged_as: Option<Sha>,
    /// Up to 100 changed paths.
    pub files: Vec<String>,
    pub files_complete: bool,
    /// Up to 100 commits, oldest first; without their pull request.
    pub commits: Vec<Commit>,
    pub commits_complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestState {
    Open,
    Closed,
    Merged,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    pull_request: Option<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    number: u64,
    title: String,
    state: String,
    is_draft: bool,
    is_cross_repository: bool,
    author: Option<Login>,
    head_ref_name: String,
    head_ref_oid: String,
    base_ref_name: String,
    merge_commit: Option<Oid>,
    labels: Option<Page<Name>>,
    files: Option<Page<Path>>,
    commits: Option<Page<CommitOf>>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Path {
    path: String,
}

#[derive(Deserialize)]
struct CommitOf {
    commit: CommitNode,
}

impl Node {
    fn facts(self) -> Option<PullRequestFacts> {
        let state = match self.state.as_str() {
            "OPEN" => PullRequestState::Open,
            "MERGED" => PullRequestState::Merged,
            _ => PullRequestState::Closed,
        };
        let (files, commits) = (self.files.unwrap_or_default(), self.commits.unwrap_or_default());
        Some(PullRequestFacts {
            pull_request: PullRequest {
                number: self.number,
                title: self.title,
                author: self.author.map(|a| a.login),
                labels: self.labels.into_iter().flat_map(Page::into_nodes).map(|l| l.name).collect(),
            },
            state,
            draft: self.is_draft,
            from_fork: self.is_cross_repository,
            head: Sha::parse(&self.head_ref_oid).ok()?,
            head_branch: self.head_ref_name,
            base_branch: self.base_ref_name,
            merged_as: self.merge_commit.and_then(|c| Sha::parse(&c.oid).ok()),
            files_complete: !files.page_info.has_next_page,
            files: files.into_nodes().map(|f| f.path).collect(),
            commits_complete: !commits.page_info.has_next_page,
            commits: commits.into_nodes().filter_map(|c| c.commit.commit()).collect(),
        })
    }
}

impl Installation {
    /// One request. `Gone` when there is no such pull request.
    pub async fn pull_request(&self, repo: &RepoName, number: u64) -> Result<PullRequestFacts, Trouble> {
        let mut size = PageSize::full();
        let answered = loop {
            let variables = json!({"owner": repo.owner(), "name": repo.name(), "number": number, "items": size.get()});
            match self.query::<Data>(Operation::PullRequestFacts, PULL_REQUEST_FACTS, variables).await {
                Ok(answered) => break answered.tolerating(&[])?,
                Err(trouble) => size.shrink(trouble)?,
            }
        };
        let node = answered.data.repository.and_then(|r| r.pull_request);
        let nonsense = || Trouble::nonsense(Operation::PullRequestFacts, "the pull request is incomplete");
        node.and_then(Node::facts).ok_or_else(nonsense)
    }

    /// Whether a pull request changes (adds, edits, removes or renames) a path.
    pub async fn changes_path(&self, repo: &RepoName, facts: &PullRequestFacts, path: &str) -> Result<bool, Trouble> {
        #[derive(Deserialize)]
        struct File {
            filename: String,
            previous_filename: Option<String>,
        }
        if facts.files.iter().any(|f| f == path) {
            return Ok(true);
        }
        if facts.files_complete {
            return Ok(false);
        }
        let mut next = Some(repo_path(repo, &format!("pulls/{}/files?per_page=100", facts.pull_request.number)));
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = self.call(Call::new(Operation::PullRequestFiles, target)).await?;
            next = reply.next_page();
            let files: Vec<File> = reply.json()?;
            if files.iter().any(|f| f.filename == path || f.previous_filename.as_deref() == Some(path)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
