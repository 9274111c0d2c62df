//! A line as words, in the way of a shell and without one: spaces part, quotes join, a backslash takes the next character
//! as it is. Nothing is replaced, looked up or run.

/// The words of a line.
///
/// # Errors
/// A quotation mark without its partner, or a backslash at the end.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote: Option<char> = None;
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => {
                let next = letters.next().ok_or("it ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quotation mark has no partner");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_as_in_a_shell() {
        let words = |line: &str| split(line).unwrap();
        assert_eq!(words("deploy  staging\tv1"), ["deploy", "staging", "v1"]);
        assert_eq!(words(r#"lock prod --reason "a 'long' \"story\"""#), ["lock", "prod", "--reason", r#"a 'long' "story""#]);
        assert_eq!(words(r"a\ b 'c\d' ''"), ["a b", r"c\d", ""]);
        assert_eq!(words("$(id) `id` a;b |c >d *"), ["$(id)", "`id`", "a;b", "|c", ">d", "*"]);
        assert_eq!(words("  "), Vec::<String>::new());
        for bad in ["a \"b", "it's", "a\\"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(all in prop::collection::vec("[^\\\\\"]{0,12}", 0..6)) {
            let line = all.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&line).unwrap(), all);
        }
    }
}
