//! Files that want to take time or memory, and any text at all.

use super::*;
use std::time::Instant;

#[test]
fn hostile_files_are_refused_at_once() {
    let deep = |n: usize| format!("x = {}{}", "[".repeat(n), "]".repeat(n));
    let fits = SIZE_LIMIT - 100;
    for text in [
        "a".repeat(SIZE_LIMIT + 1),
        deep(fits / 2),
        "[".repeat(fits),
        "{a=".repeat(fits / 3),
        format!("x = {}", "{a=".repeat(fits / 3)),
        format!("{}a = 1", "a.".repeat(fits / 2)),
        format!("[{}a]", "a.".repeat(fits / 2)),
        format!("{}a.b = 1\n", "a.".repeat(30)).repeat(fits / 70),
        format!("release.branches = [{}]", "1,".repeat(fits / 3)),
        "[[component]]\n".repeat(fits / 14),
        "x".repeat(fits),
        "\"".repeat(fits),
        "'''".repeat(fits / 3),
        "\u{0}".repeat(fits),
        "é\n".repeat(fits / 3),
        (0..2500).map(|i| format!("[environments.e{i}]\nafter=[{{environment=\"e{}\"}}]\n", i + 1)).collect::<String>()[..fits]
            .to_owned(),
        (0..5000).map(|i| format!("key{i} = 1\n")).collect(),
    ] {
        let start = Instant::now();
        let problems = bad(&text);
        let took = start.elapsed();
        assert!(problems.len() <= 101, "{}", problems.len());
        assert!(took.as_millis() < 2000, "{took:?} for {:?}", &text[..20.min(text.len())]);
        if std::env::var_os("SHOW_TIMES").is_some() {
            println!("{took:?} {} {:?}", problems.len(), text.chars().take(24).collect::<String>());
        }
    }
}

/// Pieces that together come close to real files, so that the walk is reached and not only the parser.
fn piece() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    const WORDS: [&str; 40] = [
        "[release]\n",
        "[environments.e]\n",
        "[[environments.e.gates]]\n",
        "[[environments.e.health]]\n",
        "[targets.t]\n",
        "[[component]]\n",
        "[environments]\n",
        "tag",
        "kind",
        "gates",
        "target",
        "on",
        "after",
        "strategy",
        "environment",
        "expect",
        "wait",
        "inputs",
        "name",
        " = ",
        "=",
        "\n",
        "\r\n",
        "\"",
        "'''",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "\"v{version}\"",
        "\"checks\"",
        "\"http\"",
        "\"e\"",
        "\"t\"",
        "1",
        "true",
        "é",
        "\u{0}",
    ];
    prop_oneof![
        8 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
        1 => "\\PC{0,4}",
        1 => "[a-z_]{1,8} = \"[^\"\\n]{0,12}\"\\n",
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 600, ..Default::default() })]

    /// Whatever the text: no panic, and every position lies inside it (checked by `bad`).
    #[test]
    fn any_text_is_judged(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        if parse(&text, &cel).is_err() {
            bad(&text);
        }
    }

    /// A real file with one part cut out or written over.
    #[test]
    fn any_slip_in_a_real_file_is_judged(at in 0_usize..2500, cut in 0_usize..40, put in "\\PC{0,3}|[\"\\[\\]{}=.\\n]{1,3}") {
        let mut text = include_str!("../testdata/everything.toml").to_owned();
        let floor = |at: usize| (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let (from, to) = (floor(at), floor(at + cut));
        text.replace_range(from..to, &put);
        if parse(&text, &cel).is_err() {
            bad(&text);
        }
    }
}
