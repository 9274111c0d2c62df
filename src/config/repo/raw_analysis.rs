//! `[[…analysis]]` as it is written; see [`super::raw`].

use super::NoData;
use super::text::{Duration, Expression, Query};
use schemars::JsonSchema;
use serde::Deserialize;

/// A metric that is measured again and again while users are moved. It passes after `count` good measurements, fails at
/// once when too many of the last ones are bad, and is inconclusive, which is never a pass, when too much is unknown.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Analysis {
    /// A query to a Prometheus that the operator has lent to this repository.
    Prometheus {
        /// For people. Without it: the kind and its place in the list.
        #[schemars(length(min = 1, max = 100), extend("examples" = ["errors"]))]
        name: Option<String>,
        /// Which of the operator's servers.
        #[serde(default = "default_server")]
        #[schemars(extend("x-format" = "name"))]
        prometheus: String,
        /// PromQL that gives one number. Within quotes it may hold `{{ slot }}`, `{{ environment }}`, `{{ version }}` and
        /// `{{ sha }}`, which are escaped.
        query: Query,
        /// What `baseline` is: `true` for the same query about the slot of the stable copy, or a query of its own.
        baseline: Option<Baseline>,
        /// CEL over `value` and, if there is one, `baseline`; both are doubles, as in `value < 2.0 * baseline`.
        #[schemars(extend("examples" = ["value < 0.01"]))]
        expect: Expression,
        /// For one query; a slower answer is an error.
        #[serde(default = "ten_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Duration,
        /// Longest pause between two measurements.
        #[serde(default = "thirty_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
        interval: Duration,
        /// How many good measurements it takes to pass.
        #[serde(default = "five")]
        #[schemars(range(min = 1, max = 1000))]
        count: u16,
        /// How many bad measurements are borne among the last `window`.
        #[serde(default)]
        #[schemars(range(min = 0, max = 999))]
        failure_limit: u16,
        /// How many of the last good or bad measurements are looked at. Without it: `count`.
        #[schemars(range(min = 1, max = 1000))]
        window: Option<u16>,
        /// How many errors in a row are borne before it is inconclusive.
        #[serde(default = "four")]
        #[schemars(range(min = 0, max = 1000))]
        consecutive_errors: u16,
        /// How many measurements without a usable number are borne among the last `window` before it is inconclusive.
        #[serde(default = "three")]
        #[schemars(range(min = 0, max = 1000))]
        inconclusive_limit: u16,
        /// What an empty answer means, and one that is not a number, as nothing divided by nothing.
        #[serde(default)]
        no_data: NoData,
        /// Before the first measurement.
        #[serde(default = "at_once")]
        #[schemars(extend("x-max" = "1d"))]
        delay: Duration,
        /// What has not passed by then is inconclusive. Without it: three times as long as it should take, at least 5m.
        #[schemars(extend("x-min" = "1s", "x-max" = "7d"))]
        within: Option<Duration>,
    },
    /// The counters of the HAProxy that moves the users, from one measurement to the next.
    Haproxy {
        /// For people. Without it: the kind and its place in the list.
        #[schemars(length(min = 1, max = 100), extend("examples" = ["errors"]))]
        name: Option<String>,
        /// Whether `baseline` holds the same numbers of the stable copy, as in `baseline.error_rate`.
        #[serde(default)]
        baseline: bool,
        /// CEL over `error_rate`, `errors`, `requests`, `latency_ms` and, if asked for, `baseline`; all of them doubles.
        #[schemars(extend("examples" = ["error_rate < 0.01"]))]
        expect: Expression,
        /// Longest pause between two measurements.
        #[serde(default = "thirty_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
        interval: Duration,
        /// How many good measurements it takes to pass.
        #[serde(default = "five")]
        #[schemars(range(min = 1, max = 1000))]
        count: u16,
        /// How many bad measurements are borne among the last `window`.
        #[serde(default)]
        #[schemars(range(min = 0, max = 999))]
        failure_limit: u16,
        /// How many of the last good or bad measurements are looked at. Without it: `count`.
        #[schemars(range(min = 1, max = 1000))]
        window: Option<u16>,
        /// How many errors in a row are borne before it is inconclusive.
        #[serde(default = "four")]
        #[schemars(range(min = 0, max = 1000))]
        consecutive_errors: u16,
        /// How many measurements without a usable number are borne among the last `window` before it is inconclusive.
        #[serde(default = "three")]
        #[schemars(range(min = 0, max = 1000))]
        inconclusive_limit: u16,
        /// What it means that there was no request.
        #[serde(default)]
        no_data: NoData,
        /// Before the first measurement.
        #[serde(default = "at_once")]
        #[schemars(extend("x-max" = "1d"))]
        delay: Duration,
        /// What has not passed by then is inconclusive. Without it: three times as long as it should take, at least 5m.
        #[schemars(extend("x-min" = "1s", "x-max" = "7d"))]
        within: Option<Duration>,
    },
}

/// `true`, or a query.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Baseline {
    Same(bool),
    Query(Query),
}

fn default_server() -> String {
    "default".into()
}
fn at_once() -> Duration {
    Duration("0s".into())
}
fn ten_seconds() -> Duration {
    Duration("10s".into())
}
fn thirty_seconds() -> Duration {
    Duration("30s".into())
}
fn three() -> u16 {
    3
}
fn four() -> u16 {
    4
}
fn five() -> u16 {
    5
}
