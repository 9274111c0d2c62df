//! `[[…health]]` and `[[…smoke]]` as they are written; see [`super::raw`].

#![expect(dead_code, reason = "settings of later versions are read for their shape only")]

use super::text::{Duration, Expression};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A question that the new version must answer. Before users are moved again it is asked once more if its last good answer is
/// older than a minute.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Health {
    /// A request, repeated until the expectation holds.
    Http {
        /// May hold `{{ environment_url }}`, `{{ version }}`, `{{ sha }}`, `{{ environment }}` and `{{ slot }}`.
        #[schemars(extend("x-format" = "url_template", "examples" = ["{{ environment_url }}/healthz"]))]
        url: String,
        /// CEL over `status`, `body` (JSON or text), `headers` (names in lower case), `latency_ms`, `version`, `sha` and
        /// `environment`.
        #[serde(default = "any_success")]
        expect: Expression,
        /// For one request.
        #[serde(default = "ten_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Duration,
        /// How long to go on trying.
        #[serde(default = "five_minutes")]
        #[schemars(extend("x-max" = "1d"))]
        within: Duration,
        /// Pause between two requests.
        #[serde(default = "five_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
        interval: Duration,
    },
    /// A connection that must open; nothing is sent.
    Tcp {
        /// Host and port; may hold the same placeholders.
        #[schemars(extend("x-format" = "address_template", "examples" = ["db.example.com:5432"]))]
        address: String,
        /// For one connection.
        #[serde(default = "five_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Duration,
        /// How long to go on trying.
        #[serde(default = "five_minutes")]
        #[schemars(extend("x-max" = "1d"))]
        within: Duration,
        /// Pause between two tries.
        #[serde(default = "five_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
        interval: Duration,
    },
    /// An MCP server (streamable HTTP) that must answer and list its tools; none is called.
    Mcp {
        /// Its endpoint; may hold the same placeholders.
        #[schemars(extend("x-format" = "url_template", "examples" = ["{{ environment_url }}/mcp"]))]
        url: String,
        /// CEL over `server.name`, `server.version`, `protocol` (its version), `tools` (their names), `latency_ms`,
        /// `version`, `sha` and `environment`.
        #[serde(default = "any_tool")]
        #[schemars(extend("examples" = ["server.version == version"]))]
        expect: Expression,
        /// For one conversation.
        #[serde(default = "twenty_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Duration,
        /// How long to go on trying.
        #[serde(default = "five_minutes")]
        #[schemars(extend("x-max" = "1d"))]
        within: Duration,
        /// Pause between two tries.
        #[serde(default = "five_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
        interval: Duration,
    },
    /// A tool of another MCP server, which answers for the new version.
    #[schemars(extend("x-later" = true))]
    Peer {
        #[schemars(extend("x-format" = "name"))]
        peer: String,
        #[schemars(extend("x-format" = "name"))]
        tool: String,
        #[serde(default)]
        arguments: BTreeMap<String, serde_json::Value>,
        /// CEL over `result`.
        #[schemars(extend("examples" = ["result.passed"]))]
        expect: Expression,
    },
}

/// One test of the suite, which is asked in the order of the file once all health checks have passed. The kinds and their
/// keys are those of health checks.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Smoke {
    /// A request.
    Http {
        /// What it shows, in few words.
        #[schemars(length(min = 1, max = 100), extend("examples" = ["a guest can order"]))]
        name: String,
        #[schemars(extend("x-format" = "url_template", "examples" = ["{{ environment_url }}/api/orders/demo"]))]
        url: String,
        #[serde(default = "any_success")]
        expect: Expression,
        #[serde(default = "ten_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Duration,
        /// How often it is tried again before it has failed.
        #[serde(default = "two")]
        #[schemars(range(min = 0, max = 10))]
        retries: u8,
        /// Pause before it is tried again.
        #[serde(default = "five_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "5m"))]
        interval: Duration,
    },
    /// A connection that must open.
    Tcp {
        #[schemars(length(min = 1, max = 100), extend("examples" = ["the queue is open"]))]
        name: String,
        #[schemars(extend("x-format" = "address_template", "examples" = ["db.example.com:5432"]))]
        address: String,
        #[serde(default = "five_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Duration,
        #[serde(default = "two")]
        #[schemars(range(min = 0, max = 10))]
        retries: u8,
        #[serde(default = "five_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "5m"))]
        interval: Duration,
    },
    /// An MCP server that must answer and list its tools.
    Mcp {
        #[schemars(length(min = 1, max = 100), extend("examples" = ["agents can deploy"]))]
        name: String,
        #[schemars(extend("x-format" = "url_template", "examples" = ["{{ environment_url }}/mcp"]))]
        url: String,
        #[serde(default = "any_tool")]
        #[schemars(extend("examples" = ["server.version == version"]))]
        expect: Expression,
        #[serde(default = "twenty_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Duration,
        #[serde(default = "two")]
        #[schemars(range(min = 0, max = 10))]
        retries: u8,
        #[serde(default = "five_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "5m"))]
        interval: Duration,
    },
}

fn two() -> u8 {
    2
}
pub(super) fn any_success() -> Expression {
    Expression("status >= 200 && status < 300".into())
}
fn any_tool() -> Expression {
    Expression("size(tools) > 0".into())
}
fn five_seconds() -> Duration {
    Duration("5s".into())
}
fn ten_seconds() -> Duration {
    Duration("10s".into())
}
fn twenty_seconds() -> Duration {
    Duration("20s".into())
}
fn five_minutes() -> Duration {
    Duration("5m".into())
}
