//! The REST operations, one file per area. A handler sees a checked caller, repository and body; what it refuses, GitHub
//! refuses.

pub(super) mod actions;
pub(super) mod app;
pub(super) mod attestations;
mod check_fields;
pub(super) mod checks;
pub(super) mod comments;
pub(super) mod commits;
pub(super) mod deployments;
pub(super) mod git;
pub(super) mod hook;
pub(super) mod oauth;
pub(super) mod people;
pub(super) mod releases;
pub(super) mod repo;
pub(super) mod rules;
pub(super) mod statuses;

use super::http::{Call, Refused};
use super::repo::Repo;
use super::world::World;
use crate::domain::Sha;

/// The repository of the path.
fn of<'a>(world: &'a World, call: &Call) -> Result<&'a Repo, Refused> {
    world.repos.get(&call.repo).ok_or_else(Refused::not_found)
}

fn of_mut<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Repo, Refused> {
    world.repos.get_mut(&call.repo).ok_or_else(Refused::not_found)
}

/// A whole commit id that exists here.
fn whole_sha(repo: &Repo, text: &str) -> Result<Sha, Refused> {
    let sha = Sha::parse(text).ok().filter(|sha| repo.git.commit(sha).is_some());
    sha.ok_or_else(|| Refused::no_commit(text))
}
