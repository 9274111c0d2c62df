//! What `/metrics` tells, in the Prometheus text format.
//!
//! Invariants: labels are bounded (an event that we do not know is `other`); what the store and the GitHub adapter know is
//! asked for when somebody looks, not kept twice.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeliveryLabels {
    event: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InstallationLabels {
    installation: u64,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QuantileLabels {
    quantile: &'static str,
}

/// What others know at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Deliveries that are stored and not yet done.
    pub inbox_depth: u64,
    /// Age of the oldest of them.
    pub inbox_oldest: Duration,
    pub dead_letters: u64,
    /// News that somebody has not taken yet.
    pub outbox_depth: u64,
    /// Age of the oldest of it.
    pub outbox_oldest: Duration,
    /// Runs by state.
    pub runs: Vec<(String, u64)>,
    /// Requests to GitHub since the start; a 304 counts.
    pub github_calls: u64,
    /// (installation, calls left in its window).
    pub github_quota: Vec<(u64, u64)>,
    /// Commits of the store: median and 99th percentile of the last ones.
    pub commit_p50: Duration,
    pub commit_p99: Duration,
}

/// Counted as it happens, and the registry that writes it down.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    deliveries: Family<DeliveryLabels, Counter>,
    webhook: Histogram,
    inbox_depth: Gauge<u64, AtomicU64>,
    inbox_oldest: Gauge<f64, AtomicU64>,
    dead_letters: Gauge<u64, AtomicU64>,
    outbox_depth: Gauge<u64, AtomicU64>,
    outbox_oldest: Gauge<f64, AtomicU64>,
    runs: Family<StateLabels, Gauge<u64, AtomicU64>>,
    github_calls: Gauge<u64, AtomicU64>,
    github_quota: Family<InstallationLabels, Gauge<u64, AtomicU64>>,
    commit: Family<QuantileLabels, Gauge<f64, AtomicU64>>,
}

/// Seconds: from a tenth of a millisecond to GitHub's patience.
const WEBHOOK_BUCKETS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("lockkeeper");
        let webhook = Histogram::new(WEBHOOK_BUCKETS);
        let metrics = Self {
            deliveries: Family::default(),
            webhook: webhook.clone(),
            inbox_depth: Gauge::default(),
            inbox_oldest: Gauge::default(),
            dead_letters: Gauge::default(),
            outbox_depth: Gauge::default(),
            outbox_oldest: Gauge::default(),
            runs: Family::default(),
            github_calls: Gauge::default(),
            github_quota: Family::default(),
            commit: Family::default(),
            registry: Registry::default(),
        };
        registry.register("deliveries", "Webhook requests by event and answer", metrics.deliveries.clone());
        registry.register_with_unit("webhook", "Time to answer a webhook request", Unit::Seconds, webhook);
        registry.register("inbox_depth", "Deliveries stored and not yet done", metrics.inbox_depth.clone());
        registry.register_with_unit("inbox_oldest", "Age of the oldest of them", Unit::Seconds, metrics.inbox_oldest.clone());
        registry.register("dead_letters", "Deliveries given up", metrics.dead_letters.clone());
        registry.register("outbox_depth", "News that somebody has not taken yet", metrics.outbox_depth.clone());
        registry.register_with_unit("outbox_oldest", "Age of the oldest of it", Unit::Seconds, metrics.outbox_oldest.clone());
        registry.register("runs", "Runs by state", metrics.runs.clone());
        registry.register("github_calls", "Requests to GitHub since the start", metrics.github_calls.clone());
        registry.register("github_quota", "Requests left in an installation's window", metrics.github_quota.clone());
        registry.register_with_unit("store_commit", "Time of a commit of the store", Unit::Seconds, metrics.commit.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// One webhook request was answered.
    pub fn webhook(&self, event: &'static str, status: &'static str, took: Duration) {
        self.deliveries.get_or_create(&DeliveryLabels { event, status }).inc();
        self.webhook.observe(took.as_secs_f64());
    }

    /// The Prometheus text.
    pub fn encode(&self, now: &Snapshot) -> Result<String, std::fmt::Error> {
        self.inbox_depth.set(now.inbox_depth);
        self.inbox_oldest.set(now.inbox_oldest.as_secs_f64());
        self.dead_letters.set(now.dead_letters);
        self.outbox_depth.set(now.outbox_depth);
        self.outbox_oldest.set(now.outbox_oldest.as_secs_f64());
        // States and installations that are gone must not linger.
        self.runs.clear();
        for (state, count) in &now.runs {
            self.runs.get_or_create(&StateLabels { state: state.clone() }).set(*count);
        }
        self.github_calls.set(now.github_calls);
        self.github_quota.clear();
        for (installation, left) in &now.github_quota {
            self.github_quota.get_or_create(&InstallationLabels { installation: *installation }).set(*left);
        }
        for (quantile, took) in [("0.5", now.commit_p50), ("0.99", now.commit_p99)] {
            self.commit.get_or_create(&QuantileLabels { quantile }).set(took.as_secs_f64());
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_everything_with_its_unit() {
        let metrics = Metrics::default();
        metrics.webhook("push", "accepted", Duration::from_millis(3));
        metrics.webhook("push", "accepted", Duration::from_millis(3));
        let first = Snapshot { runs: vec![("waiting".into(), 2)], github_quota: vec![(7, 4999)], ..Snapshot::default() };
        metrics.encode(&first).unwrap();
        let now = Snapshot { inbox_depth: 4, runs: vec![("done".into(), 1)], commit_p99: Duration::from_millis(2), ..first };
        let text = metrics.encode(&now).unwrap();
        for line in [
            "lockkeeper_deliveries_total{event=\"push\",status=\"accepted\"} 2",
            "lockkeeper_webhook_seconds_count 2",
            "lockkeeper_inbox_depth 4",
            "lockkeeper_runs{state=\"done\"} 1",
            "lockkeeper_github_quota{installation=\"7\"} 4999",
            "lockkeeper_store_commit_seconds{quantile=\"0.99\"} 0.002",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("state=\"waiting\""), "a state that is gone lingers");
    }
}
