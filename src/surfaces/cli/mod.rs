//! The command line: one clap definition, one file for each command.

pub mod act;
mod act_text;
pub mod audit;
pub mod check;
pub mod deliveries;
pub mod demo;
pub mod doctor;
mod follow;
pub mod hook_secret;
pub mod keys;
pub mod mcp;
mod mcp_send;
pub mod notes;
pub mod operator;
pub mod peers;
pub mod rehearse;
pub mod runs;
pub mod schema;
pub mod serve;
mod server;
mod table;
pub mod tags;

use crate::actions::{self, control, deploy, health, lock, publish, rollback, status, validate};
use crate::config::repo::{self, RepoConfig};
use crate::config::settings;
use crate::domain::Refusal;
use crate::expect;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Exit code for input that cannot be used.
const BAD_INPUT: u8 = 2;

/// Takes software from a tag or a merge to production, through gates, and back down safely.
#[derive(Parser, Debug)]
#[command(name = "lockkeeper", version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the GitHub App: receive webhooks, release and deploy
    Serve(Box<serve::Args>),
    /// Watch a tag become a release and a deployment, on this machine, with nothing set up
    Demo(demo::Args),
    /// Say what would happen if a tag were pushed, over a copy of your repository
    Rehearse(rehearse::Args),
    /// Write release notes and compute the next version from commits
    Notes(notes::Args),
    /// The rendering child of this program; not for people
    #[command(hide = true, name = crate::notes::sandboxed::COMMAND)]
    RenderNotes,
    /// The process between the server and a command of the operator's; not for people
    #[command(hide = true, name = crate::targets::command::supervisor::COMMAND)]
    RunCommand,
    /// Read tags as Lockkeeper reads them
    Tags(tags::Args),
    /// Check a .github/lockkeeper.toml and show every problem
    Check(check::Args),
    /// Print the JSON Schema of .github/lockkeeper.toml
    Schema(schema::Args),
    /// Release a tag, or say with --dry-run what would happen
    Publish(act::Args<publish::Publish>),
    /// Deploy a tag, a commit or the default branch's head to an environment, or say with --dry-run what would happen
    Deploy(act::Following<deploy::Deploy>),
    /// Go back to a version that was live and good before, or say with --dry-run what would happen
    Rollback(act::Following<rollback::Rollback>),
    /// Let a deployment wait after the step that it is in
    Pause(act::Args<control::Steer>),
    /// Let a paused deployment go on with its next step
    Resume(act::Args<control::Steer>),
    /// Let a deployment move all users now
    Promote(act::Args<control::Steer>),
    /// Stop a deployment and give users back what they had
    Abort(act::Args<control::Steer>),
    /// Keep deployments out of an environment
    Lock(act::Args<lock::Lock>),
    /// Let deployments into an environment again
    Unlock(act::Args<lock::Unlock>),
    /// Judge the gates of an environment now; nothing moves
    Validate(act::Args<validate::Validate>),
    /// Ask an environment's health checks once
    Health(act::Args<health::Health>),
    /// Write the notes that a tag would be released with, as the server sees it (`notes` works on local commits)
    Preview(act::Args<actions::notes::Notes>),
    /// Show what is live, what runs and what it waits for
    Status(act::Args<status::Status>),
    /// List, show and replay webhook deliveries
    Deliveries(deliveries::Args),
    /// List and show runs, step by step
    Runs(runs::Args),
    /// Show the secret of a repository's own deploy hook (a target with `url`)
    HookSecret(hook_secret::Args),
    /// Make, list and end keys for agents, scripts and other machines
    Keys(keys::Args),
    /// Verify or export the record of everything that was asked, decided and done
    Audit(audit::Args),
    /// Serve an agent over standard input and output (MCP), with the key in LOCKKEEPER_KEY
    Mcp(mcp::Args),
    /// Ask the operator's peers for their tools, and show the digests to pin
    Peers(peers::Args),
    /// Check the App's key, permissions, events, webhook and clock
    Doctor(doctor::Args),
}

/// Writes to standard output; a reader that has gone is not an error worth telling.
fn say(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// One line on standard error. Control characters of what was read do not reach the terminal.
fn warn(line: &str) {
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // Standard error may be closed; the exit code still tells.
    let _ = writeln!(std::io::stderr().lock(), "lockkeeper: {line}");
}

/// One line on standard error: code, sentence, what to do.
fn fail(refusal: &Refusal) -> ExitCode {
    warn(&format!("{}: {} {}", refusal.code, refusal.message, refusal.fix));
    ExitCode::from(if is_refused(refusal) { 1 } else { BAD_INPUT })
}

/// What was asked for is understood and known, and the answer is no. Everything else is input that cannot be used, or a
/// question that nobody could answer.
fn is_refused(refusal: &Refusal) -> bool {
    const CODES: [&str; 23] = [
        "agents_denied",
        "balancer_not_allowed",
        "deployment_goes_on",
        "environment_locked",
        "held_after_rollback",
        "insufficient_scope",
        "key_ended",
        "not_a_deployment",
        "not_a_good_version",
        "not_allowed",
        "not_lent",
        "not_locked",
        "nothing_live",
        "nothing_to_pause",
        "nothing_to_promote",
        "nothing_to_resume",
        "nothing_to_roll_back_to",
        "older_than_live",
        "override_not_allowed",
        "plan_stale",
        "rollback_forbidden",
        "rollback_target_unsafe",
        "run_over",
    ];
    CODES.contains(&refusal.code.as_str())
}

/// Everything that is wrong with the process's settings, on standard error.
pub fn fail_settings(problems: &[Refusal]) -> ExitCode {
    for problem in problems {
        fail(problem);
    }
    ExitCode::from(settings::EXIT_CODE)
}

/// Whether the text is an expression that health checks understand.
fn expression(text: &str) -> Result<(), String> {
    expect::compile(text).map(drop)
}

fn read_text(path: &Path) -> Result<String, Refusal> {
    let problem = |why: String| {
        Refusal::user(
            "file_unreadable",
            format!("{} cannot be read: {why}.", path.display()),
            "Check the path and its permissions.",
        )
    };
    let bytes = std::fs::read(path).map_err(|e| problem(e.to_string()))?;
    String::from_utf8(bytes).map_err(|_| problem("it is not UTF-8 text".to_owned()))
}

/// A `.github/lockkeeper.toml`, judged as `lockkeeper check` does.
fn read_repo_config(path: &Path) -> Result<RepoConfig, Refusal> {
    repo::parse(&read_text(path)?, &expression).map_err(|problems| {
        let first = problems.0.first().map(|p| format!(" First: line {}, column {}: {}", p.line, p.column, p.message));
        let message = format!("{} has {} problems.{}", path.display(), problems.0.len(), first.unwrap_or_default());
        Refusal::user("config_invalid", message, "Run `lockkeeper check` on it to see them all.")
    })
}
