//! `[[environments.NAME.analysis]]` as types: where numbers come from and what they must be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One metric that is watched while users are moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalysisPolicy {
    /// For people; unique within its environment.
    pub name: String,
    pub source: AnalysisSource,
    pub metric: MetricPolicy,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AnalysisSource {
    Prometheus(PrometheusSource),
    Haproxy(HaproxySource),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrometheusSource {
    /// A `[prometheus.NAME]` of the operator's settings; never an address.
    pub prometheus: String,
    /// Placeholders are filled in by [`super::fill_query`].
    pub query: String,
    pub baseline: Option<Baseline>,
    /// For one query.
    pub timeout: Duration,
}

/// What `baseline` in the expression is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// The same query, with the slot of the stable copy.
    Same,
    /// A query of its own, with the slot of the stable copy.
    Query(String),
}

/// Counters of the balancer that moves the users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HaproxySource {
    /// Whether `baseline` holds the same numbers of the stable copy.
    pub baseline: bool,
}

/// When a metric's measurements are enough, and when they are too bad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPolicy {
    /// CEL over `value` or the source's own names, and `baseline`; a measurement is good if it is true.
    pub expect: String,
    /// Longest pause between two measurements.
    pub interval: Duration,
    /// How many good measurements make it pass; at least 1.
    pub count: u32,
    /// How many bad measurements are borne among the last `window`; one more fails at once. Less than `window`.
    pub failure_limit: u32,
    /// How many of the last good or bad measurements are looked at; at least 1.
    pub window: u32,
    /// How many errors of the source in a row are borne.
    pub consecutive_errors: u32,
    /// How many measurements without an answer to judge are borne among the last `window`.
    pub inconclusive_limit: u32,
    pub no_data: NoData,
    /// Before the first measurement.
    pub delay: Duration,
    /// From the start; what has not passed by then is inconclusive.
    pub within: Duration,
}

/// What an empty answer, or NaN (nothing divided by nothing), means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoData {
    /// It counts toward `inconclusive_limit`.
    #[default]
    Inconclusive,
    /// It is a bad measurement.
    Failure,
    /// Nothing: the next measurement is waited for, until `within` is over.
    Wait,
}
