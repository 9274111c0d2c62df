//! The process between the server and a command: it ends the command's whole process group when the server asks for it or
//! is gone, however it went.
//!
//! The server holds the other end of this process's standard input and never closes it while the command may run; the
//! kernel closes it when the server dies. (A death signal would not do: it is not inherited by the command's own children,
//! and it is sent when a thread of the server ends.)
//!
//! Invariants: a group is ended before its command is reaped, so that the group's number is nobody else's; no command begins
//! while the supervisor of an earlier one of the same environment is there, or after the server has let go. What a command
//! that ended by itself has left running is left alone: it may be what was deployed.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The hidden command that makes a process the supervisor.
pub const COMMAND: &str = "run-command";
/// How long the group has after SIGTERM.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// As a shell says it: the program could not be started.
const NOT_STARTED: u8 = 127;
/// Between two looks whether a lock is free.
const LOOK: Duration = Duration::from_millis(20);
const LARGEST_JOB: u64 = 1 << 20;

/// What to start. Comes in as a line of JSON, because other users of the machine can read arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub run: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub directory: PathBuf,
    /// A file that only one supervisor holds at a time.
    pub lock: Option<PathBuf>,
}

enum Event {
    Ended,
    Released,
}

/// What `lockkeeper run-command` does. Ends as the command ended, with 128 and the signal's number if one ended it.
pub fn run() -> ExitCode {
    let Some(job) = read() else { return ExitCode::from(NOT_STARTED) };
    let (events, next) = channel();
    let released = events.clone();
    thread::spawn(move || release(&released));
    // Let go by the kernel when this process ends, however it does.
    let Some(_alone) = job.lock.as_deref().map_or(Some(None), |path| hold(path, &next).map(Some)) else {
        return ExitCode::from(NOT_STARTED);
    };
    if is_released(&next) {
        return ExitCode::from(NOT_STARTED);
    }
    match start(&job) {
        Ok(child) => supervise(child, events, &next),
        Err(_) => ExitCode::from(NOT_STARTED),
    }
}

/// Nobody waits for the command any more. Only asked while there is none, so that nothing else can have happened.
fn is_released(next: &Receiver<Event>) -> bool {
    !matches!(next.try_recv(), Err(TryRecvError::Empty))
}

fn read() -> Option<Job> {
    let mut line = String::new();
    std::io::stdin().lock().take(LARGEST_JOB).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// Waits until the one before, which may still be ending its command, has let go; nothing when it does not, or when the
/// server lets go meanwhile.
fn hold(path: &Path, next: &Receiver<Event>) -> Option<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
    let end = Instant::now() + 2 * GRACE + LOOK;
    while file.try_lock().is_err() {
        if Instant::now() >= end || is_released(next) {
            return None;
        }
        thread::sleep(LOOK);
    }
    Some(file)
}

fn start(job: &Job) -> std::io::Result<Child> {
    let (program, arguments) = job.run.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&job.env)
        .current_dir(&job.directory)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
}

fn supervise(mut child: Child, events: Sender<Event>, next: &Receiver<Event>) -> ExitCode {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return ExitCode::FAILURE };
    thread::spawn(move || {
        let _ = waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = events.send(Event::Ended);
    });
    if let Ok(Event::Released) = next.recv() {
        let _ = kill_process_group(group, Signal::TERM);
        // Either the command ends by itself, or its time does; what is left of its group goes with it.
        let _ = next.recv_timeout(GRACE);
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait().map_or(ExitCode::FAILURE, |status| ExitCode::from(code(status)))
}

/// Waits until the server lets go or is gone.
fn release(events: &Sender<Event>) {
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    let _ = events.send(Event::Released);
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
