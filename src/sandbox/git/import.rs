//! Makes commits through one `git fast-import` process, however many there are.

use super::{Git, Identity};
use crate::domain::Sha;
use crate::sandbox::SandboxError;

/// A file to write, or to delete when it has no content.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct NewFile {
    pub path: String,
    pub content: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(in crate::sandbox) struct NewCommit {
    /// Full name of the branch, `refs/heads/main`.
    pub reference: String,
    pub author: Identity,
    pub message: String,
    /// The first is what the files are laid over. Empty for a root commit, unless `after_previous`.
    pub parents: Vec<Sha>,
    /// The commit before it in the list is its first parent.
    pub after_previous: bool,
    pub files: Vec<NewFile>,
}

impl Git {
    /// Writes the commits in order, moves their branches on disk and gives their ids.
    pub fn write_commits(&mut self, commits: &[NewCommit]) -> Result<Vec<Sha>, SandboxError> {
        let mut input = Vec::new();
        for (n, commit) in commits.iter().enumerate() {
            describe(&mut input, n + 1, commit);
        }
        let marks = tempfile::NamedTempFile::new().map_err(|e| SandboxError::Git(format!("no temporary file: {e}")))?;
        let export = format!("--export-marks={}", marks.path().display());
        self.run(&["fast-import", "--quiet", "--force", "--date-format=raw", &export], &input)?;
        let text = std::fs::read_to_string(marks.path()).map_err(|e| SandboxError::Git(format!("no marks: {e}")))?;
        let mut numbered = text
            .lines()
            .filter_map(|line| line.strip_prefix(':')?.split_once(' '))
            .filter_map(|(n, sha)| Some((n.parse::<usize>().ok()?, Sha::parse(sha).ok()?)))
            .collect::<Vec<_>>();
        numbered.sort_by_key(|(n, _)| *n);
        let shas = numbered.into_iter().map(|(_, sha)| sha).collect::<Vec<_>>();
        self.learn_exactly(&shas)?;
        Ok(shas)
    }
}

fn describe(out: &mut Vec<u8>, mark: usize, commit: &NewCommit) {
    let who = commit.author.line();
    let head = format!("commit {}\nmark :{mark}\nauthor {who}\ncommitter {who}\n", commit.reference);
    out.extend_from_slice(head.as_bytes());
    data(out, commit.message.as_bytes());
    let mut parents = commit.parents.iter().map(ToString::to_string).collect::<Vec<_>>();
    if commit.after_previous && mark > 1 {
        parents.insert(0, format!(":{}", mark - 1));
    }
    for (n, parent) in parents.iter().enumerate() {
        out.extend_from_slice(format!("{} {parent}\n", if n == 0 { "from" } else { "merge" }).as_bytes());
    }
    for file in &commit.files {
        let path = quoted(&file.path);
        match &file.content {
            Some(content) => {
                out.extend_from_slice(format!("M 100644 inline {path}\n").as_bytes());
                data(out, content);
            }
            None => out.extend_from_slice(format!("D {path}\n").as_bytes()),
        }
    }
    out.push(b'\n');
}

fn data(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("data {}\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.push(b'\n');
}

fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
