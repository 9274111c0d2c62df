//! Placeholders in PromQL. A value may come from a tag that anybody with push access chose, so it can stand only within a
//! text in quotes, is escaped for it, and matches nothing but itself where the text is a regular expression.

/// Names that may stand between `{{` and `}}` in a query.
pub const QUERY_PLACEHOLDERS: [&str; 4] = ["slot", "environment", "version", "sha"];

/// Longest query, in bytes.
const LONGEST: usize = 2_000;
/// Longest value of a placeholder, in characters.
const LONGEST_VALUE: usize = 250;

/// Where in a query a character stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Code,
    /// In quotes of this kind; whether it is a regular expression.
    Text(char, bool),
    /// In backticks, where nothing can be escaped.
    Raw,
    Remark,
}

/// The query with every placeholder filled in; `value` gives what stands for a name, `None` if there is nothing.
///
/// # Errors
/// Half a sentence that follows "is not valid:".
pub fn fill_query(query: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    if query.trim().is_empty() || query.len() > LONGEST {
        return Err(format!("a query has 1 to {LONGEST} bytes"));
    }
    let (mut place, mut filled, mut rest) = (Place::Code, String::with_capacity(query.len()), query);
    let mut operator = [' '; 2];
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("{{") {
            let (name, tail) = rest[2..].split_once("}}").ok_or("a `{{` has no `}}`")?;
            filled += &stand_in(name.trim(), place, &value)?;
            rest = tail;
            continue;
        }
        let escape = c == '\\' && matches!(place, Place::Text(..));
        let length = if escape { rest.chars().take(2).map(char::len_utf8).sum() } else { c.len_utf8() };
        filled += &rest[..length];
        rest = &rest[length..];
        if !escape {
            place = after(place, c, operator);
        }
        if place == Place::Code && !c.is_whitespace() {
            operator = [operator[1], c];
        }
    }
    match place {
        Place::Code | Place::Remark => Ok(filled),
        Place::Text(..) | Place::Raw => Err("a text in quotes has no end".into()),
    }
}

fn after(place: Place, c: char, operator: [char; 2]) -> Place {
    match (place, c) {
        (Place::Code, '"' | '\'') => Place::Text(c, matches!(operator, ['=' | '!', '~'])),
        (Place::Code, '`') => Place::Raw,
        (Place::Code, '#') => Place::Remark,
        (Place::Text(quote, _), c) if c == quote => Place::Code,
        (Place::Raw, '`') | (Place::Remark, '\n') => Place::Code,
        _ => place,
    }
}

fn stand_in(name: &str, place: Place, value: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    if !QUERY_PLACEHOLDERS.contains(&name) {
        let (known, name) = (QUERY_PLACEHOLDERS.join("`, `"), name.chars().take(40).collect::<String>());
        return Err(format!("there is no placeholder `{}` in a query; there are `{known}`", name.escape_debug()));
    }
    let Place::Text(quote, regex) = place else {
        return Err(format!("`{{{{ {name} }}}}` stands outside of a text in double or single quotes"));
    };
    let value = value(name).ok_or_else(|| format!("there is no {name} to fill in"))?;
    if value.chars().count() > LONGEST_VALUE {
        return Err(format!("the {name} to fill in is too long"));
    }
    Ok(escaped(&value, quote, regex))
}

fn escaped(value: &str, quote: char, regex: bool) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if regex && r"\.+*?()|[]{}^$".contains(c) {
            out += r"\\";
        }
        match c {
            '\\' => out += r"\\",
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(query: &str, version: &str) -> Result<String, String> {
        fill_query(query, |name| match name {
            "version" => Some(version.to_owned()),
            "slot" => Some("green".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn values_stand_in_quotes_and_are_escaped_for_them() {
        for (query, version, expected) in [
            (r#"up{slot="{{ slot }}"}"#, "", r#"up{slot="green"}"#),
            (r#"up{v="{{version}}"}"#, "1.2.3", r#"up{v="1.2.3"}"#),
            (r#"up{v=~"{{version}}"}"#, "1.2.3+a", r#"up{v=~"1\\.2\\.3\\+a"}"#),
            (
                r#"up{v !~ # remark "
              '{{version}}'}"#,
                ".*",
                "up{v !~ # remark \"\n              '\\\\.\\\\*'}",
            ),
            (r#"up{v="{{version}}"}"#, r#""} or vector(0) or x{v=""#, r#"up{v="\"} or vector(0) or x{v=\""}"#),
            (r#"up{v='{{version}}'}"#, r#"'"\"#, r#"up{v='\'"\\'}"#),
            (r#"up{v="a\"{{version}}"}"#, "\n\u{0}é", r#"up{v="a\"\u000a\u0000é"}"#),
            (r#"up{a="x\\"} + up{v=~"{{ version }}|{{ slot }}"}"#, "a|b", r#"up{a="x\\"} + up{v=~"a\\|b|green"}"#),
            ("sum(rate(x[1m])) # {} `", "", "sum(rate(x[1m])) # {} `"),
        ] {
            assert_eq!(filled(query, version).as_deref(), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        for (query, why) in [
            ("", "a query has"),
            ("{{ slot }}", "outside of a text"),
            ("up{v=`{{ version }}`}", "outside of a text"),
            ("up # {{ version }}", "outside of a text"),
            ("up{v=\"\\\"{{ version }}", "has no end"),
            ("up{v=\"{{ secret }}\"}", "no placeholder `secret`"),
            ("up{v=\"{{ sha }}\"}", "no sha to fill in"),
            ("up{v=\"{{ version", "no `}}`"),
            ("up{v=\"x}", "has no end"),
            ("up{v=`x}", "has no end"),
        ] {
            let error = filled(query, "1").unwrap_err();
            assert!(error.contains(why), "{query}: {error}");
        }
        assert!(filled("up{v=\"{{ version }}\"}", &"x".repeat(251)).is_err());
    }

    /// Reads a text in quotes as Prometheus does.
    fn unquoted(text: &str) -> Option<String> {
        let (mut out, mut chars) = (String::new(), text.chars());
        while let Some(c) = chars.next() {
            match (c, c == '\\') {
                ('"', _) => return chars.next().is_none().then_some(out),
                (_, false) => out.push(c),
                _ => match chars.next()? {
                    'u' => {
                        let code: String = chars.by_ref().take(4).collect();
                        out.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                    }
                    c @ ('\\' | '"') => out.push(c),
                    _ => return None,
                },
            }
        }
        None
    }

    proptest! {
        #[test]
        fn any_value_comes_out_as_itself(version in "\\PC{0,40}|[\"'`\\\\\\n\\r{}.*+|$()#]{0,20}|(?s).{0,20}") {
            let plain = filled("x=\"{{version}}\"", &version).unwrap();
            prop_assert_eq!(unquoted(plain.strip_prefix("x=\"").unwrap()), Some(version.clone()));
            let regex = filled("x=~\"{{version}}\"", &version).unwrap();
            let pattern = unquoted(regex.strip_prefix("x=~\"").unwrap()).unwrap();
            let matcher = regex::Regex::new(&format!("^(?s:{pattern})$")).unwrap();
            prop_assert!(matcher.is_match(&version), "{pattern}");
            let longer = version.clone() + "x";
            prop_assert!(!matcher.is_match(&longer) && (version.is_empty() || !matcher.is_match("")));
        }

        #[test]
        fn any_query_is_judged(query in "([\"'`\\\\#\\n=~]|\\{\\{ ?version ?\\}\\}|.){0,40}") {
            let _ = filled(&query, "\"x");
        }
    }
}
