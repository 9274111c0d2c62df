//! Makes any text harmless in a message to Slack and to chats that take the same: one line, nobody called, no link, no markup,
//! nothing invisible.
//!
//! Known limit: `_words_` may come out slanted. Slack reads `<…>` as a link or a call (`<!channel>`, `<@U…>`); others read `@channel` and `[…](…)` as well, and make a link of
//! what looks like an address.

use super::markdown::is_invisible;
use std::fmt;

/// Keeps two characters apart that would mean something together; it is not seen.
const APART: char = '\u{200d}';

/// The escaper of `templates/*.slack`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slack;

impl askama::filters::Escaper for Slack {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '\n' | '\t' => out.write_char(' ')?,
                c if c.is_control() || is_invisible(c) => {}
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                // Markup cannot be escaped there, so it is written with what looks like it.
                '*' => out.write_char('\u{2217}')?,
                '~' => out.write_char('\u{223c}')?,
                '`' => out.write_char('\'')?,
                // Calls, references, links and pictures.
                '@' | '#' | '!' | '[' | ']' | ':' => {
                    out.write_char(c)?;
                    out.write_char(APART)?;
                }
                c => out.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The same for text that is put together outside a template.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    // Writing to a string cannot fail.
    let _ = askama::filters::Escaper::write_escaped_str(&Slack, &mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_and_nothing_is_a_link() {
        for (hostile, plain) in [
            ("<!channel> hi", "&lt;!\u{200d}channel&gt; hi"),
            ("<@U123|ann> @here", "&lt;@\u{200d}U123|ann&gt; @\u{200d}here"),
            ("<https://evil.example|docs>", "&lt;https:\u{200d}//evil.example|docs&gt;"),
            ("[docs](https://evil.example)", "[\u{200d}docs]\u{200d}(https:\u{200d}//evil.example)"),
            ("&lt;!here&gt;", "&amp;lt;!\u{200d}here&amp;gt;"),
            ("*a* ~b~ `c`\n:fire:", "\u{2217}a\u{2217} \u{223c}b\u{223c} 'c' :\u{200d}fire:\u{200d}"),
            ("a\u{202e}b\u{7}c\u{200b}", "abc"),
            ("plain_name 1.2.3 (ok)", "plain_name 1.2.3 (ok)"),
        ] {
            assert_eq!(escape(hostile), plain, "{hostile}");
        }
    }
}
