//! Foreign words inside our sentences: names, subjects and links come from outside and are made harmless to read.
//! Escaping for Markdown or HTML is the renderer's work.

use super::Link;
use crate::domain::{hidden, one_line};

/// Longest foreign word in a sentence, in characters.
const LONGEST: usize = 100;
/// Longest link; longer ones are dropped, not cut.
const LONGEST_LINK: usize = 2_000;

/// Longest sentence of another part of the program.
const LONGEST_SENTENCE: usize = 400;

/// One line without control or direction characters, cut at 100 characters.
pub fn plain(text: &str) -> String {
    one_line(text, LONGEST)
}

/// A sentence of our own in which foreign words stand, cut at 400 characters.
pub(super) fn sentence(text: &str) -> String {
    format!("{}.", one_line(text, LONGEST_SENTENCE).trim_end_matches('.'))
}

/// A link that a reader may follow: http or https, without blanks or hidden characters.
pub(super) fn link(name: &str, url: Option<&str>) -> Option<Link> {
    let url = url?;
    let fits = (url.starts_with("https://") || url.starts_with("http://")) && url.len() <= LONGEST_LINK;
    let clean = !url.chars().any(|c| c.is_whitespace() || hidden(c) || "<>\"'`\\".contains(c));
    (fits && clean).then(|| Link { name: name.to_owned(), url: url.to_owned() })
}

/// `"a"`, `"a" and "b"`, `"a", "b", "c", "d", "e" and 3 more`.
pub(super) fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
    join(&quoted)
}

/// The same without quotation marks.
pub(super) fn join(words: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = words.get(..SHOWN).unwrap_or(words);
    let more = words.len() - shown.len();
    match shown.split_last() {
        None => String::new(),
        Some(_) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
    }
}
