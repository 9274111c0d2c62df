//! The releases of a tag, read beside other facts by GraphQL.
//!
//! Invariant: a published release of the tag is found however many releases there are, and a draft if it is among the newest
//! hundred. Texts are complete: one that was not in the answer is read by itself.

use super::graphql::Page;
use super::{Installation, Trouble};
use crate::domain::{ReleaseInfo, RepoName, Tag, UserId};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseNode {
    database_id: u64,
    tag_name: String,
    is_draft: bool,
    is_prerelease: bool,
    description: Option<String>,
    url: String,
    author: Option<Account>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    database_id: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TextNode {
    database_id: u64,
    description: Option<String>,
}

/// The fields of the fragment `ReleasesOfTag`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReleasesOfTag {
    release: Option<ReleaseNode>,
    releases: Option<Page<ReleaseNode>>,
    newest: Option<Page<TextNode>>,
}

impl ReleaseNode {
    fn release(self) -> ReleaseInfo {
        ReleaseInfo {
            id: self.database_id,
            tag: self.tag_name,
            draft: self.is_draft,
            prerelease: self.is_prerelease,
            body: self.description.unwrap_or_default(),
            url: self.url,
            author: self.author.and_then(|a| a.database_id).map(UserId),
        }
    }
}

/// What one answer says about a tag's releases.
pub(super) enum Found {
    /// All there are; of the ids the text was not in the answer.
    All(Vec<ReleaseInfo>, Vec<u64>),
    /// The repository has more releases than the answer lists, and the tag's own was not asked for.
    AskForTag,
}

impl ReleasesOfTag {
    pub fn of(self, tag: &Tag, asked_for_tag: bool) -> Found {
        let (listed, total) = self.releases.map_or((Vec::new(), 0), |page| (page.nodes, page.total_count));
        let more = total > u64::try_from(listed.len()).unwrap_or(u64::MAX);
        let texts: Vec<TextNode> = self.newest.into_iter().flat_map(Page::into_nodes).collect();
        let mut without_text = Vec::new();
        let mut all: Vec<ReleaseInfo> = self.release.into_iter().map(ReleaseNode::release).collect();
        for mut release in listed.into_iter().flatten().map(ReleaseNode::release).filter(|r| r.tag == tag.as_str()) {
            if all.iter().any(|r| r.id == release.id) {
                continue;
            }
            match texts.iter().find(|t| t.database_id == release.id) {
                Some(text) => release.body = text.description.clone().unwrap_or_default(),
                None => without_text.push(release.id),
            }
            all.push(release);
        }
        if more && !asked_for_tag && !all.iter().any(|r| !r.draft) {
            return Found::AskForTag;
        }
        Found::All(all, without_text)
    }
}

impl Installation {
    /// Whether the repository is known to have more releases than one answer lists.
    pub(super) fn has_many_releases(&self, repo: &RepoName) -> bool {
        self.github.inner.many_releases.has(repo.as_str())
    }

    pub(super) fn learn_many_releases(&self, repo: &RepoName) {
        self.github.inner.many_releases.add(repo.as_str());
    }

    /// Reads the texts that were not in the answer.
    pub(super) async fn with_texts(
        &self,
        repo: &RepoName,
        mut all: Vec<ReleaseInfo>,
        without_text: Vec<u64>,
    ) -> Result<Vec<ReleaseInfo>, Trouble> {
        for id in without_text {
            let read = self.release(repo, id).await?;
            all.retain(|r| r.id != id);
            all.extend(read);
        }
        Ok(all)
    }
}
