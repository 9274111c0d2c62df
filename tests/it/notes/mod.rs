//! `lockkeeper notes` and `lockkeeper tags` as typed, in a folder and an environment of their own.

mod cli;
mod hostile_configs;
mod hostile_texts;
mod identity;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How a command ended.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Ran {
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    /// The code of the refusal in the one line that standard error then has.
    pub fn refusal(&self) -> &str {
        assert_eq!((self.code, self.err.lines().count(), self.out.as_str()), (Some(2), 1, ""), "{}", self.err);
        self.err.strip_prefix("lockkeeper: ").and_then(|rest| rest.split_once(": ")).unwrap().0
    }
}

/// A folder to stand in and a temporary directory, both empty at first.
pub struct Desk {
    pub folder: TempDir,
    pub temporary: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), temporary: TempDir::new().unwrap() }
    }

    /// A command that knows nothing of this process but what tells a leak.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TMPDIR", self.temporary.path());
        command.env("SECRET_KEY", SECRET).env("GIT_CLIFF__CHANGELOG__HEADER", SECRET).current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_lockkeeper"));
        command.args(arguments);
        finish(command, input)
    }

    /// Writes a file into the folder and gives its path.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What lies in the temporary directory, and which processes stand in it.
    pub fn left_behind(&self) -> Vec<String> {
        let mut left = names(self.temporary.path());
        for process in names(Path::new("/proc")) {
            let here = std::fs::read_link(format!("/proc/{process}/cwd")).unwrap_or_default();
            if here.starts_with(self.temporary.path()) {
                left.push(format!("process {process}"));
            }
        }
        left
    }
}

pub const SECRET: &str = "s3cret-of-the-parent";

pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub fn finish(mut command: Command, input: &str) -> Ran {
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    // A command that reads nothing closes the pipe.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr), took: started.elapsed() }
}

/// Messages as input for `--commits -`.
pub fn commits(messages: &[&str]) -> String {
    let one = |(nth, message): (usize, &&str)| serde_json::json!({ "sha": format!("{:040x}", nth + 1), "message": message });
    serde_json::to_string(&messages.iter().enumerate().map(one).collect::<Vec<_>>()).unwrap()
}
