//! What one part of the file says about another: names that must exist, cycles, and tags that two components would claim.
//!
//! Works on the parsed file, not on the checked one, so that a mistake elsewhere hides nothing here.

use super::format::TAG_PLACEHOLDER;
use super::shape::{Walk, shown};
use crate::config::suggest::nearest;
use crate::domain::Version;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

type Node<'i> = Spanned<DeValue<'i>>;

/// A text of the file and where it stands.
#[derive(Clone)]
pub(super) struct Text<'t> {
    pub text: &'t str,
    span: Range<usize>,
}

/// More than this of one thing is refused, so that comparing each with each stays quick.
const MANY: usize = 200;

pub(super) fn check(walk: &mut Walk<'_>, file: &DeTable<'_>) {
    let mut bounded = true;
    for key in ["environments", "targets", "component"] {
        let Some(node) = file.get(key) else { continue };
        let count = node.get_ref().as_table().map_or_else(|| list(Some(node)).count(), |table| table.len());
        if count > MANY {
            let message = format!("There are {count} of `{key}`; at most {MANY} are allowed.");
            walk.report(node.span(), "too_many", message, "Remove some.");
            bounded = false;
        }
    }
    if bounded {
        links(walk, file);
    }
}

fn links(walk: &mut Walk<'_>, file: &DeTable<'_>) {
    let targets = names(file, "targets");
    let environments = names(file, "environments");
    let mut after: BTreeMap<&str, Vec<Text<'_>>> = BTreeMap::new();
    for (name, span, environment) in entries(file, "environments") {
        match (environment.get("target"), targets.as_slice()) {
            (None, [_]) => {}
            (None, several) => missing_target(walk, name, span, several),
            (node, _) => text(node).iter().for_each(|target| exists(walk, "target", target, &targets, "unknown_target")),
        }
        let mut wanted = Vec::new();
        for entry in list(environment.get("after")).filter_map(DeValue::as_table) {
            wanted.extend(text(entry.get("environment")));
        }
        for gate in list(environment.get("gates")).filter_map(DeValue::as_table) {
            wanted.extend(text(gate.get("environment")));
        }
        wanted.iter().for_each(|env| exists(walk, "environment", env, &environments, "unknown_environment"));
        after.insert(name, wanted);
    }
    if let Some(release) = file.get("release").and_then(|r| r.get_ref().as_table()) {
        let node = release.get("publish_after");
        for env in text(node).into_iter().chain(list_nodes(node).filter_map(|n| text(Some(n)))) {
            exists(walk, "environment", &env, &environments, "unknown_environment");
        }
    }
    cycles(walk, &after);
    components(walk, file);
}

fn missing_target(walk: &mut Walk<'_>, environment: &str, span: Range<usize>, known: &[&str]) {
    let fix = match known {
        [] => "Add a table `[targets.…]`, for example with `kind = \"workflow\"` and `workflow = \"deploy.yml\"`.".into(),
        known => format!("Add `target`, one of `{}`.", known.join("`, `")),
    };
    let message = format!("`environments.{}` does not say which target brings a version there.", shown(environment));
    walk.report(span, "missing_target", message, fix);
}

fn exists(walk: &mut Walk<'_>, what: &str, name: &Text<'_>, known: &[&str], code: &'static str) {
    if known.contains(&name.text) {
        return;
    }
    let fix = match (nearest(name.text, known), known) {
        (Some(near), _) => format!("Did you mean `{near}`?"),
        (None, []) => format!("Add `[{what}s.{}]`.", shown(name.text)),
        (None, known) => format!("Add `[{what}s.{}]`, or use one of `{}`.", shown(name.text), known.join("`, `")),
    };
    walk.report(name.span.clone(), code, format!("There is no {what} `{}`.", shown(name.text)), fix);
}

/// Reports each `after` that leads back to its own environment.
fn cycles(walk: &mut Walk<'_>, after: &BTreeMap<&str, Vec<Text<'_>>>) {
    for (name, wanted) in after {
        for first in wanted {
            let (mut open, mut seen) = (vec![first.text], std::collections::BTreeSet::new());
            while let Some(next) = open.pop() {
                if seen.insert(next) {
                    open.extend(after.get(next).into_iter().flatten().map(|t| t.text));
                }
            }
            if seen.contains(name) {
                let message = format!("`{}` would wait for itself, through `{}`.", shown(name), shown(first.text));
                walk.report(first.span.clone(), "after_cycle", message, "Remove one of the links of the circle.");
            }
        }
    }
}

fn components(walk: &mut Walk<'_>, file: &DeTable<'_>) {
    let mut claimed: Vec<(&str, Text<'_>)> = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    let release = file.get("release").and_then(|r| r.get_ref().as_table());
    claimed.extend(release.and_then(|r| text(r.get("tag"))).map(|tag| ("release.tag", tag)));
    for component in list(file.get("component")).filter_map(DeValue::as_table) {
        let name = text(component.get("name"));
        if let Some(name) = &name {
            if named.contains(&name.text) {
                let message = format!("There are two components `{}`.", shown(name.text));
                walk.report(name.span.clone(), "duplicate_component", message, "Give each component its own name.");
            }
            named.push(name.text);
        }
        let Some(tag) = text(component.get("tag")) else { continue };
        if let Some((owner, other)) = claimed.iter().find(|(_, other)| overlap(other.text, tag.text)) {
            let message =
                format!("A tag can fit both `{}` and `{}` (of {}).", shown(tag.text), shown(other.text), shown(owner));
            let fix = "Give each component tags that begin differently, for example `api-v{version}`.";
            walk.report(tag.span.clone(), "overlapping_tags", message, fix);
        }
        claimed.push((name.map_or("another component", |n| n.text), tag));
    }
}

/// Whether some tag reads as a version by both patterns. Tried with versions that have every part: what can be confused
/// is confused by one of them.
fn overlap(a: &str, b: &str) -> bool {
    const SAMPLES: [&str; 4] = ["1.2.3", "11.22.33", "1.2.3-rc.1", "1.2.3-1+b.1"];
    let reads = |maker: &str, reader: &str| {
        let Some((before, after)) = reader.split_once(TAG_PLACEHOLDER) else { return false };
        SAMPLES.iter().any(|version| {
            let tag = maker.replace(TAG_PLACEHOLDER, version);
            let middle = tag.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            middle.is_some_and(|middle| Version::parse(middle).is_ok())
        })
    };
    a.contains(TAG_PLACEHOLDER) && (reads(a, b) || reads(b, a))
}

/// Tables under `key`: name, where the table stands, and the table.
pub(super) fn entries<'t, 'i>(
    file: &'t DeTable<'i>,
    key: &str,
) -> impl Iterator<Item = (&'t str, Range<usize>, &'t DeTable<'i>)> {
    let table = file.get(key).and_then(|node| node.get_ref().as_table());
    let entries = table.into_iter().flatten();
    entries.filter_map(|(name, node)| Some((name.get_ref().as_ref(), node.span(), node.get_ref().as_table()?)))
}

fn names<'t>(file: &'t DeTable<'_>, key: &str) -> Vec<&'t str> {
    let table = file.get(key).and_then(|node| node.get_ref().as_table());
    table.into_iter().flatten().map(|(name, _)| name.get_ref().as_ref()).collect()
}

pub(super) fn list_nodes<'t, 'i>(node: Option<&'t Node<'i>>) -> impl Iterator<Item = &'t Node<'i>> {
    node.and_then(|n| n.get_ref().as_array()).into_iter().flatten()
}

pub(super) fn list<'t, 'i: 't>(node: Option<&'t Node<'i>>) -> impl Iterator<Item = &'t DeValue<'i>> {
    list_nodes(node).map(Spanned::get_ref)
}

pub(super) fn text<'t>(node: Option<&'t Node<'_>>) -> Option<Text<'t>> {
    let node = node?;
    Some(Text { text: node.get_ref().as_str()?, span: node.span() })
}
