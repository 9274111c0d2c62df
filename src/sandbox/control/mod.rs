//! What people, other Apps and GitHub itself do, as plain calls from a test.

mod automation;
mod code;
mod comments;
mod groups;
mod import;
mod installs;
mod pulls;
mod rehearsal;
mod rules;
mod seed;
mod state;
mod user_tokens;

pub use automation::{DeploymentReport, DeploymentSeed};
pub use code::RefPush;
pub use comments::CommentSeed;
pub use pulls::{Merge, PullSeed};
pub use rules::{JobSeed, PageReview, WaitingJob};
pub use seed::{CommitSeed, RepoSeed};

use super::SandboxError;
use super::http::{Refused, Shared};
use super::repo::Repo;
use super::world::World;
use std::sync::Arc;

/// One repository of the sandbox. Cheap to clone; outlives nothing: after the sandbox has stopped it only remembers.
#[derive(Clone)]
pub struct RepoHandle {
    shared: Arc<Shared>,
    id: u64,
}

impl RepoHandle {
    /// GitHub's id of the repository.
    pub fn id(&self) -> u64 {
        self.id
    }

    fn change<T>(&self, change: impl FnOnce(&mut World, u64) -> Result<T, SandboxError>) -> Result<T, SandboxError> {
        self.shared.change(|world| change(world, self.id))
    }

    /// Reads from the state; a repository cannot go away.
    fn read<T: Default>(&self, read: impl FnOnce(&Repo) -> T) -> T {
        self.shared.world().repos.get(&self.id).map(read).unwrap_or_default()
    }
}

fn repo_of(world: &mut World, id: u64) -> Result<&mut Repo, SandboxError> {
    world.repos.get_mut(&id).ok_or_else(|| SandboxError::Refused("the repository is gone".into()))
}

fn refused(refused: Refused) -> SandboxError {
    SandboxError::Refused(refused.message().to_owned())
}

fn no(what: impl Into<String>) -> SandboxError {
    SandboxError::Refused(what.into())
}
