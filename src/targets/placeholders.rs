//! `{{ name }}` in URLs and inputs of a repository's configuration.
//!
//! Invariant: values are inserted once and never looked at again, so that text from a tag or a URL cannot name another
//! placeholder.

use std::collections::BTreeMap;

/// Known names and their values.
pub type Values = BTreeMap<&'static str, String>;

/// Fills in every `{{ name }}`; an unknown name is an error that names it.
pub fn fill(template: &str, values: &Values) -> Result<String, String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        out.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let end = after.find("}}").ok_or_else(|| "a `{{` has no `}}`".to_owned())?;
        let name = after[..end].trim();
        out.push_str(values.get(name).ok_or_else(|| format!("`{name}` is not known here"))?);
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
}
