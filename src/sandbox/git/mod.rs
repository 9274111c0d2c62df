//! A bare repository driven through the `git` binary, with its commit graph kept in memory.
//!
//! Invariant: every commit that a reference can reach is in `commits`, so that walking the graph starts no process. Only
//! this module changes the repository, so references are held by the caller and never re-read from disk.

mod batch;
mod graph;
mod import;
mod parse;

pub(super) use import::{NewCommit, NewFile};
pub(super) use parse::{CommitObject, Identity, TagObject};

use super::SandboxError;
use crate::domain::Sha;
use batch::Batch;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One object as `git cat-file` gives it.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub oid: Sha,
    pub kind: String,
    pub bytes: Vec<u8>,
}

pub(super) struct Git {
    dir: PathBuf,
    batch: Option<Batch>,
    commits: Vec<CommitObject>,
    numbers: HashMap<Sha, u32>,
    /// The parents of each commit by number; a parent that a shallow copy lacks is left out.
    graph: Vec<Vec<u32>>,
}

/// A `git` process that sees no configuration but the repository's own.
pub(super) fn command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
    command.env("GIT_DIR", dir).env("LC_ALL", "C");
    command
}

impl Git {
    /// An empty bare repository.
    pub fn init(dir: &Path, default_branch: &str) -> Result<Self, SandboxError> {
        std::fs::create_dir_all(dir).map_err(|e| SandboxError::Git(format!("{}: {e}", dir.display())))?;
        let mut init = command(dir);
        init.args(["init", "--quiet", "--bare", "--template=", "--initial-branch", default_branch]);
        run(init, b"")?;
        Ok(Self::at(dir))
    }

    /// A bare copy of a local repository: all its branches and tags.
    pub fn import(dir: &Path, from: &Path) -> Result<Self, SandboxError> {
        let mut clone = command(dir);
        clone.env_remove("GIT_DIR").args(["clone", "--quiet", "--bare", "--no-hardlinks", "--template="]).arg(from).arg(dir);
        run(clone, b"")?;
        let mut git = Self::at(dir);
        let tips = git.refs()?.into_values().collect::<Vec<_>>();
        git.learn(&tips)?;
        Ok(git)
    }

    fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), batch: None, commits: Vec::new(), numbers: HashMap::new(), graph: Vec::new() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs one git command to its end and gives its output.
    pub fn run(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, SandboxError> {
        let mut git = command(&self.dir);
        git.args(args);
        run(git, input)
    }

    /// The branch that HEAD names.
    pub fn head_branch(&self) -> Option<String> {
        let out = self.run(&["symbolic-ref", "--short", "HEAD"], b"").ok()?;
        Some(String::from_utf8_lossy(&out).trim().to_owned())
    }

    /// Branches and tags as they are on disk, unpeeled.
    pub fn refs(&self) -> Result<HashMap<String, Sha>, SandboxError> {
        let out = self.run(&["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"], b"")?;
        let text = String::from_utf8_lossy(&out);
        let pair = |line: &str| line.split_once(' ').and_then(|(oid, name)| Some((name.to_owned(), Sha::parse(oid).ok()?)));
        Ok(text.lines().filter_map(pair).collect())
    }

    /// The commits that `tip` reaches and that change something at a path.
    pub fn touching(&self, tip: &Sha, path: &str) -> Result<HashSet<Sha>, SandboxError> {
        let out = self.run(&["--literal-pathspecs", "rev-list", tip.as_str(), "--", path], b"")?;
        Ok(String::from_utf8_lossy(&out).lines().filter_map(|line| Sha::parse(line).ok()).collect())
    }

    /// Sets or deletes references on disk in one transaction.
    pub fn update_refs(&self, changes: &[(String, Option<Sha>)]) -> Result<(), SandboxError> {
        let line = |(name, to): &(String, Option<Sha>)| match to {
            Some(sha) => format!("update {name} {sha}\n"),
            None => format!("delete {name}\n"),
        };
        let input = changes.iter().map(line).collect::<String>();
        self.run(&["update-ref", "--stdin"], input.as_bytes()).map(drop)
    }

    /// Any object by id or by an expression such as `<sha>:path`; nothing if it does not exist.
    pub fn object(&mut self, spec: &str) -> Result<Option<Object>, SandboxError> {
        if spec.contains(['\n', '\0']) || spec.is_empty() {
            return Ok(None);
        }
        if self.batch.is_none() {
            self.batch = Some(Batch::start(&self.dir)?);
        }
        let answer = match &mut self.batch {
            Some(batch) => batch.ask(spec),
            None => Ok(None),
        };
        if answer.is_err() {
            self.batch = None;
        }
        answer
    }

    /// Writes an annotated tag object.
    pub fn make_tag(&self, name: &str, target: &Sha, tagger: &Identity, message: &str) -> Result<Sha, SandboxError> {
        let text = format!("object {target}\ntype commit\ntag {name}\ntagger {}\n\n{}\n", tagger.line(), message.trim_end());
        let out = self.run(&["mktag", "--no-strict"], text.as_bytes())?;
        Sha::parse(String::from_utf8_lossy(&out).trim()).map_err(|_| SandboxError::Git("mktag gave no object id".into()))
    }

    /// A commit by its full id.
    pub fn commit(&self, sha: &Sha) -> Option<&CommitObject> {
        self.commits.get(*self.numbers.get(sha)? as usize)
    }

    /// Follows annotated tags to the commit.
    pub fn peel(&mut self, object: &Sha) -> Option<Sha> {
        let mut at = object.clone();
        for _ in 0..8 {
            if self.numbers.contains_key(&at) {
                return Some(at);
            }
            at = self.tag(&at)?.target;
        }
        None
    }

    /// An annotated tag object by its id.
    pub fn tag(&mut self, oid: &Sha) -> Option<TagObject> {
        let object = self.object(oid.as_str()).ok()??;
        (object.kind == "tag").then(|| TagObject::parse(&object.bytes)).flatten()
    }

    /// Reads every commit that the tips reach and that is not known yet.
    pub fn learn(&mut self, tips: &[Sha]) -> Result<(), SandboxError> {
        if tips.is_empty() {
            return Ok(());
        }
        let input = tips.iter().map(|sha| format!("{sha}\n")).collect::<String>();
        let out = self.run(&["rev-list", "--reverse", "--topo-order", "--stdin"], input.as_bytes())?;
        let all = String::from_utf8_lossy(&out).lines().filter_map(|l| Sha::parse(l).ok()).collect::<Vec<_>>();
        self.learn_exactly(&all)
    }

    /// Reads these commits, parents before children, one question each over one process.
    pub fn learn_exactly(&mut self, shas: &[Sha]) -> Result<(), SandboxError> {
        for sha in shas.iter().filter(|sha| !sha.as_str().is_empty()) {
            if self.numbers.contains_key(sha) {
                continue;
            }
            let object = self.object(sha.as_str())?.filter(|o| o.kind == "commit");
            let commit = object.and_then(|o| CommitObject::parse(sha.clone(), &o.bytes));
            let commit = commit.ok_or_else(|| SandboxError::Git(format!("{sha} is not a readable commit")))?;
            let number = u32::try_from(self.commits.len()).map_err(|_| SandboxError::Git("too many commits".into()))?;
            self.numbers.insert(sha.clone(), number);
            self.graph.push(commit.parents.iter().filter_map(|p| self.numbers.get(p).copied()).collect());
            self.commits.push(commit);
        }
        Ok(())
    }
}

fn run(mut command: Command, input: &[u8]) -> Result<Vec<u8>, SandboxError> {
    let lost = |what: &str, error: std::io::Error| SandboxError::Git(format!("{what}: {error}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| lost("git does not start", e))?;
    let stdin = child.stdin.take();
    let out = std::thread::scope(|scope| {
        // Written from a second thread, so that a full output pipe cannot block both sides.
        let feed = (!input.is_empty()).then_some(stdin).flatten().map(|mut stdin| scope.spawn(move || stdin.write_all(input)));
        let out = child.wait_with_output();
        if let Some(feed) = feed {
            let _ = feed.join(); // a git that stops reading says why on stderr
        }
        out
    });
    let out = out.map_err(|e| lost("git did not finish", e))?;
    if out.status.success() {
        return Ok(out.stdout);
    }
    Err(SandboxError::Git(String::from_utf8_lossy(&out.stderr).trim().to_owned()))
}
