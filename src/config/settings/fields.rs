//! The keys of one table of the operator's file: each is taken once, and what nobody took is unknown.
//!
//! Invariant: messages name keys and places, never values.

use crate::config::Secret;
use crate::config::repo::duration;
use crate::config::suggest::nearest;
use crate::domain::Refusal;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) struct Fields<'t, 'i, 'p> {
    /// `commands.deploy`
    name: String,
    table: &'t DeTable<'i>,
    span: Range<usize>,
    taken: Vec<String>,
    place: &'p dyn Fn(Range<usize>) -> String,
    problems: &'p mut Vec<Refusal>,
}

impl<'t, 'i, 'p> Fields<'t, 'i, 'p> {
    pub(super) fn open(
        table: &str,
        name: &str,
        key: &Spanned<Cow<'i, str>>,
        value: &'t Spanned<DeValue<'i>>,
        place: &'p dyn Fn(Range<usize>) -> String,
        problems: &'p mut Vec<Refusal>,
    ) -> Option<Self> {
        let plain = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let at = place(key.span());
        if !plain {
            let message = format!("{at} is not a name for one of `{table}`.");
            problems.push(Refusal::operator("settings_bad_value", message, "Use 1 to 64 of A-Z a-z 0-9 . _ -."));
            return None;
        }
        let name = format!("{table}.{name}");
        let Some(inner) = value.get_ref().as_table() else {
            let message = format!("{at} must be a table: `{name}`.");
            problems.push(Refusal::operator("settings_wrong_type", message, format!("Write it as `[{name}]`.")));
            return None;
        };
        Some(Self { name, table: inner, span: key.span(), taken: Vec::new(), place, problems })
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn close(self) {
        for key in self.table.keys().filter(|key| !self.taken.contains(&key.get_ref().to_string())) {
            let known: Vec<&str> = self.taken.iter().map(String::as_str).collect();
            let fix = match nearest(key.get_ref(), &known) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("Remove it; the keys here are `{}`.", known.join("`, `")),
            };
            let shown: String = key.get_ref().chars().take(40).collect();
            let message = format!("{} is no key of `{}`: `{}`.", (self.place)(key.span()), self.name, shown.escape_debug());
            self.problems.push(Refusal::operator("settings_unknown_key", message, fix));
        }
    }

    fn take(&mut self, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        if !self.taken.iter().any(|taken| taken == key) {
            self.taken.push(key.to_owned());
        }
        self.table.get(key)
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let value = self.take(key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong_type(key, "a text in quotes");
        }
        text.filter(|text| !text.is_empty())
    }

    pub(super) fn required(&mut self, key: &str) -> Option<String> {
        let text = self.text(key);
        if text.is_none() && self.table.get(key).is_none_or(|v| v.get_ref().as_str().is_some()) {
            self.missing(key, &format!("Add `{key}`."));
        }
        text
    }

    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.take(key)?;
        let list = value.get_ref().as_array();
        let texts = list.and_then(|list| list.iter().map(|v| v.get_ref().as_str().map(str::to_owned)).collect());
        if texts.is_none() {
            self.wrong_type(key, "a list of texts in quotes");
        }
        texts
    }

    pub(super) fn map(&mut self, key: &str) -> BTreeMap<String, Secret> {
        let Some(value) = self.take(key) else { return BTreeMap::new() };
        let map = value.get_ref().as_table().and_then(|table| {
            table.iter().map(|(key, v)| Some((key.get_ref().to_string(), Secret::new(v.get_ref().as_str()?)))).collect()
        });
        map.unwrap_or_else(|| {
            self.wrong_type(key, "a table of texts in quotes");
            BTreeMap::new()
        })
    }

    /// At least a second, at most `most`.
    pub(super) fn duration(&mut self, key: &str, default: Duration, most: Duration) -> Option<Duration> {
        let Some(text) = self.text(key) else { return Some(default) };
        let read = duration(&text).ok().filter(|span| (Duration::from_secs(1)..=most).contains(span));
        if read.is_none() {
            let fix = format!("Write it like `90s` or `30m`; at least 1s, at most {} s.", most.as_secs());
            self.bad(key, "is not a duration that can be used here", &fix);
        }
        read
    }

    pub(super) fn whole(&mut self, key: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let Some(value) = self.take(key) else { return Some(default) };
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(key, "a whole number");
            return None;
        };
        let read = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|read| range.contains(read));
        if read.is_none() {
            self.bad(key, "is out of its range", &format!("Write a whole number from {} to {}.", range.start(), range.end()));
        }
        read
    }

    pub(super) fn bad(&mut self, key: &str, what: &str, fix: &str) {
        self.report("settings_bad_value", key, &format!("`{key}` of `{}` {what}", self.name), fix);
    }

    pub(super) fn missing(&mut self, key: &str, fix: &str) {
        self.report("settings_missing_key", key, &format!("`{}` has no `{key}`", self.name), fix);
    }

    fn wrong_type(&mut self, key: &str, what: &str) {
        let message = format!("`{key}` of `{}` must be {what}", self.name);
        self.report("settings_wrong_type", key, &message, &format!("Write `{key}` as {what}."));
    }

    fn report(&mut self, code: &str, key: &str, what: &str, fix: &str) {
        let span = self.table.get(key).map_or(self.span.clone(), Spanned::span);
        let message = format!("{}: {what}.", (self.place)(span));
        self.problems.push(Refusal::operator(code, message, fix));
    }
}
