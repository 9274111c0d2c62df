//! `lockkeeper tags`: reads tags as the App does.

use super::{fail, say};
use crate::domain::Refusal;
use crate::notes::tags::{ParsedTag, Scheme, TagError};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `lockkeeper tags`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Print, for each tag, the component and version that it names, or why it names none; one JSON object a line
    Parse(ParseArgs),
}

#[derive(clap::Args, Debug)]
struct ParseArgs {
    /// Tags; a leading refs/tags/ is dropped
    #[arg(required = true)]
    tags: Vec<String>,
    /// Read tag patterns from this .github/lockkeeper.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints a line for each tag; 0 whether or not they are versions, 2 if the configuration cannot be used.
pub fn run(args: Args) -> ExitCode {
    let Command::Parse(args) = args.command;
    match scheme(&args) {
        Ok(scheme) => {
            let lines: Vec<String> = args.tags.iter().map(|tag| line(tag, scheme.parse(tag))).collect();
            say(&(lines.join("\n") + "\n"))
        }
        Err(refusal) => fail(&refusal),
    }
}

fn scheme(args: &ParseArgs) -> Result<Scheme, Refusal> {
    let Some(path) = &args.config else { return Ok(Scheme::default()) };
    super::read_repo_config(path).and_then(|config| Scheme::from_config(&config))
}

/// One line of output; scripts rely on its names.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Version { tag: &'a str, component: Option<String>, prefix: String, version: String },
    No { tag: &'a str, error: Why },
}

#[derive(Serialize)]
struct Why {
    code: &'static str,
    message: String,
}

fn line(tag: &str, read: Result<ParsedTag, TagError>) -> String {
    let tag = tag.strip_prefix("refs/tags/").unwrap_or(tag);
    let line = match read {
        Ok(t) => Line::Version { tag, component: t.component, prefix: t.prefix, version: t.version.to_string() },
        Err(error) => Line::No { tag, error: Why { code: error.code, message: error.message } },
    };
    // Text and nothing else always makes JSON.
    serde_json::to_string(&line).unwrap_or_default()
}
