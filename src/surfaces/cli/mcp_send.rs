//! Where `lockkeeper mcp` takes its messages: to the server at a URL, to the one that runs on this machine, or to the store.

use super::operator::Place;
use super::server::{self, Server, key};
use crate::config::Secret;
use crate::domain::Refusal;
use crate::store::Store;
use crate::surfaces::control::Desk;
use crate::surfaces::mcp::{Agents, Place as Door, mcp_router};
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use reqwest::Client;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};

/// Longer than any tool waits.
const ANSWER: Duration = Duration::from_secs(75);
/// Without a server nobody knows of another one.
const SITE: &str = "https://github.com";
/// As long as the server lets somebody listen, and a little more.
const LISTENS: Duration = Duration::from_secs(3_700);
pub(super) const LISTEN: &str = "subscriptions/listen";
const STREAM: &str = "text/event-stream";
/// Bytes of one message of a stream.
const LARGEST: usize = 8 << 20;
const ACCEPT: &str = "application/json, text/event-stream";

/// What came back for one message.
pub(super) enum Reply {
    Messages(Vec<Value>),
    /// It needs no answer.
    Taken,
    Refused(u16, Refusal),
}

pub(super) struct Sender {
    place: Place,
    key: Secret,
    http: Client,
    /// One at a time opens the store.
    store: Mutex<()>,
}

impl Sender {
    /// # Errors
    /// `key_missing`.
    pub fn new(place: Place) -> Result<Self, Refusal> {
        let (key, here) = (key()?, matches!(&place, Place::Here(_)));
        let http = server::client(here || matches!(&place, Place::There(remote) if remote.is_here()))?;
        Ok(Self { place, key, http, store: Mutex::default() })
    }

    /// # Errors
    /// Why nobody answers.
    pub async fn send(
        &self,
        message: &Value,
        headers: &[(&'static str, String)],
        tell: &mpsc::Sender<String>,
    ) -> Result<Reply, Refusal> {
        let url = match &self.place {
            Place::There(remote) => remote.mcp(),
            Place::Here(data_dir) => match Server::find(data_dir).await? {
                Some(server) => server.mcp(),
                None => return self.ask_store(data_dir, message, headers).await,
            },
        };
        let patience = if message["method"] == LISTEN { LISTENS } else { ANSWER };
        let mut request = self.http.post(url).timeout(patience).bearer_auth(self.key.expose());
        request = request.header("accept", ACCEPT).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value.as_str());
        }
        let response = request.body(message.to_string()).send().await.map_err(|why| server::no_answer(&why))?;
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        if status < 300 && kind.starts_with(STREAM) && message["method"] != "initialize" {
            return passed_on(response, tell).await;
        }
        let text = response.text().await.map_err(|why| server::no_answer(&why))?;
        Ok(read(status, &kind, &text))
    }

    async fn ask_store(&self, data_dir: &Path, message: &Value, headers: &[(&'static str, String)]) -> Result<Reply, Refusal> {
        let _alone = self.store.lock().await;
        if !data_dir.join("lockkeeper.db").is_file() {
            let text = format!("No server runs, and the folder {} holds no store of Lockkeeper.", data_dir.display());
            let fix = "Start `lockkeeper serve`, or give its data folder with --data-dir, or its URL with --server.";
            return Err(Refusal::operator("server_not_running", text, fix));
        }
        let store = Store::open(data_dir)?;
        // Nobody says when to stop: nothing is waited for without a server.
        let (_stop, stopping) = watch::channel(false);
        let agents = Agents::new(Desk::new(store.clone(), Arc::default()), None, SITE, stopping);
        let listen = SocketAddr::from((IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
        let door = Door { public_url: None, listen, github: SITE.to_owned(), issuer: SITE.to_owned() };
        let service = TowerToHyperService::new(mcp_router(agents, &door));
        let mut request = http::Request::post("/mcp").header("host", "localhost").header("accept", ACCEPT);
        request = request.header("content-type", "application/json");
        request = request.header("authorization", format!("Bearer {}", self.key.expose()));
        for (name, value) in headers {
            request = request.header(*name, value.as_str());
        }
        let unsendable =
            |why: String| Refusal::user("message_unsendable", format!("The message cannot be sent: {why}."), "Correct it.");
        let request = request.body(Body::from(message.to_string())).map_err(|why| unsendable(why.to_string()))?;
        let answered = match service.call(request).await {
            Ok(response) => {
                let status = response.status().as_u16();
                let kind =
                    response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
                let body = response.into_body().collect().await.map_err(|why| unsendable(why.to_string()))?;
                Ok(read(status, &kind, &String::from_utf8_lossy(&body.to_bytes())))
            }
            Err(never) => match never {},
        };
        store.close().await;
        answered
    }
}

/// Each message as it comes.
async fn passed_on(mut response: reqwest::Response, tell: &mpsc::Sender<String>) -> Result<Reply, Refusal> {
    let mut left = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|why| server::no_answer(&why))? {
        left.extend_from_slice(&bytes);
        if left.len() > LARGEST {
            return Err(strange(response.status().as_u16()));
        }
        while let Some(end) = left.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = left.drain(..=end).collect();
            let message = String::from_utf8_lossy(&line).strip_prefix("data:").map(serde_json::from_str::<Value>);
            if let Some(Ok(message)) = message {
                // Nobody reads any more when it is closed.
                let _ = tell.send(format!("{message}\n")).await;
            }
        }
    }
    Ok(Reply::Taken)
}

/// A message, several of them, nothing, or why not.
fn read(status: u16, kind: &str, text: &str) -> Reply {
    if text.trim().is_empty() {
        return if status < 300 { Reply::Taken } else { Reply::Refused(status, strange(status)) };
    }
    let messages: Vec<Value> = match kind.split(';').next() {
        Some(STREAM) => text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok()).collect(),
        _ => serde_json::from_str(text).into_iter().collect(),
    };
    match messages.first() {
        Some(first) if first["jsonrpc"] == "2.0" => Reply::Messages(messages),
        Some(first) => Reply::Refused(status, serde_json::from_value(first.clone()).unwrap_or_else(|_| strange(status))),
        None => Reply::Refused(status, strange(status)),
    }
}

fn strange(status: u16) -> Refusal {
    let text = format!("The server answers in a way that is not Lockkeeper's ({status}).");
    Refusal::operator("server_strange", text, "Check the URL, and that the proxy before it passes `/mcp` on.")
}
