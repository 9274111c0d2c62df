//! Everything that judging and releasing one commit needs, in one request where GitHub lets us.
//!
//! More than one request only when: there are over 100 checks, a tag points to a tag, GitHub gives up on the page size, or
//! GraphQL does not compare the commit with the default branch (then REST does).

use super::checks::{self, Rollup};
use super::clock::now;
use super::git_objects::{CommitNode, FileNode, RefNode};
use super::graphql::{Answered, Page, PageSize};
use super::tag_releases::{Found, ReleasesOfTag};
use super::{Class, Installation, Operation, Trouble};
use crate::domain::{
    Ancestry, BranchRef, CommitFacts, FileAt, PullHead, ReleaseInfo, RepoId, RepoName, Sha, Tag, TagRef, Unreadable,
};
use serde::Deserialize;
use serde_json::json;

const RELEASE_FACTS: &str = concat!(
    include_str!("queries/release_facts.graphql"),
    include_str!("queries/fragment_history.graphql"),
    include_str!("queries/fragment_checks.graphql"),
    include_str!("queries/fragment_release.graphql"),
    include_str!("queries/fragment_text.graphql"),
);

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOrSha {
    Tag(Tag),
    Sha(Sha),
}

#[derive(Debug, Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    default_branch_ref: Option<DefaultBranch>,
    asked: Option<Asked>,
    refs: Option<Page<RefNode>>,
    pull_request: Option<PullNode>,
    #[serde(flatten)]
    of_tag: ReleasesOfTag,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullNode {
    state: String,
    head_ref_oid: String,
    head_ref_name: String,
    head_repository: Option<HeadRepository>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadRepository {
    database_id: Option<u64>,
}

impl PullNode {
    fn head(self) -> Option<PullHead> {
        Some(PullHead {
            sha: Sha::parse(&self.head_ref_oid).ok()?,
            branch: self.head_ref_name,
            open: self.state == "OPEN",
            repo: self.head_repository.and_then(|repo| repo.database_id).map(RepoId),
        })
    }
}

#[derive(Debug, Deserialize)]
struct DefaultBranch {
    name: String,
    compare: Option<Comparison>,
    target: Option<BranchHead>,
}

#[derive(Debug, Deserialize)]
struct Comparison {
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BranchHead {
    oid: String,
    settings: Option<FileNode>,
    cliff: Option<FileNode>,
    dot_cliff: Option<FileNode>,
    config_cliff: Option<FileNode>,
}

/// The commit itself, or a tag with the commit in `target`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    #[serde(rename = "__typename")]
    kind: String,
    oid: String,
    message: Option<String>,
    target: Option<Box<Asked>>,
    settings_here: Option<FileNode>,
    cargo: Option<FileNode>,
    npm: Option<FileNode>,
    python: Option<FileNode>,
    status_check_rollup: Option<Rollup>,
    history: Option<Page<CommitNode>>,
}

/// Fields whose errors are told apart from "none" one by one; any other error spoils the answer.
const TOLERATED: &[&str] = &["statusCheckRollup", "settings", "settingsHere", "compare"];

/// Fields that are rightly absent in many repositories.
const OPTIONAL: &[&str] = &[
    "asked",
    "release",
    "pullRequest",
    "settings",
    "settingsHere",
    "cliff",
    "dotCliff",
    "configCliff",
    "cargo",
    "npm",
    "python",
];

impl Installation {
    /// One request; see the module for the exceptions. A tag or commit that does not exist leaves `sha` empty.
    pub async fn commit_facts(&self, repo: &RepoName, ask: &TagOrSha) -> Result<CommitFacts, Trouble> {
        self.facts_beside(repo, ask, None).await.map(|(facts, _)| facts)
    }

    /// The same, and what stands at the head of a pull request; nothing where there is no such pull request.
    pub async fn pull_facts(&self, repo: &RepoName, sha: &Sha, pull: u64) -> Result<(CommitFacts, Option<PullHead>), Trouble> {
        self.facts_beside(repo, &TagOrSha::Sha(sha.clone()), Some(pull)).await
    }

    async fn facts_beside(
        &self,
        repo: &RepoName,
        ask: &TagOrSha,
        pull: Option<u64>,
    ) -> Result<(CommitFacts, Option<PullHead>), Trouble> {
        let mut object = match ask {
            TagOrSha::Tag(tag) => format!("refs/tags/{tag}"),
            TagOrSha::Sha(sha) => sha.to_string(),
        };
        // Once more for a tag of a tag (of a tag …), and the first time that a repository turns out to have many releases.
        for _ in 0..5 {
            let many = self.has_many_releases(repo);
            let mut answered = self.ask_release_facts(repo, ask, pull, (&object, many)).await?;
            let missing = || Trouble::nonsense(Operation::ReleaseFacts, "no repository");
            let repository = answered.data.repository.as_mut().ok_or_else(missing)?;
            let head = repository.pull_request.take().and_then(PullNode::head);
            let of_tag = std::mem::take(&mut repository.of_tag);
            let (releases, without_text) = match ask {
                TagOrSha::Sha(_) => (Vec::new(), Vec::new()),
                TagOrSha::Tag(tag) => match of_tag.of(tag, many) {
                    Found::All(releases, without_text) => (releases, without_text),
                    Found::AskForTag => {
                        self.learn_many_releases(repo);
                        continue;
                    }
                },
            };
            if let Some(oid) = repository.asked.as_ref().and_then(Asked::deeper) {
                object = oid;
                continue;
            }
            let releases = self.with_texts(repo, releases, without_text).await?;
            return Ok((self.facts_from(repo, ask, answered, releases).await?, head));
        }
        let fix = "Make the tag point to a commit.";
        Err(Trouble::new(Class::Refused, "tag_of_tags", "The tag points to a tag that points to a tag, and so on.", fix))
    }

    async fn ask_release_facts(
        &self,
        repo: &RepoName,
        ask: &TagOrSha,
        pull: Option<u64>,
        (object, many): (&str, bool),
    ) -> Result<Answered<Data>, Trouble> {
        let (tag, head) = match ask {
            TagOrSha::Tag(tag) => (Some(tag), format!("refs/tags/{tag}")),
            TagOrSha::Sha(sha) => (None, sha.to_string()),
        };
        let mut size = PageSize::full();
        loop {
            let variables = json!({
                "owner": repo.owner(), "name": repo.name(), "asked": object, "head": head,
                "tag": tag.map_or("", Tag::as_str), "withTag": tag.is_some(), "many": many && tag.is_some(), "items": size.get(),
                "pull": pull.unwrap_or(0), "withPull": pull.is_some(),
            });
            match self.query::<Data>(Operation::ReleaseFacts, RELEASE_FACTS, variables).await {
                Ok(answered) => return answered.absent_is_none(OPTIONAL).tolerating(TOLERATED),
                Err(trouble) => size.shrink(trouble)?,
            }
        }
    }

    async fn facts_from(
        &self,
        repo: &RepoName,
        ask: &TagOrSha,
        mut got: Answered<Data>,
        releases: Vec<ReleaseInfo>,
    ) -> Result<CommitFacts, Trouble> {
        let missing = |what: &str| Trouble::nonsense(Operation::ReleaseFacts, what);
        let repository = got.data.repository.take().ok_or_else(|| missing("no repository"))?;
        let Some(branch) = repository.default_branch_ref else { return Err(empty_repository()) };
        let head = branch.target.ok_or_else(|| missing("no head of the default branch"))?;
        let head_sha = Sha::parse(&head.oid).map_err(|_| missing("the head is no commit id"))?;
        let readable = |field: &str, file: Option<FileNode>| match got.denied(field) {
            Some(unreadable) => Err(unreadable),
            None => file.map_or(Ok(None), FileNode::text),
        };
        let config = readable("settings", head.settings);
        let (tag, commit) = repository.asked.map_or((None, None), |asked| asked.split(ask));
        let sha = commit.as_ref().and_then(|c| Sha::parse(&c.oid).ok());
        let default_branch = BranchRef { name: branch.name, head: head_sha };
        let on_default_branch = match (&sha, branch.compare) {
            (None, _) => None,
            (Some(_), Some(compared)) => Some(ancestry(&compared.status)),
            (Some(sha), None) => Some(self.ancestry(repo, &default_branch.name, sha).await?),
        };
        let commit = commit.unwrap_or_else(Asked::nothing);
        let config_here = readable("settingsHere", commit.settings_here);
        let first = checks::page(commit.status_check_rollup, &got);
        let checks = match &sha {
            Some(sha) => self.all_checks(repo, sha, first).await?,
            None => first.items,
        };
        let history = commit.history.unwrap_or_default();
        let history_complete = !history.page_info.has_next_page;
        let history: Vec<_> = history.into_nodes().filter_map(CommitNode::commit).collect();
        self.github.inner.people.learn(&history);
        sha.iter().for_each(|sha| self.github.inner.learned.add(sha.as_str()));
        let tags = repository.refs.unwrap_or_default();
        Ok(CommitFacts {
            at: now(),
            default_branch,
            on_default_branch,
            tags_complete: !tags.page_info.has_next_page,
            tags: tags.into_nodes().filter_map(|node| node.tag()).collect(),
            releases,
            tag,
            checks,
            config,
            config_here,
            manifests: texts([commit.cargo, commit.npm, commit.python])?,
            notes_config: texts([head.cliff, head.dot_cliff, head.config_cliff])?,
            history,
            history_complete,
            sha,
        })
    }
}

impl Asked {
    /// The tag below this tag, if the commit was not reached.
    fn deeper(&self) -> Option<String> {
        let below = self.target.as_ref().filter(|_| self.kind == "Tag")?;
        (below.kind == "Tag").then(|| below.oid.clone())
    }

    /// The tag as it is now, and the commit; nothing where a tag points to a tree or blob.
    fn split(mut self, ask: &TagOrSha) -> (Option<TagRef>, Option<Self>) {
        let (annotated, message) = (self.kind == "Tag", self.message.take());
        let object = Sha::parse(&self.oid).ok();
        let commit = match self.target.take() {
            Some(below) if annotated => *below,
            _ => self,
        };
        let sha = Sha::parse(&commit.oid).ok().filter(|_| commit.kind == "Commit");
        let Some(sha) = sha else { return (None, None) };
        let tag = match ask {
            TagOrSha::Tag(name) => Some(TagRef { name: name.clone(), commit: sha, annotated, message, object }),
            TagOrSha::Sha(_) => None,
        };
        (tag, Some(commit))
    }

    fn nothing() -> Self {
        Self {
            kind: String::new(),
            oid: String::new(),
            message: None,
            target: None,
            settings_here: None,
            cargo: None,
            npm: None,
            python: None,
            status_check_rollup: None,
            history: None,
        }
    }
}

/// GitHub's word for the way from the branch to the commit.
pub(super) fn ancestry(status: &str) -> Ancestry {
    match status.to_ascii_uppercase().as_str() {
        "BEHIND" | "IDENTICAL" => Ancestry::Contained,
        _ => Ancestry::NotContained,
    }
}

/// Files that exist and are text; one that cannot be read whole is an error, because a gate relies on it.
fn texts(files: [Option<FileNode>; 3]) -> Result<Vec<FileAt>, Trouble> {
    let mut found = Vec::new();
    for file in files.into_iter().flatten() {
        match file.text() {
            Ok(text) => found.extend(text),
            Err(Unreadable { reason }) => {
                let fix = "Make it a text file of less than 512 KiB.";
                return Err(Trouble::new(Class::Refused, "file_unreadable", reason, fix));
            }
        }
    }
    Ok(found)
}

fn empty_repository() -> Trouble {
    let fix = "Push a commit to the default branch.";
    Trouble::new(Class::Gone, "repository_empty", "The repository has no default branch yet.", fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::repo::CONFIG_PATH;

    #[test]
    fn the_settings_are_read_where_they_are() {
        let named = format!("(path: \"{CONFIG_PATH}\")");
        assert_eq!(RELEASE_FACTS.matches(&named).count(), 2, "at the default branch and at the commit");
        assert_eq!(RELEASE_FACTS.matches("lockkeeper.toml").count(), 2);
    }
}
