//! The real program as a child process: started, killed, told to stop, and asked by its own command line.
//!
//! Invariant: the process does not outlive its owner.

use lockkeeper::sandbox::Sandbox;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const SECRET: &str = "the secret of a process";

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);

pub struct Process {
    child: Mutex<Option<Child>>,
    port: u16,
    api: String,
    app: String,
    folder: TempDir,
    extra: Vec<(&'static str, OsString)>,
    file_blocks: Option<u32>,
}

impl Process {
    /// Not started yet; its data folder and port stay the same over all starts.
    pub fn of(github: &Sandbox) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.pem"), github.private_key_pem()).unwrap();
        let (api, app) = (github.base_url().to_owned(), github.app_id().to_string());
        Self { child: Mutex::default(), port: port(), api, app, folder, extra: Vec::new(), file_blocks: None }
    }
    /// One more variable of its environment, or another value.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.extra.push((name, value.into()));
    }
    /// From the next start: no file may grow beyond this many blocks of 512 bytes, and writing more is an error, not a signal.
    pub fn limit_files(&mut self, blocks: Option<u32>) {
        self.file_blocks = blocks;
    }

    pub fn port(&self) -> u16 {
        self.port
    }
    pub fn webhook(&self) -> String {
        format!("http://127.0.0.1:{}/webhook", self.port)
    }
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }
    /// The operator's `lockkeeper.toml`.
    pub fn settings(&self, text: &str) {
        std::fs::write(self.folder.path().join("lockkeeper.toml"), text).unwrap();
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it, and waits until it accepts webhooks or has died.
    pub fn start(&self) {
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let child = command(self.folder.path(), self.file_blocks)
            .arg("serve")
            .env("LOCKKEEPER_APP_ID", &self.app)
            .env("LOCKKEEPER_PRIVATE_KEY_FILE", self.folder.path().join("key.pem"))
            .env("LOCKKEEPER_WEBHOOK_SECRET", SECRET)
            .env("LOCKKEEPER_GITHUB_API_URL", &self.api)
            .env("LOCKKEEPER_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("LOCKKEEPER_DATA_DIR", self.data_dir())
            .env("LOCKKEEPER_LOG", "info")
            .envs(self.extra.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let before = self.child().replace(child);
        assert!(before.is_none(), "it was started twice");
        let end = Instant::now() + PATIENCE;
        while self.is_running() && !self.is_healthy() {
            assert!(Instant::now() < end, "it does not accept webhooks:\n{}", self.log());
            std::thread::sleep(LOOK);
        }
    }

    fn is_healthy(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else { return false };
        let mut answer = [0; 12];
        // A process that dies meanwhile is not healthy.
        let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        asked.and_then(|()| stream.read_exact(&mut answer)).is_ok() && answer.ends_with(b"200")
    }

    /// False once it has been killed or has ended by itself; the second must not happen.
    pub fn is_running(&self) -> bool {
        let mut child = self.child();
        let Some(running) = child.as_mut() else { return false };
        let Some(status) = running.try_wait().unwrap() else { return true };
        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}\n{}", self.log());
        *child = None;
        false
    }

    /// SIGKILL; it is dead when this returns.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; it goes on for a while.
    pub fn terminate(&self) {
        let child = self.child();
        let pid = Pid::from_child(child.as_ref().unwrap());
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits until it has ended by itself.
    pub fn ended(&self) -> ExitStatus {
        let mut child = self.child().take().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() >= end {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("it does not stop:\n{}", self.log());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// What the program's command line does, well or not.
    pub fn tell(&self, arguments: &[&str]) -> Output {
        let mut asked = command(self.folder.path(), None);
        asked.args(arguments).args(["--format", "json", "--data-dir"]).arg(self.data_dir()).output().unwrap()
    }

    /// What it says as JSON.
    pub fn ask(&self, arguments: &[&str]) -> serde_json::Value {
        let answer = self.tell(arguments);
        let problem = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{arguments:?}: {problem}\n{}", self.log());
        serde_json::from_slice(&answer.stdout).unwrap()
    }

    fn log_file(&self) -> std::path::PathBuf {
        self.folder.path().join("log.txt")
    }

    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }
    /// The end of what it logged.
    pub fn log(&self) -> String {
        let text = self.whole_log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(folder: &Path, file_blocks: Option<u32>) -> Command {
    let program = env!("CARGO_BIN_EXE_lockkeeper");
    let mut command = match file_blocks {
        None => Command::new(program),
        Some(blocks) => {
            let mut shell = Command::new("/bin/sh");
            // The trap is handed on: the program sees EFBIG, as it would see EIO of a bad disk.
            shell.args(["-c", "trap '' XFSZ; ulimit -f \"$1\" && shift && exec \"$@\"", "sh", &blocks.to_string(), program]);
            shell
        }
    };
    command.env_clear().current_dir(folder);
    command.env("PATH", std::env::var("PATH").unwrap_or_default());
    command
}

/// A free port below those that the system gives to clients, so that nobody takes it between two starts. Tests in other
/// processes begin elsewhere.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 300).unwrap() * 40;
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
