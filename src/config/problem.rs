//! What is wrong with a file, where, and what to do about it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One mistake at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// In characters, from 1; at most one past the line's last character.
    pub column: usize,
    /// In characters, on this line; at least 1.
    pub length: usize,
    /// Stable, lower-case words joined by `_`.
    pub code: String,
    /// One plain sentence.
    pub message: String,
    /// What to do, as an instruction.
    pub fix: String,
}

/// All mistakes of a file, by place; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { "\n" };
            write!(f, "{gap}{}:{}: {} {}", p.line, p.column, p.message, p.fix)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where lines start, to turn byte positions into lines and columns.
pub(crate) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Self { text, starts }
    }

    /// Line and column of the first byte, and how many characters of the span are on that line. Any span is accepted:
    /// what lies outside the text is moved to its end.
    pub(crate) fn place(&self, span: std::ops::Range<usize>) -> (usize, usize, usize) {
        let at = floor(self.text, span.start);
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let next = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        let end = floor(self.text, span.end).clamp(at, next.max(at));
        let chars =
            |from: usize, to: usize| self.text.get(from..to).map_or(0, |part| part.trim_end_matches('\r').chars().count());
        (line, chars(start, at) + 1, chars(at, end).max(1))
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters_from_one() {
        let lines = Lines::new("é = 1\r\n\nxyz");
        assert_eq!(lines.place(0..2), (1, 1, 1));
        assert_eq!(lines.place(3..6), (1, 3, 3));
        assert_eq!(lines.place(8..8), (2, 1, 1));
        assert_eq!(lines.place(9..12), (3, 1, 3));
        assert_eq!(lines.place(5..12), (1, 5, 1), "clipped to its line");
        assert_eq!(lines.place(100..200), (3, 4, 1), "moved into the text");
        assert_eq!(Lines::new("").place(0..0), (1, 1, 1));
    }
}
