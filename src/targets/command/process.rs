//! The server's side of a command's process: starts the supervisor, passes on what is said, and lets go when the time is up.
//!
//! Dropping the future lets go too: the pipe to the supervisor closes, and the command's group is ended.

use super::output::{LONGEST_OUTPUT, Line, Masker, Pump, Stream};
use super::supervisor::{COMMAND, GRACE, Job};
use super::{broken, timed_out};
use crate::targets::Trouble;
use futures::future::join;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// After the command has ended, its pipes may stay open in processes that it left behind; they are not waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Most that is read of an observation.
const LARGEST_ANSWER: u64 = 64 << 10;

/// Who hears what a command says.
pub(super) struct Ears<'a> {
    pub masker: &'a Masker,
    pub lines: &'a Sender<Line>,
}

struct Started {
    child: Child,
    /// Closing it ends the command.
    leash: ChildStdin,
    out: ChildStdout,
    err: ChildStderr,
}

async fn start(program: &Path, job: &Job) -> Result<Started, Trouble> {
    let mut child = Command::new(program)
        .arg(COMMAND)
        .env_clear()
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|why| broken(&format!("no process can be started ({})", why.kind())))?;
    let (Some(mut leash), Some(out), Some(err)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(broken("its process has no pipes"));
    };
    let mut line = serde_json::to_vec(job).map_err(|_| broken("it cannot be written down"))?;
    line.push(b'\n');
    leash.write_all(&line).await.map_err(|why| broken(&format!("its process does not listen ({})", why.kind())))?;
    Ok(Started { child, leash, out, err })
}

/// Runs to the end and tells how it ended, or why it was stopped.
pub(super) async fn run(
    program: &Path,
    job: &Job,
    limit: Duration,
    stop: impl Future<Output = String>,
    ears: Ears<'_>,
) -> Result<Result<ExitStatus, String>, Trouble> {
    let Started { child, leash, out, err } = start(program, job).await?;
    let budget = AtomicUsize::new(LONGEST_OUTPUT);
    let pump = |stream| Pump { stream, masker: ears.masker, lines: ears.lines, budget: &budget };
    let said = join(pump(Stream::Out).run(out), pump(Stream::Err).run(err));
    Ok(ended(child, leash, limit, stop, said).await?.map(|(status, _)| status))
}

/// Runs to the end and gives its standard output too.
pub(super) async fn ask(program: &Path, job: &Job, limit: Duration, ears: Ears<'_>) -> Result<(ExitStatus, Vec<u8>), Trouble> {
    let Started { child, leash, out, err } = start(program, job).await?;
    let budget = AtomicUsize::new(LONGEST_OUTPUT);
    let pump = Pump { stream: Stream::Err, masker: ears.masker, lines: ears.lines, budget: &budget };
    let answer = async {
        let mut answer = Vec::new();
        let _ = out.take(LARGEST_ANSWER).read_to_end(&mut answer).await;
        answer
    };
    let ended = ended(child, leash, limit, std::future::pending(), join(answer, pump.run(err))).await?;
    // Nobody stops a question.
    let (status, said) = ended.map_err(|_| timed_out(limit))?;
    Ok((status, said.map(|(answer, ())| answer).unwrap_or_default()))
}

/// Reads and waits at the same time, since a full pipe stops the command.
async fn ended<T>(
    mut child: Child,
    leash: ChildStdin,
    limit: Duration,
    stop: impl Future<Output = String>,
    said: impl Future<Output = T>,
) -> Result<Result<(ExitStatus, Option<T>), String>, Trouble> {
    let (mut said, mut stop) = (std::pin::pin!(said), std::pin::pin!(stop));
    let mut heard = None;
    let mut end = std::pin::pin!(tokio::time::sleep(limit));
    let stopped = loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|why| broken(&format!("its end cannot be seen ({})", why.kind())))?;
                drop(leash);
                if heard.is_none() {
                    heard = timeout(LAST_WORDS, said.as_mut()).await.ok();
                }
                return Ok(Ok((status, heard)));
            }
            all = said.as_mut(), if heard.is_none() => heard = Some(all),
            reason = stop.as_mut() => break Some(reason),
            () = end.as_mut() => break None,
        }
    };
    drop(leash);
    let ending = async {
        tokio::select! {
            _ = child.wait() => {}
            // What is said while it ends still counts; then only the end is waited for.
            _ = async { if heard.is_none() { said.as_mut().await; } std::future::pending::<()>().await } => {}
        }
    };
    if timeout(GRACE + 2 * LAST_WORDS, ending).await.is_err() {
        let _ = child.kill().await;
    }
    stopped.map(Err).ok_or_else(|| timed_out(limit))
}
