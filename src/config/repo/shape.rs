//! Walks a file along the schema and reports every place that does not fit, with its position.
//!
//! Depth is bounded by the schema, except under free-form tables, which have a bound of their own.

use super::format;
use super::schema::Part;
use crate::config::suggest::nearest;
use serde_json::Value;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A finding before its byte positions become lines and columns.
pub(super) struct Finding {
    pub span: Range<usize>,
    pub code: &'static str,
    pub message: String,
    pub fix: String,
}

/// Something valid that this version cannot enforce.
pub(super) struct Later {
    pub span: Range<usize>,
    /// Keys from the root.
    pub path: Vec<String>,
    /// What the user wrote: `approvals` or `strategy = "gradual"`.
    pub label: String,
}

/// Checks a CEL expression; the engine for it lives above `config`.
pub type ValidateExpression<'f> = &'f dyn Fn(&str) -> Result<(), String>;

pub(super) struct Walk<'f> {
    pub findings: Vec<Finding>,
    pub later: Vec<Later>,
    pub validate_expression: ValidateExpression<'f>,
    path: Vec<String>,
}

impl<'f> Walk<'f> {
    pub(super) fn new(validate_expression: ValidateExpression<'f>) -> Self {
        Self { findings: Vec::new(), later: Vec::new(), validate_expression, path: Vec::new() }
    }

    pub(super) fn report(&mut self, span: Range<usize>, code: &'static str, message: String, fix: impl Into<String>) {
        self.findings.push(Finding { span, code, message, fix: fix.into() });
    }

    /// `environments.staging.gates[0].kind`, or "the file" at the root.
    fn here(&self) -> String {
        let mut text = String::new();
        for part in &self.path {
            if !text.is_empty() && !part.starts_with('[') {
                text.push('.');
            }
            text.push_str(part);
        }
        if text.is_empty() { "the file".into() } else { format!("`{text}`") }
    }

    pub(super) fn table(&mut self, part: Part<'_>, table: &DeTable<'_>, span: Range<usize>) {
        for (key, value) in table {
            let name = key.get_ref();
            self.path.push(shown(name));
            match part.property(name) {
                Some(inner) if inner.later() => self.later_key(inner, value, key.span()),
                Some(inner) => self.value(inner, value),
                None => self.other_key(part, key.span(), name, value),
            }
            self.path.pop();
        }
        for required in part.list("required").iter().filter_map(Value::as_str).filter(|r| !table.contains_key(*r)) {
            let like =
                part.property(required).map_or(String::new(), |p| format!(", for example `{required} = {}`", example(p)));
            let message = format!("{} has no `{required}`.", self.here());
            self.report(span.clone(), "missing_key", capital(&message), format!("Add `{required}`{like}."));
        }
    }

    fn later_key(&mut self, part: Part<'_>, value: &Spanned<DeValue<'_>>, span: Range<usize>) {
        self.value(part, value);
        let empty = value.get_ref().as_array().is_some_and(|list| list.is_empty());
        if !empty {
            let label = self.path.last().cloned().unwrap_or_default();
            self.later.push(Later { span, path: self.path.clone(), label });
        }
    }

    /// A key that the schema does not name: a map's, a free-form table's, or a mistake.
    fn other_key(&mut self, part: Part<'_>, span: Range<usize>, name: &str, value: &Spanned<DeValue<'_>>) {
        match part.get("additionalProperties") {
            Some(Value::Bool(false)) => {
                let known: Vec<&str> = part.properties().map(|(key, _)| key).collect();
                let place = self.path.split_last().map_or(&[][..], |(_, rest)| rest).to_vec();
                let whole = std::mem::replace(&mut self.path, place);
                let message = format!("{} has no key `{}`.", self.here(), shown(name));
                self.path = whole;
                let fix = match nearest(name, &known) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => format!("Remove it; the keys here are `{}`.", known.join("`, `")),
                };
                self.report(span, "unknown_key", capital(&message), fix);
            }
            Some(inner @ Value::Object(_)) => {
                if let Some(format) = part.text("x-keys") {
                    self.format(part, format, name, span);
                }
                if let Some(inner) = Part::of(inner) {
                    self.value(inner, value);
                }
            }
            _ => self.free(value, 0),
        }
    }

    fn free(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) {
        if depth > 8 {
            let message = format!("{} is nested too deeply.", self.here());
            return self.report(value.span(), "too_deep", capital(&message), "Use at most 8 levels.");
        }
        match value.get_ref() {
            DeValue::Array(list) => list.iter().for_each(|inner| self.free(inner, depth + 1)),
            DeValue::Table(table) => table.values().for_each(|inner| self.free(inner, depth + 1)),
            _ => {}
        }
    }

    fn value(&mut self, part: Part<'_>, node: &Spanned<DeValue<'_>>) {
        let options = part.options();
        if !options.is_empty() {
            return self.choice(part, &options, node);
        }
        let words = part.words();
        match (part.text("type").unwrap_or("any"), node.get_ref()) {
            ("string", DeValue::String(text)) => self.string(part, &words, text, node.span()),
            ("boolean", DeValue::Boolean(_)) => {}
            ("integer", DeValue::Integer(number)) => self.number(part, number, node.span()),
            ("array", DeValue::Array(list)) => {
                let least = part.get("minItems").and_then(Value::as_u64).unwrap_or(0);
                if (list.len() as u64) < least {
                    let message = format!("{} is empty.", self.here());
                    self.report(node.span(), "empty_list", capital(&message), format!("Name at least {least}."));
                }
                let Some(items) = part.get("items").and_then(Part::of) else { return };
                for (i, item) in list.iter().enumerate() {
                    self.path.push(format!("[{i}]"));
                    self.value(items, item);
                    self.path.pop();
                }
            }
            ("object", DeValue::Table(table)) => self.table(part, table, node.span()),
            ("any", _) => self.free(node, 0),
            (expected, found) => self.wrong_type(part, expected, found, node.span()),
        }
    }

    fn wrong_type(&mut self, part: Part<'_>, expected: &str, found: &DeValue<'_>, span: Range<usize>) {
        let message = format!("{} must be {}, not {}.", self.here(), type_word(expected), type_word(found.type_str()));
        let key = self.path.iter().rev().find(|p| !p.starts_with('[')).cloned().unwrap_or_default();
        let fix = if self.path.last().is_some_and(|p| p.starts_with('[')) || expected == "object" {
            format!("Write it as {}, for example `{}`.", type_word(expected), example(part))
        } else {
            format!("Write it like `{key} = {}`.", example(part))
        };
        self.report(span, "wrong_type", capital(&message), fix);
    }

    fn string(&mut self, part: Part<'_>, words: &[&str], text: &str, span: Range<usize>) {
        if !words.is_empty() && !words.contains(&text) {
            return self.unknown_word(words, text, span);
        }
        let (least, most) = (part.get("minLength").and_then(Value::as_u64), part.get("maxLength").and_then(Value::as_u64));
        let length = text.chars().count() as u64;
        if least.is_some_and(|least| length < least) || most.is_some_and(|most| length > most) {
            let message = format!("{} has {length} characters.", self.here());
            let fix = format!("Use {} to {} characters.", least.unwrap_or(0), most.unwrap_or(u64::MAX));
            return self.report(span, "bad_length", capital(&message), fix);
        }
        let Some(format) = part.text("x-format") else { return };
        if self.format(part, format, text, span.clone()) {
            self.bounds(part, format, text, span.clone());
            if let ("expression", Err(why)) = (format, self.expression(format, text)) {
                let message = format!("{} is not a CEL expression: {}.", self.here(), one_line(&why));
                self.report(span, "bad_expression", capital(&message), "See https://cel.dev for the language.");
            }
        }
    }

    fn expression(&self, format: &str, text: &str) -> Result<(), String> {
        if format == "expression" { (self.validate_expression)(text) } else { Ok(()) }
    }

    fn format(&mut self, part: Part<'_>, format: &str, text: &str, span: Range<usize>) -> bool {
        let Err((code, why)) = format::check(format, text) else { return true };
        let message = format!("{} is not valid: {why}.", self.here());
        let fix = match part.list("examples").first().and_then(Value::as_str) {
            Some(example) if format != "expression" => format!("Write it like `{example}`."),
            _ => format!("Replace `{}`.", shown(text)),
        };
        self.report(span, code, capital(&message), fix);
        false
    }

    fn bounds(&mut self, part: Part<'_>, format: &str, text: &str, span: Range<usize>) {
        let limit = |key: &str| part.text(key).and_then(|limit| format::duration(limit).ok());
        let ("duration", Ok(value)) = (format, format::duration(text)) else { return };
        let (least, most) = (limit("x-min"), limit("x-max"));
        if least.is_some_and(|least| value < least) {
            let message = format!("{} is shorter than {}.", self.here(), part.text("x-min").unwrap_or_default());
            self.report(span, "out_of_range", capital(&message), "Use a longer time.");
        } else if most.is_some_and(|most| value > most) {
            let message = format!("{} is longer than {}.", self.here(), part.text("x-max").unwrap_or_default());
            self.report(span, "out_of_range", capital(&message), "Use a shorter time.");
        }
    }

    fn number(&mut self, part: Part<'_>, number: &toml::de::DeInteger<'_>, span: Range<usize>) {
        let (least, most) = (part.get("minimum").and_then(Value::as_f64), part.get("maximum").and_then(Value::as_f64));
        let value = i64::from_str_radix(number.as_str(), number.radix()).map_or(f64::MAX, |n| n as f64);
        if least.is_some_and(|least| value < least) || most.is_some_and(|most| value > most) {
            let message = format!("{} is out of range.", self.here());
            let fix = format!("Use a whole number from {} to {}.", least.unwrap_or(0.0), most.unwrap_or(f64::MAX));
            self.report(span, "out_of_range", capital(&message), fix);
        }
    }

    /// One of several shapes: decided by the value's type, then by its `kind` or word.
    fn choice(&mut self, part: Part<'_>, options: &[Part<'_>], node: &Spanned<DeValue<'_>>) {
        if let Some(plain) = options.iter().find(|o| o.is_plain() && o.text("type") == json_type(node.get_ref())) {
            return self.value(*plain, node);
        }
        match node.get_ref() {
            DeValue::String(text) if options.iter().any(|o| o.text("type") == Some("string")) => {
                let words: Vec<&str> =
                    options.iter().filter(|o| o.text("type") == Some("string")).flat_map(Part::words).collect();
                let hit = options.iter().find(|o| o.words().contains(&text.as_ref()));
                match hit {
                    Some(hit) if hit.later() => self.later_word(node.span(), "", text),
                    Some(_) => {}
                    None => self.unknown_word(&words, text, node.span()),
                }
            }
            DeValue::Table(table) if options.iter().any(|o| o.kind_word().is_some()) => {
                self.by_kind(options, table, node.span());
            }
            found => {
                let expected = if options.iter().any(|o| o.text("type") == Some("string")) { "string" } else { "object" };
                self.wrong_type(options.first().copied().unwrap_or(part), expected, found, node.span());
            }
        }
    }

    fn by_kind(&mut self, options: &[Part<'_>], table: &DeTable<'_>, span: Range<usize>) {
        let kinds: Vec<&str> = options.iter().filter_map(Part::kind_word).collect();
        let Some(kind) = table.get("kind") else {
            let message = format!("{} has no `kind`.", self.here());
            let fix = format!("Add `kind`, one of `{}`.", kinds.join("`, `"));
            return self.report(span, "missing_key", capital(&message), fix);
        };
        let Some(word) = kind.get_ref().as_str() else {
            self.path.push("kind".into());
            let message = format!("{} must be a text in quotes.", self.here());
            self.path.pop();
            let fix = format!("Use one of `{}`.", kinds.join("`, `"));
            return self.report(kind.span(), "wrong_type", capital(&message), fix);
        };
        let Some(option) = options.iter().find(|o| o.kind_word() == Some(word)) else {
            self.path.push("kind".into());
            self.unknown_word(&kinds, word, kind.span());
            self.path.pop();
            return;
        };
        self.table(*option, table, span);
        if option.later() {
            self.later_word(kind.span(), ".kind", word);
        }
    }

    fn later_word(&mut self, span: Range<usize>, suffix: &str, word: &str) {
        let key = match self.path.as_slice() {
            [root, name] => format!("{root}.{name}"),
            path => path.iter().rev().find(|p| !p.starts_with('[')).cloned().unwrap_or_default(),
        };
        self.later.push(Later { span, path: self.path.clone(), label: format!("{key}{suffix} = \"{word}\"") });
    }

    fn unknown_word(&mut self, words: &[&str], text: &str, span: Range<usize>) {
        let message = format!("{} cannot be `{}`.", self.here(), shown(text));
        let fix = match nearest(text, words) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("Use one of `{}`.", words.join("`, `")),
        };
        self.report(span, "unknown_value", capital(&message), fix);
    }
}

/// User text inside a sentence: no control characters, not endless.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", short.escape_debug())
}

fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ");
    shown(line.trim_end_matches('.')).replace("\\'", "'").replace("\\\"", "\"")
}

pub(super) fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

fn json_type(value: &DeValue<'_>) -> Option<&'static str> {
    match value {
        DeValue::String(_) => Some("string"),
        DeValue::Boolean(_) => Some("boolean"),
        DeValue::Array(_) => Some("array"),
        _ => None,
    }
}

fn type_word(word: &str) -> &str {
    match word {
        "string" => "a text in quotes",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "float" => "a number with a point",
        "datetime" => "a date or time",
        "array" => "a list in [ ]",
        "object" | "table" => "a table",
        other => other,
    }
}

/// A value that would fit, as TOML.
fn example(part: Part<'_>) -> String {
    let text = part.list("examples").first().and_then(Value::as_str);
    let word = part.words().first().copied().or_else(|| part.options().iter().find_map(|o| o.words().first().copied()));
    if let Some(text) = text.or(word) {
        return format!("{text:?}");
    }
    match part.text("type") {
        Some("boolean") => "true".into(),
        Some("integer") => "1".into(),
        Some("array") => {
            let inner = part.get("items").and_then(Part::of).map(example);
            format!("[{}]", inner.unwrap_or_default())
        }
        Some("string") => "\"…\"".into(),
        _ => match part.options().iter().find_map(Part::kind_word) {
            Some(kind) => format!("{{ kind = \"{kind}\" }}"),
            None => "{ … }".into(),
        },
    }
}
