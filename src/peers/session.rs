//! One conversation with a peer: begin, list the tools, compare, call.

use super::answer::{Said, read};
use super::process::{Leash, Pipes};
use super::trouble::PeerTrouble;
use crate::config::Secret;
use crate::config::settings::{PeerAddress, PeerSettings};
use crate::domain::Digest;
use reqwest::Client;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, Implementation, PaginatedRequestParams,
    ProtocolVersion, Tool,
};
use rmcp::service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde::Serialize;
use serde_json::{Map, Value, json};

const MOST_PAGES: usize = 20;
const MOST_TOOLS: usize = 1_000;

pub(super) enum Link {
    Web { client: Client, url: String },
    Pipes(Pipes),
}

pub(super) struct Talk {
    name: String,
    settings: PeerSettings,
    session: RunningService<RoleClient, ClientConfig>,
    leash: Leash,
}

/// A tool as the peer defines it now, beside what the operator has pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Defined {
    pub tool: String,
    /// Nothing when the peer has no such tool.
    pub digest: Option<String>,
    pub pinned: Pinned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pinned {
    /// As it is pinned; it may be called.
    Yes,
    /// Not named by the operator.
    No,
    /// Another definition is pinned.
    Changed,
    /// Pinned, and the peer has it not.
    Missing,
}

impl Talk {
    /// Nothing when the peer has to be asked in the old way, by a new conversation.
    pub(super) async fn begin(
        name: &str,
        settings: &PeerSettings,
        link: Link,
        leash: Leash,
        old: bool,
    ) -> Result<Option<Self>, PeerTrouble> {
        let us = ClientConfig::new(ClientCapabilities::default(), Implementation::new("lockkeeper", env!("CARGO_PKG_VERSION")));
        let how = match old {
            true => ClientLifecycleMode::Initialize,
            false => {
                ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None }
            }
        };
        let begun = match link {
            Link::Pipes(pipes) => us.serve_with_lifecycle((pipes.out, pipes.into), how).await,
            Link::Web { client, url } => {
                let mut config = StreamableHttpClientTransportConfig::with_uri(url)
                    .max_json_response_size(settings.max_bytes)
                    .max_sse_event_size(settings.max_bytes)
                    .max_error_response_size(1 << 10)
                    .reinit_on_expired_session(false);
                if let Some(credential) = &settings.credential {
                    config = config.auth_header(credential.expose());
                }
                us.serve_with_lifecycle(StreamableHttpClientTransport::with_client(client, config), how).await
            }
        };
        match begun {
            Ok(session) => Ok(Some(Self { name: name.to_owned(), settings: settings.clone(), session, leash })),
            Err(_) if leash.said_too_much() => Err(PeerTrouble::too_large(name, settings.max_bytes)),
            Err(ClientInitializeError::NoCompatibleProtocolVersion { .. }) if !old => Ok(None),
            Err(error) => Err(PeerTrouble::not_begun(name, &error, settings.max_bytes)),
        }
    }

    /// Says good-bye; how that is taken changes nothing.
    pub(super) async fn close(self) {
        drop(self.session.cancel().await);
        self.leash.loosen().await;
    }

    pub(super) async fn tools(&self) -> Result<Vec<Defined>, PeerTrouble> {
        let listed = self.listed().await?;
        let pins = &self.settings.tools;
        let mut all: Vec<Defined> = listed
            .iter()
            .map(|tool| {
                let digest = digest(tool);
                let pinned = match pins.get(tool.name.as_ref()) {
                    None => Pinned::No,
                    Some(pin) if *pin == digest => Pinned::Yes,
                    Some(_) => Pinned::Changed,
                };
                Defined { tool: tool.name.to_string(), digest: Some(digest), pinned }
            })
            .collect();
        let missing = pins.keys().filter(|name| !listed.iter().any(|tool| tool.name == name.as_str()));
        all.extend(missing.map(|name| Defined { tool: name.clone(), digest: None, pinned: Pinned::Missing }));
        Ok(all)
    }

    /// A tool that is listed twice is one whose definitions must both be the pinned one.
    pub(super) async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<Said, PeerTrouble> {
        let Some(pin) = self.settings.tools.get(tool).cloned() else {
            return Err(PeerTrouble::not_pinned(&self.name, tool));
        };
        let listed = self.listed().await?;
        let found: Vec<String> = listed.iter().filter(|listed| listed.name == tool).map(digest).collect();
        if found.is_empty() {
            tracing::error!(peer = self.name, tool, "ALARM: a peer has no longer a tool that is pinned");
            return Err(PeerTrouble::missing(&self.name, tool));
        }
        if let Some(other) = found.iter().find(|digest| **digest != pin) {
            tracing::error!(
                peer = self.name,
                tool,
                pinned = pin,
                found = other,
                "ALARM: a peer has changed a tool; it was not called"
            );
            return Err(PeerTrouble::changed(&self.name, tool));
        }
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let answered = self.session.call_tool_once(request).await;
        let result = match answered {
            Ok(CallToolResponse::Complete(result)) => result,
            Ok(_) => return Err(PeerTrouble::asks_back(&self.name, tool)),
            Err(error) => return Err(self.trouble(&error)),
        };
        read(&self.name, tool, result, &self.secrets(), &self.settings)
    }

    fn secrets(&self) -> Vec<&Secret> {
        let variables = match &self.settings.at {
            PeerAddress::Process(process) => process.env.values().collect(),
            PeerAddress::Url(_) => Vec::new(),
        };
        self.settings.credential.iter().chain(variables).collect()
    }

    async fn listed(&self) -> Result<Vec<Tool>, PeerTrouble> {
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let request = PaginatedRequestParams::default().with_cursor(cursor);
            let page = self.session.list_tools(Some(request)).await.map_err(|error| self.trouble(&error))?;
            all.extend(page.tools);
            cursor = page.next_cursor;
            if all.len() > MOST_TOOLS {
                break;
            }
            if cursor.is_none() {
                return Ok(all);
            }
        }
        Err(PeerTrouble::too_many(&self.name, MOST_TOOLS, MOST_PAGES))
    }

    fn trouble(&self, error: &rmcp::ServiceError) -> PeerTrouble {
        if self.leash.said_too_much() {
            return PeerTrouble::too_large(&self.name, self.settings.max_bytes);
        }
        PeerTrouble::interrupted(&self.name, error, self.settings.max_bytes)
    }
}

/// Over everything of the definition that tells a reader or a model what the tool is.
fn digest(tool: &Tool) -> String {
    let definition = json!({
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.input_schema,
        "outputSchema": tool.output_schema,
        "annotations": tool.annotations,
    });
    Digest::of(&definition).to_string()
}
