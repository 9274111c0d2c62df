//! One `git cat-file --batch` process per repository: an object in microseconds instead of a process each.

use super::Object;
use crate::domain::Sha;
use crate::sandbox::SandboxError;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

pub(super) struct Batch {
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Batch {
    pub fn start(dir: &Path) -> Result<Self, SandboxError> {
        let mut command = super::command(dir);
        command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| SandboxError::Git(format!("git does not start: {e}")))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (ask, out) = pipes.ok_or_else(|| SandboxError::Git("git cat-file has no pipes".into()))?;
        Ok(Self { child, ask, answer: BufReader::new(out) })
    }

    /// `spec` holds no line break. An ambiguous or unknown name is nothing.
    pub fn ask(&mut self, spec: &str) -> Result<Option<Object>, SandboxError> {
        let lost = |e: std::io::Error| SandboxError::Git(format!("git cat-file stopped: {e}"));
        self.ask.write_all(format!("{spec}\n").as_bytes()).and_then(|()| self.ask.flush()).map_err(lost)?;
        let mut head = String::new();
        self.answer.read_line(&mut head).map_err(lost)?;
        let parts = head.trim_end().rsplitn(3, ' ').collect::<Vec<_>>();
        let [size, kind, oid] = parts[..] else { return Ok(None) };
        let (Ok(size), Ok(oid)) = (size.parse::<usize>(), Sha::parse(oid)) else { return Ok(None) };
        let mut bytes = vec![0; size + 1];
        self.answer.read_exact(&mut bytes).map_err(lost)?;
        bytes.truncate(size);
        Ok(Some(Object { oid, kind: kind.to_owned(), bytes }))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let _ = self.child.kill(); // already gone is as good
        let _ = self.child.wait();
    }
}
