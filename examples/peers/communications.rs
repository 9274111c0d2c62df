//! A communications peer: an MCP server over standard input and output whose one tool posts an announcement to a webhook.
//!
//! `peer-communications URL` posts `{"text": …, "event": …}` there. Each announcement has an id, which goes along as `x-delivery`:
//! one that comes twice is told twice, and whoever receives it takes each id once.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::stdio;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

const ANNOUNCE: &str = "announce";

#[derive(Clone)]
struct Communications {
    url: Arc<str>,
    http: reqwest::Client,
}

/// What there is to say. A caller may say more than is used here.
#[derive(Deserialize)]
struct Announcement {
    delivery: String,
    event: String,
    text: String,
}

impl Communications {
    fn new(url: &str) -> Result<Self, Box<dyn Error>> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
        let http = http.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { url: url.into(), http })
    }

    async fn announce(&self, said: Announcement) -> Result<(), String> {
        let body = json!({ "text": said.text, "event": said.event });
        let request = self.http.post(&*self.url).header("content-type", "application/json");
        let sent = request.header("x-delivery", &said.delivery).body(body.to_string()).send().await;
        // Nothing of the address is told: whoever knows it may write there.
        let answer = sent.map_err(|_| "The webhook could not be reached.".to_owned())?;
        if !answer.status().is_success() {
            return Err(format!("The webhook answered {}.", answer.status().as_u16()));
        }
        Ok(())
    }
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap_or_default()
}

fn tool() -> Tool {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let schema = json!({
        "type": "object",
        "properties": {
            "delivery": text("Id of the announcement, by which a receiver knows it again"),
            "event": text("released, deployed, rolled_back, failed or needs_approval"),
            "text": text("One line for people"),
        },
        "required": ["delivery", "event", "text"],
    });
    Tool::new(ANNOUNCE, "Post an announcement to the webhook", object(schema))
}

impl ServerHandler for Communications {
    fn get_info(&self) -> ServerConfig {
        let tools = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(tools).with_server_info(Implementation::new("peer-communications", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![tool()]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name != ANNOUNCE {
            return Err(ErrorData::invalid_params("There is only the tool `announce`.", None));
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let said = serde_json::from_value(arguments).map_err(|why| ErrorData::invalid_params(why.to_string(), None))?;
        let result = match self.announce(said).await {
            Ok(()) => CallToolResult::structured(json!({ "announced": true })),
            Err(why) => CallToolResult::structured_error(json!({ "announced": false, "why": why })),
        };
        Ok(result.into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("Give the address of the webhook.")?;
    Communications::new(&url)?.serve(stdio()).await?.waiting().await?;
    Ok(())
}
