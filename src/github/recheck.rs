//! A second look at what may have changed while a run waited: one request.

use super::checks::{self, Rollup};
use super::clock::now;
use super::compare::Distance;
use super::git_objects::{CommitNode, GitObject};
use super::graphql::{Answered, Page, PageSize};
use super::tag_releases::{Found, ReleasesOfTag};
use super::touched::Id;
use super::{Installation, Operation, Trouble};
use crate::domain::{Commit, Folder, Millis, Recheck, ReleaseInfo, RepoName, Sha, Tag};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

const RECHECK: &str = concat!(
    include_str!("queries/recheck.graphql"),
    include_str!("queries/fragment_checks.graphql"),
    include_str!("queries/fragment_release.graphql"),
);
const AUTHORS_OF: &str = include_str!("queries/authors_of.graphql");
/// Each account costs GitHub a request of its own; more would be slow, and a list of more names helps nobody.
const MAX_AUTHORS: usize = 50;

/// What to look at again.
#[derive(Clone, Debug)]
pub struct RecheckAsk<'a> {
    pub tag: Option<&'a Tag>,
    pub sha: &'a Sha,
    /// The commit of the previous release.
    pub base: Option<&'a Sha>,
    /// Logins of which to say whether the base's history knows them; the first 50.
    pub authors: &'a [String],
    /// A folder of which to say which commits touch it.
    pub folder: Option<&'a Folder>,
}

#[derive(Debug, Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    tag_ref: Option<TagNode>,
    #[serde(flatten)]
    of_tag: ReleasesOfTag,
    asked: Option<CommitChecks>,
    /// Holds `a0`, `a1`, … beside `oid`.
    #[serde(default)]
    base: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct TagNode {
    target: Option<GitObject>,
    compare: Option<Counts>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    ahead_by: u64,
    behind_by: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitChecks {
    status_check_rollup: Option<Rollup>,
    touched: Option<Page<Id>>,
}

impl Installation {
    /// One request; one more for each hundred checks, and after a restart one to learn the authors' addresses again.
    pub async fn recheck(&self, repo: &RepoName, ask: RecheckAsk<'_>) -> Result<Recheck, Trouble> {
        let authors = if ask.base.is_some() { self.addresses(repo, &ask).await? } else { Vec::new() };
        let (mut got, releases) = self.ask_again(repo, &ask, &authors).await?;
        let base_unreadable = got.denied("base").is_some();
        let nonsense = || Trouble::nonsense(Operation::Recheck, "no repository");
        let repository = got.data.repository.take().ok_or_else(nonsense)?;
        let (object, counts) = repository.tag_ref.map_or((None, None), |r| (r.target, r.compare));
        let tag = ask.tag.and_then(|name| object.as_ref()?.tag(name.clone()));
        let (first, touched) = match repository.asked {
            Some(commit) => (checks::page(commit.status_check_rollup, &got), commit.touched),
            None => (checks::unseen(), None),
        };
        let checks = self.all_checks(repo, ask.sha, first).await?;
        let touched = match ask.folder {
            Some(folder) => self.touched(repo, ask.sha, folder, touched).await?,
            None => None,
        };
        let distance = match (ask.base, counts, &tag) {
            (None, ..) => None,
            // From the tag to the base, so the other way round; only if the tag still stands at the commit.
            (_, Some(c), Some(tag)) if &tag.commit == ask.sha => Some(Distance { ahead: c.behind_by, behind: c.ahead_by }),
            (Some(base), ..) => self.distance_if_any(repo, base, ask.sha).await?,
        };
        let unknown = |at: usize| {
            let count = repository.base.get(&format!("a{at}"))?.get("totalCount")?.as_u64()?;
            (count == 0 && !base_unreadable).then(|| authors[at].0.clone())
        };
        Ok(Recheck {
            at: now(),
            tag,
            releases,
            checks,
            ahead: distance.map(|d| d.ahead),
            behind: distance.map(|d| d.behind),
            first_time: (0..authors.len()).filter_map(unknown).collect(),
            touched,
        })
    }

    /// The answer, and the releases of the tag.
    async fn ask_again(
        &self,
        repo: &RepoName,
        ask: &RecheckAsk<'_>,
        authors: &[(String, Vec<String>)],
    ) -> Result<(Answered<Data>, Vec<ReleaseInfo>), Trouble> {
        let (document, mut variables) = request(repo, ask, authors);
        let mut size = PageSize::full();
        loop {
            let many = self.has_many_releases(repo) && ask.tag.is_some();
            variables["many"] = json!(many);
            variables["items"] = json!(size.get());
            let answered = match self.query::<Data>(Operation::Recheck, &document, variables.clone()).await {
                Ok(answered) => answered,
                Err(trouble) => {
                    size.shrink(trouble)?;
                    continue;
                }
            };
            let mut got = answered.absent_is_none(&["tagRef", "release", "base"]).tolerating(&[
                "statusCheckRollup",
                "compare",
                "base",
                "touched",
            ])?;
            let Some(tag) = ask.tag else { return Ok((got, Vec::new())) };
            let of_tag = got.data.repository.as_mut().map(|r| std::mem::take(&mut r.of_tag)).unwrap_or_default();
            match of_tag.of(tag, many) {
                Found::All(releases, without_text) => {
                    let releases = self.with_texts(repo, releases, without_text).await?;
                    return Ok((got, releases));
                }
                // Asked with `many` the next time, so this happens once.
                Found::AskForTag => self.learn_many_releases(repo),
            }
        }
    }

    /// `None` when the base is gone or unrelated.
    async fn distance_if_any(&self, repo: &RepoName, base: &Sha, head: &Sha) -> Result<Option<Distance>, Trouble> {
        match self.distance(repo, base, head).await {
            Ok(distance) => Ok(Some(distance)),
            Err(trouble) if trouble.is_gone() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Each account with its addresses; accounts that no commit of the range shows are left out, so never called new.
    async fn addresses(&self, repo: &RepoName, ask: &RecheckAsk<'_>) -> Result<Vec<(String, Vec<String>)>, Trouble> {
        let people = &self.github.inner.people;
        let asked = &ask.authors[..ask.authors.len().min(MAX_AUTHORS)];
        let learned = &self.github.inner.learned;
        if !learned.has(ask.sha.as_str()) && asked.iter().any(|login| people.addresses(login).is_none()) {
            people.learn(&self.authors_of(repo, ask.sha).await?);
            learned.add(ask.sha.as_str());
        }
        Ok(asked.iter().filter_map(|login| Some((login.clone(), people.addresses(login)?))).collect())
    }

    /// The newest hundred commits, for their authors.
    async fn authors_of(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<Commit>, Trouble> {
        #[derive(Deserialize)]
        struct Data {
            repository: Option<Repository>,
        }
        #[derive(Deserialize)]
        struct Repository {
            asked: Option<History>,
        }
        #[derive(Deserialize)]
        struct History {
            history: Option<Page<CommitNode>>,
        }
        let variables = json!({"owner": repo.owner(), "name": repo.name(), "sha": sha});
        let answered = self.query::<Data>(Operation::AuthorsOf, AUTHORS_OF, variables).await?.tolerating(&[])?;
        let history = answered.data.repository.and_then(|r| r.asked).and_then(|c| c.history).unwrap_or_default();
        Ok(history.into_nodes().filter_map(CommitNode::commit).collect())
    }
}

/// The document with one alias for each account; what people chose goes into variables, never into the document.
fn request(repo: &RepoName, ask: &RecheckAsk<'_>, authors: &[(String, Vec<String>)]) -> (String, Value) {
    let (mut declared, mut aliases) = (String::new(), String::new());
    let mut variables = json!({
        "owner": repo.owner(), "name": repo.name(),
        "tag": ask.tag.map_or("", Tag::as_str),
        "tagRef": ask.tag.map_or_else(String::new, |tag| format!("refs/tags/{tag}")),
        "withTag": ask.tag.is_some(), "sha": ask.sha,
        "base": ask.base.unwrap_or(ask.sha), "baseHead": ask.base.unwrap_or(ask.sha), "withBase": ask.base.is_some(),
        "path": ask.folder.map_or("", |folder| folder.path.as_str()),
        "since": ask.folder.map_or(Millis(0), |folder| folder.since).rfc3339(), "withPath": ask.folder.is_some(),
    });
    for (at, (_, addresses)) in authors.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(declared, "  $a{at}: CommitAuthor!");
        let _ = writeln!(aliases, "        a{at}: history(first: 1, author: $a{at}) {{ totalCount }}");
        variables[format!("a{at}")] = json!({"emails": addresses});
    }
    (RECHECK.replace("  #variables\n", &declared).replace("        #authors\n", &aliases), variables)
}
