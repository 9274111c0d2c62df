use super::{ExpectError, LONGEST, Variables, compile};
use proptest::prelude::*;
use serde_json::json;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn answer() -> Variables {
    Variables::new()
        .with("status", &json!(200))
        .with("latency_ms", &json!(12))
        .with("version", &json!("1.2.3"))
        .with("headers", &json!({"content-type": "application/json"}))
        .with(
            "body",
            &json!({
                "version": "1.2.3", "ok": true, "big": u64::MAX, "half": 0.5, "nothing": null, "text": "größer",
                "checks": [{"name": "db", "up": true}, {"name": "cache"}, {"name": "queue", "up": false}],
                "list": [1, 2, 3],
            }),
        )
}

fn said(text: &str) -> String {
    match compile(text) {
        Err(error) => format!("refused: {error}"),
        Ok(expression) => match expression.evaluate(&answer()) {
            Ok(answer) => answer.to_string(),
            Err(error) => format!("{}: {error}", error.code()),
        },
    }
}

#[test]
fn what_is_true() {
    for text in [
        "status == 200 && body.version == version",
        "body['version'] == '1.2.3' && headers['content-type'].startsWith('application/json')",
        "latency_ms < 500 && latency_ms * 2 == 24 && -latency_ms < 0",
        "has(body.ok) && !has(body.absent) && has(headers.missing) == false",
        "status in [200, 204] && 'version' in body && !('x' in body)",
        "body.checks.exists(c, c.name == 'db' && c.up)",
        "body.checks.filter(c, has(c.up)).all(c, c.name != '')",
        "body.checks.exists_one(c, c.name == 'queue')",
        "body.list.map(x, x * 2) == [2, 4, 6] && body.list.map(x, x > 1, x) == [2, 3]",
        "size(body.list) == 3 && body.text.size() == 6 && body.size() == 8",
        "body.big > 9223372036854775807 && body.big == 18446744073709551615u",
        "1 == 1.0 && 1 < 1.5 && 2u > 1 && 1 != '1' && null == body.nothing",
        "version.matches('^[0-9]+\\\\.') && !version.matches('^v')",
        "version.matches(r'^1\\.2\\.')",
        "int('7') == 7 && string(7) == '7' && double(1) == 1.0 && int(2.9) == 2 && uint(3) == 3u && bool('true')",
        "'a' + 'b' == 'ab' && [1] + [2] == [1, 2] && 'a' < 'b'",
        "(status == 200 ? version : '') == '1.2.3'",
        // An error beside what decides does not matter, on either side.
        "true || body.absent == 1",
        "body.absent == 1 || true",
        "!(body.absent == 1 && false)",
        "body.checks.exists(c, c.up == true)",
        "!body.checks.all(c, c.up)",
        "body.list.all(status, status < 4) && status == 200",
        "{'a': 1}.a == 1 && {'a': 1} == {'a': 1.0}",
        "body.map(k, k).size() == 8",
        ".status == 200 // with a remark",
    ] {
        assert_eq!(said(text), "true", "{text}");
    }
}

#[test]
fn what_is_neither_and_why() {
    let mut table = String::new();
    for text in [
        "",
        "status ==",
        "status == 200)",
        "stauts == 200",
        "statuscode(1)",
        "status.foo()",
        "'a'.matches(version)",
        "'a'.matches('(')",
        "'a'.matches('(\\\\w{200}){200}')",
        "has(body)",
        "body.all(1, true)",
        "a{b: 1}",
        "b'x' == b'x'",
        "body.?version == 1",
        "for == 1",
        "99999999999999999999 == 1",
        "status",
        "body",
        "body.absent == 1",
        "headers['x-version'] == version",
        "body.list[3] == 1",
        "body.list[-1] == 1",
        "environment == 'production'",
        "body.version.major == 1",
        "status + 1.0 == 201.0",
        "9223372036854775807 + 1 > 0",
        "-(-9223372036854775808) > 0",
        "(-9223372036854775808) / (-1) == 0",
        "1 / 0 == 1",
        "1 % 0 == 1",
        "int(1e300) == 0",
        "int(0.0 / 0.0) == 0",
        "uint(-1) == 0u",
        "version < 2",
        "1 in 2",
        "!status",
        "status && true",
        "body.checks.all(c, c.up || true == c.up)",
        "body.version.all(c, true)",
        "{1: 2}.size() == 1",
        "{'a': 1, 'a': 2}.size() == 1",
    ] {
        writeln!(table, "{text}\n    {}", said(text)).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn knows_what_it_uses() {
    let used = compile("status == 200 && body.list.all(version, version != sha)").unwrap();
    assert_eq!(used.uses(), ["status", "body", "sha"]);
    assert_eq!(used.as_str(), "status == 200 && body.list.all(version, version != sha)");
}

/// Texts that end the process, or take minutes or gigabytes, in a plain evaluator.
#[test]
fn hostile_expressions_end_soon() {
    let nested =
        |open: &str, count: usize, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(count), close.repeat(count));
    let long = |head: &str, part: &str| {
        let count = (LONGEST - head.len()) / part.len();
        format!("{head}{}", part.repeat(count))
    };
    let mut texts = vec![
        "(".repeat(LONGEST),
        ")]}{[(".repeat(300),
        "`".repeat(LONGEST),
        "'".repeat(LONGEST),
        "\"\"\"".repeat(600),
        "@#$%^&*".repeat(280),
        "\u{0}".repeat(100),
        "\\".repeat(LONGEST),
        "ß".repeat(LONGEST / 2),
        "x".repeat(LONGEST + 1),
        format!("{}.all(z, z == '')", nested("['x']", 1, "", "") + &".map(a, a + a)".repeat(30)),
        "body.big.map(a, body.big.map(b, body.big.map(c, 1))) == []".into(),
    ];
    for count in [10, 38, 39, 90, 400] {
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("size(", "body", ")"),
            ("{'a':", "1", "}"),
            ("a{b:", "1", "}"),
            ("(!-[", "1", "])"),
            ("body.all(a,", "true", ")"),
            ("has(", "body.a", ")"),
            ("true ? 1 : (", "1", ")"),
        ] {
            texts.push(nested(open, count, inner, close));
        }
    }
    for (head, part) in [
        ("1", "+1"),
        ("true", "||true"),
        ("true", "&&false"),
        ("1", "==1"),
        ("1", " in body"),
        ("body", ".a"),
        ("body", "[0]"),
        ("body", ".a()"),
        ("", "!"),
        ("", "- "),
        ("1", "true?1:"),
        ("1", "-\n"),
        ("body", " .\ta"),
    ] {
        texts.push(long(head, part));
        texts.push(format!("{head}{}", part.repeat(60)));
        texts.push(format!("{head}{}", part.repeat(140)));
        texts.push(format!("{}1", part.repeat(140)));
    }
    let list: Vec<u32> = (0..10_000).collect();
    let variables = answer().with("body", &json!({"big": list, "text": "x".repeat(60_000)}));
    texts.extend(
        [
            "body.big.all(a, body.big.all(b, a + b >= 0))",
            "body.big.map(a, body.big)  == body.big.map(a, body.big)",
            "body.big.all(a, body.big.absent || true)",
            "body.big.all(a, body.text.contains('y') || body.text == body.text)",
            "body.big.all(a, (body.text + body.text).size() > 0)",
            "body.big.map(a, body.big + body.big).size() == 1",
            "body.big.all(a, body.big.all(b, 1 / 0 == 1) || true)",
            "body.big.all(a, body.text.matches('(x+x+)+y') || true)",
            "body.text.matches('(x{1,50}){1,50}y')",
        ]
        .map(String::from),
    );
    for text in texts {
        let start = Instant::now();
        if let Ok(expression) = compile(&text) {
            let _ = expression.evaluate(&variables);
        }
        let shown: String = text.chars().take(60).collect();
        assert!(start.elapsed() < Duration::from_secs(5), "{shown}: {:?}", start.elapsed());
    }
}

#[test]
fn an_empty_budget_is_not_absorbed() {
    let list: Vec<u32> = (0..5_000).collect();
    let variables = Variables::new().with("body", &json!(list));
    for text in ["body.all(a, body.all(b, a == b) || true)", "body.all(a, !body.exists(b, false)) || true"] {
        assert_eq!(compile(text).unwrap().evaluate(&variables), Err(ExpectError::TooCostly), "{text}");
    }
    let large = Variables::new().with("body", &json!("x".repeat(600_000)));
    assert_eq!(compile("true").unwrap().evaluate(&large), Err(ExpectError::TooLarge));
}

/// Words that make many texts which parse.
fn soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "status",
        "body",
        "headers",
        "version",
        ".list",
        ".checks",
        ".up",
        "[0]",
        "['a']",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        " in ",
        "1",
        "-1",
        "2u",
        "1.5",
        "'a'",
        "true",
        "null",
        ".all(x,",
        ".map(x,",
        ".exists(x,",
        ".filter(x,",
        "x",
        "size(",
        "int(",
        "has(",
        ".contains(",
        ".matches('a+'",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 100 } else { 4_000 }))]

    #[test]
    fn nothing_panics(text in prop_oneof![soup(), ".{0,200}", "[\\PC]{0,100}"]) {
        if let Ok(expression) = compile(&text) {
            let _ = expression.evaluate(&answer());
        }
    }

    /// Whole numbers compare as numbers, whatever kind they have.
    #[test]
    fn numbers_compare(a in any::<i64>(), b in any::<u64>()) {
        let variables = Variables::new().with("value", &json!(a)).with("result", &json!(b));
        let judge = |text: &str| compile(text).unwrap().evaluate(&variables).unwrap();
        prop_assert_eq!(judge("value < result"), i128::from(a) < i128::from(b));
        prop_assert_eq!(judge("value == result"), i128::from(a) == i128::from(b));
        prop_assert_eq!(judge("result >= value"), i128::from(b) >= i128::from(a));
    }

    /// A conjunction with something false is false, a disjunction with something true is true, whatever the other side is.
    #[test]
    fn deciding_sides_decide(other in soup()) {
        let other = format!("({other})");
        for (text, answer) in [
            (format!("false && {other}"), false), (format!("{other} && false"), false),
            (format!("true || {other}"), true), (format!("{other} || true"), true),
        ] {
            if let Ok(expression) = compile(&text) {
                let evaluated = expression.evaluate(&self::answer());
                prop_assert!(evaluated == Ok(answer) || evaluated == Err(ExpectError::TooCostly), "{text}: {evaluated:?}");
            }
        }
    }
}
