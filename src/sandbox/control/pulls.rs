//! Pull requests: opening, labelling, merging, closing.

use super::{RepoHandle, no, repo_of};
use crate::domain::Sha;
use crate::sandbox::SandboxError;
use crate::sandbox::changes::RefChange;
use crate::sandbox::git::Identity;
use crate::sandbox::ids::Kind;
use crate::sandbox::model::Pull;
use crate::sandbox::repo::Repo;
use serde_json::json;

/// How a pull request is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// A commit with two parents.
    Commit,
    /// One commit with the title, `(#n)` and a list of what was squashed.
    Squash,
}

/// A pull request to be.
#[derive(Clone, Debug)]
pub struct PullSeed {
    title: String,
    author: String,
    head: String,
    base: Option<String>,
    labels: Vec<String>,
    draft: bool,
    fork: Option<String>,
}

impl PullSeed {
    /// From a branch to the default branch, by `dev`.
    pub fn new(title: &str, head: &str) -> Self {
        let (title, head) = (title.to_owned(), head.to_owned());
        Self { title, author: "dev".into(), head, base: None, labels: Vec::new(), draft: false, fork: None }
    }
    pub fn author(mut self, login: &str) -> Self {
        login.clone_into(&mut self.author);
        self
    }
    pub fn base(mut self, branch: &str) -> Self {
        self.base = Some(branch.to_owned());
        self
    }
    pub fn label(mut self, label: &str) -> Self {
        self.labels.push(label.to_owned());
        self
    }
    pub fn draft(mut self) -> Self {
        self.draft = true;
        self
    }
    /// As if its branch lived in a fork, `owner/name`; an empty name is a fork that was deleted.
    pub fn from_fork(mut self, full_name: &str) -> Self {
        self.fork = Some(full_name.to_owned());
        self
    }
}

impl RepoHandle {
    /// Opens a pull request; its number.
    pub fn open_pull(&self, seed: PullSeed) -> Result<u64, SandboxError> {
        self.change(|world, id| {
            world.account(&seed.author);
            let now = world.now();
            let pull_id = world.ids.next(Kind::PullRequest);
            for label in &seed.labels {
                let label_id = world.ids.next(Kind::Label);
                repo_of(world, id)?.labels.entry(label.clone()).or_insert(label_id);
            }
            let repo = repo_of(world, id)?;
            let base = seed.base.unwrap_or_else(|| repo.default_branch.clone());
            let head_sha = repo.branch(&seed.head).cloned().ok_or_else(|| no(format!("no branch {}", seed.head)))?;
            let base_sha = repo.branch(&base).cloned().ok_or_else(|| no(format!("no branch {base}")))?;
            if repo.git.is_ancestor(&head_sha, &base_sha) {
                return Err(no(format!("No commits between {base} and {}", seed.head)));
            }
            let number = repo.pulls.keys().max().copied().unwrap_or(0) + 1;
            let pull = Pull {
                id: pull_id,
                number,
                title: seed.title,
                body: String::new(),
                author: seed.author.clone(),
                labels: seed.labels,
                open: true,
                draft: seed.draft,
                head: seed.head,
                base,
                head_sha,
                base_sha,
                head_repo: seed.fork,
                merged_at: None,
                merge_commit: None,
                merged_by: None,
                created_at: now,
                updated_at: now,
                commits: Vec::new(),
            };
            repo.pulls.insert(number, pull);
            world.tell_pull(id, number, "opened", &seed.author, json!({}));
            Ok(number)
        })
    }

    /// Merges an open pull request; the commit that the base branch now has.
    pub fn merge_pull(&self, number: u64, how: Merge, by: &str) -> Result<Sha, SandboxError> {
        self.change(|world, id| {
            let merger = world.account(by);
            let now = world.now();
            let repo = repo_of(world, id)?;
            let pull = repo.pulls.get(&number).filter(|p| p.open).cloned().ok_or_else(|| no("no such open pull request"))?;
            let base = repo.branch(&pull.base).cloned().ok_or_else(|| no("its base is gone"))?;
            let work = repo.git.range(&[&base], &pull.head_sha);
            let author = world.account(&pull.author);
            let who = |login: &str, email: &str| Identity {
                name: login.into(),
                email: email.into(),
                time: now.0 / 1_000,
                zone: "+0000".into(),
            };
            let author = match how {
                Merge::Commit => who(&merger.login, &merger.email),
                Merge::Squash => who(&author.login, &author.email),
            };
            let repo = repo_of(world, id)?;
            let sha = write_merge(repo, &pull, &base, &work, how, &author)?;
            let mut commits = work;
            commits.push(sha.clone());
            if let Some(pull) = repo.pulls.get_mut(&number) {
                pull.open = false;
                pull.merged_at = Some(now);
                pull.updated_at = now;
                pull.merge_commit = Some(sha.clone());
                pull.merged_by = Some(by.to_owned());
                pull.base_sha = base;
                pull.commits = commits;
            }
            let name = format!("refs/heads/{}", pull.base);
            world.push(id, by, vec![RefChange { name, to: Some(sha.clone()) }], false)?;
            world.tell_pull(id, number, "closed", by, json!({}));
            Ok(sha)
        })
    }

    /// Closes without merging.
    pub fn close_pull(&self, number: u64, by: &str) -> Result<(), SandboxError> {
        self.change(|world, id| {
            world.account(by);
            let now = world.now();
            let pull = repo_of(world, id)?.pulls.get_mut(&number).ok_or_else(|| no("no such pull request"))?;
            pull.open = false;
            pull.updated_at = now;
            world.tell_pull(id, number, "closed", by, json!({}));
            Ok(())
        })
    }

    /// Changes a title; tells `edited`.
    pub fn retitle_pull(&self, number: u64, title: &str, by: &str) -> Result<(), SandboxError> {
        self.change(|world, id| {
            world.account(by);
            let pull = repo_of(world, id)?.pulls.get_mut(&number).ok_or_else(|| no("no such pull request"))?;
            let old = std::mem::replace(&mut pull.title, title.to_owned());
            world.tell_pull(id, number, "edited", by, json!({ "changes": { "title": { "from": old } } }));
            Ok(())
        })
    }
}

pub(super) fn write_merge(
    repo: &mut Repo,
    pull: &Pull,
    base: &Sha,
    work: &[Sha],
    how: Merge,
    author: &Identity,
) -> Result<Sha, SandboxError> {
    let out = repo.git.run(&["merge-tree", "--write-tree", base.as_str(), pull.head_sha.as_str()], b"");
    let out = out.map_err(|_| no("the pull request conflicts with its base"))?;
    let text = String::from_utf8_lossy(&out);
    let tree = text.lines().next().unwrap_or_default();
    let (parents, message) = match how {
        Merge::Commit => {
            let text = format!("Merge pull request #{} from {}/{}\n\n{}", pull.number, repo.owner, pull.head, pull.title);
            (vec![base, &pull.head_sha], text)
        }
        Merge::Squash => {
            let messages =
                work.iter().rev().filter_map(|sha| repo.git.commit(sha)).map(|c| c.message.as_str()).collect::<Vec<_>>();
            // One commit keeps its body; several become a list, as GitHub's default does it.
            let body = match &messages[..] {
                [one] => one.split_once("\n\n").map_or("", |(_, body)| body).to_owned(),
                all => all.iter().map(|m| format!("* {m}")).collect::<Vec<_>>().join("\n\n"),
            };
            (vec![base], format!("{} (#{})\n\n{body}", pull.title, pull.number))
        }
    };
    let parents = parents.iter().map(|p| format!("parent {p}\n")).collect::<String>();
    let line = author.line();
    let github = Identity { name: "GitHub".into(), email: "noreply@github.com".into(), ..author.clone() };
    let raw = format!("tree {tree}\n{parents}author {line}\ncommitter {}\n\n{}\n", github.line(), message.trim_end());
    let out = repo.git.run(&["hash-object", "-t", "commit", "-w", "--stdin"], raw.as_bytes())?;
    let sha = Sha::parse(String::from_utf8_lossy(&out).trim()).map_err(|e| no(e.to_string()))?;
    repo.git.learn_exactly(std::slice::from_ref(&sha))?;
    Ok(sha)
}
