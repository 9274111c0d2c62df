//! Why a peer gave no answer that can be used.
//!
//! Invariant: of what a peer sent nothing stands here but a status, a code of the protocol, and words that are cleaned and
//! marked as the peer's.

use crate::domain::Refusal;
use rmcp::ServiceError;
use rmcp::service::ClientInitializeError;
use rmcp::transport::streamable_http_client::StreamableHttpError;
use std::error::Error;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTrouble {
    /// Stable, lower-case words joined by `_`.
    pub code: &'static str,
    /// One sentence.
    pub reason: String,
    /// What to do next.
    pub fix: String,
    /// Asking again changes nothing before the operator has.
    pub hopeless: bool,
}

impl From<PeerTrouble> for Refusal {
    fn from(trouble: PeerTrouble) -> Self {
        let make = if trouble.hopeless { Self::operator } else { Self::world };
        make(trouble.code, trouble.reason, trouble.fix)
    }
}

impl PeerTrouble {
    fn new(code: &'static str, reason: String, fix: impl Into<String>) -> Self {
        Self { code, reason, fix: fix.into(), hopeless: false }
    }

    fn hopeless(self) -> Self {
        Self { hopeless: true, ..self }
    }

    pub(super) fn unknown(peer: &str) -> Self {
        let reason = format!("There is no peer {}.", peer.escape_debug());
        Self::new("peer_unknown", reason, "Ask the operator to add it to lockkeeper.toml, as [peers.…].").hopeless()
    }

    pub(super) fn not_pinned(peer: &str, tool: &str) -> Self {
        let reason = format!("The tool {} of the peer {peer} is not pinned, so it is not called.", tool.escape_debug());
        let fix = format!("Ask the operator to look at it with `lockkeeper peers {peer}` and to pin it.");
        Self::new("peer_tool_not_pinned", reason, fix).hopeless()
    }

    pub(super) fn missing(peer: &str, tool: &str) -> Self {
        let reason = format!("The peer {peer} has no tool {tool} any more.");
        let fix = format!("Ask the operator to look at the peer with `lockkeeper peers {peer}`.");
        Self::new("peer_tool_missing", reason, fix).hopeless()
    }

    pub(super) fn changed(peer: &str, tool: &str) -> Self {
        let reason = format!("The peer {peer} defines its tool {tool} otherwise than it is pinned, so it was not called.");
        let fix =
            format!("Ask the operator to look at it with `lockkeeper peers {peer}`, and to pin it again only if it is wanted.");
        Self::new("peer_tool_changed", reason, fix).hopeless()
    }

    pub(super) fn timed_out(peer: &str, timeout: Duration) -> Self {
        let reason = format!("The peer {peer} did not answer within {} s.", timeout.as_secs());
        Self::new("peer_timed_out", reason, "See why it takes so long, or have the operator give it more time with `timeout`.")
    }

    pub(super) fn not_started(peer: &str, why: &str) -> Self {
        let reason = format!("The program of the peer {peer} cannot be started: {why}.");
        Self::new("peer_not_started", reason, "Have the operator mend `command` of the peer in lockkeeper.toml.")
    }

    pub(super) fn too_large(peer: &str, most: usize) -> Self {
        let reason = format!("The peer {peer} said more than {most} bytes at once.");
        Self::new("peer_answer_too_large", reason, "See what it answers, or have the operator raise `max_bytes` of the peer.")
    }

    pub(super) fn too_many(peer: &str, tools: usize, pages: usize) -> Self {
        let reason = format!("The peer {peer} lists more than {tools} tools or {pages} pages of them.");
        Self::new("peer_answer_too_large", reason, "See why the peer lists so many tools.")
    }

    pub(super) fn too_deep(peer: &str, tool: &str, most: usize) -> Self {
        let reason = format!("The answer of the tool {tool} of the peer {peer} is nested deeper than {most} levels.");
        Self::new("peer_answer_too_deep", reason, "See what it answers.")
    }

    pub(super) fn repeats(peer: &str, tool: &str) -> Self {
        let reason = format!("The answer of the tool {tool} of the peer {peer} holds its own credential, so it is not used.");
        Self::new("peer_repeats_credential", reason, "Mend the peer, and give it another credential.").hopeless()
    }

    pub(super) fn asks_back(peer: &str, tool: &str) -> Self {
        let reason = format!("The tool {tool} of the peer {peer} asks for something instead of answering.");
        Self::new("peer_asks_back", reason, "Use a tool that answers from its arguments alone.").hopeless()
    }

    /// `words` are the peer's, cleaned.
    pub(super) fn failed(peer: &str, tool: &str, words: &str) -> Self {
        let said = if words.is_empty() { String::new() } else { format!(" The peer says: “{words}”") };
        Self::new("peer_tool_failed", format!("The tool {tool} of the peer {peer} failed.{said}"), "See the log of the peer.")
    }

    pub(super) fn broken(peer: &str) -> Self {
        let reason = format!("The peer {peer} did not answer as an MCP server does.");
        Self::new("peer_broken", reason, "See whether its `url` or `command` in lockkeeper.toml is that of an MCP server.")
    }

    fn refused(peer: &str, what: &str) -> Self {
        let reason = format!("The peer {peer} refused, with {what}.");
        Self::new("peer_refused", reason, "See the log of the peer, and whether its credential is still good.")
    }

    fn unreachable(peer: &str) -> Self {
        Self::new(
            "peer_unreachable",
            format!("The peer {peer} cannot be reached."),
            "See whether it runs and its address is right.",
        )
    }

    pub(super) fn not_begun(peer: &str, error: &ClientInitializeError, most: usize) -> Self {
        match error {
            ClientInitializeError::TransportError { error, .. } => Self::transport(peer, error.error.as_ref(), most),
            ClientInitializeError::LegacyFallbackFailed { fallback, .. } => Self::not_begun(peer, fallback, most),
            ClientInitializeError::JsonRpcError(error) => Self::refused(peer, &format!("the error {}", error.code.0)),
            _ => Self::broken(peer),
        }
    }

    pub(super) fn interrupted(peer: &str, error: &ServiceError, most: usize) -> Self {
        match error {
            ServiceError::TransportSend(error) => Self::transport(peer, error.error.as_ref(), most),
            ServiceError::McpError(error) => Self::refused(peer, &format!("the error {}", error.code.0)),
            _ => Self::broken(peer),
        }
    }

    /// What became of a request, from the depths of the client.
    fn transport(peer: &str, error: &(dyn Error + Send + Sync + 'static), most: usize) -> Self {
        let status = |status: u16| Self::refused(peer, &format!("the status {status}"));
        match error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            Some(StreamableHttpError::Client(error)) => match error.status() {
                Some(code) => status(code.as_u16()),
                None => Self::unreachable(peer),
            },
            Some(StreamableHttpError::HttpStatus(error)) => status(error.status),
            Some(StreamableHttpError::AuthRequired(_)) => status(401),
            Some(StreamableHttpError::InsufficientScope(_)) => status(403),
            Some(StreamableHttpError::ResponseBodyTooLarge { .. }) => Self::too_large(peer, most),
            _ => Self::broken(peer),
        }
    }
}
