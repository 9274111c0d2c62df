//! The commits that a release adds.
//!
//! Ways, in this order: GraphQL compare in pages of 100 (halved when GitHub gives up), `git fetch` without files for more than
//! [`FETCH_ABOVE`] commits, REST compare with pull requests read from subjects. A way that fails for reasons of its own
//! gives way to the next; a list that is known to be short says so in [`Range::incomplete`].

use super::git_objects::{CommitNode, GitObject};
use super::graphql::{Page, PageSize};
use super::topology::oldest_first;
use super::{Installation, Operation, Trouble};
use crate::domain::{Commit, Range, RepoName, Sha, Tag};
use serde::Deserialize;
use serde_json::json;

const RANGE: &str = concat!(include_str!("queries/range_of_commits.graphql"), include_str!("queries/fragment_history.graphql"));
const HISTORY: &str =
    concat!(include_str!("queries/history_of_commit.graphql"), include_str!("queries/fragment_history.graphql"));

/// A range above this many commits is fetched by `git`: the API would take more than ten calls.
pub const FETCH_ABOVE: u64 = 1_000;
/// Candidates that are looked at; the rest are older than anybody asks about.
const MAX_CANDIDATES: usize = 10;
/// No range is followed by API pages beyond this many commits.
const MAX_PAGED: u64 = 10_000;

/// A tag that may be the previous release, with its commit where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeBase {
    pub tag: Tag,
    pub commit: Option<Sha>,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    r#ref: Option<Base>,
    asked: Option<Asked>,
}

#[derive(Deserialize)]
struct Base {
    target: Option<GitObject>,
    compare: Option<Compared>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    ahead_by: u64,
    behind_by: u64,
    commits: Option<Page<CommitNode>>,
}

#[derive(Deserialize)]
struct Asked {
    history: Option<Page<CommitNode>>,
}

/// A first page of a comparison.
struct FirstPage {
    total: u64,
    commits: Vec<Commit>,
    next: Option<String>,
}

/// How a candidate stands to the head.
enum Candidate {
    /// The head does not contain it.
    Elsewhere,
    /// GraphQL cannot tell: the tag is gone or has moved, or there is no comparison.
    Unclear,
    Contained(FirstPage),
}

impl Installation {
    /// The commits after the first candidate that the head contains; all of the head's history if there is none.
    pub async fn range(&self, repo: &RepoName, candidates: &[RangeBase], head: &Sha) -> Result<Range, Trouble> {
        for base in candidates.iter().take(MAX_CANDIDATES) {
            if let Some(range) = self.range_after(repo, base, head).await? {
                return Ok(self.learned(range));
            }
        }
        let range = self.whole_history(repo, head).await?;
        Ok(self.learned(range))
    }

    fn learned(&self, range: Range) -> Range {
        self.github.inner.people.learn(&range.commits);
        self.github.inner.learned.add(range.head.as_str());
        range
    }

    async fn range_after(&self, repo: &RepoName, base: &RangeBase, head: &Sha) -> Result<Option<Range>, Trouble> {
        let mut size = PageSize::full();
        let first = match self.candidate(repo, base, head, &mut size).await {
            Ok(Candidate::Elsewhere) => return Ok(None),
            Ok(Candidate::Contained(first)) => first,
            Ok(Candidate::Unclear) => return self.compare_by_rest(repo, base, head).await,
            Err(trouble) if trouble.asks_for_less() => return self.compare_by_rest(repo, base, head).await,
            Err(trouble) => return Err(trouble),
        };
        let total = first.total;
        if total > FETCH_ABOVE
            && let Some(range) = self.fetched(repo, Some(&base.tag), head, Some(total)).await?
        {
            return Ok(Some(range));
        }
        match self.pages(repo, base, head, first, &mut size).await {
            Ok(commits) if covers(&commits, total) => Ok(Some(finish(Some(base.tag.clone()), head, commits, None))),
            Ok(_) => self.compare_by_rest(repo, base, head).await,
            Err(trouble) if trouble.asks_for_less() => self.compare_by_rest(repo, base, head).await,
            Err(trouble) => Err(trouble),
        }
    }

    async fn candidate(
        &self,
        repo: &RepoName,
        base: &RangeBase,
        head: &Sha,
        size: &mut PageSize,
    ) -> Result<Candidate, Trouble> {
        let Some(found) = self.compare_page(repo, base, head, size, None).await? else { return Ok(Candidate::Unclear) };
        let stands_at = found.target.as_ref().and_then(GitObject::commit);
        if base.commit.is_some() && base.commit != stands_at {
            return Ok(Candidate::Unclear);
        }
        let Some(compared) = found.compare else { return Ok(Candidate::Unclear) };
        if compared.behind_by > 0 {
            return Ok(Candidate::Elsewhere);
        }
        let page = compared.commits.unwrap_or_default();
        let next = page.page_info.end_cursor.clone().filter(|_| page.page_info.has_next_page);
        let commits = page.into_nodes().filter_map(CommitNode::commit).collect();
        Ok(Candidate::Contained(FirstPage { total: compared.ahead_by, commits, next }))
    }

    /// One page; `None` when the tag is gone. The page shrinks until GitHub answers.
    async fn compare_page(
        &self,
        repo: &RepoName,
        base: &RangeBase,
        head: &Sha,
        size: &mut PageSize,
        after: Option<&str>,
    ) -> Result<Option<Base>, Trouble> {
        loop {
            let variables = json!({
                "owner": repo.owner(), "name": repo.name(), "tagRef": format!("refs/tags/{}", base.tag),
                "head": head, "size": size.get(), "after": after,
            });
            match self.query::<Data>(Operation::RangeOfCommits, RANGE, variables).await {
                Ok(answered) => {
                    return Ok(answered
                        .absent_is_none(&["ref"])
                        .tolerating(&["compare"])?
                        .data
                        .repository
                        .and_then(|r| r.r#ref));
                }
                Err(trouble) => size.shrink(trouble)?,
            }
        }
    }

    /// The pages after the first.
    async fn pages(
        &self,
        repo: &RepoName,
        base: &RangeBase,
        head: &Sha,
        first: FirstPage,
        size: &mut PageSize,
    ) -> Result<Vec<Commit>, Trouble> {
        let (mut commits, mut next) = (first.commits, first.next);
        while let Some(after) = next {
            if u64::try_from(commits.len()).unwrap_or(u64::MAX) >= MAX_PAGED {
                break;
            }
            let page = self.compare_page(repo, base, head, size, Some(&after)).await?;
            let page = page.and_then(|b| b.compare).and_then(|c| c.commits).unwrap_or_default();
            next = page.page_info.end_cursor.clone().filter(|_| page.page_info.has_next_page);
            commits.extend(page.into_nodes().filter_map(CommitNode::commit));
        }
        Ok(commits)
    }

    /// Everything that the head contains: by pages, or by `git` where it is long.
    async fn whole_history(&self, repo: &RepoName, head: &Sha) -> Result<Range, Trouble> {
        let (mut size, mut after, mut commits, mut total) = (PageSize::full(), None::<String>, Vec::new(), 0);
        loop {
            let variables = json!({
                "owner": repo.owner(), "name": repo.name(), "head": head, "size": size.get(), "after": after,
            });
            let page = match self.query::<Data>(Operation::HistoryOfCommit, HISTORY, variables).await {
                Ok(answered) => answered.absent_is_none(&["asked"]).tolerating(&[])?.data.repository.and_then(|r| r.asked),
                Err(trouble) => {
                    size.shrink(trouble)?;
                    continue;
                }
            };
            let page = page.ok_or_else(|| Trouble::commit_gone(head).at(Operation::HistoryOfCommit))?.history;
            let page = page.ok_or_else(|| Trouble::nonsense(Operation::HistoryOfCommit, "the commit has no history"))?;
            if after.is_none() {
                total = page.total_count;
                if total > FETCH_ABOVE
                    && let Some(range) = self.fetched(repo, None, head, Some(total)).await?
                {
                    return Ok(range);
                }
            }
            let next = page.page_info.end_cursor.clone().filter(|_| page.page_info.has_next_page);
            commits.extend(page.into_nodes().filter_map(CommitNode::commit));
            after = next;
            // What follows is older than what a first release needs to tell.
            let enough = u64::try_from(commits.len()).unwrap_or(u64::MAX) >= FETCH_ABOVE;
            if after.is_none() || enough {
                let missing = (!covers(&commits, total)).then(|| only_newest(commits.len(), total));
                return Ok(finish(None, head, commits, missing));
            }
        }
    }
}

fn covers(commits: &[Commit], total: u64) -> bool {
    u64::try_from(commits.len()).unwrap_or(u64::MAX) >= total
}

pub(super) fn only_newest(have: usize, total: u64) -> String {
    format!("Only {have} of {total} commits could be read.")
}

pub(super) fn finish(from: Option<Tag>, head: &Sha, commits: Vec<Commit>, incomplete: Option<String>) -> Range {
    Range { from, head: head.clone(), commits: oldest_first(commits), incomplete }
}
