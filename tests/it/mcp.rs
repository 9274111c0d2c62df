//! The agents' door, over HTTP as clients of old and new protocols come in.

mod clients;
mod conformance;
mod door;
mod fixture;
mod jobs;
mod listen;
mod looks;
mod order;
mod people;
mod plans;
mod stdio;

use crate::world::World;
use serde_json::{Value, json};

pub const MODERN: &str = "2026-07-28";
pub const LEGACY: &str = "2025-11-25";

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// What the tool answered; it is repeated as text, and fits the tool's own schema.
    pub fn told(&self) -> &Value {
        let result = &self.body["result"];
        let told = &result["structuredContent"];
        assert!(told.is_object(), "{} {}", self.status, self.body);
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(&text, told);
        assert_eq!(result["isError"], json!(told["outcome"] == "refused"));
        told
    }
    pub fn refused(&self, code: &str) -> &Value {
        let told = self.told();
        assert_eq!((&told["outcome"], &told["refusal"]["code"]), (&json!("refused"), &json!(code)), "{told}");
        let refusal = &told["refusal"];
        assert!(refusal["retryable"].is_boolean(), "{refusal}");
        assert!(refusal["message"].as_str().unwrap().len() > 10 && refusal["fix"].as_str().unwrap().len() > 10, "{refusal}");
        refusal
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// One client of the door.
#[derive(Clone)]
pub struct Agent {
    http: reqwest::Client,
    pub url: String,
    pub key: String,
}

impl Agent {
    pub fn at(world: &World, key: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, url: format!("http://{}/mcp", world.server().address), key: key.to_owned() }
    }
    /// A request of the protocol, before it is sent.
    pub fn request(&self, version: &str, method: &str, mut params: Value) -> reqwest::RequestBuilder {
        let mut request = self.http.post(&self.url).header("accept", "application/json, text/event-stream");
        request = request.header("mcp-protocol-version", version);
        if version == MODERN {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": version,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
            });
            request = request.header("mcp-method", method);
            if let Some(name) = params["name"].as_str() {
                request = request.header("mcp-name", name);
            }
        }
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let request = request.header("content-type", "application/json").body(body.to_string());
        if self.key.is_empty() { request } else { request.bearer_auth(&self.key) }
    }
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }
    pub async fn ask(&self, version: &str, method: &str, params: Value) -> Answer {
        self.send(self.request(version, method, params)).await
    }
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.ask(MODERN, "tools/call", json!({ "name": tool, "arguments": arguments })).await
    }
    /// As a client of an older protocol, which says less in headers.
    pub async fn call_as_before(&self, tool: &str, arguments: Value) -> Answer {
        self.ask(LEGACY, "tools/call", json!({ "name": tool, "arguments": arguments })).await
    }
    pub async fn tools(&self) -> Vec<String> {
        let listed = self.ask(MODERN, "tools/list", json!({})).await;
        let tools = listed.body["result"]["tools"].as_array().unwrap_or_else(|| panic!("{}", listed.body));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// (id, key)
pub async fn key(world: &World, scopes: &str, environments: &str) -> (String, String) {
    crate::keys::key(world, "agent", scopes, environments).await
}
