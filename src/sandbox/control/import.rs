//! New repositories: from a list of commits, or as a copy of a local one.

use super::{CommitSeed, RepoHandle, RepoSeed, no};
use crate::domain::RepoName;
use crate::sandbox::git::{Git, NewCommit};
use crate::sandbox::ids::Kind;
use crate::sandbox::model::Pull;
use crate::sandbox::repo::{Repo, Target};
use crate::sandbox::world::World;
use crate::sandbox::{Sandbox, SandboxError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Sandbox {
    /// Makes a repository and, unless told otherwise, installs the App on it; only the installation is told.
    pub fn create_repo(&self, seed: RepoSeed) -> Result<RepoHandle, SandboxError> {
        let id = self.shared().change(|world| {
            let (name, dir) = place(world, &seed.full_name)?;
            let git = Git::init(&dir, &seed.default_branch)?;
            let mut repo = blank(world, &name, git, seed.default_branch.clone(), seed.private);
            fill(world, &mut repo, &seed)?;
            let id = repo.id;
            world.repos.insert(id, repo);
            if seed.installed {
                world.install_on(name.owner(), &[id]);
            }
            Ok(id)
        })?;
        Ok(RepoHandle { shared: Arc::clone(self.shared()), id })
    }

    /// A copy of a local repository: branches, tags and history. Pull requests are guessed from subjects such as
    /// `feat: x (#12)` and `Merge pull request #12 from a/b`; accounts are known only from GitHub's no-reply addresses.
    pub fn import_repo(&self, full_name: &str, path: &Path) -> Result<RepoHandle, SandboxError> {
        let id = self.shared().change(|world| {
            let (name, dir) = place(world, full_name)?;
            let git = Git::import(&dir, path)?;
            let default = git.head_branch().unwrap_or_else(|| "main".into());
            let mut repo = blank(world, &name, git, default, true);
            repo.reload_refs()?;
            // A checkout with a detached or odd HEAD still has branches; the usual names come first.
            if repo.head().is_none() {
                let branches = repo.refs.keys().filter_map(|n| n.strip_prefix("refs/heads/")).collect::<Vec<_>>();
                let usual = ["main", "master", "trunk"].into_iter().find(|n| branches.contains(n));
                let found = usual.or(branches.first().copied()).map(str::to_owned);
                repo.default_branch = found.ok_or_else(|| no("the repository has no branch"))?;
            }
            guess_pulls(world, &mut repo);
            let id = repo.id;
            world.repos.insert(id, repo);
            world.install_on(name.owner(), &[id]);
            Ok(id)
        })?;
        Ok(RepoHandle { shared: Arc::clone(self.shared()), id })
    }

    /// A fork of a repository: the same branches, tags and commits, and nothing else. The App is installed on it.
    pub fn fork(&self, parent: &str, full_name: &str) -> Result<RepoHandle, SandboxError> {
        let id = self.shared().change(|world| {
            let (name, dir) = place(world, full_name)?;
            let parent = world.repo_named(parent)?;
            let (from, branch, private) = (parent.git.dir().to_owned(), parent.default_branch.clone(), parent.private);
            let git = Git::import(&dir, &from)?;
            let mut repo = Repo { fork: true, ..blank(world, &name, git, branch, private) };
            repo.reload_refs()?;
            let id = repo.id;
            world.repos.insert(id, repo);
            world.install_on(name.owner(), &[id]);
            Ok(id)
        })?;
        Ok(RepoHandle { shared: Arc::clone(self.shared()), id })
    }

    /// A repository that exists.
    pub fn repo(&self, full_name: &str) -> Result<RepoHandle, SandboxError> {
        let id = self.shared().world().repo_named(full_name)?.id;
        Ok(RepoHandle { shared: Arc::clone(self.shared()), id })
    }
}

fn place(world: &mut World, full_name: &str) -> Result<(RepoName, PathBuf), SandboxError> {
    let name = RepoName::parse(full_name).map_err(|e| no(e.to_string()))?;
    if world.repo_id(full_name).is_some() {
        return Err(no(format!("{full_name} exists already")));
    }
    let dir = world.dir.join(name.owner()).join(format!("{}.git", name.name()));
    Ok((name, dir))
}

fn blank(world: &mut World, name: &RepoName, git: Git, default_branch: String, private: bool) -> Repo {
    world.account(name.owner());
    let now = world.now();
    Repo {
        id: world.ids.next(Kind::Repository),
        owner: name.owner().to_owned(),
        name: name.name().to_owned(),
        private,
        fork: false,
        default_branch,
        created_at: now,
        pushed_at: now,
        git,
        refs: BTreeMap::new(),
        checks: Vec::new(),
        suites: Vec::new(),
        statuses: Vec::new(),
        releases: Vec::new(),
        attestations: Vec::new(),
        latest: None,
        deployments: Vec::new(),
        workflows: BTreeMap::new(),
        runs: Vec::new(),
        pulls: BTreeMap::new(),
        labels: BTreeMap::new(),
        comments: Vec::new(),
        pushes: Vec::new(),
        roles: BTreeMap::new(),
        rules: BTreeSet::new(),
        reviews: Vec::new(),
        lost: BTreeSet::new(),
    }
}

fn fill(world: &mut World, repo: &mut Repo, seed: &RepoSeed) -> Result<(), SandboxError> {
    let first = CommitSeed::new("chore: begin").file("README.md", &format!("# {}\n", seed.full_name));
    let seeds = if seed.commits.is_empty() { vec![first] } else { seed.commits.clone() };
    let branch = format!("refs/heads/{}", seed.default_branch);
    let commits = seeds.iter().map(|commit| NewCommit {
        reference: branch.clone(),
        author: commit.identity(world),
        message: commit.message.clone(),
        parents: Vec::new(),
        after_previous: true,
        files: commit.new_files(),
    });
    let commits = commits.collect::<Vec<_>>();
    let shas = repo.git.write_commits(&commits)?;
    if let Some(head) = shas.last() {
        repo.refs.insert(branch, Target { object: head.clone(), commit: head.clone() });
    }
    let tagged =
        seeds.iter().zip(&shas).filter_map(|(seed, sha)| Some((format!("refs/tags/{}", seed.tag.as_ref()?), sha.clone())));
    let tagged = tagged.collect::<Vec<_>>();
    repo.git.update_refs(&tagged.iter().map(|(name, sha)| (name.clone(), Some(sha.clone()))).collect::<Vec<_>>())?;
    repo.refs.extend(tagged.into_iter().map(|(name, sha)| (name, Target { object: sha.clone(), commit: sha })));
    Ok(())
}

/// `… (#12)` or `Merge pull request #12 from …`: the number and the title.
fn pull_of(message: &str) -> Option<(u64, String)> {
    let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
    if let Some(rest) = subject.strip_prefix("Merge pull request #") {
        let number = rest.split(' ').next()?.parse().ok()?;
        let title = body.lines().find(|l| !l.trim().is_empty()).unwrap_or(subject);
        return Some((number, title.trim().to_owned()));
    }
    let (title, rest) = subject.trim_end().rsplit_once(" (#")?;
    Some((rest.strip_suffix(')')?.parse().ok()?, title.to_owned()))
}

fn guess_pulls(world: &mut World, repo: &mut Repo) {
    let Some(head) = repo.head().cloned() else { return };
    let all = repo.git.range(&[], &head);
    for sha in &all {
        let Some(commit) = repo.git.commit(sha).cloned() else { continue };
        for email in [&commit.author.email, &commit.committer.email] {
            if let Some(login) = email.ends_with("@users.noreply.github.com").then(|| world.login_of_email(email)).flatten() {
                world.account(&login);
            }
        }
        let Some((number, title)) = pull_of(&commit.message) else { continue };
        let brought = match &commit.parents[..] {
            [first, second, ..] => repo.git.range(&[first], second),
            _ => Vec::new(),
        };
        // A merge was made by whoever pressed the button; the work is its last commit's author's.
        let worker = brought.first().and_then(|sha| repo.git.commit(sha)).map_or(&commit.author, |c| &c.author);
        let author = world.login_of_email(&worker.email).unwrap_or_default();
        let at = crate::domain::Millis(commit.committer.time.saturating_mul(1_000));
        let base_sha = commit.parents.first().unwrap_or(sha).clone();
        let mut commits = brought.clone();
        commits.push(sha.clone());
        let pull = Pull {
            id: world.ids.next(Kind::PullRequest),
            number,
            title,
            body: String::new(),
            author,
            labels: Vec::new(),
            open: false,
            draft: false,
            head: format!("pull-{number}"),
            base: repo.default_branch.clone(),
            head_sha: brought.first().unwrap_or(sha).clone(),
            base_sha,
            head_repo: None,
            merged_at: Some(at),
            merge_commit: Some(sha.clone()),
            merged_by: None,
            created_at: at,
            updated_at: at,
            commits,
        };
        repo.pulls.entry(number).or_insert(pull);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_requests_are_read_from_subjects() {
        assert_eq!(pull_of("feat: x (#12)\n\nbody"), Some((12, "feat: x".into())));
        assert_eq!(pull_of("Merge pull request #7 from a/b\n\nfix: y"), Some((7, "fix: y".into())));
        for none in ["feat: x", "fix (#)", "Merge branch 'x'", "see (#1) too"] {
            assert_eq!(pull_of(none), None, "{none}");
        }
    }
}
