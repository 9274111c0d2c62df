//! One repository: its references in memory, its objects in git, and everything GitHub hangs on it.

use super::SandboxError;
use super::git::Git;
use super::model::{CheckRun, CheckSuite, Comment, Deployment, Pull, Push, Release, Review, Status, WorkflowRun};
use crate::domain::{Millis, Role, Sha};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where a branch or tag points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// A commit or an annotated tag object.
    pub object: Sha,
    pub commit: Sha,
}

impl Target {
    pub fn annotated(&self) -> bool {
        self.object != self.commit
    }
}

/// One file of a pull request.
pub(super) struct ChangedFile {
    /// `added`, `modified`, `removed` or `renamed`.
    pub status: &'static str,
    pub path: String,
    pub previous: Option<String>,
}

pub(super) struct Repo {
    pub id: u64,
    pub owner: String,
    pub name: String,
    pub private: bool,
    /// It was made from another one, and shares its commits.
    pub fork: bool,
    pub default_branch: String,
    pub created_at: Millis,
    pub pushed_at: Millis,
    pub git: Git,
    /// By full name, `refs/heads/…` and `refs/tags/…`.
    pub refs: BTreeMap<String, Target>,
    pub checks: Vec<CheckRun>,
    pub suites: Vec<CheckSuite>,
    pub statuses: Vec<Status>,
    pub releases: Vec<Release>,
    /// Bundles and the digests that they are about.
    pub attestations: Vec<(String, Value)>,
    /// What `make_latest` chose; without it the newest stable release is the latest.
    pub latest: Option<u64>,
    pub deployments: Vec<Deployment>,
    pub workflows: BTreeMap<String, u64>,
    pub runs: Vec<WorkflowRun>,
    /// Environments that ask the App under test.
    pub rules: BTreeSet<String>,
    pub reviews: Vec<Review>,
    pub pulls: BTreeMap<u64, Pull>,
    pub labels: BTreeMap<String, u64>,
    /// Oldest first.
    pub comments: Vec<Comment>,
    /// Oldest first.
    pub pushes: Vec<Push>,
    pub roles: BTreeMap<String, Role>,
    /// Commits that GitHub has thrown away after history was rewritten.
    pub lost: BTreeSet<Sha>,
}

impl Repo {
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// A branch, tag, `heads/x`, `tags/x`, full reference or commit id (whole or at least four digits) as a commit.
    pub fn resolve(&mut self, text: &str) -> Option<Sha> {
        let names = [format!("refs/heads/{text}"), format!("refs/tags/{text}"), format!("refs/{text}"), text.to_owned()];
        if let Some(target) = names.iter().find_map(|name| self.refs.get(name)) {
            return Some(target.commit.clone());
        }
        if text == "HEAD" {
            return self.head().cloned();
        }
        let digits = (4..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return None;
        }
        if let Ok(sha) = Sha::parse(text) {
            return self.git.commit(&sha).map(|c| c.sha.clone()).filter(|sha| !self.lost.contains(sha));
        }
        let object = self.git.object(text).ok()??;
        self.git.commit(&object.oid).map(|c| c.sha.clone())
    }

    /// The default branch's newest commit.
    pub fn head(&self) -> Option<&Sha> {
        self.refs.get(&format!("refs/heads/{}", self.default_branch)).map(|t| &t.commit)
    }

    pub fn branch(&self, name: &str) -> Option<&Sha> {
        self.refs.get(&format!("refs/heads/{name}")).map(|t| &t.commit)
    }

    /// Reads the references from disk again, after an import.
    pub fn reload_refs(&mut self) -> Result<(), SandboxError> {
        self.refs.clear();
        for (name, object) in self.git.refs()? {
            // A tag of a tree or blob has no commit; GitHub lists it, nothing here needs it.
            if let Some(commit) = self.git.peel(&object) {
                self.refs.insert(name, Target { object, commit });
            }
        }
        Ok(())
    }

    /// The newest run of each name per suite, as GitHub's `filter=latest`.
    pub fn latest_checks(&self, sha: &Sha) -> Vec<&CheckRun> {
        let of = self.checks.iter().filter(|c| c.sha == *sha).collect::<Vec<_>>();
        let newest = |c: &&CheckRun| !of.iter().any(|o| o.name == c.name && o.suite == c.suite && o.id > c.id);
        of.iter().copied().filter(newest).collect()
    }

    /// The newest status of each context.
    pub fn latest_statuses(&self, sha: &Sha) -> Vec<&Status> {
        let mut by_context: BTreeMap<&str, &Status> = BTreeMap::new();
        for status in self.statuses.iter().filter(|s| s.sha == *sha) {
            by_context.insert(&status.context, status);
        }
        by_context.into_values().collect()
    }

    /// Status and conclusion of a suite from its newest runs.
    pub fn suite_state(&self, suite: u64) -> (&'static str, Option<&'static str>) {
        let of = self.checks.iter().filter(|c| c.suite == suite).collect::<Vec<_>>();
        let newest = of.iter().filter(|c| !of.iter().any(|o| o.name == c.name && o.id > c.id)).collect::<Vec<_>>();
        if newest.is_empty() {
            return ("queued", None);
        }
        if newest.iter().any(|c| c.status != "completed") {
            return ("in_progress", None);
        }
        let said = |what: &str| newest.iter().any(|c| c.conclusion.as_deref() == Some(what));
        let bad = ["failure", "timed_out", "cancelled", "action_required", "startup_failure"];
        let conclusion = bad.into_iter().find(|word| said(word));
        ("completed", conclusion.or(Some(if said("success") { "success" } else { "neutral" })))
    }

    pub fn role(&self, login: &str) -> Role {
        let found = self.roles.iter().find(|(who, _)| who.eq_ignore_ascii_case(login)).map(|(_, role)| *role);
        let owner = (login == self.owner).then_some(Role::Admin);
        found.or(owner).unwrap_or(if self.private { Role::None } else { Role::Read })
    }

    /// The release that GitHub calls the latest.
    pub fn latest_release(&self) -> Option<&Release> {
        let stable = self.releases.iter().filter(|r| !r.draft && !r.prerelease);
        let chosen = stable.clone().find(|r| Some(r.id) == self.latest);
        chosen.or_else(|| stable.max_by_key(|r| (r.created_at, r.id)))
    }

    /// The commits that a pull request offers or brought, without the merge, newest first.
    pub fn work_of(&self, pull: &Pull) -> Vec<Sha> {
        self.git.range(&[&pull.base_sha], &pull.head_sha)
    }

    /// What a pull request changes against its base.
    pub fn files_of(&self, pull: &Pull) -> Result<Vec<ChangedFile>, SandboxError> {
        let base = self.git.merge_base(&pull.base_sha, &pull.head_sha).unwrap_or_else(|| pull.base_sha.clone());
        let out =
            self.git.run(&["diff-tree", "-r", "-M", "-z", "--name-status", base.as_str(), pull.head_sha.as_str()], b"")?;
        let text = String::from_utf8_lossy(&out).into_owned();
        let mut parts = text.split('\0').filter(|p| !p.is_empty()).map(str::to_owned);
        let mut files = Vec::new();
        while let (Some(kind), Some(path)) = (parts.next(), parts.next()) {
            let status = match kind.chars().next() {
                Some('A') => "added",
                Some('D') => "removed",
                Some('R') => "renamed",
                _ => "modified",
            };
            let new = if status == "renamed" { parts.next() } else { None };
            let previous = new.is_some().then(|| path.clone());
            files.push(ChangedFile { status, path: new.unwrap_or(path), previous });
        }
        Ok(files)
    }

    /// Pull requests that a commit came with, or is offered in.
    pub fn pulls_with(&self, sha: &Sha) -> Vec<&Pull> {
        let brought = |p: &&Pull| p.commits.contains(sha) || (p.open && p.head_sha == *sha);
        self.pulls.values().filter(brought).collect()
    }
}
