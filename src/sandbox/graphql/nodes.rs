//! What a field can lead to. A node is a name for something in the state, read when a field of it is asked for.

use super::connection::Connection;
use crate::domain::Sha;
use crate::sandbox::git::Identity;
use crate::sandbox::model::AccountKind;
use crate::sandbox::world::World;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Query,
    RateLimit,
    Account(String),
    /// Where GitHub's schema says `User`: bots come as users too.
    User(String),
    App(u64, String),
    GitActor(Identity),
    Repository(u64),
    /// Full name, `refs/…`.
    Ref(u64, String),
    Comparison {
        repo: u64,
        base: Sha,
        head: Sha,
    },
    Commit(u64, Sha),
    Tag(u64, Sha),
    Tree(u64, Sha),
    TreeEntry(u64, Box<Entry>),
    Blob(u64, Sha),
    Rollup(u64, Sha),
    Status(u64, Sha),
    StatusContext(u64, u64),
    CheckSuite(u64, u64),
    CheckRun(u64, u64),
    Release(u64, u64),
    Deployment(u64, u64),
    /// Repository, deployment, status.
    DeploymentStatus(u64, u64, u64),
    PullRequest(u64, u64),
    PullCommit {
        repo: u64,
        pull: u64,
        sha: Sha,
    },
    ChangedFile(String),
    Label(u64, String),
    Connection(Box<Connection>),
    Edge(String, Box<Node>),
    PageInfo {
        next: bool,
        previous: bool,
        start: Option<String>,
        end: Option<String>,
    },
}

/// One line of a tree.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub path: String,
    pub mode: u32,
    pub kind: String,
    pub oid: Sha,
    pub size: u64,
}

impl Node {
    pub fn type_name(&self, world: &World) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::RateLimit => "RateLimit",
            Self::Account(login) => match world.find_account(login).map(|a| a.kind) {
                Some(AccountKind::Bot) => "Bot",
                Some(AccountKind::Organization) => "Organization",
                _ => "User",
            },
            Self::User(_) => "User",
            Self::App(..) => "App",
            Self::GitActor(_) => "GitActor",
            Self::Repository(_) => "Repository",
            Self::Ref(..) => "Ref",
            Self::Comparison { .. } => "Comparison",
            Self::Commit(..) => "Commit",
            Self::Tag(..) => "Tag",
            Self::Tree(..) => "Tree",
            Self::TreeEntry(..) => "TreeEntry",
            Self::Blob(..) => "Blob",
            Self::Rollup(..) => "StatusCheckRollup",
            Self::Status(..) => "Status",
            Self::StatusContext(..) => "StatusContext",
            Self::CheckSuite(..) => "CheckSuite",
            Self::CheckRun(..) => "CheckRun",
            Self::Release(..) => "Release",
            Self::Deployment(..) => "Deployment",
            Self::DeploymentStatus(..) => "DeploymentStatus",
            Self::PullRequest(..) => "PullRequest",
            Self::PullCommit { .. } => "PullRequestCommit",
            Self::ChangedFile(_) => "PullRequestChangedFile",
            Self::Label(..) => "Label",
            Self::Connection(connection) => connection.type_name,
            Self::Edge(_, node) => match **node {
                Self::Ref(..) => "RefEdge",
                Self::Release(..) => "ReleaseEdge",
                Self::PullRequest(..) => "PullRequestEdge",
                _ => "CommitEdge",
            },
            Self::PageInfo { .. } => "PageInfo",
        }
    }

    /// The permission that reading this needs, any one of them, and the repository it is in.
    pub fn needs(&self) -> Option<(u64, &'static [&'static str])> {
        match self {
            Self::Ref(repo, _)
            | Self::Comparison { repo, .. }
            | Self::Commit(repo, _)
            | Self::Tag(repo, _)
            | Self::Tree(repo, _)
            | Self::TreeEntry(repo, _)
            | Self::Blob(repo, _)
            | Self::Release(repo, _) => Some((*repo, &["contents"])),
            Self::Rollup(repo, _) => Some((*repo, &["checks", "statuses"])),
            Self::CheckSuite(repo, _) | Self::CheckRun(repo, _) => Some((*repo, &["checks"])),
            Self::Status(repo, _) | Self::StatusContext(repo, _) => Some((*repo, &["statuses"])),
            Self::Deployment(repo, _) | Self::DeploymentStatus(repo, ..) => Some((*repo, &["deployments"])),
            Self::PullRequest(repo, _) => Some((*repo, &["pull_requests", "contents"])),
            _ => None,
        }
    }
}
