//! The configuration that a plan was made with, as digests: what has changed can be named, and no value is kept in a plan.

use super::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configured {
    pub digest: Digest,
    /// Of what stands one or two levels deep, by its name: `values.replicas`.
    pub parts: BTreeMap<String, Digest>,
}

impl Configured {
    pub fn of(value: &Value) -> Self {
        let mut parts = BTreeMap::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            match value.as_object() {
                Some(inner) if !inner.is_empty() => {
                    parts.extend(inner.iter().map(|(key, value)| (format!("{name}.{key}"), Digest::of(value))));
                }
                _ => drop(parts.insert(name.clone(), Digest::of(value))),
            }
        }
        Self { digest: Digest::of(value), parts }
    }

    /// Names of what is another one, is new, or is gone.
    pub fn changed(&self, now: &Self) -> Vec<String> {
        if self.digest == now.digest {
            return Vec::new();
        }
        let mut names: Vec<&String> = self.parts.keys().chain(now.parts.keys()).collect();
        names.retain(|name| self.parts.get(*name) != now.parts.get(*name));
        names.sort();
        names.dedup();
        let names: Vec<String> = names.into_iter().cloned().collect();
        // A digest that differs is never called the same.
        if names.is_empty() { vec!["its shape".to_owned()] } else { names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_changed_is_named_and_nothing_else() {
        let planned = Configured::of(&json!({ "values": { "replicas": 3, "log": "info" }, "secrets": {}, "region": "eu" }));
        for (now, names) in [
            (json!({ "region": "eu", "secrets": {}, "values": { "log": "info", "replicas": 3 } }), &[][..]),
            (json!({ "values": { "replicas": 4, "log": "info" }, "secrets": {}, "region": "eu" }), &["values.replicas"]),
            (
                json!({ "values": { "log": "info", "new": 1 }, "secrets": { "db": "v:db" }, "region": "eu" }),
                &["secrets", "secrets.db", "values.new", "values.replicas"],
            ),
            (json!({}), &["region", "secrets", "values.log", "values.replicas"]),
        ] {
            assert_eq!(planned.changed(&Configured::of(&now)), names, "{now}");
        }
    }
}
