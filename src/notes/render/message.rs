//! A whole commit message made harmless, so that it still reads as the same conventional commit.

use super::neutral::{Place, lenient};
use crate::notes::header::Header;
use regex::Regex;
use std::sync::LazyLock;

/// A scope or the value behind a token that a template may put at a line's start, where it would open a fence, a heading,
/// a quote, a table or a rule.
static INNER_START: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let scope = r"(?:[*-][ \t]+)?[\w-]+\(";
    let token = r"(?:[*-][ \t]+)?(?:BREAKING CHANGE|[\w-]+)(?:\([^()\n]*\))?!?:[ \t]*";
    let block = r"~~~|#{1,6}(?:[ \t]|$)|>|\||=+[ \t]*$|-{2,}[ \t]*$";
    Regex::new(&format!("(?m)^({token}|{scope})({block})")).ok()
});

/// The message with every part neutralised by itself: type and scope, description, body. `raw` says that the template
/// prints messages as they are, where the type `fix:` in front of `#12` would close an issue.
pub fn neutral(message: &str, raw: bool) -> String {
    let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
    let mut out = subject_line(subject, raw);
    if message.len() > subject.len() {
        out.push('\n');
        out.push_str(&lenient(body, Place::Body));
    }
    // Twice, for a line that has both.
    for _ in 0..2 {
        if let Some(inner) = INNER_START.as_ref().filter(|inner| inner.is_match(&out)) {
            out = inner.replace_all(&out, r"$1\$2").into_owned();
        }
    }
    out
}

fn subject_line(subject: &str, raw: bool) -> String {
    // A lenient cut, not a parser: git-cliff reads `fix:text` as a header too.
    let cut = match Header::parse(subject) {
        Some(header) => subject.rfind(header.description).filter(|at| subject[*at..].trim_end() == header.description),
        None => subject.find(':').map(|at| at + 1).filter(|at| !subject[..*at].contains(char::is_whitespace)),
    };
    let (head, description) = subject.split_at(cut.unwrap_or(0));
    let description = lenient(description, Place::Line);
    let gap =
        if raw && !head.is_empty() && description.trim_start().starts_with(['#', 'h', 'G', 'g']) { "\u{200b}" } else { "" };
    format!("{}{gap}{description}", lenient(head, Place::Line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_footers_stay_what_they_are() {
        for (message, wanted) in [
            ("fix: thanks @octocat\n\nFixes #12", "fix: thanks @\u{200b}octocat\n\nFixes #\u{200b}12"),
            ("feat(a)!: b\n\nBREAKING CHANGE: c", "feat(a)!: b\n\nBREAKING CHANGE: c"),
            ("fix(`): @octocat `x", "fix(\\`): @\u{200b}octocat \\`x"),
            ("fix: #12", "fix: #12"),
            ("feat(~~~ x): a\n\nBREAKING CHANGE: ~~~ b", "feat(\\~~~ x): a\n\nBREAKING CHANGE: \\~~~ b"),
            ("fix: a\n\n* feat(# b): > c\nRefs: # d\nRefs: #12", "fix: a\n\n* feat(\\# b): \\> c\nRefs: \\# d\nRefs: #12"),
            ("fix: a\n\n# Fake\n\n- [x] done", "fix: a\n\n\\# Fake\n\n- [x] done"),
        ] {
            assert_eq!(neutral(message, false), wanted);
        }
        assert_eq!(neutral("fix: #12", true), "fix: \u{200b}#12");
    }
}
