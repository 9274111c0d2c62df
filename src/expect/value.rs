//! Values that expressions work on. Copies are cheap: texts, lists and maps are shared.

use serde_json::Value as Json;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most that all variables together may hold, in bytes of text plus a few for each value.
const LARGEST: usize = 512 * 1024;

#[derive(Clone, Debug)]
pub(super) enum Val {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    List(Arc<Vec<Val>>),
    Map(Arc<BTreeMap<String, Val>>),
}

/// What an expression may look at, by name.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    values: BTreeMap<&'static str, Val>,
    weight: usize,
}

impl Variables {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one of [`super::NAMES`]. Whole numbers become CEL's `int`, or `uint` beyond its range; others `double`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &Json) -> Self {
        self.weight = self.weight.saturating_add(weigh(value));
        self.values.insert(name, Val::from_json(value));
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&Val> {
        self.values.get(name)
    }

    pub(super) fn too_large(&self) -> bool {
        self.weight > LARGEST
    }
}

fn weigh(value: &Json) -> usize {
    match value {
        Json::String(text) => 8 + text.len(),
        Json::Array(items) => items.iter().fold(8, |sum, i| sum.saturating_add(weigh(i))),
        Json::Object(map) => map.iter().fold(8, |sum, (k, v)| sum.saturating_add(8 + k.len() + weigh(v))),
        _ => 8,
    }
}

impl Val {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }

    pub(super) fn list(items: Vec<Val>) -> Self {
        Self::List(Arc::new(items))
    }

    fn from_json(value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(int), _) => Self::Int(int),
                (None, Some(uint)) => Self::Uint(uint),
                (None, None) => Self::Double(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            Json::Object(map) => Self::Map(Arc::new(map.iter().map(|(k, v)| (k.clone(), Self::from_json(v))).collect())),
        }
    }

    /// For messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "an int",
            Self::Uint(_) => "a uint",
            Self::Double(_) => "a double",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// How numbers stand to each other, whatever their kind, as CEL compares `dyn` values. `None`: not both numbers, or NaN.
    pub(super) fn compare_numbers(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Uint(a), Self::Uint(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Uint(a), Self::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Int(_) | Self::Uint(_) | Self::Double(_), Self::Int(_) | Self::Uint(_) | Self::Double(_)) => {
                self.as_double()?.partial_cmp(&other.as_double()?)
            }
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 a double is only near an integer; CEL accepts that, too")]
    pub(super) fn as_double(&self) -> Option<f64> {
        match self {
            Self::Int(a) => Some(*a as f64),
            Self::Uint(a) => Some(*a as f64),
            Self::Double(a) => Some(*a),
            _ => None,
        }
    }
}
