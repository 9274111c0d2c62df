//! What the App has to be given: the union of what the calls and the events need, and the events that Lockkeeper acts on.
//!
//! Invariant: `app.yml` says exactly this (tested here), so that nobody grants more than is used.

use super::{Access, Operation, Permission};
use std::collections::BTreeMap;

/// Events that the webhook acts on. `installation`, `installation_repositories` and `ping` come without being asked for.
pub const EVENTS: &[&str] = &[
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_protection_rule",
    "deployment_review",
    "deployment_status",
    "issue_comment",
    "merge_group",
    "pull_request",
    "push",
    "release",
    "repository",
    "status",
    "workflow_run",
];

/// What an event needs that no call needs: GitHub sends comments, also those on pull requests, to those who may read issues.
const FOR_EVENTS: [(Permission, Access); 2] = [(Permission::Issues, Access::Read), (Permission::MergeQueues, Access::Read)];

/// The least that the App must be granted.
pub fn required_permissions() -> BTreeMap<Permission, Access> {
    let mut union: BTreeMap<Permission, Access> = BTreeMap::new();
    for (permission, access) in Operation::ALL.iter().flat_map(|operation| operation.needs()).chain(&FOR_EVENTS) {
        let granted = union.entry(*permission).or_insert(*access);
        *granted = (*granted).max(*access);
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `key: value` and `- item` lines below a top-level key.
    fn section<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
        let below = yaml.lines().skip_while(|line| *line != format!("{key}:")).skip(1);
        below.take_while(|line| line.starts_with("  ")).map(|line| line.split('#').next().unwrap().trim()).collect()
    }

    fn top_keys(yaml: &str) -> Vec<&str> {
        let top = |line: &&str| !line.starts_with([' ', '#']) && line.contains(':');
        yaml.lines().filter(top).map(|line| line.split(':').next().unwrap()).collect()
    }

    #[test]
    fn the_manifest_asks_for_exactly_what_is_used() {
        let yaml = include_str!("../../app.yml");
        let wanted: Vec<String> = required_permissions()
            .iter()
            .map(|(permission, access)| format!("{}: {}", permission.key(), access.key()))
            .collect();
        assert_eq!(section(yaml, "default_permissions"), wanted);
        let events: Vec<String> = EVENTS.iter().map(|event| format!("- {event}")).collect();
        assert_eq!(section(yaml, "default_events"), events);
        assert_eq!(
            top_keys(yaml),
            ["name", "url", "description", "public", "hook_attributes", "default_permissions", "default_events"]
        );
    }

    /// Otherwise the union would hold a permission that nothing uses.
    #[test]
    fn every_operation_is_called_somewhere() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/github");
        let sources: String = std::fs::read_dir(here)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "rs") && !path.ends_with("operations.rs"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        for operation in Operation::ALL {
            let name = format!("Operation::{}", operation.name());
            let used = sources
                .match_indices(&name)
                .any(|(at, _)| !sources[at + name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()));
            assert!(used, "{name} is called nowhere");
        }
    }
}
