//! JSON Schemas of tools, from the types that read the arguments and write the answers: short, without references, without
//! types that may be null, because clients and models take those badly.

use super::envelope::Envelope;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Some properties of a type.
pub(super) struct Fields(Map<String, Value>);

/// These properties of `T`, as it is read.
pub(super) fn of<T: JsonSchema>(names: &[&str]) -> Fields {
    let mut all = properties::<T>(SchemaSettings::draft2020_12().for_deserialize());
    Fields(names.iter().filter_map(|name| all.remove(*name).map(|field| ((*name).to_owned(), lean(field)))).collect())
}

/// The schema of an answer with these sections: as it is written, without descriptions.
pub(super) fn output(sections: &[&str]) -> JsonObject {
    let mut all = properties::<Envelope>(SchemaSettings::draft2020_12().for_serialize());
    let kept = ["outcome", "refusal", "next"].iter().chain(sections);
    let fields =
        kept.filter_map(|name| all.remove(*name).map(|field| ((*name).to_owned(), cut(bare(lean(field)), 1)))).collect();
    object(fields, &["outcome"], true)
}

fn properties<T: JsonSchema>(mut settings: SchemaSettings) -> Map<String, Value> {
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

impl Fields {
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        if let Some(field) = self.0.remove(from) {
            self.0.insert(to.to_owned(), field);
        }
        self
    }

    pub fn object(self, required: &[&str]) -> JsonObject {
        object(self.0, required, false)
    }
}

fn object(fields: Map<String, Value>, required: &[&str], open: bool) -> JsonObject {
    let mut whole = Map::new();
    whole.insert("type".to_owned(), json!("object"));
    whole.insert("properties".to_owned(), Value::Object(fields));
    whole.insert("required".to_owned(), json!(required));
    if !open {
        whole.insert("additionalProperties".to_owned(), json!(false));
    }
    whole
}

/// Without what says nothing to a caller: widths of numbers, defaults, `null`; a choice of words is an `enum`.
fn lean(field: Value) -> Value {
    let Value::Object(mut field) = field else { return field };
    for noise in ["format", "default", "$schema", "title"] {
        field.remove(noise);
    }
    if let Some(plain) = one_of_words(&field) {
        field.remove("oneOf");
        field.insert("type".to_owned(), json!("string"));
        field.insert("enum".to_owned(), plain);
    }
    if let Some(inner) = not_null(&mut field) {
        let described = field.remove("description");
        let mut inner = inner;
        if let (Some(text), Value::Object(inner)) = (described, &mut inner) {
            inner.insert("description".to_owned(), text);
        }
        return lean(inner);
    }
    if let Some(Value::Array(words)) = field.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(types)) = field.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            field.insert("type".to_owned(), only);
        }
    }
    for (name, value) in &mut field {
        *value = within(name, value.take(), lean);
    }
    Value::Object(field)
}

/// The one alternative of an `anyOf` that is not `null`.
fn not_null(field: &mut Map<String, Value>) -> Option<Value> {
    let others = field.get("anyOf")?.as_array()?.iter().filter(|one| one.get("type") != Some(&json!("null")));
    let others: Vec<&Value> = others.collect();
    let [only] = others.as_slice() else { return None };
    Some((*only).clone())
}

/// The words of a closed enum.
fn one_of_words(field: &Map<String, Value>) -> Option<Value> {
    let all = field.get("oneOf")?.as_array()?;
    all.iter()
        .map(|one| one.get("const").cloned().map(|word| vec![word]).or_else(|| one.get("enum")?.as_array().cloned()))
        .collect::<Option<Vec<_>>>()
        .map(|words| Value::Array(words.into_iter().flatten().collect()))
}

/// Without descriptions and the list of what is always there.
fn bare(field: Value) -> Value {
    let Value::Object(mut field) = field else { return field };
    for noise in ["required", "description", "minimum", "maximum"] {
        field.remove(noise);
    }
    for (name, value) in &mut field {
        *value = within(name, value.take(), bare);
    }
    Value::Object(field)
}

/// So many levels of properties: what lies deeper says itself what it is, and would be paid for with every list of tools.
fn cut(field: Value, levels: usize) -> Value {
    let Value::Object(mut field) = field else { return field };
    if levels == 0 {
        field.remove("properties");
    }
    if let Some(Value::Object(inside)) = field.get_mut("properties") {
        for value in inside.values_mut() {
            *value = cut(value.take(), levels - 1);
        }
    }
    if let Some(items) = field.remove("items") {
        field.insert("items".to_owned(), cut(items, levels.saturating_sub(1)));
    }
    Value::Object(field)
}

/// The same for the schemas inside: a map of properties is none itself.
fn within(name: &str, value: Value, each: fn(Value) -> Value) -> Value {
    match value {
        Value::Object(map) if name == "properties" => {
            Value::Object(map.into_iter().map(|(name, field)| (name, each(field))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(each).collect()),
        other => each(other),
    }
}
