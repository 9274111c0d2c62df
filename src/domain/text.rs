//! Words of others, made harmless to read in one line. Escaping for Markdown or HTML is the renderer's work.

/// One line without control or direction characters, cut at `longest` characters.
pub fn one_line(text: &str, longest: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !hidden(*c)).collect();
    let clean = clean.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
    if clean.chars().count() <= longest {
        return clean;
    }
    clean.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

/// Control characters, and those that turn or hide text (Unicode's default-ignorable format characters).
pub fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
