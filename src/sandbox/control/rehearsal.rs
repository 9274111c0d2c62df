//! What only a rehearsal needs: to take a copy back to a time before its tag.

use super::{RepoHandle, repo_of};
use crate::sandbox::SandboxError;

impl RepoHandle {
    /// Takes a tag away without telling anybody.
    pub fn forget_tag(&self, name: &str) -> Result<(), SandboxError> {
        self.change(|world, id| {
            let repo = repo_of(world, id)?;
            repo.git.update_refs(&[(format!("refs/tags/{name}"), None)])?;
            repo.reload_refs()
        })
    }

    pub fn default_branch(&self) -> String {
        self.read(|repo| repo.default_branch.clone())
    }
}
