//! Pushing: commits, branches, tags.

use super::{CommitSeed, RepoHandle, no, repo_of};
use crate::domain::{Sha, Tag};
use crate::sandbox::SandboxError;
use crate::sandbox::changes::RefChange;
use crate::sandbox::git::{Identity, NewCommit};

/// One reference of a push: `refs/heads/…` or `refs/tags/…`.
#[derive(Clone, Debug)]
pub struct RefPush {
    name: String,
    to: Option<Sha>,
    message: Option<String>,
}

impl RefPush {
    pub fn branch(name: &str, to: &Sha) -> Self {
        Self { name: format!("refs/heads/{name}"), to: Some(to.clone()), message: None }
    }
    pub fn tag(name: &str, to: &Sha) -> Self {
        Self { name: format!("refs/tags/{name}"), to: Some(to.clone()), message: None }
    }
    pub fn annotated_tag(name: &str, to: &Sha, message: &str) -> Self {
        Self { message: Some(message.to_owned()), ..Self::tag(name, to) }
    }
    /// Deletes a reference by its full name.
    pub fn delete(full_name: &str) -> Self {
        Self { name: full_name.to_owned(), to: None, message: None }
    }
}

impl RepoHandle {
    /// Commits on top of a branch and pushes. A branch that does not exist starts at the default branch.
    pub fn commit(&self, branch: &str, seed: CommitSeed) -> Result<Sha, SandboxError> {
        let author = seed.author.clone();
        let shas = self.commits(branch, vec![seed], &author)?;
        shas.into_iter().next().ok_or_else(|| no("nothing was committed"))
    }

    /// Several commits in one push.
    pub fn commits(&self, branch: &str, seeds: Vec<CommitSeed>, pusher: &str) -> Result<Vec<Sha>, SandboxError> {
        let name = format!("refs/heads/{branch}");
        self.change(|world, id| {
            let authors = seeds.iter().map(|seed| seed.identity(world)).collect::<Vec<_>>();
            let login = pusher.split(" <").next().unwrap_or(pusher).to_owned();
            world.account(&login);
            let repo = repo_of(world, id)?;
            let tip = repo.branch(branch).or(repo.head()).cloned();
            let commits = seeds.iter().zip(authors).enumerate().map(|(n, (seed, author))| NewCommit {
                reference: name.clone(),
                author,
                message: seed.message.clone(),
                parents: tip.iter().filter(|_| n == 0).cloned().collect(),
                after_previous: true,
                files: seed.new_files(),
            });
            let commits = commits.collect::<Vec<_>>();
            let shas = repo.git.write_commits(&commits)?;
            world.push(id, &login, vec![RefChange { name, to: shas.last().cloned() }], true)?;
            Ok(shas)
        })
    }

    /// A push of several references at once. GitHub tells nothing about tags when there are more than three.
    pub fn push(&self, pusher: &str, refs: Vec<RefPush>) -> Result<(), SandboxError> {
        self.change(|world, id| {
            let account = world.account(pusher);
            let time = world.now().0 / 1_000;
            let tagger = Identity { name: account.login, email: account.email, time, zone: "+0000".into() };
            let repo = repo_of(world, id)?;
            let mut changes = Vec::new();
            for push in refs {
                if let Some(tag) = push.name.strip_prefix("refs/tags/") {
                    Tag::parse(tag).map_err(|e| no(e.to_string()))?;
                }
                let to = match (push.to, push.message) {
                    (Some(sha), Some(message)) => {
                        let short = push.name.trim_start_matches("refs/tags/");
                        Some(repo.git.make_tag(short, &sha, &tagger, &message)?)
                    }
                    (to, _) => to,
                };
                if to.is_none() && !repo.refs.contains_key(&push.name) {
                    return Err(no(format!("{} does not exist", push.name)));
                }
                changes.push(RefChange { name: push.name, to });
            }
            world.push(id, pusher, changes, false)
        })
    }

    pub fn tag(&self, name: &str, to: &Sha) -> Result<(), SandboxError> {
        self.push("dev", vec![RefPush::tag(name, to)])
    }
    pub fn annotated_tag(&self, name: &str, to: &Sha, message: &str) -> Result<(), SandboxError> {
        self.push("dev", vec![RefPush::annotated_tag(name, to, message)])
    }
    /// `git push --force` of a tag.
    pub fn move_tag(&self, name: &str, to: &Sha) -> Result<(), SandboxError> {
        self.tag(name, to)
    }
    pub fn delete_tag(&self, name: &str) -> Result<(), SandboxError> {
        self.push("dev", vec![RefPush::delete(&format!("refs/tags/{name}"))])
    }
    pub fn branch(&self, name: &str, at: &Sha) -> Result<(), SandboxError> {
        self.push("dev", vec![RefPush::branch(name, at)])
    }

    /// GitHub has thrown a commit away: it is in nobody's history any more and cannot be asked for.
    pub fn lose_commit(&self, sha: &Sha) -> Result<(), SandboxError> {
        self.change(|world, id| {
            repo_of(world, id)?.lost.insert(sha.clone());
            Ok(())
        })
    }

    /// A branch, tag or commit id as a commit.
    pub fn resolve(&self, text: &str) -> Option<Sha> {
        self.shared.world().repos.get_mut(&self.id)?.resolve(text)
    }
}
