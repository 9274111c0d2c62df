//! Verdicts, refusals and outcomes as people read them, from `templates/`.
//!
//! Invariant: whatever came from outside passes [`markdown::Markdown`]; every text fits GitHub's limits before it leaves.

pub mod check;
pub mod job;
pub mod markdown;
pub mod news;
pub mod reply;
pub mod slack;

#[cfg(test)]
mod testing;

/// GitHub's limit for a check run's summary (characters).
const SUMMARY_LIMIT: usize = 65_535;

/// Cuts at a character boundary and says so.
pub(crate) fn fit(text: String, limit: usize) -> String {
    const CUT: &str = "\n\n… (cut: too long for GitHub)";
    if text.chars().count() <= limit {
        return text;
    }
    let keep: String = text.chars().take(limit.saturating_sub(CUT.chars().count())).collect();
    keep + CUT
}

pub(crate) fn fit_summary(text: String) -> String {
    fit(text, SUMMARY_LIMIT)
}

/// A time for people, in the only zone that everybody can agree on.
pub(crate) fn when(at: crate::domain::Millis) -> String {
    at.rfc3339().replace('T', " ").trim_end_matches('Z').get(..16).map_or_else(|| at.rfc3339(), |text| format!("{text} UTC"))
}

/// Several things after each other: sentences end by themselves.
pub fn all_of(things: &[String]) -> String {
    things.join("; ").replace(".; ", ". ")
}

/// One line of at most `limit` characters, for titles and descriptions.
pub fn line(text: &str, limit: usize) -> String {
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= limit {
        return flat;
    }
    flat.chars().take(limit.saturating_sub(1)).collect::<String>() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_texts_stay_within_the_limit() {
        assert_eq!(line("a  b\nc", 10), "a b c");
        assert_eq!(line(&"ä".repeat(150), 140).chars().count(), 140);
        assert_eq!(fit("ü".repeat(100), 60).chars().count(), 60);
    }
}
