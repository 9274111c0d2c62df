//! The child's own side: gives up what it does not need, reads a request, writes an answer.

use crate::domain::Refusal;
use crate::notes::render::{RenderRequest, Rendered, render};
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use std::io::{Read, Write};
use std::process::ExitCode;

/// Address space, in bytes.
const MEMORY: u64 = 512 * 1024 * 1024;
/// How far it gives way to other processes.
const NICE: i32 = 10;
/// Processor time, in seconds.
const SECONDS: u64 = 5;

/// What `lockkeeper render-notes` does: JSON in, JSON out. Any end but a complete answer counts as a failure outside.
pub fn run() -> ExitCode {
    if limit().is_err() {
        return ExitCode::FAILURE;
    }
    let mut input = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut input).is_err() {
        return ExitCode::FAILURE;
    }
    let answer: Result<Rendered, Refusal> = match serde_json::from_slice::<RenderRequest>(&input) {
        Ok(request) => {
            drop(input);
            render(request)
        }
        Err(error) => Err(Refusal::us("notes_render_broken", format!("Rendering was asked nonsense: {error}."))),
    };
    let Ok(text) = serde_json::to_vec(&answer) else { return ExitCode::FAILURE };
    match std::io::stdout().lock().write_all(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn limit() -> rustix::io::Result<()> {
    let limits = [
        (Resource::As, MEMORY),
        (Resource::Cpu, SECONDS),
        (Resource::Core, 0),
        (Resource::Nofile, 16),
        (Resource::Nproc, 0),
        (Resource::Fsize, 0),
    ];
    // Webhooks and other runs go first.
    nice(NICE)?;
    limits.into_iter().try_for_each(|(what, most)| setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) }))
}
