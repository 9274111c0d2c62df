//! What strangers write into commit messages, in the notes of our own template and of git-cliff's default one: readable,
//! and without anything that GitHub would act on.

use super::{Desk, commits};
use git_cliff_core::embed::EmbeddedConfig;
use regex::Regex;
use serde_json::json;

/// What no notes may hold, in words that say so.
const FORBIDDEN: [(&str, &str); 12] = [
    ("mention", r"(^|[^\w/`])@(octocat|org/team)"),
    ("closing keyword", r"(?i)\b(close[sd]?|fix(es|ed)?|resolve[sd]?)\s*:?\s+((o/r)?#\d|GH-\d|https?://)"),
    ("comment", r"<!--"),
    ("element", r"(?i)<(/|a|b|img|script|details|iframe|svg|style|x-y)\b"),
    ("instruction", r"<[?!]"),
    ("autolink of another kind", r"<(javascript|data|mailto):"),
    ("link or image", r"\]\((https|javascript|data):"),
    ("definition", r"(?m)^\s*\[\w+\]:"),
    ("heading or rule of theirs", r"(?m)^\s*(#+ Fake|Fake\n=+|---+$|===+$)"),
    ("fence", r"```|(?m)^\s*(([-*+]|\d+[.)])\s+)?~~~"),
    ("control character", r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}]"),
    ("direction or hidden character", r"[\x{202a}-\x{202e}\x{2060}-\x{206f}\x{200e}\x{200f}\x{feff}\x{e0000}-\x{e007f}]"),
];

/// Hostile texts, each with what must still be readable of it.
const TEXTS: [(&str, &str); 41] = [
    ("thanks @octocat", "octocat"),
    ("(@octocat) and,@octocat", "octocat"),
    ("ping @org/team", "org/team"),
    ("\\@octocat", "octocat"),
    ("&#64;octocat &commat;octocat", "octocat"),
    ("` @octocat `` @octocat", "octocat"),
    ("@\u{200b}octocat @\u{2060}octocat", "octocat"),
    ("closes #12", "#12"),
    ("it Fixes: o/r#13 at last", "o/r#13"),
    ("RESOLVED\t#14", "#14"),
    ("fi\u{200b}xes #15", "#15"),
    ("resolves https://github.com/o/r/issues/9", "issues/9"),
    ("resolve GH-7", "GH-7"),
    ("a <!-- unfinished", "unfinished"),
    ("<img src=https://evil.example/p.png onerror=alert(1)> img", "img"),
    ("<script>alert(1)</script>", "alert(1)"),
    ("</details><details open>", "details"),
    ("<x-y>custom</x-y>", "custom"),
    ("<svg/onload=alert(1)>", "onload"),
    ("<?php x ?> <![CDATA[ y ]]>", "php"),
    ("<IFRAME\tsrc=x>", "IFRAME"),
    ("<javascript:alert(1)> <data:text/html,x>", "javascript"),
    ("[click](https://evil.example)", "click"),
    ("[a](javascript:alert(1))", "javascript"),
    ("![pixel](https://evil.example/p.png)", "pixel"),
    ("[![x](https://evil.example/a.png)](https://evil.example)", "evil.example"),
    ("[ref]: https://evil.example", "evil.example"),
    ("[a\\](https://b.example)](https://evil.example)", "evil.example"),
    ("use ``` here", "here"),
    ("~~~ here", "here"),
    ("unbalanced ` tick @octocat", "tick"),
    ("# Fake heading", "Fake heading"),
    ("> quoted", "quoted"),
    ("1. item", "item"),
    ("- [x] done", "done"),
    ("safe\u{202e}txt.exe\u{202c}", "txt.exe"),
    ("a\u{2066}b\u{2069}c\u{200f}", "abc"),
    ("bell\u{7} null\u{0} csi\u{9b}31m", "bell"),
    ("\u{1b}[31mred\u{1b}[0m \u{1b}]8;;https://evil.example\u{7}link\u{1b}]8;;\u{7}", "red"),
    ("zero\u{feff}width \u{e0041}\u{e0042}tags", "zerowidth"),
    ("a\rb \u{2028}c\u{85}d", "c"),
];

/// Every place of a message, and of what comes with it, that a template prints.
fn messages(text: &str) -> Vec<String> {
    vec![
        format!("fix: {text}"),
        format!("feat({text}): scoped"),
        text.to_owned(),
        format!("feat!: a\n\nBREAKING CHANGE: {text}"),
        format!("feat!: a\n\nBREAKING CHANGE: use this:\n# Fake heading\n---\n{text}\n```\n===\n"),
        format!("fix: a\n\n{text}\n\n# Fake heading\n\n{text}: b"),
        format!("feat: squash (#4)\n\n* fix: {text}\n"),
        format!("Revert \"{text}\"\n\nThis reverts commit 1111111."),
    ]
}

fn check(name: &str, markdown: &str) {
    for (what, pattern) in FORBIDDEN {
        let found = Regex::new(pattern).unwrap().find(markdown);
        assert!(found.is_none(), "{what} {:?} in {name}: {markdown:?}", found.map(|f| f.as_str()));
    }
}

/// Notes without our own links, whose brackets are ours.
fn without_ours(markdown: &str) -> String {
    Regex::new(r"\[(#\d+|[0-9a-f]{7}|Full changelog)\]\(https://github\.com/acme/web/[\w./%@-]+\)")
        .unwrap()
        .replace_all(markdown, "<ours>")
        .replace("<ours>", "ours")
}

#[test]
fn our_template_shows_hostile_text_as_text() {
    let desk = Desk::new();
    for (text, readable) in TEXTS {
        let all = messages(text);
        let messages: Vec<&str> = all.iter().map(String::as_str).collect();
        let ran = desk.run(&["notes", "--commits", "-", "--tag", "v1.0.0", "--repository", "acme/web"], &commits(&messages));
        assert_eq!(ran.code, Some(0), "{text:?}: {}", ran.err);
        check(&format!("{text:?}"), &without_ours(&ran.out));
        let visible: String = ran.out.replace(['\u{200b}', '\\'], "");
        assert!(visible.matches(readable).count() >= 4, "{readable:?} of {text:?} is lost: {visible}");
    }
}

#[test]
fn git_cliffs_template_shows_hostile_text_as_text() {
    let desk = Desk::new();
    let config = desk.file("cliff.toml", EmbeddedConfig::get_config().unwrap());
    for (text, readable) in TEXTS {
        let all = messages(text);
        let messages: Vec<&str> = all.iter().map(String::as_str).collect();
        let ran = desk.run(&["notes", "--commits", "-", "--tag", "v1.0.0", "--config", &config], &commits(&messages));
        assert_eq!(ran.code, Some(0), "{text:?}: {}", ran.err);
        // The comment with which git-cliff's own template ends is not a stranger's.
        check(&format!("{text:?}"), &ran.out.replace("<!-- generated by git-cliff -->", ""));
        let visible = ran.out.replace(['\u{200b}', '\\'], "").to_lowercase();
        assert!(visible.contains(&readable.to_lowercase()), "{readable:?} of {text:?} is lost: {visible}");
    }
}

#[test]
fn a_template_that_prints_everything_prints_it_harmless() {
    let desk = Desk::new();
    let body = "[changelog]\nbody = '''{% for c in commits %}\n{{ c.raw_message }}\n{{ c.message }}\n{{ c.body | default(value='') }}\n{{ c.scope | default(value='') }}\n\
        {% for f in c.footers | default(value=[]) %}{{ f.token }}{{ f.separator }}{{ f.value }}\n{% endfor %}{{ c.author.name }}\n{{ c.author.email }}\n\
        {{ c.github.username }} {{ c.remote.username }}\n{% endfor %}'''\n[git]\nfilter_unconventional = false\n";
    let config = desk.file("cliff.toml", body);
    for (text, _) in TEXTS {
        let list: Vec<serde_json::Value> = messages(text)
            .iter()
            .map(|message| {
                let person = json!({ "name": text, "email": text, "date": "2023-11-14T22:13:20Z" });
                let commit = json!({ "message": message, "author": person, "committer": person });
                json!({ "sha": "a".repeat(40), "commit": commit, "author": { "login": text }, "parents": [] })
            })
            .enumerate()
            .map(|(nth, mut commit)| {
                commit["sha"] = json!(format!("{nth:040x}"));
                commit
            })
            .collect();
        let ran = desk.run(&["notes", "--commits", "-", "--config", &config], &json!({ "commits": list }).to_string());
        assert_eq!(ran.code, Some(0), "{text:?}: {}", ran.err);
        check(&format!("{text:?}"), &ran.out);
    }
}

#[test]
fn long_notes_are_cut_with_a_link() {
    let desk = Desk::new();
    let lines: Vec<String> =
        (0..3_000).map(|n| format!("fix: a rather long description of what number {n} mends 🚀")).collect();
    let mut messages: Vec<&str> = lines.iter().map(String::as_str).collect();
    let one = format!("feat!: a\n\nBREAKING CHANGE: {}", "y".repeat(130_000));
    let link = "[Full changelog](https://github.com/acme/web/commits/v1.0.0)";
    let default = desk.file("cliff.toml", EmbeddedConfig::get_config().unwrap());
    let check = |messages: &[&str]| {
        for more in [&[][..], &["--config", default.as_str()][..]] {
            let base = ["notes", "--commits", "-", "--tag", "v1.0.0", "--repository", "acme/web"];
            let ran = desk.run(&[&base[..], more].concat(), &commits(messages));
            let length = ran.out.encode_utf16().count();
            assert!((100_000..=125_000).contains(&length) && ran.out.trim_end().ends_with(link), "{length}: {}", ran.err);
        }
    };
    check(&messages);
    messages.insert(0, &one);
    check(&messages);
    let alone = desk.run(&["notes", "--commits", "-", "--tag", "v1.0.0", "--repository", "acme/web"], &commits(&[&one]));
    assert!(alone.out.encode_utf16().count() <= 125_000 && alone.out.trim_end().ends_with(link), "{}", alone.err);
    let whole = desk.run(&["notes", "--commits", "-", "--verbatim", "--config", &default], &commits(&messages));
    assert!(whole.out.encode_utf16().count() > 125_000, "{}", whole.err);
}
