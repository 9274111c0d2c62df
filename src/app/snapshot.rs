//! What the metrics say about the moment.

use crate::domain::Millis;
use crate::engine::host::Host;
use crate::github::GitHub;
use crate::store::runs::{Filter, RunState};
use crate::store::{Store, inbox, outbox};
use crate::surfaces::http::Snapshot;

/// A part that cannot be read stays at zero; the readiness says why.
pub async fn take(store: &Store, github: &GitHub, host: &Host, now: Millis) -> Snapshot {
    let depth = store.read(inbox::depth).await.ok();
    let untold = store.read(outbox::left).await.unwrap_or_default();
    let active = host.list(Filter { state: Some(RunState::Active), limit: Some(100_000), ..Filter::default() }).await;
    let (load, commits) = (host.load(), store.commit_times());
    Snapshot {
        inbox_depth: depth.as_ref().map_or(0, |d| d.pending),
        inbox_oldest: depth.as_ref().and_then(|d| d.oldest).map(|at| at.until(now)).unwrap_or_default(),
        dead_letters: depth.as_ref().map_or(0, |d| d.dead),
        outbox_depth: untold.messages,
        outbox_oldest: untold.oldest.map(|at| at.until(now)).unwrap_or_default(),
        runs: vec![
            ("active".to_owned(), active.map_or(0, |all| count(all.len()))),
            ("calls_running".to_owned(), count(load.running)),
            ("calls_waiting".to_owned(), count(load.waiting)),
            ("timed".to_owned(), count(load.timed)),
        ],
        github_calls: github.calls().iter().map(|c| c.count).sum(),
        github_quota: github.quotas().iter().filter_map(|q| Some((q.installation?.0, q.remaining))).collect(),
        commit_p50: commits.median,
        commit_p99: commits.p99,
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
