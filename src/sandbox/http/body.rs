//! Checks a request body against the operation's fields, in the words of GitHub's own validator.

use super::reply::Refused;
use super::routes::{Field, Is};
use serde_json::Value;

/// Parses the body; an operation without a body takes an empty one too.
pub(in crate::sandbox) fn parse(raw: &[u8]) -> Result<Value, Refused> {
    if raw.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let value = serde_json::from_slice::<Value>(raw).map_err(|_| Refused::new(400, "Problems parsing JSON"))?;
    if value.is_object() { Ok(value) } else { Err(Refused::new(400, "Body should be a JSON object")) }
}

/// Refuses what the schema refuses.
pub(in crate::sandbox) fn check(body: &Value, fields: &[Field]) -> Result<(), Refused> {
    for Field(name, kind) in fields {
        let plain = name.trim_end_matches('!');
        match body.get(plain) {
            None if name.ends_with('!') => return Err(Refused::invalid_request(&format!("\"{plain}\" wasn't supplied."))),
            None => {}
            // GitHub takes an explicit null for most optional fields.
            Some(Value::Null) if !name.ends_with('!') => {}
            Some(value) => fits(plain, value, *kind)?,
        }
    }
    Ok(())
}

/// Fields that the operation does not have: GitHub ignores them, a typo hides there.
pub(in crate::sandbox) fn unknown(body: &Value, fields: &[Field]) -> Vec<String> {
    let known = |name: &String| fields.iter().any(|Field(field, _)| field.trim_end_matches('!') == name);
    let names = body.as_object().into_iter().flat_map(|o| o.keys());
    names.filter(|name| !known(name)).map(|name| format!("unknown body field {name}")).collect()
}

fn fits(name: &str, value: &Value, kind: Is) -> Result<(), Refused> {
    let (right, what) = match kind {
        Is::Text => (value.is_string(), "a string"),
        Is::Flag => (value.is_boolean(), "a boolean"),
        Is::List => (value.is_array(), "an array"),
        Is::Object => (value.is_object(), "an object"),
        Is::Any => (true, ""),
        Is::OneOf(words) => {
            if value.as_str().is_some_and(|text| words.contains(&text)) {
                return Ok(());
            }
            let list = words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ");
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return Err(Refused::invalid_request(&format!("{text} is not a member of [{list}].")));
        }
    };
    if right { Ok(()) } else { Err(Refused::invalid_request(&format!("For 'properties/{name}', {value} is not {what}."))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_are_held_to_their_fields() {
        let fields = [Field("name!", Is::Text), Field("state", Is::OneOf(&["a", "b"])), Field("draft", Is::Flag)];
        let say = |body: Value| check(&body, &fields).map_err(|r| r.message().to_owned());
        assert_eq!(say(json!({"name": "x", "state": "a", "draft": null})), Ok(()));
        assert_eq!(say(json!({})), Err("Invalid request.\n\n\"name\" wasn't supplied.".into()));
        assert_eq!(say(json!({"name": 1})), Err("Invalid request.\n\nFor 'properties/name', 1 is not a string.".into()));
        assert_eq!(
            say(json!({"name": "x", "state": "c"})),
            Err("Invalid request.\n\nc is not a member of [\"a\", \"b\"].".into())
        );
        assert_eq!(unknown(&json!({"nmae": 1, "draft": true}), &fields), ["unknown body field nmae"]);
        assert_eq!(parse(b"[1]").unwrap_err().status, 400);
    }
}
