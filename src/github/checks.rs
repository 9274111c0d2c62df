//! Check runs and commit statuses of a commit, by GraphQL's roll-up.
//!
//! Invariants: a check that we may not see makes the whole list `Unreadable`; a state that we do not know is a failure, never
//! a pass; all pages are read.

use super::clock::now;
use super::git_objects::Login;
use super::graphql::{Answered, Page, PageInfo, PageSize};
use super::{Installation, Operation, Trouble};
use crate::domain::{CheckItem, CheckSource, CheckState, Millis, RepoName, Sha, Unreadable};
use serde::Deserialize;
use serde_json::json;

const MORE_CHECKS: &str = concat!(include_str!("queries/more_checks.graphql"), include_str!("queries/fragment_checks.graphql"));

/// More than this many pages is not a commit that anybody waits for.
const MAX_PAGES: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Rollup {
    contexts: Option<Page<ContextNode>>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "__typename")]
enum ContextNode {
    CheckRun(CheckRunNode),
    StatusContext(StatusNode),
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckRunNode {
    database_id: Option<u64>,
    name: String,
    status: String,
    conclusion: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
    url: Option<String>,
    check_suite: Option<SuiteNode>,
}

#[derive(Debug, Deserialize)]
struct SuiteNode {
    app: Option<AppNode>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppNode {
    database_id: Option<u64>,
    slug: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusNode {
    context: String,
    state: String,
    created_at: Option<String>,
    target_url: Option<String>,
    creator: Option<Login>,
}

/// One page as items; `Err` when GitHub hid something of it.
pub(super) struct ChecksPage {
    pub items: Result<Vec<CheckItem>, Unreadable>,
    pub next: Option<String>,
}

/// Reads the roll-up of an answer. Nothing at all is an empty list only if no error says otherwise.
pub(super) fn page<T>(rollup: Option<Rollup>, answered: &Answered<T>) -> ChecksPage {
    if let Some(unreadable) = answered.denied("statusCheckRollup") {
        return ChecksPage { items: Err(unreadable), next: None };
    }
    let Some(contexts) = rollup.and_then(|r| r.contexts) else { return ChecksPage { items: Ok(Vec::new()), next: None } };
    let PageInfo { has_next_page, end_cursor } = contexts.page_info.clone();
    let at = now();
    let items = contexts.nodes.into_iter().map(|node| node.and_then(|n| n.item(at)));
    let unknown = || Unreadable { reason: "GitHub names a kind of check that Lockkeeper does not know.".into() };
    let items = items.collect::<Option<Vec<_>>>().ok_or_else(unknown);
    ChecksPage { items, next: end_cursor.filter(|_| has_next_page) }
}

/// The commit itself was not shown: what is on it is unreadable, not none.
pub(super) fn unseen() -> ChecksPage {
    ChecksPage { items: Err(Unreadable { reason: "GitHub did not show the commit.".into() }), next: None }
}

impl ContextNode {
    fn item(self, read_at: Millis) -> Option<CheckItem> {
        match self {
            Self::CheckRun(run) => Some(run.item(read_at)),
            Self::StatusContext(status) => Some(status.item()),
            Self::Unknown => None,
        }
    }
}

impl CheckRunNode {
    fn item(self, read_at: Millis) -> CheckItem {
        let app = self.check_suite.and_then(|s| s.app);
        // `databaseId` is a 32-bit Int in the schema; the page's address ends in the id too.
        let from_url = || self.url.as_deref()?.rsplit('/').next()?.parse().ok();
        let id = self.database_id.or_else(from_url).unwrap_or(0);
        let started = self.started_at.or(self.completed_at).and_then(|t| Millis::parse_rfc3339(&t));
        let word = if self.status == "COMPLETED" { self.conclusion.unwrap_or_default() } else { self.status };
        CheckItem {
            name: self.name,
            source: CheckSource::CheckRun {
                id,
                app_id: app.as_ref().and_then(|a| a.database_id).unwrap_or(0),
                app_slug: app.and_then(|a| a.slug).unwrap_or_default(),
            },
            state: run_state(&word),
            conclusion: word.to_ascii_lowercase(),
            // Not started yet: newer than all that have.
            at: started.unwrap_or(read_at),
            url: self.url,
        }
    }
}

impl StatusNode {
    fn item(self) -> CheckItem {
        CheckItem {
            name: self.context,
            source: CheckSource::Status { creator: self.creator.map(|c| c.login).unwrap_or_default() },
            state: status_state(&self.state),
            conclusion: self.state.to_ascii_lowercase(),
            at: self.created_at.and_then(|t| Millis::parse_rfc3339(&t)).unwrap_or_default(),
            url: self.target_url,
        }
    }
}

/// Of a check run's status, or of its conclusion once it is completed; GitHub's upper- or lower-case words.
pub(super) fn run_state(word: &str) -> CheckState {
    match word.to_ascii_uppercase().as_str() {
        "QUEUED" | "IN_PROGRESS" | "WAITING" | "PENDING" | "REQUESTED" => CheckState::Pending,
        "SUCCESS" => CheckState::Success,
        "NEUTRAL" | "SKIPPED" => CheckState::Neutral,
        _ => CheckState::Failure,
    }
}

fn status_state(word: &str) -> CheckState {
    match word {
        "SUCCESS" => CheckState::Success,
        "PENDING" | "EXPECTED" => CheckState::Pending,
        _ => CheckState::Failure,
    }
}

#[derive(Debug, Deserialize)]
struct MoreData {
    repository: Option<MoreRepository>,
}

#[derive(Debug, Deserialize)]
struct MoreRepository {
    asked: Option<MoreCommit>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoreCommit {
    status_check_rollup: Option<Rollup>,
}

impl Installation {
    /// Completes a first page with those that follow, one request for each.
    pub(super) async fn all_checks(&self, repo: &RepoName, sha: &Sha, first: ChecksPage) -> Result<Checks, Trouble> {
        let ChecksPage { items, mut next } = first;
        let Ok(mut all) = items else { return Ok(items) };
        for _ in 0..MAX_PAGES {
            let Some(after) = next.take() else { return Ok(Ok(all)) };
            let more = self.checks_page(repo, sha, Some(&after)).await?;
            match more.items {
                Ok(items) => all.extend(items),
                unreadable => return Ok(unreadable),
            }
            next = more.next;
        }
        Ok(Err(Unreadable { reason: "The commit has more checks than Lockkeeper reads.".into() }))
    }

    /// Check runs and statuses of a commit, our own included.
    pub async fn checks(&self, repo: &RepoName, sha: &Sha) -> Result<Checks, Trouble> {
        let first = self.checks_page(repo, sha, None).await?;
        self.all_checks(repo, sha, first).await
    }

    async fn checks_page(&self, repo: &RepoName, sha: &Sha, after: Option<&str>) -> Result<ChecksPage, Trouble> {
        let mut size = PageSize::full();
        loop {
            let variables = json!({
                "owner": repo.owner(), "name": repo.name(), "sha": sha, "items": size.get(), "after": after,
            });
            match self.query::<MoreData>(Operation::MoreChecks, MORE_CHECKS, variables).await {
                Ok(answered) => {
                    let mut answered = answered.tolerating(&["statusCheckRollup"])?;
                    let asked = answered.data.repository.take().and_then(|r| r.asked);
                    return Ok(page(asked.and_then(|c| c.status_check_rollup), &answered));
                }
                Err(trouble) => size.shrink(trouble)?,
            }
        }
    }
}

/// "Could not be read" is not "none".
pub(super) type Checks = Result<Vec<CheckItem>, Unreadable>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_never_pass() {
        for (word, state) in [
            ("SUCCESS", CheckState::Success),
            ("success", CheckState::Success),
            ("SKIPPED", CheckState::Neutral),
            ("QUEUED", CheckState::Pending),
            ("TIMED_OUT", CheckState::Failure),
            ("STALE", CheckState::Failure),
            ("", CheckState::Failure),
            ("BRAND_NEW", CheckState::Failure),
        ] {
            assert_eq!(run_state(word), state, "{word}");
        }
        assert_eq!(status_state("EXPECTED"), CheckState::Pending);
        assert_eq!(status_state("ERROR"), CheckState::Failure);
    }

    #[test]
    fn large_ids_come_from_the_address() {
        let run: CheckRunNode = serde_json::from_value(serde_json::json!({
            "databaseId": null, "name": "ci", "status": "QUEUED", "conclusion": null, "startedAt": null, "completedAt": null,
            "url": "https://github.com/a/b/runs/51234567890", "checkSuite": {"app": {"databaseId": 15368, "slug": "github-actions"}}
        }))
        .unwrap();
        let item = run.item(Millis(7));
        assert_eq!(
            item.source,
            CheckSource::CheckRun { id: 51_234_567_890, app_id: 15_368, app_slug: "github-actions".into() }
        );
        assert_eq!((item.at, item.state), (Millis(7), CheckState::Pending), "not started is newest");
    }
}
