//! One attempt to speak with an MCP server: discover or initialize, then list the tools. No tool is called.
//!
//! The client is the one of all health checks, so every request is guarded; redirects are not followed, since no MCP server
//! need redirect its endpoint. Nothing is offered to the server (no sampling, no elicitation, no roots), and what it sends is
//! bounded: the size of an answer, the pages and number of tools, and the time of the whole attempt.

use super::prober::{Prober, read_url};
use super::report::{ProbeReport, Subject, expectation, settle, timed, unreachable};
use super::text::{millis, shown};
use crate::expect::Expression;
use reqwest::Url;
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, PaginatedRequestParams, ProtocolVersion, ServerPeerInfo};
use rmcp::service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError};
use serde_json::{Value as Json, json};
use std::error::Error;
use std::time::{Duration, Instant};

/// Most that is read of one answer, in bytes.
const LARGEST: usize = 1 << 20;
const MOST_PAGES: usize = 20;
const MOST_TOOLS: usize = 1_000;
/// Longest that is kept of a name or version, in characters.
const LONGEST: usize = 200;

type Session = RunningService<RoleClient, ClientConfig>;

/// What to ask and what to expect; placeholders are already filled in.
#[derive(Clone, Copy, Debug)]
pub struct McpProbe<'a> {
    /// The endpoint, as in `https://example.com/mcp`.
    pub url: &'a str,
    /// CEL over `server` (`name`, `version`), `protocol`, `tools` (names), `latency_ms` and what follows.
    pub expect: &'a str,
    /// For the whole attempt; at most a minute.
    pub timeout: Duration,
    pub subject: Subject<'a>,
}

impl Prober {
    /// One attempt.
    pub async fn mcp(&self, probe: &McpProbe<'_>) -> ProbeReport {
        let start = Instant::now();
        let expression = match expectation(probe.expect) {
            Ok(expression) => expression,
            Err(report) => return report,
        };
        timed(&shown(probe.url), probe.timeout, start, self.converse(probe, &expression, start)).await
    }

    async fn converse(
        &self,
        probe: &McpProbe<'_>,
        expression: &Expression,
        start: Instant,
    ) -> Result<ProbeReport, ProbeReport> {
        let url = read_url(probe.url)?;
        self.guard(&url)?;
        let session = self.open(&url).await?;
        let tools = tools(&session, &url).await?;
        let latency_ms = millis(start);
        let info = session.peer_info();
        // Tells the server that we leave; how it takes that says nothing about its health.
        drop(session.cancel().await);
        let info = info.ok_or_else(|| broken(&url))?;
        let protocol = info.protocol_version.to_string();
        let mut variables =
            probe.subject.variables(latency_ms).with("protocol", &json!(cut(&protocol))).with("tools", &json!(tools));
        if let Some(server) = server(&info) {
            variables = variables.with("server", &server);
        }
        let count = tools.len();
        let answered = format!("{} answered as an MCP server with {count} tools in {latency_ms} ms", shown(url.as_str()));
        Ok(settle(expression, &variables, &answered, None, latency_ms))
    }

    /// A server that answers the question of the new era and speaks only the old one is asked again in the old way.
    async fn open(&self, url: &Url) -> Result<Session, ProbeReport> {
        let auto = ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None };
        let opened = match self.begin(url, auto).await {
            Err(ClientInitializeError::NoCompatibleProtocolVersion { .. }) => {
                self.begin(url, ClientLifecycleMode::Initialize).await
            }
            opened => opened,
        };
        opened.map_err(|error| not_opened(url, &error))
    }

    async fn begin(&self, url: &Url, lifecycle: ClientLifecycleMode) -> Result<Session, ClientInitializeError> {
        let config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
            .max_json_response_size(LARGEST)
            .max_sse_event_size(LARGEST)
            .max_error_response_size(1 << 10)
            .reinit_on_expired_session(false);
        let transport = StreamableHttpClientTransport::with_client(self.client.clone(), config);
        let us = ClientConfig::new(ClientCapabilities::default(), Implementation::new("lockkeeper", env!("CARGO_PKG_VERSION")));
        us.serve_with_lifecycle(transport, lifecycle).await
    }
}

/// Names of all tools; a server that says it has none is not asked.
async fn tools(session: &Session, url: &Url) -> Result<Vec<String>, ProbeReport> {
    let mut names = Vec::new();
    if session.peer_info().is_none_or(|info| info.capabilities.tools.is_none()) {
        return Ok(names);
    }
    let mut cursor = None;
    for _ in 0..MOST_PAGES {
        let request = PaginatedRequestParams::default().with_cursor(cursor);
        let page = session.list_tools(Some(request)).await.map_err(|error| not_listed(url, &error))?;
        names.extend(page.tools.iter().map(|tool| cut(&tool.name)));
        cursor = page.next_cursor;
        if names.len() > MOST_TOOLS {
            break;
        }
        if cursor.is_none() {
            return Ok(names);
        }
    }
    let reason = format!("{} lists more than {MOST_TOOLS} tools or {MOST_PAGES} pages of them.", shown(url.as_str()));
    Err(ProbeReport::not("answer_too_large", reason, "See why the server lists so many tools."))
}

fn server(info: &ServerPeerInfo) -> Option<Json> {
    info.server_info.as_ref().map(|server| json!({ "name": cut(&server.name), "version": cut(&server.version) }))
}

fn not_opened(url: &Url, error: &ClientInitializeError) -> ProbeReport {
    match error {
        ClientInitializeError::TransportError { error, .. } => transport(url, error.error.as_ref()),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => not_opened(url, fallback),
        ClientInitializeError::JsonRpcError(error) => {
            let reason = format!("{} refused to begin, with the error {}.", shown(url.as_str()), error.code.0);
            ProbeReport::not("mcp_refused", reason, "See the log of the MCP server.")
        }
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            let reason = format!("{} speaks no version of MCP that Lockkeeper knows.", shown(url.as_str()));
            ProbeReport::not("mcp_version_unknown", reason, "Update Lockkeeper or the MCP server.")
        }
        _ => broken(url),
    }
}

fn not_listed(url: &Url, error: &ServiceError) -> ProbeReport {
    match error {
        ServiceError::TransportSend(error) => transport(url, error.error.as_ref()),
        ServiceError::McpError(error) => {
            let reason = format!("{} refused to list its tools, with the error {}.", shown(url.as_str()), error.code.0);
            ProbeReport::not("mcp_refused", reason, "See the log of the MCP server.")
        }
        _ => broken(url),
    }
}

/// What became of a request, from the depths of the client.
fn transport(url: &Url, error: &(dyn Error + Send + Sync + 'static)) -> ProbeReport {
    let place = shown(url.as_str());
    match error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::Client(error)) => match error.status() {
            Some(status) => refused(&place, status.as_u16()),
            None => unreachable(url, error),
        },
        Some(StreamableHttpError::HttpStatus(error)) => refused(&place, error.status),
        Some(StreamableHttpError::AuthRequired(_)) => refused(&place, 401),
        Some(StreamableHttpError::InsufficientScope(_)) => refused(&place, 403),
        Some(StreamableHttpError::ResponseBodyTooLarge { .. }) => {
            let reason = format!("{place} answered with more than {} KB.", LARGEST >> 10);
            ProbeReport::not("answer_too_large", reason, "See what the MCP server answers.")
        }
        _ => broken(url),
    }
}

fn refused(place: &str, status: u16) -> ProbeReport {
    let fix = match status {
        401 | 403 => "Give an endpoint that lists its tools without authorization, or ask it by a check of the kind http.",
        _ => "See whether the `url` is the MCP endpoint itself, and the log of the MCP server.",
    };
    ProbeReport { status: Some(status), ..ProbeReport::not("mcp_refused", format!("{place} answered {status}."), fix) }
}

fn broken(url: &Url) -> ProbeReport {
    let reason = format!("{} did not answer as an MCP server does.", shown(url.as_str()));
    ProbeReport::not("mcp_broken", reason, "See whether the `url` is the MCP endpoint itself, with streamable HTTP.")
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
