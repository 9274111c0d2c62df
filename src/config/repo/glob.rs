//! Patterns for names of branches and tags: `*` (any characters but `/`), `**` (any characters), `?` (one character but
//! `/`), everything else stands for itself. Small on purpose: there is no pattern that takes long to match.

/// Why a text is not a pattern.
pub fn check(pattern: &str) -> Result<(), String> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "[]{}\\~^:!".contains(c);
    if pattern.is_empty() || pattern.len() > 250 {
        return Err("a pattern has 1 to 250 characters".into());
    }
    match pattern.chars().find(|c| odd(*c)) {
        Some(c) => Err(format!("`{}` cannot stand in a pattern; only `*`, `**` and `?` are special", c.escape_default())),
        None => Ok(()),
    }
}

/// Whether the pattern covers the whole name. Takes at most pattern × name steps.
pub fn matches(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // `reach[i]`: the pattern read so far can cover the first `i` characters.
    let mut reach = vec![false; name.len() + 1];
    reach[0] = true;
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let deep = rest.starts_with("**");
        rest = &rest[if deep { 2 } else { first.len_utf8() }..];
        let star = first == '*';
        let mut next = vec![false; reach.len()];
        for i in 0..reach.len() {
            if star && reach[i] {
                next[i] = true;
            }
            let Some(c) = name.get(i) else { continue };
            let fits = if star { deep || *c != '/' } else { (first == '?' && *c != '/') || first == *c };
            if fits && (if star { next[i] } else { reach[i] }) {
                next[i + 1] = true;
            }
        }
        reach = next;
    }
    reach.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_names() {
        for (pattern, yes, no) in [
            ("main", "main", "mainx"),
            ("release/*", "release/1.x", "release/1/2"),
            ("release/**", "release/1/2", "release"),
            ("nightly*", "nightly-1", "xnightly"),
            ("v?", "v1", "v12"),
            ("*-*-z", "a-b-z", "a-z"),
            ("**", "a/b", ""),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(!matches(pattern, no) || pattern == "**", "{pattern} {no}");
        }
    }

    #[test]
    fn many_stars_are_quick() {
        assert!(!matches(&"*a".repeat(120), &"a".repeat(119)));
        assert!(matches(&"*a".repeat(120), &"a".repeat(240)));
    }

    #[test]
    fn other_languages_are_refused() {
        for bad in ["", "v[0-9]", "{a,b}", "a b", "!main", "^v1$", "a\\*", &"a".repeat(251)] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check("release/**").is_ok());
    }
}
