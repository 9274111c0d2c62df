//! The GitHub adapter: everything that Lockkeeper asks of GitHub or does there goes through here, one file for each area.
//!
//! Invariants:
//! - every call names an [`Operation`]; `operations.rs` is the only list of what is called and of the permission it needs,
//!   and `app.yml` asks for exactly their union;
//! - nothing is retried here but what GitHub certainly did not do: a 401 (once, with fresh credentials) and a read whose
//!   page was too large. All else comes back as a [`Trouble`] that says whether trying again can help, and when;
//! - "could not be read" is never an empty answer: a GraphQL field that is null because of an error is `Unreadable` or an error;
//! - no token, key or JWT is in an error, a `Debug` text, an argument of a process or a URL.
//!
//! Known races: pacing and quota live in memory, so a restart forgets them; GitHub's own answer (403/429) then sets them
//! right. A write whose answer is lost may have happened: each write has a `find_…` that looks for it.

mod activity;
mod app;
mod app_auth;
mod app_permissions;
mod attestations;
mod branches;
mod bundles;
mod check_runs;
mod checks;
mod classify;
mod client;
mod clock;
mod comments;
mod commit_facts;
mod compare;
mod config;
mod contents;
mod counters;
mod deployments;
mod etags;
mod git_log;
mod git_objects;
mod git_process;
mod graphql;
mod lanes;
mod merged;
mod merges;
mod operations;
mod pace;
mod paths;
mod patience;
mod people;
mod protection;
mod pulls;
mod quota;
mod range;
mod range_git;
mod range_rest;
mod recheck;
mod releases;

mod tag_releases;
mod tags;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod topology;
mod touched;
mod transport;
mod trouble;
mod user_tokens;
mod workflows;

pub use crate::config::Secret;
pub use app::{AppInfo, HookConfig, HookDelivery, InstallationInfo, RepositoryInfo};
pub use app_permissions::{EVENTS, required_permissions};
pub use branches::BranchStanding;
pub use check_runs::{CheckAnnotation, CheckButton, CheckRunBody, CheckRunInfo};
pub use client::{GitHub, Installation};
pub use comments::CommentInfo;
pub use commit_facts::TagOrSha;
pub use compare::Distance;
pub use config::{GitHubConfig, Pacing};
pub use contents::FileResult;
pub use counters::CallCount;
pub use deployments::{NewDeployment, NewDeploymentStatus, PAYLOAD_RUN};
pub use operations::{Access, Operation, Permission};
pub use patience::{Aside, stepping_aside};
pub use protection::WaitingRun;
pub use pulls::{PullRequestFacts, PullRequestState};
pub use quota::Quota;
pub use range::{FETCH_ABOVE, RangeBase};
pub use recheck::RecheckAsk;
pub use releases::{MakeLatest, NewRelease};
pub use trouble::{Class, Trouble};
pub use user_tokens::TokenHolder;
pub use workflows::{DispatchedAsk, StartedRun};
