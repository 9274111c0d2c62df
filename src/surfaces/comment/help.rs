//! What `/help` says: written from the same definitions that read commands.

use super::grammar::command;
use crate::actions::ask::Word;
use crate::domain::RepoName;
use std::fmt::Write as _;

/// All commands, one line each.
pub fn overview(prefix: &str, slug: Option<&str>, repo: &RepoName) -> String {
    let mut out = String::from("| Command | |\n|---|---|\n");
    for word in Word::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{}` | {} |", shape(word, prefix, repo).replace('|', "\\|"), word.about());
    }
    let also = slug.map(|slug| format!(" `@{slug} {}` means the same.", Word::Status.as_str())).unwrap_or_default();
    let _ = write!(
        out,
        "\nA command stands at the beginning of a line of a new comment; several lines are several commands.{also} \
         `{prefix}help COMMAND` explains one."
    );
    out
}

/// One command with all that it takes.
pub fn page(word: Word, prefix: &str, repo: &RepoName) -> String {
    let text = command(word, prefix, repo).render_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.contains("Print help")).collect();
    format!("```text\n{}\n```", lines.join("\n").trim().trim_end_matches("Options:").trim_end())
}

/// The command with its arguments, as its usage line says it.
pub fn shape(word: Word, prefix: &str, repo: &RepoName) -> String {
    let usage = command(word, prefix, repo).render_usage().to_string();
    let plain = usage.trim_start_matches("Usage:").trim();
    let plain = plain.strip_suffix("[OPTIONS]").unwrap_or(plain).replace("[OPTIONS] ", "");
    let ours = plain.trim().strip_prefix(prefix).unwrap_or_default().to_lowercase();
    format!("{prefix}{ours}")
}
