//! What a scenario leaves behind, without what differs from one run to the next.

use lockkeeper::sandbox::RepoHandle;
use regex::Regex;
use std::sync::LazyLock;

#[derive(Debug, PartialEq, Eq)]
pub struct World {
    /// Name and conclusion of the App's check runs that are over.
    pub ended: Vec<String>,
    check_runs: Vec<String>,
    releases: Vec<String>,
    deployments: Vec<String>,
    /// Workflow and state, as the command line says.
    pub runs: Vec<String>,
}

impl World {
    pub fn of(repo: &RepoHandle, app: u64, runs: &serde_json::Value) -> Self {
        let own = repo.check_runs().into_iter().filter(|check| check.app_id == app);
        let own: Vec<_> = own.collect();
        let ended = own.iter().filter_map(|check| Some(format!("{} {}", check.name, check.conclusion.as_ref()?)));
        let check_runs = own.iter().map(|c| {
            plain(&format!(
                "{} at {}: {} {:?} {:?} {:?} {:?}",
                c.name, c.sha, c.status, c.conclusion, c.title, c.summary, c.details_url
            ))
        });
        let releases = repo
            .releases()
            .into_iter()
            .map(|r| plain(&format!("{} {:?} draft {} prerelease {}: {}", r.tag, r.name, r.draft, r.prerelease, r.body)));
        let deployments = repo.deployments().into_iter().map(|d| {
            let statuses: Vec<String> = d
                .statuses
                .iter()
                .map(|s| format!("{} {:?} {} by {}", s.state, s.description, s.environment_url, s.creator))
                .collect();
            plain(&format!("{} to {}: {} {statuses:#?}", d.sha, d.environment, d.payload))
        });
        let runs = runs.as_array().unwrap().iter().map(|run| format!("{} {}", run["workflow"], run["state"]));
        Self {
            ended: sorted(ended),
            check_runs: sorted(check_runs),
            releases: sorted(releases),
            deployments: sorted(deployments),
            runs: sorted(runs),
        }
    }
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// Without ids of runs, ports and numbers in addresses.
fn plain(text: &str) -> String {
    static VARIES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|127\.0\.0\.1:\d+|/\d+\b|untagged-[0-9a-f]+").unwrap()
    });
    VARIES.replace_all(text, "…").into_owned()
}
