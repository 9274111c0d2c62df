//! What a gate must say that no schema can: a window that says nothing, approvals that cannot be reached, kinds that a release
//! cannot ask. As in [`super::links`], a mistake elsewhere hides nothing here.

use super::format;
use super::links::{entries, list, list_nodes, text};
use super::shape::{Later, Walk, capital, shown};
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

type Node<'i> = Spanned<DeValue<'i>>;

/// So many windows of one environment; their common openings are searched for one by one.
const MOST_WINDOWS: usize = 20;

/// So many services and peers are asked for one environment.
const MOST_SERVICES: usize = 10;

/// Kinds whose facts only a deployment has.
const NOT_FOR_RELEASES: [&str; 6] = ["order", "soak", "approvals", "http", "peer", "attestation"];

pub(super) fn check(walk: &mut Walk<'_>, file: &DeTable<'_>) {
    for (name, _, environment) in entries(file, "environments") {
        let place = format!("`environments.{}", shown(name));
        windows(walk, &place, environment);
        gates(walk, &place, environment);
        if let Some(node) = environment.get("configuration") {
            arguments(walk, &format!("{place}.configuration`"), node);
        }
        if let Some(node) = environment.get("approvals") {
            approvals(walk, &format!("{place}.approvals`"), node);
        }
    }
    if let Some(release) = file.get("release").and_then(|node| node.get_ref().as_table()) {
        gates(walk, "`release", release);
        not_for_releases(walk, release);
    }
}

fn windows(walk: &mut Walk<'_>, place: &str, environment: &DeTable<'_>) {
    let Some(node) = environment.get("windows") else { return };
    let count = list_nodes(Some(node)).count();
    if count > MOST_WINDOWS {
        let message =
            format!("{} has {count} entries; at most {MOST_WINDOWS} are allowed.", capital(&format!("{place}.windows`")));
        walk.report(node.span(), "too_many", message, "Remove some.");
    }
    for (i, entry) in list_nodes(Some(node)).enumerate() {
        window(walk, &format!("{place}.windows[{i}]`"), entry);
    }
}

fn gates(walk: &mut Walk<'_>, place: &str, owner: &DeTable<'_>) {
    for (i, gate) in list_nodes(owner.get("gates")).enumerate() {
        let place = format!("{place}.gates[{i}]`");
        match kind(gate) {
            Some("window") => window(walk, &place, gate),
            Some("approvals") => approvals(walk, &place, gate),
            Some("peer") => arguments(walk, &place, gate),
            _ => {}
        }
    }
    let services: Vec<&Node<'_>> =
        list_nodes(owner.get("gates")).filter(|gate| matches!(kind(gate), Some("http" | "peer"))).collect();
    if let Some(first) = services.get(MOST_SERVICES) {
        let message = format!(
            "{} holds {} gates of the kinds `http` and `peer`; at most {MOST_SERVICES} are allowed.",
            capital(&format!("{place}.gates`")),
            services.len()
        );
        walk.report(first.span(), "too_many", message, "Remove some, or let one service answer for several.");
    }
}

/// Placeholders in what a tool is given.
fn arguments(walk: &mut Walk<'_>, place: &str, gate: &Node<'_>) {
    let Some(node) = gate.get_ref().as_table().and_then(|table| table.get("arguments")) else { return };
    let mut left = vec![node];
    while let Some(node) = left.pop() {
        match node.get_ref() {
            DeValue::Array(all) => left.extend(all),
            DeValue::Table(all) => left.extend(all.values()),
            DeValue::String(text) => {
                if let Err((code, why)) = format::check("peer_template", text) {
                    let message = format!("{} has arguments that cannot be filled in: {why}.", capital(place));
                    walk.report(node.span(), code, message, "Write it like `{{ sha }}`.");
                }
            }
            _ => {}
        }
    }
}

fn kind<'t>(gate: &'t Node<'_>) -> Option<&'t str> {
    gate.get_ref().as_table()?.get("kind")?.get_ref().as_str()
}

fn window(walk: &mut Walk<'_>, place: &str, node: &Node<'_>) {
    let Some(table) = node.get_ref().as_table() else { return };
    if !table.contains_key("allow") && !table.contains_key("deny") {
        let message = format!("{} has neither `allow` nor `deny`.", capital(place));
        walk.report(node.span(), "missing_key", message, "Add one, for example `deny = \"Fri 15:00 - Mon 07:00\"`.");
    }
}

fn approvals(walk: &mut Walk<'_>, place: &str, node: &Node<'_>) {
    let Some(table) = node.get_ref().as_table() else { return };
    let users: BTreeSet<String> =
        list_nodes(table.get("users")).filter_map(|n| text(Some(n))).map(|t| t.text.to_lowercase()).collect();
    let count =
        table.get("count").and_then(|n| n.get_ref().as_integer()).map_or(Ok(1), |n| i64::from_str_radix(n.as_str(), n.radix()));
    let others = list(table.get("teams")).next().is_some() || users.is_empty();
    if !others && count.is_ok_and(|count| usize::try_from(count).is_ok_and(|count| count > users.len())) {
        let message = format!("{} asks for more people than the {} that it names.", capital(place), users.len());
        walk.report(node.span(), "approvals_out_of_reach", message, "Name more people or a team, or lower `count`.");
    }
}

fn not_for_releases(walk: &mut Walk<'_>, release: &DeTable<'_>) {
    for (i, gate) in list_nodes(release.get("gates")).enumerate() {
        let Some(word) = kind(gate).filter(|word| NOT_FOR_RELEASES.contains(word)) else { continue };
        let span = gate.get_ref().as_table().and_then(|t| t.get("kind")).map_or_else(|| gate.span(), Spanned::span);
        let path = ["release".to_owned(), "gates".to_owned(), format!("[{i}]")].to_vec();
        walk.later.push(Later { span, path, label: format!("gates.kind = \"{word}\"") });
    }
}
