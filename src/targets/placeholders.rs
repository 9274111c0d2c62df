//! `{{ name }}` in URLs and inputs of a repository's configuration.
//!
//! Invariants: values are inserted once and never looked at again, so that text from a tag or a URL cannot name another
//! placeholder; in an address a value stays the part that it was written into.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

/// What may stand anywhere in an address without a meaning there (RFC 3986, 2.3), and the slash: tags and names of
/// repositories have one, and git lets none of them lead upwards.
const UNRESERVED: &AsciiSet = &HOST.remove(b'/');
/// In the host a slash would end it: no tag chooses who is asked.
const HOST: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// An address itself.
const ADDRESS: &str = "environment_url";

/// Known names and their values.
pub type Values = BTreeMap<&'static str, String>;

/// Fills in every `{{ name }}`; an unknown name is an error that names it.
pub fn fill(template: &str, values: &Values) -> Result<String, String> {
    fill_with(template, values, |_, value, out| out.push_str(value))
}

/// The same for an address: a tag such as `x&env=dev#` adds no parameter and cuts nothing off.
pub fn fill_address(template: &str, values: &Values) -> Result<String, String> {
    fill_with(template, values, |name, value, out| match name {
        ADDRESS => out.push_str(value),
        _ => {
            let past_host = out.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#']));
            out.extend(utf8_percent_encode(value, if past_host { UNRESERVED } else { HOST }));
        }
    })
}

fn fill_with(template: &str, values: &Values, put: impl Fn(&str, &str, &mut String)) -> Result<String, String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        out.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let end = after.find("}}").ok_or_else(|| "a `{{` has no `}}`".to_owned())?;
        let name = after[..end].trim();
        put(name, values.get(name).ok_or_else(|| format!("`{name}` is not known here"))?, &mut out);
        rest = &after[end + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_once_and_refuses_unknown_names() {
        let values = Values::from([("version", "{{ sha }}".to_owned()), ("sha", "abc".to_owned())]);
        assert_eq!(fill("v={{version}}&s={{ sha }}", &values).unwrap(), "v={{ sha }}&s=abc");
        assert_eq!(fill("plain", &values).unwrap(), "plain");
        assert!(fill("{{ secret }}", &values).unwrap_err().contains("secret"));
        assert!(fill("{{ open", &values).is_err());
    }

    #[test]
    fn no_value_chooses_the_host() {
        let values = Values::from([("ref", "evil.example/v1".to_owned())]);
        let filled = fill_address("https://{{ ref }}.preview.example/{{ ref }}", &values).unwrap();
        assert_eq!(filled, "https://evil.example%2Fv1.preview.example/evil.example/v1");
    }

    #[test]
    fn a_value_stays_in_its_part_of_an_address() {
        let values = Values::from([
            ("environment_url", "https://shop.example/a?b=c".to_owned()),
            ("ref", "a/x&env=dev#é%".to_owned()),
            ("version", "1.2.3-rc.1+b_7~".to_owned()),
        ]);
        let filled = fill_address("{{ environment_url }}/{{ version }}?ref={{ ref }}&env=prod", &values).unwrap();
        let expected = "https://shop.example/a?b=c/1.2.3-rc.1%2Bb_7~?ref=a/x%26env%3Ddev%23%C3%A9%25&env=prod";
        assert_eq!(filled, expected);
    }
}
