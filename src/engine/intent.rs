//! What an event asks of the engine. Events only wake: an intent names what to look at, never what is true.

use crate::actions::ask::Asked;
use crate::domain::{Actor, CheckChange, InstallationId, Millis, RepoRef, Said, Sha, Tag};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case")]
pub enum Intent {
    /// A tag was pushed (`sha` is the commit or tag object that the payload names) or created (`sha` unknown).
    TagPushed {
        repo: RepoRef,
        tag: Tag,
        sha: Option<Sha>,
        actor: Actor,
    },
    TagDeleted {
        repo: RepoRef,
        tag: Tag,
    },
    /// The default branch has a new head, by push or by a merged pull request.
    Merged {
        repo: RepoRef,
        sha: Sha,
        actor: Actor,
    },
    /// A pull request was opened, reopened, edited or has a new head; it is open.
    PullRequestChanged {
        repo: RepoRef,
        number: u64,
        head: Sha,
        base_branch: String,
        from_fork: bool,
        actor: Actor,
    },
    /// A merge queue waits for checks of a group of pull requests, merged into its head.
    GroupMade {
        repo: RepoRef,
        head: Sha,
        actor: Actor,
    },
    /// Nobody waits for the checks of this group any more.
    GroupGone {
        repo: RepoRef,
        head: Sha,
    },
    /// A pull request was merged, to this commit, or closed without it.
    PullRequestClosed {
        repo: RepoRef,
        number: u64,
        merged: Option<Sha>,
        actor: Actor,
    },
    /// A check run, check suite, workflow run or status of this commit changed.
    ChecksChanged {
        repo: RepoRef,
        sha: Sha,
        check: Option<CheckChange>,
    },
    /// Somebody pressed re-run on one of our own check runs.
    CheckRerequested {
        repo: RepoRef,
        sha: Sha,
        check_run: u64,
        name: String,
        /// What we gave the check run when we made it; empty if nothing.
        external_id: String,
        actor: Actor,
    },
    /// Somebody pressed "re-run all checks" for this commit.
    ChecksRerequested {
        repo: RepoRef,
        sha: Sha,
        actor: Actor,
    },
    /// Somebody else has made a deployment.
    DeploymentMade {
        repo: RepoRef,
        made: Made,
    },
    /// Somebody reported on a deployment.
    DeploymentReported {
        repo: RepoRef,
        report: Report,
    },
    /// A workflow run that may be one of ours changed, or one that waits for us.
    WorkflowRunChanged {
        repo: RepoRef,
        workflow_run: u64,
        /// It is completed.
        over: bool,
    },
    /// A job waits for our answer before it deploys.
    JobWaits {
        repo: RepoRef,
        job: Job,
    },
    /// Somebody has reviewed jobs that wait for people, on GitHub's own page.
    EnvironmentReviewed {
        repo: RepoRef,
        review: EnvironmentReview,
    },
    /// Somebody has written commands on a pull request, or has edited them into a comment.
    Commented {
        repo: RepoRef,
        pull: u64,
        comment: u64,
        /// The pull request was merged or closed.
        closed: bool,
        /// By GitHub's clock.
        at: Millis,
        actor: Actor,
        asked: Vec<Asked>,
        /// What commands begin with here.
        prefix: String,
        edited: bool,
    },
    /// Somebody has pressed a button of one of our own check runs.
    ButtonPressed {
        repo: RepoRef,
        /// What we gave the check run when we made it.
        external_id: String,
        identifier: String,
        actor: Actor,
    },
    /// Repositories came under our care, or an installation changed.
    InstallationChanged {
        installation: InstallationId,
        repositories: Vec<RepoRef>,
    },
    RepositoryGone {
        installation: InstallationId,
        repositories: Vec<RepoRef>,
    },
}

/// A job of a workflow that waits for the rules of its environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// GitHub's id of the deployment that GitHub has made for it; 0 where the job was found.
    pub deployment: u64,
    /// As GitHub writes it.
    pub environment: String,
    pub sha: Sha,
    /// Branch or tag, as the payload names it.
    pub git_ref: String,
    /// The run, where the payload's address is one of GitHub's for this repository.
    pub workflow_run: Option<u64>,
    /// The address, where it is another one. Nobody calls it.
    pub forged: Option<String>,
    pub actor: Actor,
}

/// What a person has said about jobs of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentReview {
    pub workflow_run: u64,
    pub sha: Sha,
    /// As GitHub writes them.
    pub environments: Vec<String>,
    pub said: Said,
    pub actor: Actor,
}

/// A status of a GitHub deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// GitHub's id.
    pub deployment: u64,
    /// As GitHub writes it.
    pub environment: String,
    pub sha: Sha,
    /// It says what is deployed: not the job of a workflow that names the environment, nor another task.
    pub deploys: bool,
    /// GitHub's id.
    pub status: u64,
    pub state: String,
    /// By GitHub's clock.
    pub at: Option<Millis>,
    pub actor: Actor,
    pub description: String,
}

/// A deployment that nobody carries out yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// GitHub's id.
    pub deployment: u64,
    /// As GitHub writes it.
    pub environment: String,
    pub sha: Sha,
    /// Branch, tag or commit, as it was named.
    pub git_ref: String,
    /// The run of ours that its payload names, if it names one.
    pub marker: Option<String>,
    /// A program is an agent here.
    pub actor: Actor,
}
