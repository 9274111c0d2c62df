//! The first line of a commit message: `type(scope)!: description`.
//!
//! Source: Conventional Commits 1.0.0 rules 1 to 5 and 13, in the reading of git-conventional's grammar (a type is anything
//! but white space, brackets, `:` and `!`), with one difference: rule 1 asks for a space after the colon, and we ask too,
//! because `std::fmt` and `https://…` are no commits of type `std` and `https`.

/// A header that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// As written; compare without regard to case.
    pub kind: &'a str,
    pub scope: Option<&'a str>,
    /// A `!` stood before the colon.
    pub bang: bool,
    pub description: &'a str,
}

/// Types that mean the same to every tool; only these start an entry inside a body, where any `Word: text` may be a footer.
const KNOWN: [&str; 15] = [
    "feat", "feature", "fix", "perf", "revert", "docs", "doc", "style", "refactor", "test", "tests", "build", "ci", "chore",
    "deps",
];

impl<'a> Header<'a> {
    /// Reads one line; `None` if it is no conventional header.
    pub fn parse(line: &'a str) -> Option<Self> {
        let end = line.find(|c: char| c.is_whitespace() || "():!".contains(c))?;
        let (kind, rest) = line.split_at(end);
        if kind.is_empty() {
            return None;
        }
        let (scope, rest) = match rest.strip_prefix('(') {
            Some(inner) => {
                let (scope, rest) = inner.split_once(')')?;
                (Some(scope).filter(|s| !s.trim().is_empty() && !s.contains('('))?.into(), rest)
            }
            None => (None, rest),
        };
        let (bang, rest) = rest.strip_prefix('!').map_or((false, rest), |rest| (true, rest));
        let text = rest.strip_prefix(':').filter(|text| text.starts_with(char::is_whitespace))?;
        let description = text.trim();
        (!description.is_empty()).then_some(Self { kind, scope, bang, description })
    }

    /// The type is one that every tool knows, whatever its case.
    pub fn is_known(&self) -> bool {
        KNOWN.iter().any(|known| self.kind.eq_ignore_ascii_case(known))
    }

    /// The type is known and written in lower case, as authors write headers and rarely write footers (`Test: ran it`).
    pub fn is_plainly_known(&self) -> bool {
        KNOWN.contains(&self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(&str, Option<&str>, bool, &str)> {
        Header::parse(line).map(|h| (h.kind, h.scope, h.bang, h.description))
    }

    #[test]
    fn headers_are_read_by_the_rules() {
        assert_eq!(read("feat: x"), Some(("feat", None, false, "x")));
        assert_eq!(read("FEAT: Add thing"), Some(("FEAT", None, false, "Add thing")));
        assert_eq!(read("fix(some scope)!: a: b"), Some(("fix", Some("some scope"), true, "a: b")));
        assert_eq!(read("fix(*): a"), Some(("fix", Some("*"), false, "a")));
        assert_eq!(read("feat(парсер):  добавить "), Some(("feat", Some("парсер"), false, "добавить")));
        assert_eq!(read("build-deps:\tbump"), Some(("build-deps", None, false, "bump")));
        assert_eq!(read("f\u{200b}eat: x"), Some(("f\u{200b}eat", None, false, "x")));
        assert_eq!(read("revert: feat: a"), Some(("revert", None, false, "feat: a")));
    }

    #[test]
    fn everything_else_is_no_header() {
        let bad = [
            "",
            ":",
            "feat",
            "feat:",
            "feat: ",
            "feat:x",
            "feat : x",
            " feat: x",
            "feat (a): x",
            "feat(a) : x",
            "feat(): x",
            "feat( ): x",
            "feat(a)(b): x",
            "feat(a(b)): x",
            "feat(a: x",
            "feat!(api): x",
            "feat!!: x",
            ":sparkles: feat: x",
            "✨ feat: x",
            "fixup! feat: a",
            "wip",
            "feat：x",
            "https://example.com/x",
            "std::fmt: x",
            "Merge branch 'a': b",
        ];
        for line in bad {
            assert_eq!(read(line), None, "{line:?}");
        }
    }
}
