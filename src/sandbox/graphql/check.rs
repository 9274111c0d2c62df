//! Holds a document to the schema before it runs, in GitHub's words, and counts what it may cost.

use super::schema::{self, SCHEMA, TypeDef, TypeRef};
use super::{Fragments, GqlError};
use graphql_parser::Pos;
use graphql_parser::query::{Field, Selection, SelectionSet, TypeCondition, Value as Gql, VariableDefinition};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Nodes that one query may ask for.
const MOST_NODES: u64 = 500_000;
const DEEPEST: usize = 50;

pub(super) struct Checked {
    pub errors: Vec<GqlError>,
    pub nodes: u64,
    /// Points of the rate limit.
    pub cost: u64,
}

struct Walk<'a> {
    fragments: &'a Fragments<'a>,
    variables: &'a HashMap<String, TypeRef>,
    values: &'a Value,
    used: HashSet<String>,
    spread: HashSet<String>,
    errors: Vec<GqlError>,
    nodes: u64,
    requests: u64,
}

pub(super) fn check(
    set: &SelectionSet<'_, String>,
    fragments: &Fragments<'_>,
    definitions: &[VariableDefinition<'_, String>],
    values: &Value,
) -> Checked {
    let variables = definitions.iter().map(|d| (d.name.clone(), TypeRef::of(&d.var_type))).collect::<HashMap<_, _>>();
    let mut walk = Walk {
        fragments,
        variables: &variables,
        values,
        used: HashSet::new(),
        spread: HashSet::new(),
        errors: Vec::new(),
        nodes: 0,
        requests: 0,
    };
    walk.set(set, "Query", &["query".to_owned()], 1);
    for definition in definitions.iter().filter(|d| !walk.used.contains(&d.name)) {
        let text = format!("Variable ${} is declared by anonymous query but not used", definition.name);
        walk.errors.push(GqlError::static_at(
            &text,
            "variableNotUsed",
            definition.position,
            json!({ "variableName": definition.name }),
        ));
    }
    for (name, (_, position)) in fragments.iter().filter(|(name, _)| !walk.spread.contains(*name)) {
        let text = format!("Fragment {name} was defined, but not used");
        walk.errors.push(GqlError::static_at(&text, "useAndDefineFragment", *position, json!({ "fragmentName": name })));
    }
    for definition in definitions {
        walk.given(definition);
    }
    if walk.nodes > MOST_NODES {
        let text =
            format!("This query requests up to {} possible nodes which exceeds the maximum limit of 500,000.", walk.nodes);
        walk.errors.push(GqlError::new("MAX_NODE_LIMIT_EXCEEDED", &text));
    }
    Checked { errors: walk.errors, nodes: walk.nodes, cost: (walk.requests + 50).div_euclid(100).max(1) }
}

impl Walk<'_> {
    fn set(&mut self, set: &SelectionSet<'_, String>, parent: &str, path: &[String], times: u64) {
        if path.len() > DEEPEST {
            self.errors.push(GqlError::new("QUERY_TOO_DEEP", "The query is nested too deeply"));
            return;
        }
        for selection in &set.items {
            match selection {
                Selection::Field(field) => self.field(field, parent, path, times),
                Selection::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_ref().map_or(parent, |TypeCondition::On(name)| name.as_str());
                    self.directives(&fragment.directives);
                    self.fragment(on, parent, fragment.position, path);
                    self.set(&fragment.selection_set, on, path, times);
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives);
                    self.spread.insert(spread.fragment_name.clone());
                    let Some((fragment, _)) = self.fragments.get(&spread.fragment_name) else {
                        let text = format!("Fragment {} was used, but not defined", spread.fragment_name);
                        let extra = json!({ "fragmentName": spread.fragment_name });
                        self.errors.push(GqlError::static_at(&text, "useAndDefineFragment", spread.position, extra));
                        continue;
                    };
                    let TypeCondition::On(on) = &fragment.type_condition;
                    self.fragment(on, parent, spread.position, path);
                    let mut inner = path.to_vec();
                    inner.push(format!("...{}", spread.fragment_name));
                    self.set(&fragment.selection_set, on, &inner, times);
                }
            }
        }
    }

    fn fragment(&mut self, on: &str, parent: &str, position: Pos, path: &[String]) {
        if !SCHEMA.contains_key(on) {
            let text = format!("No such type {on}, so it can't be a fragment condition");
            self.errors.push(GqlError::static_at(&text, "undefinedType", position, json!({ "typeName": on })).path(path));
        } else if !schema::overlap(on, parent) {
            let text = format!("Fragment on {on} can't be spread inside {parent}");
            let extra = json!({ "typeName": parent, "fragmentName": on });
            self.errors.push(GqlError::static_at(&text, "cannotSpreadFragment", position, extra).path(path));
        }
    }

    fn directives(&mut self, directives: &[graphql_parser::query::Directive<'_, String>]) {
        for directive in directives {
            if directive.name != "include" && directive.name != "skip" {
                let text = format!("Directive @{} is not defined", directive.name);
                self.errors.push(GqlError::static_at(&text, "undefinedDirective", directive.position, json!({})));
            }
            for (_, value) in &directive.arguments {
                self.value(value, None, directive.position, "if");
            }
        }
    }

    fn field(&mut self, field: &Field<'_, String>, parent: &str, path: &[String], times: u64) {
        self.directives(&field.directives);
        let mut path = path.to_vec();
        path.push(field.alias.clone().unwrap_or_else(|| field.name.clone()));
        let Some(def) = schema::field(parent, &field.name) else {
            let text = format!("Field '{}' doesn't exist on type '{parent}'", field.name);
            let extra = json!({ "typeName": parent, "fieldName": field.name });
            self.errors.push(GqlError::static_at(&text, "undefinedField", field.position, extra).path(&path));
            return;
        };
        self.arguments(field, def, &path);
        let leaf = schema::is_leaf(&def.ty.name);
        if leaf != field.selection_set.items.is_empty() {
            let text = if leaf {
                format!("Selections can't be made on scalars (field '{}' returns {})", field.name, def.ty.name)
            } else {
                format!("Field must have selections (field '{}' returns {} but has no selections.)", field.name, def.ty.name)
            };
            self.errors.push(
                GqlError::static_at(&text, "selectionMismatch", field.position, json!({ "nodeName": field.name })).path(&path),
            );
            return;
        }
        let size = self.page_size(field).unwrap_or(0);
        let inner = if def.ty.name.ends_with("Connection") {
            self.requests += times;
            self.nodes = self.nodes.saturating_add(times.saturating_mul(size));
            times.saturating_mul(size.max(1))
        } else {
            times
        };
        self.set(&field.selection_set, &def.ty.name, &path, inner);
    }

    fn page_size(&self, field: &Field<'_, String>) -> Option<u64> {
        let (_, value) = field.arguments.iter().find(|(name, _)| name == "first" || name == "last")?;
        match value {
            Gql::Int(n) => n.as_i64().and_then(|n| u64::try_from(n).ok()),
            Gql::Variable(name) => self.values.get(name).and_then(Value::as_u64),
            _ => None,
        }
    }

    fn arguments(&mut self, field: &Field<'_, String>, def: &schema::FieldDef, path: &[String]) {
        for (name, value) in &field.arguments {
            match def.args.get(name) {
                None => {
                    let text = format!("Field '{}' doesn't accept argument '{name}'", field.name);
                    let extra = json!({ "name": field.name, "typeName": "Field", "argumentName": name });
                    self.errors.push(GqlError::static_at(&text, "argumentNotAccepted", field.position, extra).path(path));
                }
                Some(ty) => self.value(value, Some(ty), field.position, name),
            }
        }
        let missing = def.args.iter().filter(|(name, ty)| ty.required && !field.arguments.iter().any(|(n, _)| n == *name));
        let mut missing = missing.map(|(name, _)| name.clone()).collect::<Vec<_>>();
        missing.sort();
        if !missing.is_empty() {
            let text = format!("Field '{}' is missing required arguments: {}", field.name, missing.join(", "));
            let extra = json!({ "className": "Field", "name": field.name, "arguments": missing.join(", ") });
            self.errors.push(GqlError::static_at(&text, "missingRequiredArguments", field.position, extra).path(path));
        }
    }

    /// A value in the document against the type of its place; nothing for `@include(if:)`.
    fn value(&mut self, value: &Gql<'_, String>, ty: Option<&TypeRef>, at: Pos, name: &str) {
        if let Gql::Variable(variable) = value {
            self.used.insert(variable.clone());
            let declared = self.variables.get(variable).cloned();
            let bad = match (&declared, ty) {
                (None, _) => format!("Variable ${variable} is used by anonymous query but not declared"),
                (Some(declared), Some(ty))
                    if declared.name != ty.name || (ty.required && !declared.required) || declared.list != ty.list =>
                {
                    format!("Type mismatch on variable ${variable} and argument {name} ({} / {})", declared.written, ty.written)
                }
                _ => return,
            };
            self.errors.push(GqlError::static_at(
                &bad,
                "variableMismatch",
                at,
                json!({ "variableName": variable, "argumentName": name }),
            ));
            return;
        }
        let Some(ty) = ty else { return };
        let fits = match (value, SCHEMA.get(&ty.name)) {
            (Gql::Null, _) => !ty.required,
            (Gql::List(items), _) if ty.list => {
                let item = TypeRef { list: false, ..ty.clone() };
                items.iter().for_each(|i| self.value(i, Some(&item), at, name));
                true
            }
            (Gql::Object(given), Some(TypeDef::Input(fields))) => {
                given.iter().all(|(k, v)| {
                    let field = fields.get(k);
                    field.inspect(|field| self.value(v, Some(field), at, k));
                    field.is_some()
                }) && fields.iter().all(|(k, f)| !f.required || given.contains_key(k))
            }
            (Gql::Enum(word), Some(TypeDef::Enum(words))) => words.contains(word),
            (Gql::String(_), Some(TypeDef::Scalar)) => !matches!(ty.name.as_str(), "Int" | "Boolean" | "Float"),
            (Gql::Int(_), Some(TypeDef::Scalar)) => matches!(ty.name.as_str(), "Int" | "ID" | "Float"),
            (Gql::Boolean(_), Some(TypeDef::Scalar)) => ty.name == "Boolean",
            _ => false,
        };
        if !fits {
            let text = format!("Argument '{name}' on Field has an invalid value ({value}). Expected type '{}'.", ty.written);
            self.errors.push(GqlError::static_at(&text, "argumentLiteralsIncompatible", at, json!({ "argumentName": name })));
        }
    }

    /// The variables that came with the request against their declarations.
    fn given(&mut self, definition: &VariableDefinition<'_, String>) {
        let ty = TypeRef::of(&definition.var_type);
        let value = self.values.get(&definition.name).unwrap_or(&Value::Null);
        let missing = value.is_null() && definition.default_value.is_none() && ty.required;
        let misfit = !value.is_null() && !fits(value, &ty);
        if missing || misfit {
            let text = format!("Variable ${} of type {} was provided invalid value", definition.name, ty.written);
            let problems = json!([{ "path": [], "explanation": "Expected value to not be null" }]);
            self.errors.push(GqlError::static_at(
                &text,
                "variableInvalid",
                definition.position,
                json!({ "value": value, "problems": problems }),
            ));
        }
    }
}

fn fits(value: &Value, ty: &TypeRef) -> bool {
    if ty.list {
        let item = TypeRef { list: false, ..ty.clone() };
        return value.as_array().map_or_else(|| fits(value, &item), |items| items.iter().all(|i| fits(i, &item)));
    }
    match SCHEMA.get(&ty.name) {
        Some(TypeDef::Enum(words)) => value.as_str().is_some_and(|w| words.iter().any(|known| known == w)),
        Some(TypeDef::Input(fields)) => value.as_object().is_some_and(|given| {
            given.iter().all(|(k, v)| fields.get(k).is_some_and(|f| v.is_null() || fits(v, f)))
                && fields.iter().all(|(k, f)| !f.required || given.contains_key(k))
        }),
        Some(TypeDef::Scalar) => match ty.name.as_str() {
            "Int" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            "Boolean" => value.is_boolean(),
            "ID" => value.is_string() || value.is_i64(),
            "Float" => value.is_number(),
            "GitObjectID" => value.as_str().is_some_and(|t| t.len() == 40 && t.bytes().all(|b| b.is_ascii_hexdigit())),
            _ => value.is_string(),
        },
        _ => false,
    }
}
