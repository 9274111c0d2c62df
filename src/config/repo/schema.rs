//! The JSON Schema of the file, made from [`super::raw`]: for editors, for the walk over a file, for the reference.

use super::CONFIG_PATH;
use super::raw::File;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{Schema, generate::Contract};
use serde_json::{Map, Value};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let settings = SchemaSettings::draft07().with(|s| s.contract = Contract::Deserialize);
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    RecursiveTransform(drop_null).transform(&mut schema);
    schema.insert("title".into(), format!("Lockkeeper: {CONFIG_PATH}").into());
    schema
});

/// The whole schema.
pub fn json_schema() -> &'static Schema {
    &SCHEMA
}

/// TOML has no null: an optional key is one that may be absent.
fn drop_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    let null = |v: &Value| v == "null" || v.get("type").is_some_and(|t| t == "null");
    for key in ["type", "anyOf", "oneOf"] {
        let Some(Value::Array(options)) = object.get_mut(key) else { continue };
        options.retain(|option| !null(option));
        if options.len() != 1 {
            continue;
        }
        let only = options.remove(0);
        object.remove(key);
        match only {
            Value::Object(only) if key != "type" => merge(object, only),
            only => drop(object.insert(key.into(), only)),
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        into.entry(key).or_insert(value);
    }
}

/// A part of the schema with its `$ref` followed; keys beside the `$ref` win.
#[derive(Clone, Copy)]
pub(super) struct Part<'s> {
    own: &'s Map<String, Value>,
    /// What `$ref` names, if there is one.
    named: Option<&'s Map<String, Value>>,
}

impl<'s> Part<'s> {
    pub(super) fn root() -> Option<Part<'static>> {
        SCHEMA.as_object().map(|own| Part { own, named: None })
    }

    pub(super) fn of(value: &'s Value) -> Option<Part<'s>> {
        let own = value.as_object()?;
        // schemars draft-07 wraps a `$ref` that has siblings in `allOf`.
        let wrapped = own.get("allOf").and_then(|all| all.get(0));
        let reference = own.get("$ref").or_else(|| wrapped.and_then(|w| w.get("$ref"))).and_then(Value::as_str);
        let named = reference
            .and_then(|r| r.strip_prefix("#/definitions/"))
            .and_then(|name| SCHEMA.get("definitions")?.get(name)?.as_object());
        Some(Part { own, named })
    }

    pub(super) fn get(&self, key: &str) -> Option<&'s Value> {
        self.own.get(key).or_else(|| self.named.and_then(|n| n.get(key)))
    }

    pub(super) fn text(&self, key: &str) -> Option<&'s str> {
        self.get(key).and_then(Value::as_str)
    }

    pub(super) fn property(&self, key: &str) -> Option<Part<'s>> {
        self.get("properties")?.get(key).and_then(Part::of)
    }

    pub(super) fn properties(&self) -> impl Iterator<Item = (&'s str, Part<'s>)> + use<'s> {
        let map = self.get("properties").and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), Part::of(value)?)))
    }

    pub(super) fn list(&self, key: &str) -> &'s [Value] {
        self.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Whether this version cannot enforce it.
    pub(super) fn later(&self) -> bool {
        self.get("x-later").is_some_and(|later| later == &Value::Bool(true))
    }

    /// The alternatives, nested ones flattened; empty if there is only one shape.
    pub(super) fn options(&self) -> Vec<Part<'s>> {
        let direct = self.list("oneOf").iter().chain(self.list("anyOf")).filter_map(Part::of);
        direct
            .flat_map(|part| {
                let inner = part.options();
                if inner.is_empty() { vec![part] } else { inner }
            })
            .collect()
    }

    /// Every word that this part accepts where it accepts only certain words.
    pub(super) fn words(&self) -> Vec<&'s str> {
        self.get("const").into_iter().chain(self.list("enum")).filter_map(Value::as_str).collect()
    }

    /// Whether any value of its type may stand here, not only certain words or tables of a kind.
    pub(super) fn is_plain(&self) -> bool {
        self.options().is_empty() && self.words().is_empty() && self.kind_word().is_none()
    }

    pub(super) fn kind_word(&self) -> Option<&'s str> {
        self.property("kind")?.text("const")
    }
}
