use super::*;
use proptest::prelude::*;

fn found(body: &str) -> Vec<&str> {
    lines(body).into_iter().map(|line| line.text).collect()
}

/// Whether a command is found in `body`, where `{}` stands for it.
fn hears(body: &str) -> bool {
    found(&body.replace("{}", "/deploy staging")).contains(&"/deploy staging")
}

#[test]
fn a_command_begins_a_line_of_plain_text() {
    for body in [
        "{}",
        "{}\n",
        "please:\n{}\nthanks",
        "please:\r\n{}\r\nthanks",
        "\n\n{}",
        "{}\n---\nrest",
        "- one\n- two\n\n{}",
        "> said\n\n{}",
        "```\ncode\n```\n{}",
        "<!-- hidden -->\n\n{}",
        "<details>\n\nlog\n\n</details>\n\n{}",
        "a `b` c\n{}",
        "**bold**\n{}",
    ] {
        assert!(hears(body), "{body:?}");
    }
}

#[test]
fn nothing_is_heard_where_it_is_not_meant() {
    for body in [
        "please {}",
        " {}",
        "\t{}",
        "    {}",
        "```\n{}\n```",
        "~~~sh\n{}\n~~~",
        "```\n{}",
        "`{}`",
        "`a\n{}\nb`",
        "> {}",
        "> said\n{}",
        ">{}",
        "> [!NOTE]\n> {}",
        "- {}",
        "1. {}",
        "# {}",
        "<!-- {} -->",
        "<!--\n{}\n-->",
        "<!-- a\n\n{}\n\n-->",
        "text <!-- a\n{}\n-->",
        "<!--\n{}",
        "<pre>\n{}\n</pre>",
        "<pre>\n\n{}\n\n</pre>",
        "<blockquote>\n\n{}\n\n</blockquote>",
        "<BlockQuote>\n\n<p>\n\n{}",
        "<code>\n\n{}\n\n</code>",
        "<details>\n<summary>log</summary>\n\n{}\n\n</details>",
        "<details>\n<summary title=\"</details>\">log</summary>\n\n{}\n\n</details>",
        "<pre title='</pre>'>\n\n{}\n\n</pre>",
        "<q>\n\n{}\n\n</q>",
        "<div>\n{}\n</div>",
        "<script>\n{}\n</script>",
        "text <a href=\"x\">\n{}\n</a>",
        "[a\n{}\nb](http://x)",
        "![a\n{}\nb](http://x)",
        "[{}](http://x)",
        "~~a\n{}\nb~~",
        "<del>\n\n{}\n\n</del>",
        "{} | b\n---|---\n1 | 2",
        "$$\n{}\n$$",
        "[^1]: note\n\n    {}\n\n[^1]",
        "\u{200b}{}",
        "\u{feff}{}",
    ] {
        assert!(!hears(body), "{body:?}");
    }
}

#[test]
fn markup_within_a_line_is_noticed() {
    for (line, expected) in [
        ("/deploy `staging`", true),
        ("/deploy <!-- x --> staging", true),
        ("/deploy [staging](http://x)", true),
        ("/deploy <http://x>", true),
        ("/lock staging --reason \"*please* wait\"", false),
        ("/lock staging --reason http://x.example", false),
    ] {
        assert_eq!(lines(line).first().map(|line| line.marked_up), Some(expected), "{line}");
    }
    let two = lines("/status\nthen `code`");
    assert_eq!(two.iter().map(|line| line.marked_up).collect::<Vec<_>>(), [false, true]);
}

/// Pieces that Markdown makes something of.
fn body() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/deploy staging",
        "\n",
        "\n\n",
        "\r\n",
        "`",
        "```",
        "~~~",
        "> ",
        "- ",
        "    ",
        "\t",
        "<!--",
        "-->",
        "<pre>",
        "</pre>",
        "<a>",
        "<blockquote>",
        "</blockquote>",
        "[",
        "](",
        ")",
        "![",
        "*",
        "_",
        "~~",
        "|",
        "---",
        "# ",
        "$",
        "$$",
        "\\",
        "<",
        ">",
        "&lt;",
        "\u{202e}",
        "é",
        "[^1]",
        "[^1]: ",
        "x",
        " ",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_found_begins_a_line_of_the_source(body in body()) {
        for line in lines(&body) {
            prop_assert!(line.at == 0 || body[..line.at].ends_with(['\n', '\r']));
            prop_assert!(body[line.at..].starts_with(line.text));
            prop_assert!(!line.text.contains(['\n', '\r']));
        }
    }

    #[test]
    fn nothing_is_found_inside_a_fence_or_a_comment(inner in body()) {
        let mut kept = inner.replace(['`', '~'], "");
        // What is taken out may leave another one behind.
        while kept.contains("-->") {
            kept = kept.replace("-->", "");
        }
        for fenced in [format!("```\n{kept}\n```\n"), format!("<!--\n{kept}\n-->\n")] {
            let heard = lines(&fenced).into_iter().any(|line| line.text.contains("/deploy"));
            prop_assert!(!heard, "{fenced:?}");
        }
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<char>(), 0..80)) {
        let _ = lines(&text);
        let _ = lines(&bytes.into_iter().collect::<String>());
    }
}

#[test]
fn a_long_comment_takes_no_time() {
    let began = std::time::Instant::now();
    for piece in ["<", "[", "`", "> ", "*a ", "/deploy x\n", "<!--", "![](", "- "] {
        let _ = lines(&piece.repeat(65_000 / piece.len()));
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}
