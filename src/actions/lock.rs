//! Lock and Unlock: a person keeps deployments out of an environment, or of all of them, for a while.
//!
//! A lock is of one environment. What closes all of them is a freeze: it stops nobody from going back.

use crate::domain::{EnvName, RepoName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Keep deployments out of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Lock {
    /// Environment to lock
    #[arg(value_parser = |s: &str| EnvName::parse(s), required_unless_present = "all")]
    #[schemars(required, with = "EnvName")]
    pub environment: Option<EnvName>,
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// Why; whoever is refused reads it
    #[arg(long)]
    pub reason: Option<String>,
    /// How long, for example 30m, 2h or 3d; until it is unlocked without it
    #[arg(long = "for", value_name = "TIME", value_parser = |s: &str| span(s).map(|_| s.to_owned()))]
    #[serde(rename = "for")]
    pub lasting: Option<String>,
    /// Freeze every environment that there is now; a way back stays open
    #[arg(long, conflicts_with = "environment")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Only as long as this pull request is open
    #[arg(long = "pr", value_name = "NUMBER", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    #[serde(default, rename = "pr", skip_serializing_if = "Option::is_none")]
    pub pull: Option<u64>,
}

/// Let deployments into an environment again: ends its locks, and what a rollback holds back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Unlock {
    /// Environment to unlock
    #[arg(value_parser = |s: &str| EnvName::parse(s), required_unless_present = "all")]
    #[schemars(required, with = "EnvName")]
    pub environment: Option<EnvName>,
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// Why, for the record
    #[arg(long)]
    pub reason: Option<String>,
    /// End the freezes of all environments, and nothing else
    #[arg(long, conflicts_with = "environment")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// The longest time that a lock may be given; longer ones are locks without an end.
const LONGEST: u64 = 365 * 24 * 60 * 60;

/// `90s`, `30m`, `2h` or `3d`.
///
/// # Errors
/// A sentence that says how a time is written.
pub fn span(text: &str) -> Result<Duration, String> {
    let bad = || "a time is a number and s, m, h or d, for example 30m or 2h; at most 365d".to_owned();
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let number = text.strip_suffix(unit).unwrap_or_default();
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(bad()),
    };
    let plain = !number.is_empty() && number.len() < 10 && number.bytes().all(|digit| digit.is_ascii_digit());
    let seconds = number.parse::<u64>().ok().filter(|_| plain).ok_or_else(bad)?.saturating_mul(factor);
    if seconds == 0 || seconds > LONGEST {
        return Err(bad());
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        let seconds = |text: &str| span(text).ok().map(|span| span.as_secs());
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("2h"), Some(7200));
        assert_eq!(seconds("365d"), Some(LONGEST));
        for bad in ["", "h", "0s", "366d", "2 h", "-1h", "+1h", "2w", "999999999999d", "²h", "1é"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
