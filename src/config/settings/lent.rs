//! What of the operator's one repository may use, by name: read with the facts of a run, so that its plan can say what is
//! missing before anything moves.

use super::resources::{Repositories, Resources, not_lent};
use crate::domain::{Refusal, RepoName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    pub commands: BTreeSet<String>,
    pub hooks: BTreeSet<String>,
    pub prometheus: BTreeSet<String>,
    /// With the backends that may be moved; empty: all.
    pub balancers: BTreeMap<String, Vec<String>>,
    /// With the tools that may be called.
    #[serde(default)]
    pub peers: BTreeMap<String, BTreeSet<String>>,
}

impl Resources {
    pub fn lent_to(&self, repo: &RepoName) -> Lent {
        let balancers = self.balancers.iter().filter(|(_, balancer)| balancer.repositories.allow(repo));
        let peers = self.peers.iter().filter(|(_, peer)| peer.repositories.allow(repo));
        Lent {
            commands: names(&self.commands, repo, |command| &command.repositories),
            hooks: names(&self.hooks, repo, |hook| &hook.repositories),
            prometheus: names(&self.prometheus, repo, |server| &server.repositories),
            balancers: balancers.map(|(name, balancer)| (name.clone(), balancer.backends.clone())).collect(),
            peers: peers.map(|(name, peer)| (name.clone(), peer.tools.keys().cloned().collect())).collect(),
        }
    }
}

impl Lent {
    /// # Errors
    /// `not_lent`.
    pub fn command(&self, name: &str, repo: &RepoName) -> Result<(), Refusal> {
        has(&self.commands, "command", name, repo)
    }

    /// # Errors
    /// `not_lent`.
    pub fn hook(&self, name: &str, repo: &RepoName) -> Result<(), Refusal> {
        has(&self.hooks, "hook", name, repo)
    }

    /// # Errors
    /// `not_lent`.
    pub fn prometheus(&self, name: &str, repo: &RepoName) -> Result<(), Refusal> {
        has(&self.prometheus, "prometheus", name, repo)
    }

    /// # Errors
    /// `not_lent`; `balancer_not_allowed` where it is another backend that is lent.
    pub fn balancer(&self, name: &str, backend: &str, repo: &RepoName) -> Result<(), Refusal> {
        let Some(backends) = self.balancers.get(name) else {
            return Err(not_lent("balancer", name, repo, self.balancers.keys()));
        };
        if backends.is_empty() || backends.iter().any(|lent| lent == backend) {
            return Ok(());
        }
        Err(Refusal::user(
            "balancer_not_allowed",
            format!("{repo} may not move users with the backend {} of the balancer {name}.", backend.escape_debug()),
            format!(
                "Use one of `{}`, or ask the operator to add it to `backends` of [balancers.{name}].",
                backends.join("`, `")
            ),
        ))
    }
}

impl Lent {
    /// # Errors
    /// `not_lent`; `peer_tool_not_allowed` where it is another tool that may be called.
    pub fn peer(&self, name: &str, tool: &str, repo: &RepoName) -> Result<(), Refusal> {
        let Some(tools) = self.peers.get(name) else {
            return Err(not_lent("peer", name, repo, self.peers.keys()));
        };
        if tools.contains(tool) {
            return Ok(());
        }
        let ask = format!("sk the operator to pin it in `tools` of [peers.{name}].");
        let known = tools.iter().map(String::as_str).collect::<Vec<_>>().join("`, `");
        Err(Refusal::user(
            "peer_tool_not_allowed",
            format!("The tool {} of the peer {name} may not be called.", tool.escape_debug()),
            if known.is_empty() { format!("A{ask}") } else { format!("Use one of `{known}`, or a{ask}") },
        ))
    }
}

fn names<T>(all: &BTreeMap<String, T>, repo: &RepoName, who: impl Fn(&T) -> &Repositories) -> BTreeSet<String> {
    all.iter().filter(|(_, one)| who(one).allow(repo)).map(|(name, _)| name.clone()).collect()
}

fn has(lent: &BTreeSet<String>, what: &str, name: &str, repo: &RepoName) -> Result<(), Refusal> {
    if lent.contains(name) { Ok(()) } else { Err(not_lent(what, name, repo, lent.iter())) }
}

#[cfg(test)]
mod tests {
    use super::super::{BalancerAddress, BalancerSettings, PeerAddress, PeerSettings, PrometheusSettings};
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_repository_is_told_what_it_may_use_and_nothing_of_what_others_may() {
        let to = |who: &str| Repositories(vec![who.to_owned()]);
        let server = |who: &str| PrometheusSettings { url: "http://10.0.0.5:9090".into(), repositories: to(who) };
        let balancer = |backends: &[&str]| BalancerSettings {
            address: BalancerAddress::Tcp("127.0.0.1:9999".into()),
            timeout: Duration::from_secs(5),
            backends: backends.iter().map(|b| (*b).to_owned()).collect(),
            repositories: to("acme/*"),
        };
        let mut all = Resources::default();
        all.prometheus.insert("default".into(), server("acme/*"));
        all.prometheus.insert("secret".into(), server("evil/*"));
        all.balancers.insert("edge".into(), balancer(&["web", "api"]));
        all.balancers.insert("any".into(), balancer(&[]));
        let peer = |who: &str, tools: &[&str]| PeerSettings {
            at: PeerAddress::Url("http://10.0.0.5/mcp".into()),
            tools: tools.iter().map(|tool| ((*tool).to_owned(), String::new())).collect(),
            timeout: Duration::from_secs(5),
            max_bytes: 1024,
            credential: None,
            repositories: to(who),
        };
        all.peers.insert("security".into(), peer("acme/*", &["scan", "look"]));
        all.peers.insert("theirs".into(), peer("evil/*", &["scan"]));
        let repo = RepoName::parse("acme/shop").unwrap();
        let lent = all.lent_to(&repo);
        assert_eq!((lent.prometheus("default", &repo), lent.balancer("any", "x", &repo)), (Ok(()), Ok(())));
        assert_eq!(lent.balancer("edge", "api", &repo), Ok(()));
        assert_eq!(lent.peer("security", "scan", &repo), Ok(()));
        for (refused, code, says) in [
            (lent.prometheus("secret", &repo), "not_lent", "Use `default`"),
            (lent.command("deploy", &repo), "not_lent", "Ask the operator to lend it"),
            (lent.hook("h", &repo), "not_lent", "Ask the operator to lend it"),
            (lent.balancer("x", "web", &repo), "not_lent", "Use one of `any`, `edge`"),
            (lent.peer("theirs", "scan", &repo), "not_lent", "Use `security`"),
            (lent.peer("security", "fix", &repo), "peer_tool_not_allowed", "Use one of `look`, `scan`"),
            (lent.balancer("edge", "db", &repo), "balancer_not_allowed", "Use one of `web`, `api`"),
        ] {
            let refusal = refused.unwrap_err();
            assert!(refusal.code == code && refusal.fix.contains(says), "{refusal:?}");
            let told = format!("{} {}", refusal.message, refusal.fix);
            assert!(!told.contains("10.0.0.5") && !told.contains("evil"), "{told}");
        }
        assert_eq!(all.lent_to(&RepoName::parse("other/x").unwrap()), Lent::default());
    }
}
