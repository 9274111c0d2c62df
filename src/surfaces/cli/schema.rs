//! `lockkeeper schema`.

use super::say;
use crate::config::repo;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print the reference of all keys as Markdown instead
    #[arg(long)]
    pub markdown: bool,
}

pub fn run(args: Args) -> ExitCode {
    if args.markdown {
        return say(&repo::reference());
    }
    say(&format!("{:#}\n", repo::json_schema().as_value()))
}
