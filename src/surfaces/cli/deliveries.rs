//! `lockkeeper deliveries`: what GitHub has sent and what became of it.

use super::operator::{Common, Operator};
use super::table::{self, facts};
use crate::store::inbox::DeliveryStatus;
use crate::surfaces::control::{DeliveryDetail, DeliveryFilter, DeliveryRow};
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
    /// The latest deliveries, newest first (the default)
    List(List),
    /// Everything that is kept of one delivery, with its payload
    Show {
        /// The GUID that GitHub calls delivery id
        id: String,
    },
    /// Work on a delivery again: one that was given up, refused, ignored or done
    Replay {
        /// The GUID that GitHub calls delivery id
        id: String,
    },
}

#[derive(clap::Args, Debug)]
pub struct List {
    /// Only those with this status: pending, done, ignored or dead
    #[arg(long, value_parser = parse_status)]
    pub status: Option<DeliveryStatus>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
}

/// Exit code 0: shown; 2: it could not be answered.
pub fn run(args: Args) -> ExitCode {
    let common = args.common;
    match args.command.unwrap_or(Command::List(List { status: None, limit: 50 })) {
        Command::List(List { status, limit }) => {
            let filter = DeliveryFilter { status, limit };
            common.show(|operator: Operator| async move { operator.deliveries(filter).await }, |rows: &Vec<_>| list(rows))
        }
        Command::Show { id } => common.show(|operator| async move { operator.delivery(&id).await }, detail),
        Command::Replay { id } => common.show(
            |operator| async move { operator.replay(&id).await },
            |row: &DeliveryRow| format!("The delivery {} waits for its turn again.\n", row.delivery),
        ),
    }
}

fn list(rows: &[DeliveryRow]) -> String {
    let head = ["RECEIVED", "DELIVERY", "EVENT", "REPOSITORY", "STATUS", "ATTEMPTS", "NOTE"];
    table::list(rows, "No deliveries.", &head, |row| {
        vec![
            row.received_at.clone(),
            row.delivery.clone(),
            event(row),
            row.repository.clone().unwrap_or_default(),
            row.status.clone(),
            row.attempts.to_string(),
            row.note.clone(),
        ]
    })
}

fn event(row: &DeliveryRow) -> String {
    row.action.as_ref().map_or_else(|| row.event.clone(), |action| format!("{}.{action}", row.event))
}

fn detail(delivery: &DeliveryDetail) -> String {
    let row = &delivery.row;
    let head = facts(&[
        ("delivery", row.delivery.clone()),
        ("event", event(row)),
        ("repository", row.repository.clone().unwrap_or_default()),
        ("installation", delivery.installation.map(|id| id.to_string()).unwrap_or_default()),
        ("received", row.received_at.clone()),
        ("status", row.status.clone()),
        ("attempts", row.attempts.to_string()),
        ("next attempt", delivery.next_attempt_at.clone().unwrap_or_default()),
        ("note", row.note.clone()),
        ("runs", delivery.runs.join(", ")),
        ("size", format!("{} bytes", delivery.size)),
    ]);
    // JSON escapes control characters itself.
    let payload = delivery.payload.as_ref().and_then(|payload| serde_json::to_string_pretty(payload).ok());
    format!("{head}\n{}\n", payload.as_deref().unwrap_or("(the payload is no longer kept)"))
}

/// The words of the store.
fn parse_status(word: &str) -> Result<DeliveryStatus, String> {
    serde_json::from_value(word.into()).map_err(|error: serde_json::Error| error.to_string())
}
