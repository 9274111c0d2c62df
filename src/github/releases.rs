//! GitHub releases. One of ours is known by the marker in its body, a draft too.

use super::client::Call;
use super::paths::repo_path;
use super::{Installation, Operation, Trouble};
use crate::domain::{ReleaseInfo, RepoName, Sha, Tag, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Drafts are among the newest releases; a repository with more open drafts than fit here is looked through no further.
const MAX_PAGES: usize = 5;

/// A draft to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRelease<'a> {
    pub tag: &'a Tag,
    /// Only used by GitHub if the tag is gone by the time of publishing: then it is made here.
    pub sha: &'a Sha,
    pub name: &'a str,
    /// With our marker in it; at most 125,000 characters.
    pub body: &'a str,
    pub prerelease: bool,
}

/// GitHub's words for which release it shows as latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MakeLatest {
    True,
    False,
    /// The one with the highest version, by date among equals.
    Legacy,
}

#[derive(Deserialize)]
struct Raw {
    id: u64,
    tag_name: String,
    draft: bool,
    prerelease: bool,
    body: Option<String>,
    html_url: String,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    id: u64,
}

impl From<Raw> for ReleaseInfo {
    fn from(raw: Raw) -> Self {
        Self {
            id: raw.id,
            tag: raw.tag_name,
            draft: raw.draft,
            prerelease: raw.prerelease,
            body: raw.body.unwrap_or_default(),
            url: raw.html_url,
            author: raw.author.map(|a| UserId(a.id)),
        }
    }
}

impl Installation {
    /// Makes a draft. GitHub makes a second one when this is repeated: look with [`Self::find_releases`] first.
    pub async fn create_draft(&self, repo: &RepoName, new: &NewRelease<'_>) -> Result<ReleaseInfo, Trouble> {
        let body = json!({
            "tag_name": new.tag, "target_commitish": new.sha, "name": new.name, "body": new.body,
            "draft": true, "prerelease": new.prerelease,
        });
        let call = Call::new(Operation::ReleaseCreate, repo_path(repo, "releases")).with(body);
        Ok(self.call(call).await?.json::<Raw>()?.into())
    }

    /// Publishes a draft; repeating it changes nothing more.
    pub async fn publish_release(
        &self,
        repo: &RepoName,
        id: u64,
        prerelease: bool,
        latest: MakeLatest,
    ) -> Result<ReleaseInfo, Trouble> {
        self.patch_release(repo, id, json!({"draft": false, "prerelease": prerelease, "make_latest": latest})).await
    }

    async fn patch_release(&self, repo: &RepoName, id: u64, body: Value) -> Result<ReleaseInfo, Trouble> {
        let call = Call::new(Operation::ReleaseUpdate, repo_path(repo, &format!("releases/{id}"))).with(body);
        Ok(self.call(call).await?.json::<Raw>()?.into())
    }

    /// `Ok(None)` when there is none of this id.
    pub async fn release(&self, repo: &RepoName, id: u64) -> Result<Option<ReleaseInfo>, Trouble> {
        match self.call(Call::new(Operation::ReleaseGet, repo_path(repo, &format!("releases/{id}")))).await {
            Ok(reply) => Ok(Some(reply.json::<Raw>()?.into())),
            Err(trouble) if trouble.is_gone() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Deletes a draft; true if it is gone now. A published release is never deleted.
    pub async fn delete_draft(&self, repo: &RepoName, id: u64) -> Result<bool, Trouble> {
        match self.release(repo, id).await? {
            None => return Ok(true),
            Some(release) if !release.draft => return Ok(false),
            Some(_) => {}
        }
        match self.call(Call::new(Operation::ReleaseDelete, repo_path(repo, &format!("releases/{id}")))).await {
            Ok(_) => Ok(true),
            Err(trouble) if trouble.is_gone() => Ok(true),
            Err(trouble) => Err(trouble),
        }
    }

    /// The newest release of a tag whose body holds our marker: an earlier, perhaps unanswered, work of the same run.
    pub async fn find_marked_release(&self, repo: &RepoName, tag: &Tag, marker: &str) -> Result<Option<ReleaseInfo>, Trouble> {
        Ok(self.find_releases(repo, tag).await?.into_iter().find(|release| release.body.contains(marker)))
    }

    /// Releases of a tag among the newest 500, drafts included, newest first.
    pub async fn find_releases(&self, repo: &RepoName, tag: &Tag) -> Result<Vec<ReleaseInfo>, Trouble> {
        let mut next = Some(repo_path(repo, "releases?per_page=100"));
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = self.call(Call::new(Operation::ReleaseList, target)).await?;
            next = reply.next_page();
            let page: Vec<Raw> = reply.json()?;
            found.extend(page.into_iter().filter(|r| r.tag_name == tag.as_str()).map(ReleaseInfo::from));
        }
        Ok(found)
    }
}
