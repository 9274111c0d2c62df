//! Walks a selection and asks the resolvers, field by field. A field that fails is null, its error carries its path.

use super::connection::Connection;
use super::nodes::Node;
use super::{Fragments, GqlError, resolve, schema};
use crate::sandbox::http::Caller;
use crate::sandbox::world::World;
use graphql_parser::query::{Directive, Field, Selection, SelectionSet, TypeCondition, Value as Gql};
use serde_json::{Map, Value, json};

/// What a resolver gives.
pub(super) enum Got {
    Leaf(Value),
    One(Option<Node>),
    Many(Vec<Node>),
    Page(Connection),
}

impl Got {
    pub fn leaf(value: impl Into<Value>) -> Result<Self, GqlError> {
        Ok(Self::Leaf(value.into()))
    }
    pub fn one(node: impl Into<Option<Node>>) -> Result<Self, GqlError> {
        Ok(Self::One(node.into()))
    }
}

pub(super) struct Cx<'a> {
    pub world: &'a mut World,
    pub caller: &'a Caller,
    pub fragments: &'a Fragments<'a>,
    pub values: &'a Value,
    pub errors: Vec<GqlError>,
    pub cost: u64,
    pub nodes: u64,
}

impl Cx<'_> {
    pub fn set(&mut self, set: &SelectionSet<'_, String>, node: &Node, path: &mut Vec<Value>) -> Value {
        let mut out = Map::new();
        self.fill(set, node, path, &mut out);
        Value::Object(out)
    }

    fn fill(&mut self, set: &SelectionSet<'_, String>, node: &Node, path: &mut Vec<Value>, out: &mut Map<String, Value>) {
        let fragments = self.fragments;
        let ty = node.type_name(self.world);
        for selection in &set.items {
            match selection {
                Selection::Field(field) if self.included(&field.directives) => {
                    let key = field.alias.as_ref().unwrap_or(&field.name);
                    path.push(key.as_str().into());
                    let value = self.field(field, node, path);
                    path.pop();
                    merge(out, key, value);
                }
                Selection::InlineFragment(fragment) if self.included(&fragment.directives) => {
                    let fits = fragment.type_condition.as_ref().is_none_or(|TypeCondition::On(on)| schema::is_a(ty, on));
                    if fits {
                        self.fill(&fragment.selection_set, node, path, out);
                    }
                }
                Selection::FragmentSpread(spread) if self.included(&spread.directives) => {
                    if let Some((fragment, _)) = fragments.get(&spread.fragment_name) {
                        let TypeCondition::On(on) = &fragment.type_condition;
                        if schema::is_a(ty, on) {
                            self.fill(&fragment.selection_set, node, path, out);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn included(&self, directives: &[Directive<'_, String>]) -> bool {
        directives.iter().all(|directive| {
            let when = directive.arguments.iter().find(|(name, _)| name == "if").map(|(_, value)| plain(value, self.values));
            let when = when.as_ref().and_then(Value::as_bool).unwrap_or(true);
            if directive.name == "skip" { !when } else { when }
        })
    }

    fn field(&mut self, field: &Field<'_, String>, node: &Node, path: &mut Vec<Value>) -> Value {
        if field.name == "__typename" {
            return node.type_name(self.world).into();
        }
        let args = field.arguments.iter().map(|(name, value)| (name.clone(), plain(value, self.values))).collect::<Map<_, _>>();
        match resolve::field(self, node, &field.name, &Value::Object(args)) {
            Ok(Got::Leaf(value)) => value,
            Ok(Got::One(None)) => Value::Null,
            Ok(Got::One(Some(node))) => self.set(&field.selection_set, &node, path),
            Ok(Got::Many(nodes)) => self.each(&field.selection_set, &nodes, path),
            Ok(Got::Page(connection)) => {
                let wants_items = asks_for_items(&field.selection_set, self.fragments);
                match connection.refuse(&field.name, wants_items) {
                    None => self.set(&field.selection_set, &Node::Connection(Box::new(connection)), path),
                    Some(error) => self.fail(error, path),
                }
            }
            Err(error) => self.fail(error, path),
        }
    }

    fn each(&mut self, set: &SelectionSet<'_, String>, nodes: &[Node], path: &mut Vec<Value>) -> Value {
        let mut out = Vec::with_capacity(nodes.len());
        for (n, node) in nodes.iter().enumerate() {
            path.push(n.into());
            out.push(self.set(set, node, path));
            path.pop();
        }
        out.into()
    }

    fn fail(&mut self, mut error: GqlError, path: &[Value]) -> Value {
        error.0.insert("path".into(), json!(path));
        self.errors.push(error);
        Value::Null
    }
}

/// A value of the document with its variables filled in.
pub(super) fn plain(value: &Gql<'_, String>, variables: &Value) -> Value {
    match value {
        Gql::Variable(name) => variables.get(name).cloned().unwrap_or(Value::Null),
        Gql::Int(n) => n.as_i64().into(),
        Gql::Float(n) => (*n).into(),
        Gql::String(text) => text.as_str().into(),
        Gql::Boolean(b) => (*b).into(),
        Gql::Null => Value::Null,
        Gql::Enum(word) => word.as_str().into(),
        Gql::List(items) => items.iter().map(|item| plain(item, variables)).collect(),
        Gql::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), plain(v, variables))).collect(),
    }
}

/// Two selections of one key are one answer.
fn merge(out: &mut Map<String, Value>, key: &str, value: Value) {
    match (out.get_mut(key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            for (k, v) in new {
                merge(old, &k, v);
            }
        }
        (Some(Value::Array(old)), Value::Array(new)) if old.len() == new.len() => {
            for (old, new) in old.iter_mut().zip(new) {
                match (old, new) {
                    (Value::Object(old), Value::Object(new)) => new.into_iter().for_each(|(k, v)| merge(old, &k, v)),
                    (old, new) => *old = new,
                }
            }
        }
        (_, value) => {
            out.insert(key.to_owned(), value);
        }
    }
}

/// `totalCount` alone needs no `first` or `last`.
fn asks_for_items(set: &SelectionSet<'_, String>, fragments: &Fragments<'_>) -> bool {
    set.items.iter().any(|selection| match selection {
        Selection::Field(field) => matches!(field.name.as_str(), "nodes" | "edges" | "pageInfo"),
        Selection::InlineFragment(fragment) => asks_for_items(&fragment.selection_set, fragments),
        Selection::FragmentSpread(spread) => {
            fragments.get(&spread.fragment_name).is_some_and(|(f, _)| asks_for_items(&f.selection_set, fragments))
        }
    })
}
