//! A digest over JSON that does not depend on how the JSON was written.
//!
//! Canonical form: RFC 8785 (object keys sorted, no white space) for the JSON that we make, which holds no fractions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    pub fn of(value: &Value) -> Self {
        let sum = Sha256::digest(canonical(value).as_bytes());
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical text of a JSON value.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            // RFC 8785 sorts by UTF-16 code units.
            keys.sort_by_key(|key| key.encode_utf16().collect::<Vec<_>>());
            let fields: Vec<String> =
                keys.into_iter().map(|key| format!("{}:{}", Value::from(key.as_str()), canonical(&map[key]))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_of_keys_does_not_matter_and_values_do() {
        let one = json!({"b": [1, {"y": null, "x": "ä\n"}], "a": true});
        let two = json!({"a": true, "b": [1, {"x": "ä\n", "y": null}]});
        assert_eq!(canonical(&one), r#"{"a":true,"b":[1,{"x":"ä\n","y":null}]}"#);
        assert_eq!(Digest::of(&one), Digest::of(&two));
        assert_ne!(Digest::of(&one), Digest::of(&json!({"a": true, "b": [1, {"x": "ä\n", "y": 0}]})));
    }
}
