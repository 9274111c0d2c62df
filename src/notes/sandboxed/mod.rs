//! Rendering in a child process of this program, with nothing to reach and little to use.
//!
//! The child gets an empty environment, an empty directory, and limits on memory, time, files and processes that it sets
//! for itself before it reads anything ([`child`]). Here, its wall time and its output are limited. However it ends, the
//! caller gets notes or a [`Refusal`] with a stable code, and this process goes on.
//!
//! This blocks for up to ten seconds; an asynchronous caller puts it on a thread for blocking work.

pub mod child;

use super::render::{BODY_LIMIT, RenderRequest, Rendered, Style};
use crate::domain::Refusal;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The hidden command that makes a process the child.
pub const COMMAND: &str = "render-notes";
/// Wall time from start to last byte; with what comes before and after, and our own template instead, less than ten seconds.
const DEADLINE: Duration = Duration::from_secs(7);
/// Most output, in bytes, of notes that are cut to a release's size.
const OUTPUT_LIMIT: u64 = 1024 * 1024;
/// Most output, in bytes, of notes that nothing cuts; only the command line asks for them.
const WHOLE_OUTPUT_LIMIT: u64 = 64 * 1024 * 1024;
/// How long a child may take to end after its last byte.
const ENDING: Duration = Duration::from_secs(1);

/// Renders in a child; `exe` is this program.
///
/// # Errors
/// `notes_config_invalid`, `notes_config_refused`, `notes_template_failed` (the configuration or template says so);
/// `notes_render_timeout`, `notes_render_died`, `notes_output_too_large` (it took too much);
/// `notes_render_unavailable` (no child could be started), `notes_render_broken` (it answered nonsense).
pub fn render(exe: &Path, request: &RenderRequest) -> Result<Rendered, Refusal> {
    let input = serde_json::to_vec(request).map_err(|e| Refusal::us("notes_render_broken", e.to_string()))?;
    let directory = tempfile::tempdir().map_err(unavailable)?;
    let mut child = Command::new(exe)
        .arg(COMMAND)
        .env_clear()
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(unavailable)?;
    let most = if request.limit > BODY_LIMIT { WHOLE_OUTPUT_LIMIT } else { OUTPUT_LIMIT };
    let output = talk(&mut child, input, most);
    let status = end(&mut child);
    let output = output?;
    match serde_json::from_slice::<Result<Rendered, Refusal>>(&output) {
        Ok(answer) if status.is_some_and(|s| s.success()) => answer,
        _ => Err(died(status)),
    }
}

/// As [`render`], but with our own template if the repository's configuration cannot be used; the refusal comes along.
///
/// # Errors
/// As [`render`], of our own template.
pub fn render_or_own(exe: &Path, request: RenderRequest) -> Result<(Rendered, Option<Refusal>), Refusal> {
    match render(exe, &request) {
        Ok(rendered) => Ok((rendered, None)),
        Err(refusal) if request.style == Style::Own => Err(refusal),
        Err(refusal) => {
            let own = RenderRequest { style: Style::Own, ..request };
            Ok((render(exe, &own)?, Some(refusal)))
        }
    }
}

/// Writes and reads at the same time, since either pipe may fill up; kills the child when it takes too long or says too much.
fn talk(child: &mut Child, input: Vec<u8>, most: u64) -> Result<Vec<u8>, Refusal> {
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Refusal::us("notes_render_broken", "The rendering process has no pipes."));
    };
    // A child that dies closes the pipe; what it did not read is of no use.
    thread::spawn(move || drop(stdin.write_all(&input)));
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut output = Vec::new();
        let read = stdout.take(most + 1).read_to_end(&mut output);
        // Nobody listens any more after the deadline.
        let _ = send.send(read.map(|_| output));
    });
    match receive.recv_timeout(DEADLINE) {
        Ok(Ok(output)) if output.len() as u64 <= most => Ok(output),
        Ok(Ok(_)) => {
            kill(child);
            Err(taken("notes_output_too_large", format!("it wrote more than {most} bytes")))
        }
        Ok(Err(error)) => Err(unavailable(error)),
        Err(_) => {
            kill(child);
            Err(taken("notes_render_timeout", format!("it took longer than {} seconds", DEADLINE.as_secs())))
        }
    }
}

/// Waits for the end that follows the last byte, or brings it about.
fn end(child: &mut Child) -> Option<ExitStatus> {
    let step = Duration::from_millis(2);
    for _ in 0..ENDING.as_millis() / step.as_millis() {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(step);
    }
    kill(child);
    child.wait().ok()
}

/// A child that has ended already cannot be killed, which is as good.
fn kill(child: &mut Child) {
    let _ = child.kill();
}

fn died(status: Option<ExitStatus>) -> Refusal {
    match status.and_then(|s| s.signal()) {
        Some(signal) => taken("notes_render_died", format!("it used more memory, stack or time than it may (signal {signal})")),
        None if status.is_some_and(|s| s.success()) => Refusal::us("notes_render_broken", "Rendering answered nonsense."),
        None => taken("notes_render_died", "it ended without an answer".to_owned()),
    }
}

fn taken(code: &str, why: String) -> Refusal {
    let message = format!("The release notes could not be rendered: {why}.");
    Refusal::user(
        code,
        message,
        "Make the git-cliff configuration simpler, or remove it to get the notes of Lockkeeper's own template.",
    )
}

fn unavailable(error: std::io::Error) -> Refusal {
    Refusal::operator(
        "notes_render_unavailable",
        format!("The rendering process could not be started: {error}."),
        "Check that the program may start itself, and that the temporary directory can be written.",
    )
}
