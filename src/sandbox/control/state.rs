//! Looking in, and the few things that only people change.

use super::{RepoHandle, no, refused, repo_of};
use crate::domain::{Role, Sha};
use crate::sandbox::SandboxError;
use crate::sandbox::ids::Kind;
use crate::sandbox::model::{Asset, CheckRun, Deployment, Pull, Release, Status, WorkflowRun};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

impl RepoHandle {
    /// The folder of its git repository, a bare one; for programs that look at code.
    pub fn git_dir(&self) -> PathBuf {
        self.read(|repo| repo.git.dir().to_path_buf())
    }
    /// Oldest first, drafts included.
    pub fn releases(&self) -> Vec<Release> {
        self.read(|repo| repo.releases.clone())
    }
    /// The release that GitHub shows as latest.
    pub fn latest_release(&self) -> Option<Release> {
        self.read(|repo| repo.latest_release().cloned())
    }
    /// All check runs, oldest first.
    pub fn check_runs(&self) -> Vec<CheckRun> {
        self.read(|repo| repo.checks.clone())
    }
    /// The newest check run of that name on a commit.
    pub fn newest_check(&self, sha: &Sha, name: &str) -> Option<CheckRun> {
        self.read(|repo| repo.checks.iter().rev().find(|c| c.sha == *sha && c.name == name).cloned())
    }
    pub fn statuses(&self) -> Vec<Status> {
        self.read(|repo| repo.statuses.clone())
    }
    /// With their statuses, oldest first.
    pub fn deployments(&self) -> Vec<Deployment> {
        self.read(|repo| repo.deployments.clone())
    }
    /// Runs of workflows, dispatched ones included, oldest first.
    pub fn runs(&self) -> Vec<WorkflowRun> {
        self.read(|repo| repo.runs.clone())
    }
    pub fn pulls(&self) -> Vec<Pull> {
        self.read(|repo| repo.pulls.values().cloned().collect())
    }
    /// Branches and tags by full name, as commits.
    pub fn refs(&self) -> BTreeMap<String, Sha> {
        self.read(|repo| repo.refs.iter().map(|(name, t)| (name.clone(), t.commit.clone())).collect())
    }

    /// What somebody may do in the repository.
    pub fn set_role(&self, login: &str, role: Role) {
        let id = self.id;
        self.shared.change(|world| {
            world.account(login);
            if let Some(repo) = world.repos.get_mut(&id) {
                repo.roles.insert(login.to_owned(), role);
            }
        });
    }

    /// Somebody makes a release by hand.
    pub fn release_as(&self, by: &str, tag: &str, draft: bool) -> Result<u64, SandboxError> {
        self.change(|world, id| {
            world.account(by);
            let (release, now) = (world.ids.next(Kind::Release), world.now());
            let repo = repo_of(world, id)?;
            if !draft && repo.releases.iter().any(|r| !r.draft && r.tag == tag) {
                return Err(no(format!("{tag} is released already")));
            }
            repo.releases.push(Release {
                id: release,
                tag: tag.to_owned(),
                target: repo.default_branch.clone(),
                name: Some(tag.to_owned()),
                body: String::new(),
                draft: true,
                prerelease: false,
                author: by.to_owned(),
                created_at: now,
                published_at: None,
                assets: Vec::new(),
            });
            world.tell_release(id, release, "created", by);
            if !draft {
                world.publish(id, release, None, by).map_err(refused)?;
            }
            Ok(release)
        })
    }

    /// A file of the newest release of the tag, or another one of its name.
    pub fn upload(&self, tag: &str, name: &str, digest: Option<&str>) -> Result<(), SandboxError> {
        self.change(|world, id| {
            let all = &mut repo_of(world, id)?.releases;
            let release = all.iter_mut().filter(|r| r.tag == tag).max_by_key(|r| r.id).ok_or_else(|| no("no such release"))?;
            release.assets.retain(|asset| asset.name != name);
            release.assets.push(Asset { name: name.to_owned(), digest: digest.map(str::to_owned) });
            Ok(())
        })
    }

    /// Somebody adds an attestation; GitHub keeps what it is given.
    pub fn attest(&self, digest: &str, bundle: Value) -> Result<(), SandboxError> {
        self.change(|world, id| {
            repo_of(world, id)?.attestations.push((digest.to_owned(), bundle));
            Ok(())
        })
    }
}
