//! Takes the teeth out of what strangers wrote, before any template sees it: no mention, closing keyword, raw HTML, link
//! under another text, image, heading, fence, bidirectional override, control or invisible character survives.
//!
//! Harmless text stays byte for byte. What GitHub would act on is kept readable: a zero-width space after `@` or after a
//! closing keyword, `&lt;` for `<`, a backslash before Markdown that would change more than its own words.
//!
//! Sources: CommonMark 0.31 (code spans, raw HTML, links, block starts), GitHub's documentation of mentions and of closing
//! keywords. One pass over the text, and one regular expression without backtracking.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// A space that nobody sees and that GitHub takes for the end of a word.
const GAP: char = '\u{200b}';

/// Elements of HTML, SVG and MathML by which raw text becomes something else; others GitHub drops silently.
const ELEMENTS: &str = " a abbr acronym address animate applet area article aside audio b base basefont bdi bdo bgsound big \
blink blockquote body br button canvas caption center cite code col colgroup command content data datalist dd del details dfn \
dialog dir div dl dt element em embed fieldset figcaption figure font footer foreignobject form frame frameset g h1 h2 h3 h4 h5 \
h6 head header hgroup hr html i iframe image img input ins isindex kbd keygen label legend li link listing main map mark marquee \
math menu menuitem meta meter nav nobr noembed noframes noscript object ol optgroup option output p param path picture plaintext \
portal pre progress q rb rp rt rtc ruby s samp script section select shadow slot small source spacer span strike strong style \
sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul use var video wbr xmp ";

static CLOSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let keyword = r"(?i)\b(close[sd]?|fix(?:es|ed)?|resolve[sd]?)(\s*:?\s+)";
    Regex::new(&format!(r"{keyword}((?:[\w.-]+/[\w.-]+)?#|gh-|https?://)")).ok()
});

/// Where a text will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a line of ours; line breaks become spaces.
    Line,
    /// As lines of its own, as a commit's body: what starts a block is escaped on every line.
    Lines,
    /// As `Lines`, but a footer (`Fixes #12`) must stay one, so that the reference is broken instead of the keyword.
    Body,
}

/// The text for a template of ours: every `<` is escaped.
pub fn strict(text: &str, place: Place) -> Cow<'_, str> {
    neutral(text, place, true)
}

/// The text for a repository's own template: `<T>` and the like stay.
pub fn lenient(text: &str, place: Place) -> Cow<'_, str> {
    neutral(text, place, false)
}

fn neutral(text: &str, place: Place, all_tags: bool) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b" .,;/_'\"?".contains(&b);
    if text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Cow::Borrowed(text);
    }
    let clean: String = text.chars().filter_map(|c| visible(c, place)).collect();
    let mut pass = Pass {
        out: String::with_capacity(clean.len() + 16),
        place,
        all_tags,
        brackets: has_links(&clean),
        missing: [false; 3],
    };
    pass.read(&clean);
    if pass.out == text { Cow::Borrowed(text) } else { Cow::Owned(pass.out) }
}

/// The character, a space for it, or nothing.
fn visible(c: char, place: Place) -> Option<char> {
    match c {
        '\n' if place == Place::Line => Some(' '),
        '\n' | '\t' => Some(c),
        '\u{2028}' | '\u{2029}' | '\u{85}' => Some(' '),
        _ if c.is_control() || unseen(c) => None,
        _ => Some(c),
    }
}

/// Characters that turn the direction of text around or hide something in it. Joiners and variation selectors stay: emoji
/// and several scripts need them. Source: Unicode 17, Bidi_Control, and Default_Ignorable_Code_Point without those.
fn unseen(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Brackets that may make a link, an image, a definition or a footnote.
fn has_links(text: &str) -> bool {
    ["](", "][", "]:"].iter().any(|link| text.contains(link))
}

struct Pass {
    out: String,
    place: Place,
    all_tags: bool,
    brackets: bool,
    /// Lengths of backtick runs that have no partner in the rest of the line.
    missing: [bool; 3],
}

impl Pass {
    fn read(&mut self, text: &str) {
        let (mut rest, mut chunk, mut line_start) = (text, String::new(), true);
        let mut before = None;
        while let Some(c) = rest.chars().next() {
            if line_start && (self.place != Place::Line || rest.len() == text.len()) {
                rest = self.line_start(rest, &mut chunk);
            }
            line_start = c == '\n';
            if line_start {
                self.missing = [false; 3];
            }
            if let Some(c) = rest.chars().next() {
                let taken = if c == '`' { self.ticks(rest, &mut chunk) } else { self.one(c, rest, before, &mut chunk) };
                before = rest.get(..taken).and_then(|taken| taken.chars().next_back());
                rest = rest.get(taken..).unwrap_or_default();
            }
        }
        self.flush(&mut chunk);
    }

    /// Escapes what would start a heading, quote, list, fence, table or rule here; a run of digits is passed over.
    fn line_start<'t>(&self, rest: &'t str, chunk: &mut String) -> &'t str {
        let one_line = self.place == Place::Line;
        let text = rest.trim_start_matches([' ', '\t']);
        let indent = rest.len() - text.len();
        let (blanks, text) = if one_line { rest.split_at(0) } else { rest.split_at(indent) };
        chunk.push_str(blanks);
        let first = text.chars().next().unwrap_or(' ');
        let gap_after = |n: usize| text.chars().nth(n).is_none_or(char::is_whitespace);
        let line = text.split('\n').next().unwrap_or_default().trim_end();
        let rule = line.len() > 1 && line.chars().all(|c| c == first || c == ' ');
        let starts = match first {
            '#' => gap_after(text.chars().take_while(|c| *c == '#').count()),
            '>' | '|' => true,
            '=' => line.chars().all(|c| c == '='),
            '~' => text.starts_with("~~~"),
            '-' | '*' | '_' if rule => line.matches(first).count() > 1,
            '-' | '+' | '*' => one_line && gap_after(1),
            _ => false,
        };
        if starts {
            chunk.push('\\');
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if one_line && (1..10).contains(&digits) && text[digits..].starts_with(['.', ')']) && gap_after(digits + 1) {
            chunk.push_str(&text[..digits]);
            chunk.push('\\');
            return &text[digits..];
        }
        text
    }

    /// A run of backticks: a code span within one line is copied, everything else loses its meaning.
    fn ticks(&mut self, rest: &str, chunk: &mut String) -> usize {
        let run = rest.bytes().take_while(|b| *b == b'`').count();
        if let Some(end) = self.span_end(rest, run) {
            self.flush(chunk);
            // An escaped backtick and the span's own would look like a fence together.
            if self.out.ends_with('`') {
                self.out.push('\u{200b}');
            }
            self.out.push_str(&rest[..end]);
            return end;
        }
        chunk.push_str(&"\\`".repeat(run));
        run
    }

    fn span_end(&mut self, rest: &str, run: usize) -> Option<usize> {
        if run > 2 || self.missing[run] {
            return None;
        }
        let (mut at, line) = (run, rest.split('\n').next()?);
        while let Some(found) = line.get(at..).and_then(|tail| tail.find('`')) {
            at += found;
            let length = line[at..].bytes().take_while(|b| *b == b'`').count();
            at += length;
            match length {
                _ if length == run => return Some(at),
                0..=2 => {}
                // Three in a row would open a fence if the span were cut.
                _ => return None,
            }
        }
        self.missing[run] = true;
        None
    }

    /// One character outside code; returns how many bytes of `rest` it took.
    fn one(&mut self, c: char, rest: &str, before: Option<char>, chunk: &mut String) -> usize {
        let tail = &rest[c.len_utf8()..];
        match c {
            '\\' if tail.starts_with(['\\', '`']) => {
                chunk.push_str(&rest[..2]);
                return 2;
            }
            '<' if self.all_tags || opens_tag(tail) => chunk.push_str("&lt;"),
            '&' if is_entity(tail) => chunk.push_str("&amp;"),
            '@' if tail.starts_with(|c: char| c.is_ascii_alphanumeric()) && !before.is_some_and(is_word) => {
                chunk.push(c);
                chunk.push(GAP);
            }
            '[' | ']' if self.brackets => {
                chunk.push('\\');
                chunk.push(c);
            }
            '(' if self.brackets && before == Some(']') => chunk.push_str("\\("),
            _ => chunk.push(c),
        }
        c.len_utf8()
    }

    /// Text without code goes out, closing keywords broken.
    fn flush(&mut self, chunk: &mut String) {
        let text = std::mem::take(chunk);
        match CLOSING.as_ref().filter(|closing| closing.is_match(&text)) {
            Some(closing) => self.out.push_str(&closing.replace_all(&text, |found: &regex::Captures<'_>| self.broken(found))),
            None => self.out.push_str(&text),
        }
    }

    fn broken(&self, found: &regex::Captures<'_>) -> String {
        let part = |n: usize| found.get(n).map_or("", |m| m.as_str());
        let (keyword, between, reference) = (part(1), part(2), part(3));
        match (self.place, reference.starts_with("http")) {
            (Place::Body, true) => format!("{keyword}{between}{GAP}{reference}"),
            (Place::Body, false) => format!("{keyword}{between}{reference}{GAP}"),
            _ => format!("{keyword}{GAP}{between}{reference}"),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows a `<` makes it a tag, a comment, a declaration or a link in angle brackets.
fn opens_tag(tail: &str) -> bool {
    if tail.starts_with(['!', '?']) {
        return true;
    }
    let tail = tail.strip_prefix('/').unwrap_or(tail);
    let end = tail.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(tail.len());
    let (name, after) = tail.split_at(end);
    if after.starts_with([':', '+']) {
        return !name.is_empty();
    }
    let ends = after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || c == '/' || c == '>');
    // Custom elements hold a dash.
    ends && !name.is_empty() && (name.contains('-') || ELEMENTS.contains(&format!(" {} ", name.to_ascii_lowercase())))
}

/// `&#64;` and `&commat;` are an `@` to whoever looks for mentions.
fn is_entity(tail: &str) -> bool {
    let end = tail.bytes().take(34).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
    end > 0 && tail[end..].starts_with(';')
}

#[cfg(test)]
mod tests;
