//! Comments on pull requests and reactions to them. One of ours is known by a marker in its text and by the App that wrote
//! it, because anybody can copy a marker.

use super::client::Call;
use super::paths::{encode, repo_path};
use super::{Installation, Operation, Trouble};
use crate::domain::{Millis, RepoName};
use serde::Deserialize;
use serde_json::json;

const MAX_PAGES: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentInfo {
    pub id: u64,
    /// Where people see it.
    pub url: String,
}

#[derive(Deserialize)]
struct Raw {
    id: u64,
    html_url: String,
    #[serde(default)]
    body: String,
    performed_via_github_app: Option<App>,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

impl From<Raw> for CommentInfo {
    fn from(raw: Raw) -> Self {
        Self { id: raw.id, url: raw.html_url }
    }
}

impl Installation {
    /// Writes a comment. Repeated, it is there twice: look with [`Self::find_comment`] first. A `spare` one leaves half of what
    /// may be made to others.
    pub async fn create_comment(&self, repo: &RepoName, pull: u64, body: &str, spare: bool) -> Result<CommentInfo, Trouble> {
        let path = repo_path(repo, &format!("issues/{pull}/comments"));
        let call = Call::new(Operation::CommentCreate, path).with(json!({ "body": body })).spare(spare);
        Ok(self.call(call).await?.json::<Raw>()?.into())
    }

    /// Replaces the text of a comment of ours.
    pub async fn update_comment(&self, repo: &RepoName, comment: u64, body: &str) -> Result<(), Trouble> {
        let path = repo_path(repo, &format!("issues/comments/{comment}"));
        self.call(Call::new(Operation::CommentUpdate, path).with(json!({ "body": body }))).await.map(drop)
    }

    /// The newest comment of our App with this marker that was changed at or after `since`.
    pub async fn find_comment(
        &self,
        repo: &RepoName,
        pull: u64,
        marker: &str,
        since: Millis,
    ) -> Result<Option<CommentInfo>, Trouble> {
        let own = self.github.own_app_id().await?;
        let query = format!("issues/{pull}/comments?per_page=100&since={}", encode(&since.rfc3339()));
        let (mut next, mut found) = (Some(repo_path(repo, &query)), None);
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = self.call(Call::new(Operation::CommentsOfIssue, target)).await?;
            next = reply.next_page();
            let ours =
                |raw: &Raw| raw.body.contains(marker) && raw.performed_via_github_app.as_ref().is_some_and(|a| a.id == own);
            found = reply.json::<Vec<Raw>>()?.into_iter().rfind(ours).or(found);
        }
        Ok(found.map(CommentInfo::from))
    }

    /// Reacts to a comment; GitHub keeps one of a kind. `content` is GitHub's word, for example `eyes`.
    pub async fn react(&self, repo: &RepoName, comment: u64, content: &str) -> Result<(), Trouble> {
        let path = repo_path(repo, &format!("issues/comments/{comment}/reactions"));
        self.call(Call::new(Operation::ReactionCreate, path).with(json!({ "content": content }))).await.map(drop)
    }
}
