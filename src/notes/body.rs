//! What stands below the first line: footers, breaking changes, and the further commits that a squash hid there.
//!
//! Rules, with where they come from:
//! - Footers: Conventional Commits 1.0.0 rules 8 to 12 and 16. `BREAKING CHANGE:` and `Release-As:` count at the start of
//!   any line, also glued to a paragraph or indented: missing a breaking change is the worse error.
//! - `* feat(b): …` lines, if the subject ends in `(#n)`: what GitHub writes when it squashes a pull request.
//! - A paragraph that starts with a lower-case header of a well-known type, and `BEGIN_NESTED_COMMIT` …
//!   `END_NESTED_COMMIT`: release-please's README.
//! - `BEGIN_COMMIT_OVERRIDE` … `END_COMMIT_OVERRIDE` replaces the whole message, each header line in it being an entry.
//!
//! One pass over the lines; nothing looks back.

use super::header::Header;

/// One change that a message tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub kind: String,
    pub scope: Option<String>,
    pub bang: bool,
    pub description: String,
    /// Tokens and values in the order of the text, `BREAKING CHANGE` included.
    pub footers: Vec<(String, String)>,
}

/// How much a body may add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// `* feat: …` lines are commits of their own.
    pub lists: bool,
    /// Paragraphs that start with a header are commits of their own.
    pub paragraphs: bool,
    /// Every line that is a header is a commit of its own.
    pub lines: bool,
}

/// Reads the lines below a subject whose own item, if it has one, is already in `items`.
/// Footers before the first item of a message without a header belong to nobody and come back.
pub fn read<'a>(lines: impl Iterator<Item = &'a str>, allowed: Allowed, items: &mut Vec<Item>) -> Vec<(String, String)> {
    let mut reader = Reader { allowed, home: items.len(), items, orphans: Vec::new(), current: 0, open: None, blank: false };
    reader.current = reader.home;
    for line in lines {
        reader.line(line);
    }
    reader.close();
    reader.orphans
}

impl Item {
    pub fn new(header: Header<'_>) -> Self {
        Self {
            kind: header.kind.to_owned(),
            scope: header.scope.map(str::to_owned),
            bang: header.bang,
            description: header.description.to_owned(),
            footers: Vec::new(),
        }
    }

    /// What breaks: the footers' texts, or the description if only a `!` says so.
    pub fn breaking_description(&self) -> Option<String> {
        let notes: Vec<&str> = self.footers.iter().filter(|(token, _)| is_breaking(token)).map(|(_, v)| v.as_str()).collect();
        match (notes.is_empty(), self.bang) {
            (false, _) => Some(notes.join("\n\n")),
            (true, true) => Some(self.description.clone()),
            (true, false) => None,
        }
    }
}

fn is_breaking(token: &str) -> bool {
    token == "BREAKING CHANGE" || token == "BREAKING-CHANGE"
}

struct Reader<'i> {
    allowed: Allowed,
    items: &'i mut Vec<Item>,
    /// One past the index of the item that the subject gave, 0 if it gave none.
    home: usize,
    /// One past the index of the item that the text belongs to.
    current: usize,
    orphans: Vec<(String, String)>,
    open: Option<(String, String)>,
    /// The line before was blank.
    blank: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        let text = line.trim();
        let after_blank = self.blank;
        self.blank = text.is_empty();
        if text.is_empty() {
            self.append("");
        } else if let Some(header) = self.starts_item(line, after_blank) {
            self.close();
            self.items.push(Item::new(header));
            self.current = self.items.len();
        } else if self.leaves_item(line, after_blank) {
            self.close();
            self.current = self.home;
        } else if let Some((token, value)) = self.footer(line, text, after_blank) {
            self.close();
            self.open = Some((token.to_owned(), value.to_owned()));
        } else {
            self.append(text);
        }
    }

    fn starts_item<'l>(&self, line: &'l str, after_blank: bool) -> Option<Header<'l>> {
        if self.allowed.lists
            && let Some(header) = line.strip_prefix("* ").and_then(Header::parse)
        {
            return Some(header).filter(|h| h.is_known() || h.bang);
        }
        let here = self.allowed.lines || (self.allowed.paragraphs && after_blank);
        let header = Header::parse(line).filter(|_| here)?;
        (header.is_plainly_known() && !only_references(header.description)).then_some(header)
    }

    /// Another point of a squash list, or the line that GitHub draws under it.
    fn leaves_item(&self, line: &str, after_blank: bool) -> bool {
        let value_done = self.open.as_ref().is_none_or(|(_, value)| !value.is_empty());
        self.allowed.lists && value_done && (line.trim_end() == "---------" || (after_blank && line.starts_with("* ")))
    }

    fn footer<'l>(&self, line: &'l str, text: &'l str, after_blank: bool) -> Option<(&'l str, &'l str)> {
        for token in ["BREAKING CHANGE", "BREAKING-CHANGE"] {
            if let Some(value) = text.strip_prefix(token).and_then(|rest| rest.strip_prefix(':')) {
                return Some((token, value.trim()));
            }
        }
        let end = line.trim_start().find(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|end| *end > 0)?;
        let (token, rest) = text.split_at_checked(end)?;
        let value = rest.strip_prefix(": ").or_else(|| rest.strip_prefix(" #"))?.trim();
        let may = after_blank || self.open.is_some() || self.current != self.home || token.eq_ignore_ascii_case("release-as");
        may.then_some((token, value))
    }

    fn append(&mut self, text: &str) {
        if let Some((_, value)) = self.open.as_mut().filter(|(_, value)| !value.is_empty() || !text.is_empty()) {
            if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(text);
        }
    }

    fn close(&mut self) {
        let Some((token, value)) = self.open.take() else { return };
        let value = value.trim_end().to_owned();
        if value.is_empty() {
            return;
        }
        match self.current.checked_sub(1).and_then(|at| self.items.get_mut(at)) {
            Some(item) => item.footers.push((token, value)),
            None => self.orphans.push((token, value)),
        }
    }
}

/// `fix: #12, #13` in a body closes issues; it is no change of its own.
fn only_references(description: &str) -> bool {
    description.split([' ', ',']).filter(|word| !word.is_empty()).all(|word| word.starts_with('#') || word == "and")
}
