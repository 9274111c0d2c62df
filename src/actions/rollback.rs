//! Rollback: back to a version that was good here.

use crate::domain::{EnvName, LedgerEntry, Refusal, RepoName, Sha};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Go back to a version that was live before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Rollback {
    /// Environment to roll back
    #[arg(value_parser = |s: &str| EnvName::parse(s))]
    pub environment: EnvName,
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// Version, tag or commit id that was live here before; the newest good one without it
    #[arg(long)]
    pub to: Option<String>,
    /// Why, for the record
    #[arg(long)]
    pub reason: String,
    /// Say what would happen and stop
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

/// The entry to go back to: the newest (or the named) one that succeeded here, was not found to be bad, is another commit than
/// the one that is left, and does not lie behind a migration barrier. `history` is newest first.
///
/// # Errors
/// `rollback_forbidden`, `nothing_to_roll_back_to`, `not_a_good_version`.
pub fn target<'h>(history: &'h [LedgerEntry], leaving: &Sha, to: Option<&str>) -> Result<&'h LedgerEntry, Refusal> {
    let barred = history.iter().position(|entry| entry.barrier);
    let reachable = barred.map_or(history, |at| history.get(..=at).unwrap_or(history));
    let good = |entry: &&LedgerEntry| entry.good && entry.sha != *leaving;
    let Some(to) = to else {
        return reachable.iter().find(good).ok_or_else(|| nothing(history, reachable, leaving));
    };
    let named = |entry: &&LedgerEntry| is_named(entry, to);
    if let Some(found) = reachable.iter().find(|entry| good(entry) && named(entry)) {
        return Ok(found);
    }
    if history.iter().any(|entry| good(&entry) && named(&entry)) {
        return Err(barrier());
    }
    let text = format!("\"{}\" has not been live and good here before, or it is what is live now.", shown(to));
    let known: Vec<String> = reachable.iter().filter(good).take(5).map(name).collect();
    let fix = if known.is_empty() {
        "There is none to go back to; deploy a version that is mended.".to_owned()
    } else {
        format!("Name one of: {}.", known.join(", "))
    };
    Err(Refusal::user("not_a_good_version", text, fix))
}

/// How people call an entry.
pub fn name(entry: &LedgerEntry) -> String {
    entry.tag.as_ref().map_or_else(|| entry.sha.short().to_owned(), ToString::to_string)
}

fn is_named(entry: &LedgerEntry, to: &str) -> bool {
    let prefix = to.len() >= 7 && entry.sha.as_str().starts_with(&to.to_ascii_lowercase());
    entry.tag.as_ref().is_some_and(|tag| tag.as_str() == to) || entry.version.as_deref() == Some(to) || prefix
}

fn nothing(history: &[LedgerEntry], reachable: &[LedgerEntry], leaving: &Sha) -> Refusal {
    if history.len() > reachable.len() && history.iter().any(|entry| entry.good && entry.sha != *leaving) {
        return barrier();
    }
    let fix = "Deploy a version that is mended.";
    Refusal::user("nothing_to_roll_back_to", "No other version has been live and good here before.", fix)
}

fn barrier() -> Refusal {
    Refusal::user(
        "rollback_forbidden",
        "A version since then was deployed with `rollback = \"forbidden\"`: what was before it cannot serve any more.",
        "Fix forward: deploy a version that is mended.",
    )
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests;
