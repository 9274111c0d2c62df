//! The one list of what is called at GitHub, with the permission that each call needs.
//!
//! Source of the permissions: GitHub's "Permissions required for GitHub Apps" and, for GraphQL, the permission of the REST
//! resource that a type stands for. `app.yml` asks for exactly the union (tested in `app_permissions.rs`).

use http::Method;

/// A permission of a GitHub App, as the manifest spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    Actions,
    Attestations,
    Checks,
    Contents,
    Deployments,
    Issues,
    Members,
    MergeQueues,
    Metadata,
    PullRequests,
    Statuses,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    Read,
    Write,
}

impl Permission {
    /// The manifest's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Attestations => "attestations",
            Self::Checks => "checks",
            Self::Contents => "contents",
            Self::Deployments => "deployments",
            Self::Issues => "issues",
            Self::Members => "members",
            Self::MergeQueues => "merge_queues",
            Self::Metadata => "metadata",
            Self::PullRequests => "pull_requests",
            Self::Statuses => "statuses",
        }
    }
    /// The words on GitHub's settings page.
    pub fn label(self) -> &'static str {
        match self {
            Self::PullRequests => "Pull requests",
            Self::Actions => "Actions",
            Self::Attestations => "Attestations",
            Self::Checks => "Checks",
            Self::Contents => "Contents",
            Self::Deployments => "Deployments",
            Self::Issues => "Issues",
            Self::Members => "Members (organization)",
            Self::MergeQueues => "Merge queues",
            Self::Metadata => "Metadata",
            Self::Statuses => "Commit statuses",
        }
    }
}

impl Access {
    pub fn key(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// What a call costs the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Changes nothing; its answer may be reused by ETag.
    Read,
    /// Changes what nobody reads, or takes away: it must not wait for room among content, but takes of it.
    Write,
    /// Makes or edits what people read; counted against GitHub's limits for content.
    Content,
    /// A GraphQL read.
    Query,
}

macro_rules! operations {
    ($($name:ident $cost:ident $method:ident $route:literal [$($permission:ident $access:ident),*];)*) => {
        /// Everything that Lockkeeper ever asks of GitHub.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { $($name),* }

        impl Operation {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in metrics and logs; for a GraphQL query the name of its document.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
            /// Path as GitHub's reference writes it.
            pub fn route(self) -> &'static str {
                match self { $(Self::$name => $route),* }
            }
            pub(super) fn method(self) -> Method {
                match self { $(Self::$name => Method::$method),* }
            }
            pub(super) fn cost(self) -> Cost {
                match self { $(Self::$name => Cost::$cost),* }
            }
            /// What the installation must have granted.
            pub fn needs(self) -> &'static [(Permission, Access)] {
                match self { $(Self::$name => &[$((Permission::$permission, Access::$access)),*]),* }
            }
        }
    };
}

operations! {
    // As the App (JWT): no permission.
    AppInfo Read GET "/app" [];
    Installations Read GET "/app/installations" [];
    InstallationToken Write POST "/app/installations/{installation_id}/access_tokens" [];
    RepositoryInstallation Read GET "/repos/{owner}/{repo}/installation" [];
    HookConfig Read GET "/app/hook/config" [];
    HookDeliveries Read GET "/app/hook/deliveries" [];
    HookRedeliver Write POST "/app/hook/deliveries/{delivery_id}/attempts" [];
    // With the App's client id and secret.
    TokenCheck Write POST "/applications/{client_id}/token" [];
    // As an installation.
    InstallationRepositories Read GET "/installation/repositories" [Metadata Read];
    RepositoryInfo Read GET "/repos/{owner}/{repo}" [Metadata Read];
    Tags Read GET "/repos/{owner}/{repo}/tags" [Metadata Read];
    Activity Read GET "/repos/{owner}/{repo}/activity" [Contents Read];
    BranchHead Read GET "/repos/{owner}/{repo}/git/ref/{ref}" [Contents Read];
    CompareCommits Read GET "/repos/{owner}/{repo}/compare/{basehead}" [Contents Read];
    FileContents Read GET "/repos/{owner}/{repo}/contents/{path}" [Contents Read];
    CheckRunCreate Content POST "/repos/{owner}/{repo}/check-runs" [Checks Write];
    CheckRunUpdate Content PATCH "/repos/{owner}/{repo}/check-runs/{check_run_id}" [Checks Write];
    CheckRunsOfCommit Read GET "/repos/{owner}/{repo}/commits/{ref}/check-runs" [Checks Read];
    ReleaseList Read GET "/repos/{owner}/{repo}/releases" [Contents Write];
    ReleaseGet Read GET "/repos/{owner}/{repo}/releases/{release_id}" [Contents Write];
    ReleaseCreate Content POST "/repos/{owner}/{repo}/releases" [Contents Write];
    ReleaseUpdate Content PATCH "/repos/{owner}/{repo}/releases/{release_id}" [Contents Write];
    ReleaseDelete Write DELETE "/repos/{owner}/{repo}/releases/{release_id}" [Contents Write];
    Attestations Read GET "/repos/{owner}/{repo}/attestations/{subject_digest}" [Attestations Read];
    DeploymentList Read GET "/repos/{owner}/{repo}/deployments" [Deployments Read];
    DeploymentGet Read GET "/repos/{owner}/{repo}/deployments/{deployment_id}" [Deployments Read];
    DeploymentCreate Content POST "/repos/{owner}/{repo}/deployments" [Deployments Write];
    DeploymentStatuses Read GET "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses" [Deployments Read];
    DeploymentStatusCreate Content POST "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses" [Deployments Write];
    WorkflowDispatch Content POST "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches" [Actions Write];
    WorkflowRuns Read GET "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs" [Actions Read];
    WorkflowRun Read GET "/repos/{owner}/{repo}/actions/runs/{run_id}" [Actions Read];
    WorkflowRunCancel Write POST "/repos/{owner}/{repo}/actions/runs/{run_id}/cancel" [Actions Write];
    WaitingRuns Read GET "/repos/{owner}/{repo}/actions/runs" [Actions Read];
    PendingDeployments Read GET "/repos/{owner}/{repo}/actions/runs/{run_id}/pending_deployments" [Actions Read];
    ReviewHistory Read GET "/repos/{owner}/{repo}/actions/runs/{run_id}/approvals" [Actions Read];
    RuleReview Content POST "/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule" [Deployments Write];
    EnvironmentRules Read GET "/repos/{owner}/{repo}/environments/{environment_name}/deployment_protection_rules" [Actions Read];
    PullRequestFiles Read GET "/repos/{owner}/{repo}/pulls/{pull_number}/files" [PullRequests Read];
    UserPermission Read GET "/repos/{owner}/{repo}/collaborators/{username}/permission" [Metadata Read];
    CommentCreate Content POST "/repos/{owner}/{repo}/issues/{issue_number}/comments" [PullRequests Write];
    CommentUpdate Content PATCH "/repos/{owner}/{repo}/issues/comments/{comment_id}" [PullRequests Write];
    CommentsOfIssue Read GET "/repos/{owner}/{repo}/issues/{issue_number}/comments" [PullRequests Read];
    ReactionCreate Content POST "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions" [PullRequests Write];
    TeamMembership Read GET "/orgs/{org}/teams/{team_slug}/memberships/{username}" [Members Read];
    GitFetch Read GET "/{owner}/{repo}.git" [Contents Read];
    // GraphQL documents.
    ReleaseFacts Query POST "/graphql" [Contents Write, Checks Read, Statuses Read, PullRequests Read];
    Recheck Query POST "/graphql" [Contents Write, Checks Read, Statuses Read];
    TouchedCommits Query POST "/graphql" [Contents Read];
    MoreChecks Query POST "/graphql" [Checks Read, Statuses Read];
    AuthorsOf Query POST "/graphql" [Contents Read];
    RangeOfCommits Query POST "/graphql" [Contents Read, PullRequests Read];
    HistoryOfCommit Query POST "/graphql" [Contents Read, PullRequests Read];
    MergedPulls Query POST "/graphql" [Contents Read, PullRequests Read];
    MergesOfHead Query POST "/graphql" [Contents Read, PullRequests Read];
    AuthorLogins Query POST "/graphql" [Contents Read];
    PullRequestFacts Query POST "/graphql" [PullRequests Read, Contents Read];
    FilesAt Query POST "/graphql" [Contents Read];
    BranchFacts Query POST "/graphql" [Contents Read];
}
