//! The payloads that we read, as our own structs: only the fields that decide something.
//!
//! Invariants: absent and unknown fields are tolerated; a field that has the wrong kind of value makes the payload
//! unreadable as a whole, it is never guessed. Words that GitHub may extend (states, conclusions) stay text.
//! Source: GitHub, "Webhook events and payloads"; `head.repo` is null when a fork was deleted.

use serde::Deserialize;

/// What nearly every payload carries, read first.
#[derive(Deserialize, Debug, Default)]
pub struct Envelope {
    pub action: Option<String>,
    pub repository: Option<Repository>,
    pub installation: Option<Id>,
    pub sender: Option<Account>,
    // Who made the thing that the event is about, to know our own echo.
    pub check_run: Option<Maker>,
    pub check_suite: Option<Maker>,
    pub deployment: Option<Maker>,
    pub deployment_status: Option<Maker>,
    pub comment: Option<Commented>,
}

/// Of a review of an environment it is what was said, of everything else who has made it.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub enum Commented {
    By(Maker),
    Words(String),
}

impl Commented {
    pub fn maker(&self) -> Option<&Maker> {
        match self {
            Self::By(maker) => Some(maker),
            Self::Words(_) => None,
        }
    }
}

#[derive(Deserialize, Debug)]
pub struct Id {
    pub id: u64,
}

#[derive(Deserialize, Debug)]
pub struct Repository {
    pub id: u64,
    pub full_name: String,
    pub default_branch: Option<String>,
}

#[derive(Deserialize, Debug)]
pub struct Account {
    pub id: u64,
    pub login: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// The App behind a check or a deployment.
#[derive(Deserialize, Debug, Default)]
pub struct Maker {
    pub app: Option<Id>,
    pub performed_via_github_app: Option<Id>,
}

#[derive(Deserialize)]
pub struct Push {
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// The new object: a commit or an annotated tag; zeros when the reference was deleted.
    pub after: String,
    pub deleted: Option<bool>,
    /// The commit, already peeled from an annotated tag.
    pub head_commit: Option<TextId>,
}

#[derive(Deserialize)]
pub struct TextId {
    pub id: String,
}

/// `create` and `delete`.
#[derive(Deserialize)]
pub struct Reference {
    #[serde(rename = "ref")]
    pub name: String,
    pub ref_type: String,
}

#[derive(Deserialize)]
pub struct PullRequestEvent {
    pub pull_request: PullRequest,
}

#[derive(Deserialize)]
pub struct PullRequest {
    pub number: u64,
    pub state: Option<String>,
    pub merged: Option<bool>,
    pub merge_commit_sha: Option<String>,
    pub head: PullRequestSide,
    pub base: PullRequestSide,
}

#[derive(Deserialize)]
pub struct PullRequestSide {
    #[serde(rename = "ref")]
    pub branch: String,
    pub sha: String,
    pub repo: Option<SideRepository>,
}

#[derive(Deserialize)]
pub struct SideRepository {
    pub id: u64,
    pub default_branch: Option<String>,
}

#[derive(Deserialize)]
pub struct MergeGroupEvent {
    pub merge_group: MergeGroup,
}

#[derive(Deserialize)]
pub struct MergeGroup {
    pub head_sha: String,
}

#[derive(Deserialize)]
pub struct CheckRunEvent {
    pub check_run: CheckRun,
    pub requested_action: Option<RequestedAction>,
}

/// A button that was pressed.
#[derive(Deserialize)]
pub struct RequestedAction {
    pub identifier: String,
}

#[derive(Deserialize)]
pub struct CheckRun {
    pub id: u64,
    pub name: String,
    pub head_sha: String,
    pub status: Option<String>,
    pub conclusion: Option<String>,
    pub external_id: Option<String>,
}

#[derive(Deserialize)]
pub struct CheckSuiteEvent {
    pub check_suite: Head,
}

#[derive(Deserialize)]
pub struct WorkflowRunEvent {
    pub workflow_run: Head,
}

#[derive(Deserialize)]
pub struct Head {
    pub id: u64,
    pub head_sha: String,
    pub head_repository: Option<HeadRepository>,
}

/// Where the code of a run comes from.
#[derive(Deserialize)]
pub struct HeadRepository {
    pub id: u64,
}

#[derive(Deserialize)]
pub struct ProtectionRuleEvent {
    pub environment: String,
    pub deployment_callback_url: Option<String>,
    pub deployment: Deployment,
}

/// A review on GitHub's page of a run that waits for an environment.
#[derive(Deserialize)]
pub struct DeploymentReviewEvent {
    pub workflow_run: Option<Head>,
    pub environment: Option<String>,
    pub workflow_job_run: Option<JobRun>,
    /// One review may be for jobs of several environments.
    pub workflow_job_runs: Option<Vec<JobRun>>,
    pub approver: Option<Account>,
    pub comment: Option<String>,
}

#[derive(Deserialize)]
pub struct JobRun {
    pub environment: Option<String>,
}

#[derive(Deserialize)]
pub struct Deployment {
    pub id: u64,
    pub sha: String,
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    pub task: Option<String>,
    pub environment: Option<String>,
    pub creator: Option<Account>,
    pub payload: Option<serde_json::Value>,
}

#[derive(Deserialize)]
pub struct DeploymentEvent {
    pub deployment: Deployment,
    /// Only there for what a job of a workflow makes by naming its environment.
    pub workflow_run: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
pub struct Status {
    pub sha: String,
    pub context: Option<String>,
    pub state: String,
}

#[derive(Deserialize)]
pub struct DeploymentStatusEvent {
    pub deployment: Deployment,
    pub deployment_status: DeploymentStatus,
    /// Only there for what a job of a workflow makes by naming its environment.
    pub workflow_run: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
pub struct DeploymentStatus {
    pub id: u64,
    pub state: String,
    pub created_at: Option<String>,
    pub description: Option<String>,
    pub creator: Option<Account>,
}

#[derive(Deserialize)]
pub struct IssueCommentEvent {
    pub issue: Issue,
    pub comment: Comment,
    pub changes: Option<Changes>,
}

#[derive(Deserialize)]
pub struct Issue {
    pub number: u64,
    pub state: Option<String>,
    /// Only there for a pull request.
    pub pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
pub struct Comment {
    pub id: u64,
    pub body: Option<String>,
    pub user: Option<Account>,
    pub created_at: String,
}

/// What an edit has replaced.
#[derive(Deserialize)]
pub struct Changes {
    pub body: Option<From>,
}

#[derive(Deserialize)]
pub struct From {
    pub from: Option<String>,
}

/// `installation` and `installation_repositories`; absent lists are empty.
#[derive(Deserialize)]
pub struct Installation {
    pub repositories: Option<Vec<Repository>>,
    pub repositories_added: Option<Vec<Repository>>,
    pub repositories_removed: Option<Vec<Repository>>,
}
