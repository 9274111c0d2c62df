//! A range by REST compare: pages of 100, pull requests from subjects.

use super::client::Call;
use super::paths::{encode, repo_path};
use super::range::{RangeBase, finish, only_newest};
use super::topology::pull_request_of;
use super::{Installation, Operation, Trouble};
use crate::domain::{Commit, Millis, Range, RepoName, Sha};
use serde::Deserialize;

/// 10,000 commits.
const MAX_PAGES: usize = 100;

#[derive(Deserialize)]
struct Compared {
    behind_by: u64,
    #[serde(default)]
    total_commits: u64,
    #[serde(default)]
    commits: Vec<RawCommit>,
}

#[derive(Deserialize)]
struct RawCommit {
    sha: String,
    commit: Details,
    author: Option<Account>,
    #[serde(default)]
    parents: Vec<Parent>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    message: String,
    author: Option<Person>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Person {
    name: Option<String>,
    email: Option<String>,
    date: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    /// GitHub sends an empty object for an account that is gone.
    login: Option<String>,
}

#[derive(Deserialize)]
struct Parent {
    sha: String,
}

impl RawCommit {
    fn commit(self) -> Option<Commit> {
        let author = self.commit.author.unwrap_or_default();
        Some(Commit {
            sha: Sha::parse(&self.sha).ok()?,
            pull_request: pull_request_of(&self.commit.message),
            message: self.commit.message,
            parents: self.parents.iter().filter_map(|p| Sha::parse(&p.sha).ok()).collect(),
            author_name: author.name.unwrap_or_default(),
            author_email: author.email.unwrap_or_default(),
            time: author.date.and_then(|d| Millis::parse_rfc3339(&d)).map_or(0, |at| at.0 / 1000),
            account: None,
            login: self.author.and_then(|a| a.login),
            first_contribution: None,
        })
    }
}

impl Installation {
    /// `None` when the head does not contain the base, or the base does not exist any more.
    pub(super) async fn compare_by_rest(
        &self,
        repo: &RepoName,
        base: &RangeBase,
        head: &Sha,
    ) -> Result<Option<Range>, Trouble> {
        let from = base.commit.as_ref().map_or_else(|| encode(&format!("refs/tags/{}", base.tag)), Sha::to_string);
        let mut next = Some(repo_path(repo, &format!("compare/{from}...{head}?per_page=100&page=1")));
        let (mut commits, mut total) = (Vec::new(), 0);
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = match self.call(Call::new(Operation::CompareCommits, target)).await {
                Ok(reply) => reply,
                Err(trouble) if trouble.is_gone() && commits.is_empty() => return Ok(None),
                Err(trouble) => return Err(trouble),
            };
            next = reply.next_page();
            let page: Compared = reply.json()?;
            if page.behind_by > 0 {
                return Ok(None);
            }
            total = page.total_commits;
            commits.extend(page.commits.into_iter().filter_map(RawCommit::commit));
        }
        let have = commits.len();
        let missing = (u64::try_from(have).unwrap_or(u64::MAX) < total).then(|| only_newest(have, total));
        Ok(Some(finish(Some(base.tag.clone()), head, commits, missing)))
    }
}
