//! The reference of every key, as Markdown, from the schema.

use super::schema::Part;
use serde_json::Value;
use std::fmt::Write;

/// Heading, and the way to the part of the schema: `*` is any name, `[]` any entry.
const SECTIONS: [(&str, &str); 19] = [
    ("`[release]`", "release"),
    ("`[[component]]`", "component/[]"),
    ("`[environments.NAME]`", "environments/*"),
    ("`[[release.gates]]` and `[[environments.NAME.gates]]`", "release/gates/[]"),
    ("`[[environments.NAME.health]]`", "environments/*/health/[]"),
    ("`[[environments.NAME.smoke]]`", "environments/*/smoke/[]"),
    ("`[[environments.NAME.analysis]]`", "environments/*/analysis/[]"),
    ("`no_data` of an analysis", "environments/*/analysis/[]/prometheus/no_data"),
    ("`[targets.NAME]`", "targets/*"),
    ("`strategy` of an environment", "environments/*/strategy"),
    ("`steps` of the strategy `gradual`", "environments/*/strategy/gradual/steps/[]"),
    ("`traffic` of an environment", "environments/*/traffic"),
    ("`slots` of the traffic `haproxy`", "environments/*/traffic/haproxy/slots"),
    ("`rollback` of an environment", "environments/*/rollback"),
    ("`[[environments.NAME.after]]`", "environments/*/after/[]"),
    ("`approvals` of an environment", "environments/*/approvals"),
    ("`agents` of an environment", "environments/*/agents"),
    ("`[[environments.NAME.windows]]`", "environments/*/windows/[]"),
    ("`on` of an environment", "environments/*/on/[]"),
];

const INTRODUCTION: &str = "\
Keys marked *later* are read and checked, but this version cannot enforce them: whatever they guard is refused until they \
are removed. Durations are written `90s`, `30m`, `1h30m` or `2d`. In patterns `*` stands for anything but `/`, `**` for \
anything, `?` for one character. In health URLs and workflow inputs stand `{{ environment_url }}`, `{{ version }}`, \
`{{ sha }}`, `{{ environment }}`, and, where users are moved between slots, `{{ action }}` (`bring_up`, `shift`, `take_down`), \
`{{ slot }}` (`blue`, `green`), `{{ weight }}`, `{{ run }}` and `{{ step }}`.
";

/// Markdown, from the third level of headings down.
pub fn reference() -> String {
    let mut out = String::new();
    let Some(root) = Part::root() else { return out };
    let _ = writeln!(out, "{}\n\n{INTRODUCTION}", root.text("description").unwrap_or_default());
    for (heading, way) in SECTIONS {
        let Some(part) = walk(root, way) else { continue };
        let _ = writeln!(out, "### {heading}\n");
        section(&mut out, part);
    }
    out
}

fn walk(root: Part<'static>, way: &str) -> Option<Part<'static>> {
    way.split('/').try_fold(root, |part, step| match step {
        "*" => Part::of(part.get("additionalProperties")?),
        "[]" => Part::of(part.get("items")?),
        name => part.property(name).or_else(|| part.options().into_iter().find(|o| o.kind_word() == Some(name))),
    })
}

fn section(out: &mut String, part: Part<'_>) {
    if let Some(text) = part.text("description") {
        let _ = writeln!(out, "{text}\n");
    }
    let options = part.options();
    if options.is_empty() && part.words().is_empty() {
        return table(out, part);
    }
    let (kinds, words): (Vec<Part<'_>>, Vec<Part<'_>>) = options.into_iter().partition(|o| o.kind_word().is_some());
    for word in &words {
        let _ = writeln!(out, "- `\"{}\"`: {}{}", word.words().join("\"`, `\""), described(*word), mark(*word));
    }
    if !words.is_empty() {
        out.push('\n');
    }
    for kind in kinds {
        let _ = writeln!(out, "**`kind = \"{}\"`**: {}{}\n", kind.kind_word().unwrap_or_default(), described(kind), mark(kind));
        table(out, kind);
    }
}

fn mark(part: Part<'_>) -> &'static str {
    if part.later() { " (*later*)" } else { "" }
}

fn described(part: Part<'_>) -> String {
    part.text("description").unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn table(out: &mut String, part: Part<'_>) {
    let mut rows: Vec<(&str, Part<'_>)> =
        part.properties().filter(|(key, p)| *key != "kind" || p.text("const").is_none()).collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "| key | value | default | |\n|---|---|---|---|");
    let required: Vec<&str> = part.list("required").iter().filter_map(Value::as_str).collect();
    rows.sort_by_key(|(key, _)| !required.contains(key));
    for (key, value) in rows {
        let default = if required.contains(&key) { "**required**".into() } else { default(value) };
        let _ = writeln!(out, "| `{key}` | {} | {default} | {}{} |", kind(value), described(value), mark(value));
    }
    out.push('\n');
}

/// What stands there, for a person.
fn kind(part: Part<'_>) -> String {
    let words = part.words();
    if !words.is_empty() {
        return words.iter().map(|w| format!("`\"{w}\"`")).collect::<Vec<_>>().join(", ");
    }
    let limits = |least: &str, most: &str| match (part.get(least), part.get(most)) {
        (Some(a), Some(b)) => format!(", {} to {}", plain(a), plain(b)),
        (Some(a), None) => format!(", at least {}", plain(a)),
        (None, Some(b)) => format!(", at most {}", plain(b)),
        (None, None) => String::new(),
    };
    match (part.text("type"), part.text("x-format")) {
        (_, Some("duration")) => format!("duration{}", limits("x-min", "x-max")),
        (_, Some(_)) | (Some("string"), _) => match part.list("examples").first() {
            Some(example) => format!("text, as `{example}`"),
            None => "text".into(),
        },
        (Some("boolean"), _) => "`true`, `false`".into(),
        (Some("integer"), _) => format!("whole number{}", limits("minimum", "maximum")),
        (Some("array"), _) => match part.get("items").and_then(Part::of) {
            Some(items) if items.text("type") == Some("object") || !items.options().is_empty() => "list, see below".into(),
            Some(items) => format!("list of {}", kind(items).replace("text, as", "texts, as")),
            None => "list".into(),
        },
        _ if part.options().iter().any(|o| !o.is_plain()) => "see below".into(),
        _ if !part.options().is_empty() => part.options().into_iter().map(kind).collect::<Vec<_>>().join(" or "),
        _ => "table".into(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("`{text}`"))
}

fn default(part: Part<'_>) -> String {
    match part.get("default") {
        None => String::new(),
        Some(Value::Array(list)) if list.is_empty() => String::new(),
        Some(Value::Object(table)) if table.is_empty() => String::new(),
        Some(value) => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::json_schema;
    use super::*;

    #[test]
    fn the_reference_is_as_it_was_reviewed() {
        insta::assert_snapshot!(reference());
    }

    #[test]
    fn the_schema_is_as_it_was_reviewed() {
        insta::assert_snapshot!(format!("{:#}", json_schema().as_value()));
    }

    /// Every key of the schema stands in the reference.
    #[test]
    fn no_key_is_left_out() {
        fn keys(value: &Value, found: &mut Vec<String>) {
            let Value::Object(object) = value else {
                return value.as_array().into_iter().flatten().for_each(|v| keys(v, found));
            };
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|v| keys(v, found));
        }
        let (mut found, text) = (Vec::new(), reference());
        keys(json_schema().as_value(), &mut found);
        assert!(found.len() > 50);
        for key in found {
            let stands = text.contains(&format!("`{key}`")) || text.contains(&format!("[{key}")) || key == "kind";
            assert!(stands, "{key} is not in the reference");
        }
    }

    /// The walk over a file reads these words of JSON Schema and no others.
    #[test]
    fn the_schema_holds_no_rule_that_the_walk_ignores() {
        const KNOWN: [&str; 27] = [
            "$schema",
            "$ref",
            "title",
            "description",
            "default",
            "examples",
            "type",
            "properties",
            "additionalProperties",
            "required",
            "items",
            "oneOf",
            "anyOf",
            "allOf",
            "const",
            "enum",
            "minItems",
            "minLength",
            "maxLength",
            "minimum",
            "maximum",
            "format",
            "definitions",
            "x-later",
            "x-format",
            "x-keys",
            "x-min",
        ];
        fn check(value: &Value) {
            let Value::Object(object) = value else {
                return value.as_array().into_iter().flatten().for_each(check);
            };
            for (key, inner) in object {
                match key.as_str() {
                    "properties" | "definitions" => inner.as_object().into_iter().flatten().for_each(|(_, part)| check(part)),
                    "default" | "examples" => {}
                    "format" => {
                        assert!(
                            inner == "uint8" || inner == "uint16",
                            "only formats of numbers, which have bounds beside them"
                        );
                    }
                    key => {
                        assert!(KNOWN.contains(&key) || key == "x-max", "{key}");
                        check(inner);
                    }
                }
            }
        }
        check(json_schema().as_value());
    }
}
