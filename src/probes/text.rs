//! Words for people about addresses and answers.

use reqwest::Url;
use std::time::Instant;

/// For people: without query, fragment and credentials, which may be nobody's business; in one short line.
pub(super) fn shown(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "The `url`".into() };
    url.set_query(None);
    url.set_fragment(None);
    // Fails only for addresses that cannot have them.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    short(url.as_str())
}

/// One line of at most 160 characters, without control characters and backticks.
pub(super) fn short(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() || c == '`' { ' ' } else { c }).collect();
    if clean.chars().count() <= 160 { clean } else { clean.chars().take(159).chain(['…']).collect() }
}

pub(super) fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
