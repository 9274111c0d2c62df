//! Rollback: back to a version that was good here.

use crate::domain::{EnvName, LedgerEntry, Refusal, RepoName, Sha};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many versions are tried whose commits turn out to be gone.
const MAX_TARGETS: usize = 10;

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
/// the one that is left, and does not lie behind a migration barrier. `history` is newest first; the commits in `gone` are known
/// not to be in the repository any more.
///
/// # Errors
/// `rollback_forbidden`, `nothing_to_roll_back_to`, `not_a_good_version`, `rollback_target_unsafe`.
pub fn target<'h>(
    history: &'h [LedgerEntry],
    leaving: &Sha,
    to: Option<&str>,
    gone: &[Sha],
) -> Result<&'h LedgerEntry, Refusal> {
    let barred = history.iter().position(|entry| entry.barrier);
    let reachable = barred.map_or(history, |at| history.get(..=at).unwrap_or(history));
    let good = |entry: &&LedgerEntry| entry.good && entry.sha != *leaving;
    let Some(to) = to else {
        let mut all = reachable.iter().filter(good);
        let there = all.clone().find(|entry| !gone.contains(&entry.sha));
        return there.ok_or_else(|| all.next().map_or_else(|| nothing(history, reachable, leaving), unsafe_target));
    };
    let named = |entry: &&LedgerEntry| is_named(entry, to);
    if let Some(found) = reachable.iter().find(|entry| good(entry) && named(entry)) {
        return if gone.contains(&found.sha) { Err(unsafe_target(found)) } else { Ok(found) };
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

/// The version to go back to, and those that follow should its commit be gone: none does for one that was named.
///
/// # Errors
/// As [`target`].
pub fn targets<'h>(history: &'h [LedgerEntry], leaving: &Sha, to: Option<&str>) -> Result<Vec<&'h LedgerEntry>, Refusal> {
    let mut all = vec![target(history, leaving, to, &[])?];
    while to.is_none() && all.len() < MAX_TARGETS {
        let tried: Vec<Sha> = all.iter().map(|entry| entry.sha.clone()).collect();
        let Ok(older) = target(history, leaving, None, &tried) else { break };
        all.push(older);
    }
    Ok(all)
}

/// Why a version is not gone back to: its commit is gone.
pub fn passed_over(name: &str) -> String {
    format!("{name} was passed over: its commit is no longer in the repository.")
}

/// The version cannot be brought up again.
pub fn unsafe_target(entry: &LedgerEntry) -> Refusal {
    gone_target(&name(entry), &entry.sha)
}

/// As [`unsafe_target`].
pub fn gone_target(name: &str, sha: &Sha) -> Refusal {
    Refusal::user(
        "rollback_target_unsafe",
        format!("{name} cannot come back: its commit {} is no longer in the repository.", sha.short()),
        "Name another version with `--to`, leave it out for the newest one that can come back, or push the commit again.",
    )
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
