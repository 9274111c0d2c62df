//! A peer that is a process: started for one conversation, with the environment that the operator declares, and ended with
//! its whole group when that is over, however it went.

use super::PeerTrouble;
use crate::config::settings::PeerProcess;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long a process may take to end by itself after its input is closed.
const GRACE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

pub(super) struct Pipes {
    pub out: Capped,
    pub into: ChildStdin,
}

/// Ends the process group when it is dropped. The process is reaped after that, so that the number is nobody else's.
pub(super) struct Leash {
    child: Option<(Child, Pid)>,
    over: Arc<AtomicBool>,
}

impl Leash {
    pub(super) fn none() -> Self {
        Self { child: None, over: Arc::default() }
    }

    /// Whether the process said more in one line than it may.
    pub(super) fn said_too_much(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Lets a process whose input is closed end by itself, for a moment.
    pub(super) async fn loosen(&self) {
        let Some((_, pid)) = self.child else { return };
        let looks = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let ended = async {
            while let Ok(None) = waitid(WaitId::Pid(pid), looks) {
                tokio::time::sleep(LOOK).await
            }
        };
        // It is ended in any case.
        let _ = tokio::time::timeout(GRACE, ended).await;
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some((_, pid)) = self.child {
            // There may be nobody left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

pub(super) fn start(name: &str, process: &PeerProcess, most: usize) -> Result<(Pipes, Leash), PeerTrouble> {
    let failed = |why: &str| PeerTrouble::not_started(name, why);
    let (program, arguments) = process.run.split_first().ok_or_else(|| failed("it has no program"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(process.env.iter().map(|(name, value)| (name, value.expose())))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What it says there may hold its credential, and nobody reads it.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|why| failed(&why.kind().to_string()))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| failed("it has ended at once"))?;
    let (out, into) = (child.stdout.take(), child.stdin.take());
    let leash = Leash { child: Some((child, pid)), over: Arc::default() };
    let (out, into) = out.zip(into).ok_or_else(|| failed("it has no pipes"))?;
    Ok((Pipes { out: Capped { out, line: 0, most, over: Arc::clone(&leash.over) }, into }, leash))
}

/// Ends at a line that is too long, so that it is neither kept nor waited for.
pub(super) struct Capped {
    out: ChildStdout,
    line: usize,
    most: usize,
    over: Arc<AtomicBool>,
}

impl AsyncRead for Capped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.out).poll_read(cx, buf))?;
        for part in buf.filled()[before..].split_inclusive(|byte| *byte == b'\n') {
            self.line += part.len();
            if self.line > self.most {
                self.over.store(true, Ordering::Relaxed);
                return Poll::Ready(Err(io::Error::other("a line that is too long")));
            }
            if part.ends_with(b"\n") {
                self.line = 0;
            }
        }
        Poll::Ready(Ok(()))
    }
}
