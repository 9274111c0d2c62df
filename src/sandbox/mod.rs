//! A stand-in for GitHub: real HTTP, state over real git repositories, signed webhooks. It serves our tests, the demo and
//! rehearsals, and refuses what GitHub refuses, so that what passes here is not refused there for a reason that could be
//! known beforehand.
//!
//! ```no_run
//! use lockkeeper::sandbox::{CommitSeed, Moment, RepoSeed, Sandbox, SandboxConfig};
//! # fn main() -> Result<(), lockkeeper::sandbox::SandboxError> {
//! let github = Sandbox::start(SandboxConfig::default())?;
//! github.set_webhook("http://127.0.0.1:8080/webhook", "secret");
//! let shop = github.create_repo(RepoSeed::new("acme/shop").commit(CommitSeed::new("feat: sell things")))?;
//! // … start the product with github.base_url(), github.app_id() and github.private_key_pem() …
//! let sha = shop.commit("main", CommitSeed::new("fix: count right").author("ann"))?;
//! let build = shop.start_check("github-actions", &sha, "build")?;
//! shop.tag("v1.0.0", &sha)?;
//! shop.complete_check(build, "success")?;
//! github.on(Moment::AfterEffect, |request| println!("{} {}", request.method, request.path));
//! assert!(shop.releases().iter().all(|release| release.draft));
//! # Ok(())
//! # }
//! ```
//!
//! Layers: `git` and `repo` hold a repository; `world` all state behind one lock; `changes` what more than one door does;
//! `views` the JSON; `rest` and `graphql` the doors for the App; `control` the door for tests; `hooks` the way back;
//! `http` and `faults` everything about the wire.
//!
//! Not covered: uploads to releases, branch protection and rulesets, mutations in GraphQL, TLS.

mod changes;
mod config;
mod control;
mod faults;
mod git;
mod git_http;
mod graphql;
mod hooks;
mod http;
mod ids;
mod journal;
mod model;
mod oidc;
mod repo;
mod rest;
mod start;
mod views;
mod world;

pub use config::{SandboxConfig, SandboxError, Webhook};
pub use control::{
    CommentSeed, CommitSeed, DeploymentReport, DeploymentSeed, JobSeed, Merge, PageReview, PullSeed, RefPush, RepoHandle,
    RepoSeed, WaitingJob,
};
pub use faults::{Fault, Moment, Trouble, Verdict, When};
pub use hooks::{Delivery, HookAction, HookRule, Order};
pub use http::RequestInfo;
pub use journal::{LogEntry, Violation};
pub use model::{
    Account, AccountKind, Asset, CheckRun, CheckSuite, Comment, Deployment, DeploymentStatus, Pull, Push, Reaction, Release,
    Review, Status, WorkflowRun,
};
pub use start::Sandbox;
