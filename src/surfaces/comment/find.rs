//! The lines of a comment in which a command may stand.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// A line of plain text that begins at the beginning of a line of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'b> {
    /// To the end of the source's line, without it.
    pub text: &'b str,
    pub at: usize,
    /// Something in it is code, HTML or a link, so that it reads otherwise than it is written.
    pub marked_up: bool,
}

/// HTML elements in which nothing is a command, as long as they are open.
const BARRING: [&str; 13] =
    ["a", "blockquote", "code", "del", "details", "kbd", "pre", "q", "s", "samp", "strike", "template", "tt"];

/// In the order of the source.
pub fn lines(body: &str) -> Vec<Line<'_>> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
        | Options::ENABLE_MATH;
    let (mut barred, mut html) = (0_usize, Html::default());
    let (mut found, mut markup): (Vec<Line<'_>>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    for (event, range) in Parser::new_ext(body, options).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if matches!(tag, Tag::Link { .. } | Tag::Image { .. }) {
                    markup.push(range);
                }
                barred += usize::from(bars(&tag));
            }
            Event::End(end) => barred -= usize::from(bars_to(end)).min(barred),
            Event::Html(text) | Event::InlineHtml(text) => {
                html.see(&text);
                markup.push(range);
            }
            Event::Code(_) | Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) => markup.push(range),
            Event::Text(_) if barred == 0 && !html.bars() => found.extend(line(body, range.start)),
            _ => {}
        }
    }
    for line in &mut found {
        let whole = line.at..line.at + line.text.len();
        line.marked_up = markup.iter().any(|mark| mark.start < whole.end && whole.start < mark.end);
    }
    found
}

/// The line that begins at `at`, if one does.
fn line(body: &str, at: usize) -> Option<Line<'_>> {
    let begins = at == 0 || body.as_bytes().get(at - 1).is_some_and(|before| matches!(before, b'\n' | b'\r'));
    let rest = body.get(at..).filter(|_| begins)?;
    let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
    Some(Line { text: rest.get(..end)?, at, marked_up: false })
}

fn bars(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::BlockQuote(_)
            | Tag::CodeBlock(_)
            | Tag::FootnoteDefinition(_)
            | Tag::Table(_)
            | Tag::Strikethrough
            | Tag::Link { .. }
            | Tag::Image { .. }
    )
}

fn bars_to(end: TagEnd) -> bool {
    matches!(
        end,
        TagEnd::BlockQuote(_)
            | TagEnd::CodeBlock
            | TagEnd::FootnoteDefinition
            | TagEnd::Table
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::Image
    )
}

/// Which barring elements are open, over all pieces of HTML so far.
#[derive(Default)]
struct Html {
    open: [usize; BARRING.len()],
    in_comment: bool,
}

impl Html {
    fn bars(&self) -> bool {
        self.in_comment || self.open.iter().any(|open| *open > 0)
    }

    fn see(&mut self, piece: &str) {
        let mut rest = piece;
        while !rest.is_empty() {
            if self.in_comment {
                let Some((_, after)) = rest.split_once("-->") else { return };
                (self.in_comment, rest) = (false, after);
                continue;
            }
            let Some((_, after)) = rest.split_once('<') else { return };
            rest = after;
            if rest.starts_with("!--") {
                self.in_comment = true;
            } else {
                self.element(rest);
                rest = after_tag(rest);
            }
        }
    }

    /// What follows a `<`.
    fn element(&mut self, text: &str) {
        let (closes, name) = text.strip_prefix('/').map_or((false, text), |name| (true, name));
        let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
        let name = &name[..end];
        for (open, known) in self.open.iter_mut().zip(BARRING) {
            if name.eq_ignore_ascii_case(known) {
                *open = if closes { open.saturating_sub(1) } else { *open + 1 };
            }
        }
    }
}

/// What follows the tag that has been begun: what stands between quotation marks ends none and begins none.
fn after_tag(text: &str) -> &str {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return text.get(at + 1..).unwrap_or_default(),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
