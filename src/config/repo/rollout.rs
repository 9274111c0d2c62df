//! What the parts of a strategy, a balancer's slots and a target say about each other.
//!
//! Works on the parsed file, as [`super::links`] does; what has the wrong type is reported elsewhere.

use super::links::{entries, list_nodes};
use super::shape::{Walk, shown};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

pub(super) fn check(walk: &mut Walk<'_>, file: &DeTable<'_>) {
    for (_, _, environment) in entries(file, "environments") {
        if let Some(strategy) = table(environment, "strategy") {
            growing(walk, strategy);
        }
        if let Some(slots) = table(environment, "traffic").and_then(|traffic| table(traffic, "slots")) {
            apart(walk, slots);
        }
    }
    for (name, span, target) in entries(file, "targets") {
        if target.get("kind").and_then(|kind| kind.get_ref().as_str()) == Some("http") {
            one_address(walk, name, span, target);
        }
    }
}

fn table<'t, 'i>(of: &'t DeTable<'i>, key: &str) -> Option<&'t DeTable<'i>> {
    of.get(key).and_then(|node| node.get_ref().as_table())
}

/// One problem at the first weight that is not greater than the one before.
fn growing(walk: &mut Walk<'_>, strategy: &DeTable<'_>) {
    let mut before = 0;
    for step in list_nodes(strategy.get("steps")) {
        let Some(node) = step.get_ref().as_table().and_then(|step| step.get("weight")) else { continue };
        let DeValue::Integer(number) = node.get_ref() else { continue };
        let Ok(weight) = i64::from_str_radix(number.as_str(), number.radix()) else { continue };
        if !(1..=100).contains(&weight) {
            return;
        }
        if weight <= before {
            let message = format!("The weight {weight} does not come after {before}: the weights of a rollout must grow.");
            let fix = "Write weights that grow, like 10, 50; all users follow after the last step.";
            return walk.report(node.span(), "weights_not_increasing", message, fix);
        }
        before = weight;
    }
}

fn apart(walk: &mut Walk<'_>, slots: &DeTable<'_>) {
    let mut seen = BTreeSet::new();
    for key in ["blue", "green"] {
        for node in list_nodes(slots.get(key)) {
            let Some(name) = node.get_ref().as_str() else { continue };
            if !seen.insert(name) {
                let message = format!("The server `{}` stands in the slots twice.", shown(name));
                walk.report(node.span(), "server_twice", message, "Give each server to one slot, once.");
            }
        }
    }
}

fn one_address(walk: &mut Walk<'_>, name: &str, span: Range<usize>, target: &DeTable<'_>) {
    let (code, what) = match (target.get("hook"), target.get("url")) {
        (None, None) => ("missing_key", "has neither `hook` nor `url`"),
        (Some(_), Some(_)) => ("hook_and_url", "has both `hook` and `url`"),
        _ => return,
    };
    let message = format!("`targets.{}` {what}.", shown(name));
    walk.report(span, code, message, "Name one of the operator's hooks as `hook`, or give the address of your own as `url`.");
}
