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

use crate::actions::ask::Word;

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

/// What commands in comments begin with where nobody has chosen anything else.
const SLASH: &str = "/";
/// What stands above notes in a check run.
const NOTES: &str = "\n---\n";

/// What a text says to type on the command line, or in a comment, as it is typed in a comment here.
pub(crate) fn here(text: &str, prefix: &str) -> String {
    let typed = |text: String, word: Word| {
        let (name, ours) = (word.as_str(), format!("`{prefix}{}", word.as_str()));
        text.replace(&format!("`lockkeeper {name}"), &ours).replace(&format!("`/{name}"), &ours)
    };
    // In a comment the ref stands without its name, and the repository is the comment's.
    let text = Word::ALL.into_iter().fold(text.to_owned(), typed).replace(" --ref ", " ");
    let mut pieces = text.split(" --repo ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.trim_start_matches(|c: char| !c.is_whitespace() && c != '`'))
}

/// A page that is written for GitHub, with commands as they begin with here. Notes, which follow a line of their own, are others'
/// words.
pub fn worded(page: String, prefix: &str) -> String {
    if prefix == SLASH {
        return page;
    }
    let (ours, notes) = page.split_at(page.find(NOTES).unwrap_or(page.len()));
    let typed = |text: String, word: Word| {
        let name = word.as_str();
        text.replace(&format!("`{SLASH}{name}"), &format!("`{prefix}{name}"))
    };
    Word::ALL.into_iter().fold(ours.to_owned(), typed) + notes
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
