//! The command line: one clap definition, one file for each command.

pub mod check;
pub mod deliveries;
pub mod demo;
pub mod doctor;
pub mod notes;
pub mod rehearse;
pub mod schema;
pub mod serve;
pub mod tags;

use clap::{Parser, Subcommand};

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
    Serve(serve::Args),
    /// Watch a tag become a release and a deployment, on this machine, with nothing set up
    Demo(demo::Args),
    /// Say what would happen if a tag were pushed, over a copy of your repository
    Rehearse(rehearse::Args),
    /// Write release notes and compute the next version from commits
    Notes(notes::Args),
    /// Read tags as Lockkeeper reads them
    Tags(tags::Args),
    /// Check a .github/lockkeeper.toml and show every problem
    Check(check::Args),
    /// Print the JSON Schema of .github/lockkeeper.toml
    Schema(schema::Args),
    /// List, show and replay webhook deliveries
    Deliveries(deliveries::Args),
    /// Check the App's key, permissions, events, webhook and clock
    Doctor(doctor::Args),
}
