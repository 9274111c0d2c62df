//! Keeps a text within GitHub's limit, with a link in place of what is missing.

/// The cut text, or `None` if it fits. `limit` counts UTF-16 units; `more` is a Markdown link or sentence. The cut is made
/// at a line's end, and a fence that it leaves open is closed.
pub fn to_limit(text: &str, limit: usize, more: &str) -> Option<String> {
    if text.encode_utf16().count() <= limit {
        return None;
    }
    let notice = format!("\n\nThese notes are too long for GitHub and were cut here. {more}\n");
    // Room for the notice and for the end of a fence.
    let room = limit.saturating_sub(notice.encode_utf16().count() + 5);
    let mut kept = prefix(text, room);
    if let Some((whole, _)) = kept.rsplit_once('\n').filter(|(whole, _)| whole.len() * 2 > kept.len()) {
        kept = whole;
    }
    let mut out = kept.trim_end().to_owned();
    if kept.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1 {
        out.push_str("\n```");
    }
    out.push_str(&notice);
    // A limit smaller than the notice is nobody's, but is kept all the same.
    Some(prefix(&out, limit).to_owned())
}

fn prefix(text: &str, units: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.len_utf16();
        if used > units {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_ends_in_a_link() {
        assert_eq!(to_limit("short", 5, "m"), None);
        let text = "- a line with an emoji 🚀\n".repeat(100);
        let cut = to_limit(&text, 1_000, "[More](x)").unwrap();
        assert!(cut.encode_utf16().count() <= 1_000 && cut.ends_with("[More](x)\n"));
        assert!(cut.lines().all(|l| l.is_empty() || l.starts_with("- a line with an emoji 🚀") || l.starts_with("These")));
    }

    #[test]
    fn one_endless_line_and_open_fences_are_cut_too() {
        let cut = to_limit(&"y".repeat(2_000), 1_000, "m").unwrap();
        assert!(cut.len() <= 1_000 && cut.len() > 900);
        let cut = to_limit(&format!("```\n{}", "code\n".repeat(500)), 1_000, "m").unwrap();
        assert_eq!(cut.matches("```").count(), 2);
        assert!(to_limit("🚀🚀🚀", 3, "m").unwrap().encode_utf16().count() <= 3);
        assert_eq!(prefix("🚀🚀", 3), "🚀");
    }
}
