use super::*;

fn line(text: &str) -> String {
    lenient(text, Place::Line).into_owned()
}

#[test]
fn harmless_text_stays() {
    for text in [
        "plain words, 100%",
        "mail a@example.com",
        "support Vec<T> and <Foo>",
        "a | b | c",
        "use `@types/node` and ``a ` b``",
        "{{ get_env(name=\"PATH\") }}",
        "[x] or [y], a[0]",
        "Überraschung 🚀 初",
        "👩\u{200d}🚀 and می\u{200c}خواهم and ❤\u{fe0f}",
        "fix the #12 crash",
        "C# and F#",
        "R&D or a & b",
        "closes the door",
        "#12 crashes",
        "x_y *z* **b**",
        "1.2.3 is out",
        "- ",
        "-x",
        "Signed-off-by: A <a@b.c>",
        "a < b && c > d",
        "pkg@1.2.3",
        "\\o/",
    ] {
        assert!(matches!(lenient(text, Place::Line), Cow::Borrowed(_)) || text == "- ", "{text}");
    }
}

#[test]
fn what_github_would_act_on_is_broken() {
    for (text, wanted) in [
        ("thanks @octocat", "thanks @\u{200b}octocat"),
        ("(@org/security-team)", "(@\u{200b}org/security-team)"),
        ("\\@octocat", "\\@\u{200b}octocat"),
        ("&#64;octocat", "&amp;#64;octocat"),
        ("` @octocat", "\\` @\u{200b}octocat"),
        ("closes #12", "closes\u{200b} #12"),
        ("Fixed: owner/repo#13", "Fixed\u{200b}: owner/repo#13"),
        ("resolves https://github.com/o/r/issues/9", "resolves\u{200b} https://github.com/o/r/issues/9"),
        ("resolves GH-9", "resolves\u{200b} GH-9"),
        ("a <!-- unfinished", "a &lt;!-- unfinished"),
        ("<IMG src=x onerror=y>", "&lt;IMG src=x onerror=y>"),
        ("</details>", "&lt;/details>"),
        ("<javascript:alert(1)>", "&lt;javascript:alert(1)>"),
        ("[click](https://evil.example)", "\\[click\\]\\(https://evil.example)"),
        ("![x](https://evil.example/p.png)", "!\\[x\\]\\(https://evil.example/p.png)"),
        ("[a]: https://evil.example", "\\[a\\]: https://evil.example"),
        ("a](https://evil.example) [x", "a\\]\\(https://evil.example) \\[x"),
        ("use ``` here", "use \\`\\`\\` here"),
        ("` ``` `", "\\` \\`\\`\\` \\`"),
        ("# heading", "\\# heading"),
        ("> quote", "\\> quote"),
        ("- [x] task", "\\- [x] task"),
        ("12. item", "12\\. item"),
        ("safe\u{202e}txt.exe\u{7}", "safetxt.exe"),
        ("\u{1b}[31mred\u{9b}0m", "[31mred0m"),
        ("@\u{200b}octo\u{2060}cat", "@\u{200b}octocat"),
        ("fi\u{200b}xes #12", "fixes\u{200b} #12"),
        ("a\u{feff}b\u{e0041}\u{e0042}c\u{200f}", "abc"),
        ("a\nb", "a b"),
    ] {
        assert_eq!(line(text), wanted, "{text}");
    }
    assert_eq!(strict("Vec<T>", Place::Line), "Vec&lt;T>");
}

#[test]
fn bodies_lose_headings_rules_fences_and_definitions() {
    let body = "text\n# Fake\n===\n---\n```\n> [!NOTE]\n  ## deep\n- point\n[a]: http://x\n|x|";
    let wanted = "text\n\\# Fake\n\\===\n\\---\n\\`\\`\\`\n\\> \\[!NOTE\\]\n  \\## deep\n- point\n\\[a\\]: http://x\n\\|x|";
    assert_eq!(lenient(body, Place::Lines), wanted);
    assert_eq!(lenient("Fixes #12\nResolves: https://x/1", Place::Body), "Fixes #\u{200b}12\nResolves: \u{200b}https://x/1");
}

#[test]
fn a_span_does_not_reach_over_a_line() {
    assert_eq!(lenient("a ` b\n# x\n@octocat ` c", Place::Lines), "a \\` b\n\\# x\n@\u{200b}octocat \\` c");
}

proptest::proptest! {
    #[test]
    fn nothing_dangerous_survives(text in "[a@#`<!\\[\\]():/\\\\\n &;0-9-]{0,40}(@octocat|closes #1|<img>|\\]\\(x|```|<!--)?[` a]{0,5}") {
        let mentions = Regex::new(r"(^|[^\w])@[A-Za-z0-9]").unwrap();
        let closing = Regex::new(r"(?i)\b(close[sd]?|fix(es|ed)?|resolve[sd]?)\s*:?\s+#\d").unwrap();
        for place in [Place::Line, Place::Lines, Place::Body] {
            let out = strict(&text, place).into_owned();
            proptest::prop_assert!(!out.contains("```"), "{}", out);
            let outside = without_code(&out);
            proptest::prop_assert!(!mentions.is_match(&outside), "{} from {:?}", out, text);
            proptest::prop_assert!(!closing.is_match(&outside), "{}", out);
            proptest::prop_assert!(!outside.contains('<') && !outside.contains("]("), "{}", out);
        }
    }
}

/// The text outside code spans, as CommonMark reads it.
fn without_code(text: &str) -> String {
    let mut out = String::new();
    for event in outside_spans(text) {
        out.push_str(event);
        out.push('\u{1}');
    }
    out
}

/// A second, slow reading of the rules, to check the first against.
fn outside_spans(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if at + 1 < bytes.len() && bytes[at + 1].is_ascii_punctuation() => at += 2,
            b'`' => {
                let run = bytes[at..].iter().take_while(|b| **b == b'`').count();
                let paragraph_end = text[at..].find("\n\n").map_or(text.len(), |n| at + n);
                let mut close = at + run;
                let mut found = None;
                while close < paragraph_end {
                    let length = bytes[close..].iter().take_while(|b| **b == b'`').count();
                    if length == run {
                        found = Some(close + length);
                        break;
                    }
                    close += length.max(1);
                }
                if let Some(end) = found {
                    parts.push(&text[from..at]);
                    (from, at) = (end, end);
                } else {
                    at += run;
                }
            }
            _ => at += 1,
        }
    }
    parts.push(&text[from..]);
    parts
}
