//! The program: reads the command line and hands over.

use clap::Parser;
use lockkeeper::surfaces::cli::{Cli, Command, tags};
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Tags(args) => tags::run(args),
        // The other commands hand over here as they are built.
        _ => ExitCode::from(70),
    }
}
