//! A digest over JSON that does not depend on how the JSON was written.
//!
//! Canonical form: RFC 8785 (object keys sorted, no white space, numbers as ECMAScript writes them). One thing is stricter:
//! whole numbers over 2^53 are written exactly and not rounded, so that two different ones never have one digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    pub fn of(value: &Value) -> Self {
        Self(format!("sha256:{}", hex(&Sha256::digest(canonical(value).as_bytes()))))
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

/// Two small hexadecimal digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
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
        Value::Number(number) => written(number),
        scalar => scalar.to_string(),
    }
}

/// As ECMAScript writes it: the fewest digits, and an exponent only where the number is very large or small.
fn written(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    if value == 0.0 {
        return "0".to_owned();
    }
    // The digits are right already (the shortest ones, the even one of two), only their dress is another.
    let text = number.to_string();
    let (mantissa, exponent) = text.trim_start_matches('-').split_once('e').unwrap_or((text.trim_start_matches('-'), "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0');
    let (Ok(exponent), Ok(point)) = (exponent.parse::<i32>(), i32::try_from(whole.len())) else { return text };
    let Ok(leading) = i32::try_from(leading) else { return text };
    let point = exponent + point - leading;
    // What is outside is written with an exponent, and so is never needed.
    let at = usize::try_from(point).unwrap_or(0);
    let zeros = |count: usize| "0".repeat(count);
    let size = match point {
        1..=21 if digits.len() <= at => digits.to_owned() + &zeros(at - digits.len()),
        1..=21 => format!("{}.{}", &digits[..at], &digits[at..]),
        -5..=0 => format!("0.{}{digits}", zeros(usize::try_from(-point).unwrap_or(0))),
        _ => {
            let (first, rest) = digits.split_at(1);
            let rest = if rest.is_empty() { String::new() } else { format!(".{rest}") };
            format!("{first}{rest}e{}{}", if point > 0 { '+' } else { '-' }, (point - 1).abs())
        }
    };
    if value < 0.0 { format!("-{size}") } else { size }
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

    /// The first ones are from appendix B of RFC 8785.
    #[test]
    fn numbers_are_written_as_ecmascript_does() {
        for (given, expected) in [
            ("-0.0", "0"),
            ("5e-324", "5e-324"),
            ("-1.7976931348623157e308", "-1.7976931348623157e+308"),
            ("295147905179352830000.0", "295147905179352830000"),
            ("9.999999999999997e22", "9.999999999999997e+22"),
            ("1e23", "1e+23"),
            ("999999999999999700000.0", "999999999999999700000"),
            ("9.999999999999997e-7", "9.999999999999997e-7"),
            ("0.000001", "0.000001"),
            ("333333333.3333332", "333333333.3333332"),
            ("-0.0000033333333333333333", "-0.0000033333333333333333"),
            ("1424953923781206.2", "1424953923781206.2"),
            ("1.0", "1"),
            ("-0.10", "-0.1"),
            ("100.0", "100"),
            ("1e21", "1e+21"),
            ("9007199254740993", "9007199254740993"),
        ] {
            let value: Value = serde_json::from_str(given).unwrap();
            assert_eq!(canonical(&value), expected, "{given}");
        }
    }
}
