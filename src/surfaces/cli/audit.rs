//! `lockkeeper audit`: the record of everything that was asked, decided and done, whole or to the first row that does not fit.
//!
//! The rows come from the running server or from the store; what they are worth is computed here.

use super::operator::{Common, Format, Operator};
use super::{fail, say};
use crate::domain::Refusal;
use crate::store::chain::{self, Head};
use crate::surfaces::control::AuditFilter;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::ExitCode;

/// Rows that are asked for at once.
const PAGE: u32 = 1_000;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Say whether every row fits the one before it, and print the head of the chain: keep a copy of it elsewhere
    Verify(Common),
    /// Print every row with the digests that chain it
    Export(Export),
}

#[derive(clap::Args, Debug)]
pub struct Export {
    /// The server's data folder [default: lockkeeper-data]
    #[arg(long, env = "LOCKKEEPER_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// File with the server's settings [default: lockkeeper.toml, if there is one]
    #[arg(long, env = "LOCKKEEPER_SETTINGS", value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// How to write the rows
    #[arg(long, value_enum, default_value_t = Lines::Jsonl)]
    pub format: Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Lines {
    /// One JSON object a line; `hash` is the SHA-256 of the line without it, keys sorted and without white space
    Jsonl,
}

/// What a walk along the chain found.
#[derive(Debug, Serialize, Deserialize)]
struct Verified {
    rows: u64,
    head: Head,
    /// The first row that does not fit.
    broken: Option<u64>,
}

/// Exit code 0: the chain holds, or all was printed; 1: a row does not fit; 2: it could not be read.
pub fn run(args: Args) -> ExitCode {
    match args.command {
        Command::Verify(common) => common.judge(
            |place| async move { walk(&Operator::reach(&place).await?, |_, _| Ok(())).await },
            text,
            |verified| verified.broken.is_none(),
        ),
        Command::Export(export) => {
            let Export { data_dir, settings, format: Lines::Jsonl } = export;
            let common = Common { server: None, insecure_http: false, data_dir, settings, format: Format::Json };
            let place = match common.place() {
                Ok(place) => place,
                Err(exit) => return exit,
            };
            let print = |before: &Head, link: &chain::Link| match say(&format!("{}\n", chain::line(before, link))) {
                exit if exit == ExitCode::SUCCESS => Ok(()),
                _ => Err(Refusal::user("output_closed", "Nobody reads what is printed.", "Write it to a file.")),
            };
            let all = async { walk(&Operator::reach(&place).await?, print).await };
            let done = super::operator::runtime().and_then(|runtime| runtime.block_on(all));
            match done {
                Ok(verified) if verified.broken.is_none() => ExitCode::SUCCESS,
                Ok(verified) => fail(&broken(&verified)),
                Err(refusal) => fail(&refusal),
            }
        }
    }
}

async fn walk(
    operator: &Operator,
    mut each: impl FnMut(&Head, &chain::Link) -> Result<(), Refusal>,
) -> Result<Verified, Refusal> {
    let (mut head, mut rows) = (Head::default(), 0);
    loop {
        let page = operator.audit(AuditFilter { after: head.id, limit: PAGE }).await?;
        if page.is_empty() {
            return Ok(Verified { rows, head, broken: None });
        }
        for link in page {
            let before = head.clone();
            if !head.take(&link) {
                return Ok(Verified { rows, head, broken: Some(link.id) });
            }
            rows += 1;
            each(&before, &link)?;
        }
    }
}

fn text(verified: &Verified) -> String {
    let Verified { rows, head, broken } = verified;
    let head = format!("head {} {}\n", head.id, head.hash);
    match broken {
        None => format!("{rows} rows, each fits the one before it\n{head}"),
        Some(row) => format!("row {row} does not fit; {rows} rows before it do\n{head}"),
    }
}

fn broken(verified: &Verified) -> Refusal {
    let row = verified.broken.unwrap_or_default();
    let text = format!("Row {row} of the audit does not fit the one before it.");
    Refusal::operator("audit_broken", text, "Somebody has changed the store by hand: compare it with a backup.")
}
