//! The schema as look-up tables.

use graphql_parser::schema::{Definition, Type, TypeDefinition, parse_schema};
use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("schema.graphql");

/// A type with its wrappers taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeRef {
    pub name: String,
    /// As written, for messages: `[String!]!`.
    pub written: String,
    pub required: bool,
    pub list: bool,
}

impl TypeRef {
    pub fn of(ty: &Type<'_, String>) -> Self {
        let (mut inner, mut list, mut required) = (ty, false, false);
        if let Type::NonNullType(of) = inner {
            (inner, required) = (of, true);
        }
        loop {
            match inner {
                Type::NamedType(name) => return Self { name: name.clone(), written: ty.to_string(), required, list },
                Type::ListType(of) => (inner, list) = (of, true),
                Type::NonNullType(of) => inner = of,
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct FieldDef {
    pub ty: TypeRef,
    pub args: HashMap<String, TypeRef>,
}

#[derive(Debug)]
pub(super) enum TypeDef {
    /// Objects and interfaces; which interfaces an object is.
    Fields {
        fields: HashMap<String, FieldDef>,
        is: Vec<String>,
        object: bool,
    },
    Union(Vec<String>),
    Enum(Vec<String>),
    Input(HashMap<String, TypeRef>),
    Scalar,
}

/// By name. The text is ours and is parsed by a test, so that a broken one cannot be shipped.
pub(super) static SCHEMA: LazyLock<HashMap<String, TypeDef>> = LazyLock::new(read);

fn read() -> HashMap<String, TypeDef> {
    let mut types = ["String", "Int", "Boolean", "ID", "Float"]
        .map(|n| (n.to_owned(), TypeDef::Scalar))
        .into_iter()
        .collect::<HashMap<_, _>>();
    let Ok(document) = parse_schema::<String>(TEXT) else { return types };
    for definition in document.definitions {
        if let Definition::TypeDefinition(definition) = definition {
            let (name, def) = convert(definition);
            types.insert(name, def);
        }
    }
    types
}

fn convert(definition: TypeDefinition<'_, String>) -> (String, TypeDef) {
    use graphql_parser::schema::{Field, InputValue};
    let args = |list: Vec<InputValue<'_, String>>| list.into_iter().map(|a| (a.name, TypeRef::of(&a.value_type))).collect();
    let fields = |list: Vec<Field<'_, String>>| {
        let field = |f: Field<'_, String>| (f.name, FieldDef { ty: TypeRef::of(&f.field_type), args: args(f.arguments) });
        list.into_iter().map(field).collect()
    };
    match definition {
        TypeDefinition::Scalar(t) => (t.name, TypeDef::Scalar),
        TypeDefinition::Object(t) => {
            (t.name, TypeDef::Fields { fields: fields(t.fields), is: t.implements_interfaces, object: true })
        }
        TypeDefinition::Interface(t) => (t.name, TypeDef::Fields { fields: fields(t.fields), is: Vec::new(), object: false }),
        TypeDefinition::Union(t) => (t.name, TypeDef::Union(t.types)),
        TypeDefinition::Enum(t) => (t.name, TypeDef::Enum(t.values.into_iter().map(|v| v.name).collect())),
        TypeDefinition::InputObject(t) => (t.name, TypeDef::Input(args(t.fields))),
    }
}

/// The field of a type; `__typename` is on every type that can be selected from.
pub(super) fn field(parent: &str, name: &str) -> Option<&'static FieldDef> {
    static TYPENAME: LazyLock<FieldDef> = LazyLock::new(|| FieldDef {
        ty: TypeRef { name: "String".into(), written: "String!".into(), required: true, list: false },
        args: HashMap::new(),
    });
    match SCHEMA.get(parent)? {
        TypeDef::Fields { .. } | TypeDef::Union(_) if name == "__typename" => Some(&TYPENAME),
        TypeDef::Fields { fields, .. } => fields.get(name),
        _ => None,
    }
}

/// A scalar or an enum: it takes no selection.
pub(super) fn is_leaf(name: &str) -> bool {
    matches!(SCHEMA.get(name), Some(TypeDef::Scalar | TypeDef::Enum(_)))
}

/// Whether an object of type `object` is also a `wanted` (the same type, an interface of it, or a union with it).
pub(super) fn is_a(object: &str, wanted: &str) -> bool {
    object == wanted
        || matches!(SCHEMA.get(object), Some(TypeDef::Fields { is, .. }) if is.iter().any(|i| i == wanted))
        || matches!(SCHEMA.get(wanted), Some(TypeDef::Union(of)) if of.iter().any(|t| t == object))
}

/// Whether something can be both: a fragment that cannot apply is an error.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    is_a(a, b) || is_a(b, a) || objects().any(|object| is_a(object, a) && is_a(object, b))
}

fn objects() -> impl Iterator<Item = &'static str> {
    SCHEMA.iter().filter(|(_, def)| matches!(def, TypeDef::Fields { object: true, .. })).map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_whole() {
        let document = parse_schema::<String>(TEXT).unwrap();
        assert_eq!(SCHEMA.len(), document.definitions.len() + 5);
        for (name, def) in SCHEMA.iter() {
            let used = match def {
                TypeDef::Fields { fields, is, .. } => {
                    let args = fields.values().flat_map(|f| f.args.values());
                    let types = fields.values().map(|f| &f.ty).chain(args).map(|t| t.name.clone());
                    types.chain(is.iter().cloned()).collect::<Vec<_>>()
                }
                TypeDef::Union(of) => of.clone(),
                TypeDef::Input(fields) => fields.values().map(|t| t.name.clone()).collect(),
                TypeDef::Enum(_) | TypeDef::Scalar => Vec::new(),
            };
            for used in used {
                assert!(SCHEMA.contains_key(&used), "{name} uses {used}, which is not there");
            }
        }
        assert!(is_a("Bot", "Actor") && is_a("CheckRun", "StatusCheckRollupContext") && !is_a("Tag", "Commit"));
        assert!(overlap("GitObject", "Node") && !overlap("Blob", "Actor"));
    }
}
