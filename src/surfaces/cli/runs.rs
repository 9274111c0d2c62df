//! `lockkeeper runs`: what Lockkeeper does or did, step by step.

use super::operator::{Common, Operator};
use super::table::{self, facts, table};
use crate::store::runs::RunState;
use crate::surfaces::control::{RunDetail, RunFilter, RunRow};
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// The latest runs, newest first (the default)
    List(List),
    /// One run with its steps, attempts, errors and outcome
    Show {
        /// The run's id
        id: String,
    },
}

#[derive(clap::Args, Debug)]
pub struct List {
    /// Only those in this state: active, finished or dead
    #[arg(long, value_parser = parse_state)]
    pub state: Option<RunState>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
}

/// Exit code 0: shown; 2: it could not be answered.
pub fn run(args: Args) -> ExitCode {
    let common = args.common;
    match args.command.unwrap_or(Command::List(List { state: None, limit: 50 })) {
        Command::List(List { state, limit }) => {
            let filter = RunFilter { state, limit };
            common.show(|operator: Operator| async move { operator.runs(filter).await }, |rows: &Vec<_>| list(rows))
        }
        Command::Show { id } => common.show(|operator| async move { operator.run(&id).await }, detail),
    }
}

fn list(rows: &[RunRow]) -> String {
    let head = ["STARTED", "RUN", "WORKFLOW", "REPOSITORY", "VERSION", "ENVIRONMENT", "STATE"];
    table::list(rows, "No runs.", &head, |row| {
        vec![
            row.created_at.clone(),
            row.run.clone(),
            row.workflow.clone(),
            row.repository.clone(),
            version(row),
            row.environment.clone().unwrap_or_default(),
            row.state.clone(),
        ]
    })
}

/// The tag, or the short commit.
fn version(row: &RunRow) -> String {
    let short = || row.sha.as_ref().map(|sha| sha.chars().take(7).collect());
    row.tag.clone().or_else(short).unwrap_or_default()
}

fn detail(run: &RunDetail) -> String {
    let row = &run.row;
    let head = facts(&[
        ("run", row.run.clone()),
        ("workflow", row.workflow.clone()),
        ("repository", row.repository.clone()),
        ("tag", row.tag.clone().unwrap_or_default()),
        ("commit", row.sha.clone().unwrap_or_default()),
        ("environment", row.environment.clone().unwrap_or_default()),
        ("state", row.state.clone()),
        ("asked by", run.actor.login.clone()),
        ("delivery", run.delivery.clone().unwrap_or_default()),
        ("part of", run.parent.clone().unwrap_or_default()),
        ("started", row.created_at.clone()),
        ("changed", row.updated_at.clone()),
    ]);
    let steps: Vec<Vec<String>> = run
        .steps
        .iter()
        .map(|step| {
            let ended = step.finished_at.clone();
            let when = ended.or_else(|| step.next_attempt_at.as_ref().map(|at| format!("again at {at}"))).unwrap_or_default();
            let error = step.last_error.clone().unwrap_or_default();
            vec![step.name.clone(), step.kind.clone(), step.state.clone(), step.attempts.to_string(), when, error]
        })
        .collect();
    let steps = table(&["STEP", "KIND", "STATE", "ATTEMPTS", "ENDED", "LAST ERROR"], &steps);
    let outcome = run.outcome.as_ref().and_then(|outcome| serde_json::to_string_pretty(outcome).ok());
    format!("{head}\n{steps}{}", outcome.map(|text| format!("\noutcome\n{text}\n")).unwrap_or_default())
}

/// The words of the store.
fn parse_state(word: &str) -> Result<RunState, String> {
    serde_json::from_value(word.into()).map_err(|error: serde_json::Error| error.to_string())
}
