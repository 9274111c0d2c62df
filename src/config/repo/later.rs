//! Settings that this version reads but cannot enforce; see [`super::raw`].

#![expect(dead_code, reason = "settings of later versions are read for their shape only")]

use super::text::{Duration, Expression};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agents {
    /// As a person.
    Allow,
    /// An agent asks, a person approves.
    Request,
    /// Nothing.
    Deny,
}

/// A measurement.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Analysis {
    /// A query to Prometheus.
    Prometheus {
        query: String,
        /// CEL over `value`.
        expect: Expression,
        interval: Option<Duration>,
    },
}
