//! Git objects as GraphQL gives them → our own words. Pure.
//!
//! What GitHub gives is trusted only after it was parsed: a tag or sha that is not one is left out or an error.

use super::graphql::Page;
use crate::domain::{Commit, FileAt, Millis, PullRequest, RepoId, Sha, Tag, TagRef, Unreadable, UserId};
use serde::Deserialize;

/// A commit, tag, tree or blob by reference.
#[derive(Debug, Deserialize)]
pub(super) struct GitObject {
    #[serde(rename = "__typename")]
    pub kind: String,
    pub oid: String,
    /// An annotated tag's message.
    pub message: Option<String>,
    /// What an annotated tag points to.
    pub target: Option<Box<GitObject>>,
}

impl GitObject {
    /// The commit behind any number of annotated tags, as far as they were asked for.
    pub fn commit(&self) -> Option<Sha> {
        match self.kind.as_str() {
            "Commit" => Sha::parse(&self.oid).ok(),
            "Tag" => self.target.as_ref()?.commit(),
            _ => None,
        }
    }

    pub fn tag(&self, name: Tag) -> Option<TagRef> {
        let annotated = self.kind == "Tag";
        let message = self.message.clone().filter(|_| annotated);
        Some(TagRef { name, commit: self.commit()?, annotated, message, object: Sha::parse(&self.oid).ok() })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RefNode {
    pub name: String,
    pub target: Option<GitObject>,
}

impl RefNode {
    /// `None` for a tag of a tree or blob, which no release can be made of.
    pub fn tag(&self) -> Option<TagRef> {
        self.target.as_ref()?.tag(Tag::parse(&self.name).ok()?)
    }
}

/// A file of a tree.
#[derive(Debug, Deserialize)]
pub(super) struct FileNode {
    pub path: String,
    pub object: Option<BlobNode>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BlobNode {
    pub text: Option<String>,
    pub is_binary: Option<bool>,
    pub is_truncated: bool,
}

impl FileNode {
    /// `Ok(None)` for a folder or submodule; an error for a file whose text GitHub does not give whole.
    pub fn text(self) -> Result<Option<FileAt>, Unreadable> {
        let unreadable = |why: &str| Err(Unreadable { reason: format!("{} {why}.", self.path) });
        match self.object {
            None | Some(BlobNode { text: None, is_binary: None, .. }) => Ok(None),
            Some(blob) if blob.is_truncated => unreadable("is too long to be read"),
            Some(BlobNode { text: Some(text), .. }) => Ok(Some(FileAt { path: self.path, text })),
            Some(_) => unreadable("is not a text file"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommitNode {
    pub oid: String,
    #[serde(default)]
    message: String,
    parents: Option<Page<Oid>>,
    author: Option<GitActor>,
    associated_pull_requests: Option<Page<PullRequestNode>>,
    repository: Option<Owner>,
}

/// The repository that something is in.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner {
    database_id: Option<u64>,
}

impl Owner {
    pub fn is(&self, repo: RepoId) -> bool {
        self.database_id == Some(repo.0)
    }
}

/// GitHub tells of the pull requests of forks, too, that hold the same commit; their numbers mean nothing here.
pub(super) fn same_repository(commit: Option<&Owner>, pull: Option<&Owner>) -> bool {
    commit.and_then(|owner| owner.database_id).is_some() && commit == pull
}

#[derive(Debug, Deserialize)]
pub(super) struct Oid {
    pub oid: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GitActor {
    name: Option<String>,
    email: Option<String>,
    date: Option<String>,
    user: Option<Login>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Login {
    pub login: String,
    #[serde(default, rename = "databaseId")]
    pub id: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct PullRequestNode {
    repository: Option<Owner>,
    number: u64,
    title: String,
    state: String,
    author: Option<Login>,
    labels: Option<Page<LabelNode>>,
}

#[derive(Debug, Deserialize)]
struct LabelNode {
    name: String,
}

impl CommitNode {
    pub fn commit(self) -> Option<Commit> {
        let author = self.author.unwrap_or_default();
        let parents = self.parents.into_iter().flat_map(Page::into_nodes).filter_map(|p| Sha::parse(&p.oid).ok()).collect();
        // An open pull request that holds the commit did not bring it.
        let owner = self.repository;
        let here = |pr: &PullRequestNode| same_repository(owner.as_ref(), pr.repository.as_ref());
        let all = self.associated_pull_requests.into_iter().flat_map(Page::into_nodes);
        let merged = all.into_iter().find(|pr| pr.state == "MERGED" && here(pr));
        Some(Commit {
            sha: Sha::parse(&self.oid).ok()?,
            message: self.message,
            parents,
            author_name: author.name.unwrap_or_default(),
            author_email: author.email.unwrap_or_default(),
            time: author.date.and_then(|d| Millis::parse_rfc3339(&d)).map_or(0, |at| at.0 / 1000),
            account: author.user.as_ref().and_then(|u| u.id).map(UserId),
            login: author.user.map(|u| u.login),
            pull_request: merged.map(PullRequestNode::pull_request),
            first_contribution: None,
        })
    }
}

impl PullRequestNode {
    fn pull_request(self) -> PullRequest {
        let labels = self.labels.into_iter().flat_map(Page::into_nodes).map(|l| l.name).collect();
        PullRequest { number: self.number, title: self.title, author: self.author.map(|a| a.login), labels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_pull_request_of_a_fork_is_none_of_ours() {
        let number = |of: Value| {
            let pull =
                json!({ "repository": of, "number": 7, "title": "feat: x", "state": "MERGED", "author": null, "labels": null });
            let node = json!({
                "oid": "a".repeat(40), "repository": { "databaseId": 1 }, "associatedPullRequests": { "nodes": [pull] },
            });
            let commit = serde_json::from_value::<CommitNode>(node).unwrap().commit().unwrap();
            commit.pull_request.map(|pull| pull.number)
        };
        assert_eq!(number(json!({ "databaseId": 1 })), Some(7));
        assert_eq!(number(json!({ "databaseId": 2 })), None);
        assert_eq!(number(json!({ "databaseId": null })), None);
        assert_eq!(number(Value::Null), None);
    }
}
