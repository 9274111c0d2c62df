//! Our own check runs. A run of ours is known by its `external_id`.

use super::client::Call;
use super::paths::{encode, repo_path};
use super::{Installation, Operation, Trouble};
use crate::domain::{RepoName, Sha};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a check run says; the same for making and changing one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRunBody {
    /// `queued` or `in_progress`; ignored when there is a conclusion.
    pub status: Option<&'static str>,
    /// GitHub's word: `success`, `failure`, `neutral`, `cancelled`, `timed_out`, `action_required`, `skipped`.
    pub conclusion: Option<&'static str>,
    pub title: String,
    /// Markdown; cut to GitHub's 65,535 bytes.
    pub summary: String,
    pub text: Option<String>,
    pub details_url: Option<String>,
    /// GitHub takes 50 in one request; more are left out.
    pub annotations: Vec<CheckAnnotation>,
    /// Buttons that stand there from now on; `None`: as before. GitHub takes three.
    pub actions: Option<Vec<CheckButton>>,
}

/// Texts of at most 20, 40 and 20 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckButton {
    pub label: String,
    pub description: String,
    pub identifier: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckAnnotation {
    pub path: String,
    pub start_line: u32,
    pub end_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
    /// `notice`, `warning` or `failure`.
    pub annotation_level: &'static str,
    pub title: String,
    pub message: String,
}

/// A check run as GitHub has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CheckRunInfo {
    pub id: u64,
    pub name: String,
    pub head_sha: String,
    #[serde(default)]
    pub external_id: Option<String>,
    pub status: String,
    pub conclusion: Option<String>,
    pub html_url: Option<String>,
}

impl Installation {
    /// Makes a check run. GitHub makes a second one when this is repeated: look with [`Self::find_check_run`] first.
    pub async fn create_check_run(
        &self,
        repo: &RepoName,
        sha: &Sha,
        name: &str,
        external_id: &str,
        body: &CheckRunBody,
    ) -> Result<CheckRunInfo, Trouble> {
        let mut json = fields(body);
        json.insert("name".into(), json!(name));
        json.insert("head_sha".into(), json!(sha));
        json.insert("external_id".into(), json!(external_id));
        let call = Call::new(Operation::CheckRunCreate, repo_path(repo, "check-runs")).with(Value::Object(json));
        self.call(call).await?.json()
    }

    /// Changes a check run of ours; repeating it changes nothing more (annotations are added again).
    pub async fn update_check_run(&self, repo: &RepoName, id: u64, body: &CheckRunBody) -> Result<CheckRunInfo, Trouble> {
        let path = repo_path(repo, &format!("check-runs/{id}"));
        let call = Call::new(Operation::CheckRunUpdate, path).with(Value::Object(fields(body)));
        self.call(call).await?.json()
    }

    /// The newest check run of our App with this name and `external_id` on a commit.
    pub async fn find_check_run(
        &self,
        repo: &RepoName,
        sha: &Sha,
        name: &str,
        external_id: &str,
    ) -> Result<Option<CheckRunInfo>, Trouble> {
        #[derive(Deserialize)]
        struct Runs {
            check_runs: Vec<CheckRunInfo>,
        }
        let app = &self.github.inner.config.app_id;
        // A client id cannot filter here; then the external id alone decides.
        let of_us = if app.bytes().all(|b| b.is_ascii_digit()) { format!("&app_id={app}") } else { String::new() };
        let query = format!("commits/{sha}/check-runs?check_name={}&filter=all&per_page=100{of_us}", encode(name));
        let mut next = Some(repo_path(repo, &query));
        let mut found: Option<CheckRunInfo> = None;
        while let Some(target) = next {
            let reply = self.call(Call::new(Operation::CheckRunsOfCommit, target)).await?;
            next = reply.next_page();
            let ours = reply.json::<Runs>()?.check_runs.into_iter().filter(|r| r.external_id.as_deref() == Some(external_id));
            found = found.into_iter().chain(ours).max_by_key(|run| run.id);
        }
        Ok(found)
    }
}

fn fields(body: &CheckRunBody) -> Map<String, Value> {
    let mut output = json!({"title": limit(&body.title, 255), "summary": limit(&body.summary, 65_535)});
    if let Some(text) = &body.text {
        output["text"] = json!(limit(text, 65_535));
    }
    if !body.annotations.is_empty() {
        output["annotations"] = json!(body.annotations[..body.annotations.len().min(50)]);
    }
    let mut json = Map::new();
    match body.conclusion {
        Some(conclusion) => {
            json.insert("status".into(), json!("completed"));
            json.insert("conclusion".into(), json!(conclusion));
        }
        None => {
            json.insert("status".into(), json!(body.status.unwrap_or("in_progress")));
        }
    }
    if let Some(url) = &body.details_url {
        json.insert("details_url".into(), json!(url));
    }
    if let Some(actions) = &body.actions {
        json.insert("actions".into(), json!(actions));
    }
    json.insert("output".into(), output);
    json
}

/// At most so many bytes, cut between characters.
pub(super) fn limit(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
