//! `POST /graphql`: a document is held to a schema (`schema.graphql`, the part of GitHub's that is answered here) and then
//! walked; every field is resolved from the state. Errors come with status 200, as GitHub's do.

mod check;
mod connection;
mod exec;
mod nodes;
mod resolve;
mod schema;
#[cfg(test)]
mod tests;

use super::http::{Caller, Refused, Reply};
use super::world::World;
use graphql_parser::Pos;
use graphql_parser::query::{
    Definition, FragmentDefinition, OperationDefinition, SelectionSet, VariableDefinition, parse_query,
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

type Fragments<'a> = HashMap<String, (&'a FragmentDefinition<'static, String>, Pos)>;

/// One entry of `errors`.
#[derive(Clone, Debug)]
struct GqlError(Map<String, Value>);

impl GqlError {
    /// While running: GitHub gives these a `type`.
    fn new(kind: &str, message: &str) -> Self {
        let mut map = Map::new();
        map.insert("type".into(), kind.into());
        map.insert("message".into(), message.into());
        Self(map)
    }
    /// Found before running: GitHub gives these `extensions.code`.
    fn static_at(message: &str, code: &str, at: Pos, extra: Value) -> Self {
        let mut extensions = json!({ "code": code });
        if let (Value::Object(into), Value::Object(extra)) = (&mut extensions, extra) {
            into.extend(extra);
        }
        let mut map = Map::new();
        map.insert("locations".into(), json!([{ "line": at.line, "column": at.column }]));
        map.insert("extensions".into(), extensions);
        map.insert("message".into(), message.into());
        Self(map)
    }
    fn path(mut self, path: &[String]) -> Self {
        self.0.insert("path".into(), json!(path));
        self
    }
}

/// The operation that is to run.
struct Operation<'a> {
    set: &'a SelectionSet<'static, String>,
    variables: &'a [VariableDefinition<'static, String>],
}

/// The answer and its price in points. `complaints` gets every error.
pub(super) fn answer(
    world: &mut World,
    caller: &Caller,
    raw: &[u8],
    complaints: &mut Vec<String>,
) -> Result<(Reply, u64), Refused> {
    if !matches!(caller, Caller::Installation { .. }) {
        return Err(Refused::new(401, "This endpoint requires you to be authenticated."));
    }
    let body = serde_json::from_slice::<Value>(raw).map_err(|_| Refused::new(400, "Problems parsing JSON"))?;
    let text = body.get("query").and_then(Value::as_str);
    let text = text.ok_or_else(|| Refused::new(400, "A query attribute must be specified and must be a string."))?;
    let (value, cost) = match run(world, caller, text, &body) {
        Ok(done) => done,
        Err(errors) => (json!({ "errors": list(&errors) }), 1),
    };
    let errors = value.get("errors").and_then(Value::as_array).into_iter().flatten();
    complaints.extend(errors.filter_map(|e| e.get("message").and_then(Value::as_str)).map(str::to_owned));
    Ok((Reply::ok(value), cost))
}

fn list(errors: &[GqlError]) -> Value {
    errors.iter().map(|e| Value::Object(e.0.clone())).collect()
}

fn run(world: &mut World, caller: &Caller, text: &str, body: &Value) -> Result<(Value, u64), Vec<GqlError>> {
    let parsed = parse_query::<String>(text);
    let unread = |e: graphql_parser::query::ParseError| {
        vec![GqlError::static_at(&e.to_string(), "parseError", Pos { line: 1, column: 1 }, json!({}))]
    };
    let document = parsed.map_err(unread)?.into_static();
    let fragments = document.definitions.iter().filter_map(|definition| match definition {
        Definition::Fragment(fragment) => Some((fragment.name.clone(), (fragment, fragment.position))),
        Definition::Operation(_) => None,
    });
    let fragments = fragments.collect::<Fragments<'_>>();
    let wanted = body.get("operationName").and_then(Value::as_str);
    let operations = document.definitions.iter().filter_map(|definition| match definition {
        Definition::Operation(operation) => Some(operation),
        Definition::Fragment(_) => None,
    });
    let operation =
        operations.filter_map(query_of).find(|(name, _)| wanted.is_none() || *name == wanted).map(|(_, operation)| operation);
    let operation = operation.ok_or_else(|| {
        let name = wanted.map_or("An operation name is required".to_owned(), |n| format!("No operation named \"{n}\""));
        vec![GqlError::new("NOT_FOUND", &name)]
    })?;
    let mut values = body.get("variables").filter(|v| v.is_object()).cloned().unwrap_or_else(|| json!({}));
    let checked = check::check(operation.set, &fragments, operation.variables, &values);
    if !checked.errors.is_empty() {
        return Err(checked.errors);
    }
    for definition in operation.variables {
        if let Some(default) = &definition.default_value
            && values.get(&definition.name).is_none()
        {
            values[&definition.name] = exec::plain(default, &Value::Null);
        }
    }
    let mut cx = exec::Cx {
        world,
        caller,
        fragments: &fragments,
        values: &values,
        errors: Vec::new(),
        cost: checked.cost,
        nodes: checked.nodes,
    };
    let data = cx.set(operation.set, &nodes::Node::Query, &mut Vec::new());
    let mut answer = json!({ "data": data });
    if !cx.errors.is_empty() {
        answer["errors"] = list(&cx.errors);
    }
    Ok((answer, checked.cost))
}

/// Mutations are refused: the App under test makes none.
fn query_of<'a>(operation: &'a OperationDefinition<'static, String>) -> Option<(Option<&'a str>, Operation<'a>)> {
    match operation {
        OperationDefinition::SelectionSet(set) => Some((None, Operation { set, variables: &[] })),
        OperationDefinition::Query(query) => {
            let operation = Operation { set: &query.selection_set, variables: &query.variable_definitions };
            Some((query.name.as_deref(), operation))
        }
        OperationDefinition::Mutation(_) | OperationDefinition::Subscription(_) => None,
    }
}
