//! One measurement as data: what a metric's source answered, before anybody judges it.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// What a source of a metric answered at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    Value(Number),
    /// Several numbers by name, such as `error_rate` and `latency_ms` of a balancer's counters.
    Values(BTreeMap<String, Number>),
    /// The source answered and has nothing to say, for example because nobody made a request.
    NoData,
    /// The source did not answer, not in time, or not with a number. The code is stable; the reason half a sentence that
    /// holds nothing secret.
    Error {
        code: String,
        reason: String,
    },
}

/// A number that may be NaN or infinite. JSON has no such numbers, so they are written as texts: `"NaN"`, `"inf"`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Number(pub f64);

impl Sample {
    pub fn value(value: f64) -> Self {
        Self::Value(Number(value))
    }
    pub fn error(code: &str, reason: impl Into<String>) -> Self {
        Self::Error { code: code.to_owned(), reason: reason.into() }
    }
}

/// For people: no more digits than help.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        match size {
            _ if size == 0.0 => f.write_str("0"),
            _ if !self.0.is_finite() => write!(f, "{}", self.0),
            _ if (1e-4..1e9).contains(&size) => {
                let text = format!("{:.6}", self.0);
                f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => write!(f, "{:.3e}", self.0),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { serializer.serialize_f64(self.0) } else { serializer.serialize_str(&self.0.to_string()) }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNumber;
        impl Visitor<'_> for AnyNumber {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"inf\" or \"-inf\"")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }
            #[expect(clippy::cast_precision_loss, reason = "nobody measures beyond 2^53")]
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            #[expect(clippy::cast_precision_loss, reason = "nobody measures beyond 2^53")]
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                match text {
                    "NaN" => Ok(Number(f64::NAN)),
                    "inf" => Ok(Number(f64::INFINITY)),
                    "-inf" => Ok(Number(f64::NEG_INFINITY)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(AnyNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_store() {
        for value in [0.0, -0.0, 0.1, -3.5, 1e300, f64::MIN_POSITIVE, 42.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let text = serde_json::to_string(&Sample::value(value)).unwrap();
            let Sample::Value(Number(back)) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
            assert!(back.to_bits() == value.to_bits() || (back.is_nan() && value.is_nan()), "{value} {text} {back}");
        }
        assert_eq!(serde_json::from_str::<Sample>("{\"value\": 3}").unwrap(), Sample::value(3.0));
        for bad in ["{\"value\": \"3\"}", "{\"value\": null}", "{\"value\": \"nan\"}", "{\"value\": []}"] {
            assert!(serde_json::from_str::<Sample>(bad).is_err(), "{bad}");
        }
        let values = Sample::Values([("error_rate".to_owned(), Number(f64::NAN))].into());
        assert_eq!(serde_json::to_string(&values).unwrap(), "{\"values\":{\"error_rate\":\"NaN\"}}");
    }

    #[test]
    fn people_read_few_digits() {
        let shown: Vec<String> =
            [0.0, 0.05, 1.0 / 3.0, 12.0, 1234.5, 0.000_001, 1e300, -1e300, f64::NAN, f64::NEG_INFINITY, 5e-324]
                .into_iter()
                .map(|n| Number(n).to_string())
                .collect();
        assert_eq!(shown.join(" "), "0 0.05 0.333333 12 1234.5 1.000e-6 1.000e300 -1.000e300 NaN -inf 4.941e-324");
    }
}
