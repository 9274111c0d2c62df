//! Builds everything once, supervises it, and takes it down in order.

mod demo;
mod doctor;
mod logging;
mod narrator;
mod peers;
mod rehearse;
mod serve;
mod server;
mod snapshot;
mod stage;

pub use demo::demo;
pub use doctor::{doctor, examine};
pub use peers::peers;
pub use rehearse::rehearse;
pub use serve::serve;
pub use server::{Server, Tuning};

use crate::config::settings::EXIT_CODE;
use crate::domain::Refusal;
use std::future::Future;
use std::process::ExitCode;

/// Runs a command that needs the runtime.
fn with_runtime(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(why) => {
            say(&[Refusal::operator("no_runtime", format!("No threads can be started: {why}."), "See the machine's limits.")])
        }
    }
}

/// Tells the person who started the program what is wrong with what it was given.
#[allow(clippy::print_stderr, reason = "the program's own refusals go to the person who started it")]
fn say(problems: &[Refusal]) -> ExitCode {
    for problem in problems {
        eprintln!("lockkeeper: {} [{}]\n  {}", problem.message, problem.code, problem.fix);
    }
    ExitCode::from(EXIT_CODE)
}
