//! Repositories and commits to be.

use crate::sandbox::git::{Identity, NewFile};
use crate::sandbox::world::World;

/// A commit: message, files, author, date.
#[derive(Clone, Debug)]
pub struct CommitSeed {
    pub(super) message: String,
    pub(super) author: String,
    pub(super) files: Vec<(String, Option<Vec<u8>>)>,
    pub(super) date: Option<i64>,
    pub(super) tag: Option<String>,
}

impl CommitSeed {
    /// By `dev`, now, changing nothing unless told so.
    pub fn new(message: &str) -> Self {
        Self { message: message.to_owned(), author: "dev".to_owned(), files: Vec::new(), date: None, tag: None }
    }
    /// A login, or `Name <email>` of somebody whom GitHub need not know.
    pub fn author(mut self, author: &str) -> Self {
        author.clone_into(&mut self.author);
        self
    }
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), Some(content.as_bytes().to_vec())));
        self
    }
    pub fn without_file(mut self, path: &str) -> Self {
        self.files.push((path.to_owned(), None));
        self
    }
    /// Seconds since the epoch.
    pub fn date(mut self, seconds: i64) -> Self {
        self.date = Some(seconds);
        self
    }
    /// A lightweight tag on it; only in a [`RepoSeed`], where nothing is told.
    pub fn tagged(mut self, tag: &str) -> Self {
        self.tag = Some(tag.to_owned());
        self
    }

    pub(super) fn identity(&self, world: &mut World) -> Identity {
        let time = self.date.unwrap_or(world.now().0 / 1_000);
        let zone = "+0000".to_owned();
        if let Some((name, email)) = self.author.strip_suffix('>').and_then(|a| a.split_once('<')) {
            return Identity { name: name.trim().to_owned(), email: email.to_owned(), time, zone };
        }
        let account = world.account(&self.author);
        Identity { name: account.login, email: account.email, time, zone }
    }

    pub(super) fn new_files(&self) -> Vec<NewFile> {
        self.files.iter().map(|(path, content)| NewFile { path: path.clone(), content: content.clone() }).collect()
    }
}

/// A repository to be, with its history on the default branch.
#[derive(Clone, Debug)]
pub struct RepoSeed {
    pub(super) full_name: String,
    pub(super) default_branch: String,
    pub(super) private: bool,
    pub(super) installed: bool,
    pub(super) commits: Vec<CommitSeed>,
}

impl RepoSeed {
    /// Private, on `main`, with the App installed on its owner.
    pub fn new(full_name: &str) -> Self {
        let full_name = full_name.to_owned();
        Self { full_name, default_branch: "main".into(), private: true, installed: true, commits: Vec::new() }
    }
    /// In order; each is the parent of the next. Without any, there is one that adds a README.
    pub fn commit(mut self, commit: CommitSeed) -> Self {
        self.commits.push(commit);
        self
    }
    pub fn commits(mut self, commits: impl IntoIterator<Item = CommitSeed>) -> Self {
        self.commits.extend(commits);
        self
    }
    pub fn default_branch(mut self, branch: &str) -> Self {
        branch.clone_into(&mut self.default_branch);
        self
    }
    pub fn public(mut self) -> Self {
        self.private = false;
        self
    }
    /// Leaves the App out of it.
    pub fn not_installed(mut self) -> Self {
        self.installed = false;
        self
    }
}
