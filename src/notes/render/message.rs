//! A whole commit message made harmless, so that it still reads as the same conventional commit.

use super::neutral::{Place, lenient};
use crate::notes::header::Header;

/// The message with every part neutralised by itself: type and scope, description, body. `raw` says that the template
/// prints messages as they are, where the type `fix:` in front of `#12` would close an issue.
pub fn neutral(message: &str, raw: bool) -> String {
    let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
    let mut out = subject_line(subject, raw);
    if message.len() > subject.len() {
        out.push('\n');
        out.push_str(&lenient(body, Place::Body));
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
            ("fix: a\n\n# Fake\n\n- [x] done", "fix: a\n\n\\# Fake\n\n- [x] done"),
        ] {
            assert_eq!(neutral(message, false), wanted);
        }
        assert_eq!(neutral("fix: #12", true), "fix: \u{200b}#12");
    }
}
