//! Makes any text harmless inside Markdown: one line, no markup, no mention, no HTML, nothing invisible.
//!
//! Used by every template ending in `.md`; only text that we or the sandboxed renderer wrote is passed around it.

use std::fmt;

/// The escaper of `templates/*.md`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Markdown;

impl askama::filters::Escaper for Markdown {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        let mut previous = ' ';
        for c in text.chars() {
            write_char(&mut out, previous, c)?;
            previous = c;
        }
        Ok(())
    }
}

/// The same for text that is put together outside a template.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    // Writing to a string cannot fail.
    let _ = askama::filters::Escaper::write_escaped_str(&Markdown, &mut out, text);
    out
}

/// A sentence of ours with what others wrote in it: what stands between two backticks is shown as code, all else as plain
/// text. Without a partner for each, backticks are plain too.
pub fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let whole = parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(|code| !code.trim().is_empty());
    if !whole {
        return escape(text);
    }
    let shown = |code: &str| -> String {
        let plain = code.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
        // A bar would end the cell of a table even in code.
        plain
            .filter(|c| !c.is_control() && !is_invisible(*c))
            .flat_map(|c| if c == '|' { vec!['\\', c] } else { vec![c] })
            .collect()
    };
    let part = |(at, part): (usize, &&str)| if at % 2 == 1 { format!("`{}`", shown(part)) } else { escape(part) };
    parts.iter().enumerate().map(part).collect()
}

/// What somebody else wrote, shown as code: nobody is mentioned by it, and nothing in it is a reference or a link.
pub fn code(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .collect();
    // Our own comments are found again by such a mark.
    let plain = plain.replace("<!--", "<\u{200d}!--");
    let longest = plain.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // One space on each side is no part of the code, and keeps a backtick at its end apart from the fence.
    let edge = if plain.starts_with('`') || plain.ends_with('`') || plain.trim().is_empty() { " " } else { "" };
    format!("{fence}{edge}{plain}{edge}{fence}")
}

fn write_char(out: &mut impl fmt::Write, previous: char, c: char) -> fmt::Result {
    match c {
        '\n' | '\t' => out.write_char(' '),
        c if c.is_control() || is_invisible(c) => Ok(()),
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        '&' => out.write_str("&amp;"),
        // A zero-width joiner keeps the name readable and is no mention for GitHub.
        '@' if !previous.is_ascii_alphanumeric() => out.write_str("@\u{200d}"),
        '#' => out.write_str("#\u{200d}"),
        // `GH-12` is a reference too.
        '-' if matches!(previous, 'h' | 'H') => out.write_str("-\u{200d}"),
        '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => {
            out.write_char('\\')?;
            out.write_char(c)
        }
        c => out.write_char(c),
    }
}

/// Characters that change how a line reads without being seen: bidirectional controls, zero-width ones, tags.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' | '\u{ad}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_a_sentence_stays_code_and_nothing_else_does() {
        assert_eq!(prose("Use `a*b|c` or *d*."), "Use `a*b\\|c` or \\*d\\*.");
        assert_eq!(prose("Odd ` one @all"), "Odd \\` one @\u{200d}all");
        assert_eq!(prose("Empty `` one"), "Empty \\`\\` one");
        assert_eq!(prose("`a\nb\u{202e}`"), "`a b`");
        assert_eq!([code("/a @all"), code("/a `b"), code("``b`")], ["`/a @all`", "``/a `b``", "``` ``b` ```"]);
    }

    #[test]
    fn nothing_hostile_gets_through() {
        assert_eq!(escape("build | <b>x</b>\n# h"), "build \\| &lt;b&gt;x&lt;/b&gt; #\u{200d} h");
        assert_eq!(escape("@octocat a@b.c é@x"), "@\u{200d}octocat a@b.c é@\u{200d}x");
        assert_eq!(escape("a/b#12 GH-12"), "a/b#\u{200d}12 GH-\u{200d}12");
        assert_eq!(escape("![x](http://t/)"), "\\!\\[x\\](http://t/)");
        assert_eq!(escape("a\u{202e}b\u{7}c"), "abc");
        assert_eq!(escape("plain 1.2.3 - ok"), "plain 1.2.3 - ok");
    }
}
