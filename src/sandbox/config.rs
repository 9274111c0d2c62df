//! What a sandbox is started with, and what can go wrong with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Where signed webhooks go.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An `http://` address; the sandbox speaks no TLS.
    pub url: String,
    pub secret: String,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The App under test and the address of the stand-in.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Can be set later: [`Sandbox::set_webhook`](super::Sandbox::set_webhook).
    pub webhook: Option<Webhook>,
    pub app_id: u64,
    /// The App's bot is `<slug>[bot]`.
    pub app_slug: String,
    /// What the App was registered with; every installation grants it. `metadata: read` is implied.
    pub permissions: BTreeMap<String, String>,
    /// Events that the App subscribes to; installation events and ping come anyway.
    pub events: Vec<String>,
    /// Requests per hour and installation; points per hour for GraphQL.
    pub rate_limit: u64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let permissions = [
            ("actions", "write"),
            ("attestations", "read"),
            ("checks", "write"),
            ("contents", "write"),
            ("deployments", "write"),
            ("issues", "read"),
            ("members", "read"),
            ("merge_queues", "read"),
            ("pull_requests", "write"),
            ("statuses", "read"),
        ];
        let events = "check_run check_suite create delete deployment deployment_protection_rule \
                      deployment_review deployment_status issue_comment merge_group pull_request push \
                      release repository status workflow_run";
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            webhook: None,
            app_id: 2_100_042,
            app_slug: "lockkeeper".into(),
            permissions: permissions.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            events: events.split_whitespace().map(str::to_owned).collect(),
            rate_limit: 5_000,
        }
    }
}

/// Why the sandbox could not do what the test asked for.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox could not start: {0}")]
    Start(String),
    #[error("git: {0}")]
    Git(String),
    /// The caller named something that is not there, or asked for something that GitHub would refuse.
    #[error("{0}")]
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands indented below a top key of app.yml, comments aside.
    fn section(key: &str) -> Vec<&'static str> {
        let below = include_str!("../../app.yml").lines().skip_while(|line| *line != format!("{key}:")).skip(1);
        below.take_while(|line| line.starts_with("  ")).map(|line| line.split('#').next().unwrap().trim()).collect()
    }

    /// Otherwise every test would be about an App that nobody installs.
    #[test]
    fn the_app_of_the_sandbox_is_the_one_that_people_install() {
        let config = SandboxConfig::default();
        let mut granted = config.permissions.clone();
        granted.insert("metadata".into(), "read".into()); // GitHub grants it with any other
        let granted: Vec<String> = granted.iter().map(|(name, access)| format!("{name}: {access}")).collect();
        assert_eq!(granted, section("default_permissions"));
        let events: Vec<String> = config.events.iter().map(|name| format!("- {name}")).collect();
        assert_eq!(events, section("default_events"));
        let name = format!("name: {}", config.app_slug);
        assert!(include_str!("../../app.yml").lines().any(|line| line == name), "{name}");
    }
}
