//! `[[environments.NAME.health]]` and `[[environments.NAME.smoke]]` as types.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A question that is asked until its expectation holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HealthCheck {
    Http(HttpCheck),
    Tcp(TcpCheck),
    Mcp(McpCheck),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// May hold the placeholders of the file `format.rs`.
    pub url: String,
    /// CEL over `status`, `body` (JSON or text), `headers`, `latency_ms`, `version`, `sha`, `environment`.
    pub expect: String,
    /// For one request.
    pub timeout: Duration,
    /// How long to go on trying until the expectation holds.
    pub within: Duration,
    pub interval: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TcpCheck {
    /// `host:port`; may hold the same placeholders.
    pub address: String,
    /// For one connection.
    pub timeout: Duration,
    pub within: Duration,
    pub interval: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct McpCheck {
    /// The endpoint; may hold the same placeholders.
    pub url: String,
    /// CEL over `server` (`name`, `version`), `protocol`, `tools` (names), `latency_ms`, `version`, `sha`, `environment`.
    pub expect: String,
    /// For one conversation.
    pub timeout: Duration,
    pub within: Duration,
    pub interval: Duration,
}

/// One of a suite that is asked in order, after the health checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmokeTest {
    /// For people; unique within its environment.
    pub name: String,
    /// `within` is how long all its tries may take; the number of tries is what counts.
    pub check: HealthCheck,
    /// How often it may be tried again.
    pub retries: u32,
}

impl HealthCheck {
    /// URL or address, as written.
    pub fn place(&self) -> &str {
        match self {
            Self::Http(check) => &check.url,
            Self::Tcp(check) => &check.address,
            Self::Mcp(check) => &check.url,
        }
    }

    /// The same check elsewhere.
    #[must_use]
    pub fn at(&self, place: String) -> Self {
        match self.clone() {
            Self::Http(check) => Self::Http(HttpCheck { url: place, ..check }),
            Self::Tcp(check) => Self::Tcp(TcpCheck { address: place, ..check }),
            Self::Mcp(check) => Self::Mcp(McpCheck { url: place, ..check }),
        }
    }

    /// How long to go on trying.
    pub fn within(&self) -> Duration {
        match self {
            Self::Http(check) => check.within,
            Self::Tcp(check) => check.within,
            Self::Mcp(check) => check.within,
        }
    }

    /// The pause between two tries.
    pub fn interval(&self) -> Duration {
        match self {
            Self::Http(check) => check.interval,
            Self::Tcp(check) => check.interval,
            Self::Mcp(check) => check.interval,
        }
    }
}
