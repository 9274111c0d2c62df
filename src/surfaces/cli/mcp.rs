//! `lockkeeper mcp`: the agents' door over standard input and output. Each message goes to the server as a request of its own,
//! with the headers that follow from it; where no server runs, the store on this machine answers what it can.
//!
//! Invariants: standard output holds messages of the protocol and nothing else; the key comes from the environment; nothing is
//! kept between messages but the version that an old client has agreed on; the store is open only while it answers, so that a
//! server can start at any time.

use super::operator::Common;
use super::{fail, mcp_send};
use crate::domain::Refusal;
use mcp_send::{LISTEN, Reply, Sender};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// Bytes of one message.
const LONGEST: u64 = 256 << 10;
/// The first protocol whose messages say everything themselves.
const MODERN: &str = "2026-07-28";

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
}

/// Runs until standard input ends. Exit code 2: there is no key, or no place to ask.
pub fn run(args: &Args) -> ExitCode {
    let place = match args.common.place() {
        Ok(place) => place,
        Err(exit) => return exit,
    };
    let started = Sender::new(place).and_then(|sender| Ok((sender, super::operator::runtime()?)));
    match started {
        Ok((sender, runtime)) => runtime.block_on(serve(sender)),
        Err(refusal) => return fail(&refusal),
    }
    ExitCode::SUCCESS
}

async fn serve(sender: Sender) {
    let (answers, mut told) = mpsc::channel::<String>(64);
    let writer = tokio::spawn(async move {
        let mut out = tokio::io::stdout();
        while let Some(line) = told.recv().await {
            // Whoever closed it does not want to know.
            if out.write_all(line.as_bytes()).await.is_err() || out.flush().await.is_err() {
                return;
            }
        }
    });
    let (sender, agreed) = (Arc::new(sender), Arc::new(Mutex::new(None::<String>)));
    let (mut input, mut calls) = (BufReader::new(tokio::io::stdin()), JoinSet::new());
    let mut listening: HashMap<String, AbortHandle> = HashMap::new();
    while let Some(line) = line(&mut input).await {
        let said = Said::of(&line);
        if let Said::Cancelled(id) = &said
            && let Some(listens) = listening.remove(id)
        {
            listens.abort();
        }
        let (sender, agreed, answers) = (Arc::clone(&sender), Arc::clone(&agreed), answers.clone());
        let call = async move {
            for answer in answer(&sender, &agreed, &line, &answers).await {
                // The writer is gone when nobody reads any more.
                let _ = answers.send(format!("{answer}\n")).await;
            }
        };
        // What follows a handshake depends on it; everything else goes side by side.
        match said {
            Said::Handshake => call.await,
            Said::Listen(id) => {
                listening.insert(id, calls.spawn(call));
            }
            Said::Cancelled(_) | Said::Other => {
                calls.spawn(call);
            }
        }
        while calls.try_join_next().is_some() {}
    }
    // Nobody is there to be told any more.
    listening.into_values().for_each(|listens| listens.abort());
    while calls.join_next().await.is_some() {}
    drop(answers);
    let _ended = writer.await;
}

/// One message; nothing at the end.
async fn line(input: &mut BufReader<tokio::io::Stdin>) -> Option<Vec<u8>> {
    loop {
        let mut bytes = Vec::new();
        let read = (&mut *input).take(LONGEST + 1).read_until(b'\n', &mut bytes).await.ok()?;
        if read == 0 {
            return None;
        }
        if !bytes.trim_ascii().is_empty() {
            return Some(bytes);
        }
    }
}

/// What matters of a message before it is passed on.
enum Said {
    Handshake,
    /// It is answered until somebody hangs up, or cancels the request of this id.
    Listen(String),
    Cancelled(String),
    Other,
}

impl Said {
    fn of(line: &[u8]) -> Self {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { return Self::Other };
        match message["method"].as_str() {
            Some("initialize") => Self::Handshake,
            Some(LISTEN) => Self::Listen(message["id"].to_string()),
            Some("notifications/cancelled") => Self::Cancelled(message["params"]["requestId"].to_string()),
            _ => Self::Other,
        }
    }
}

async fn answer(sender: &Sender, agreed: &Mutex<Option<String>>, line: &[u8], tell: &mpsc::Sender<String>) -> Vec<Value> {
    let Ok(message) = serde_json::from_slice::<Value>(line) else {
        return vec![error(&Value::Null, -32700, "This is no JSON of at most 256 KB in one line.")];
    };
    let id = message.get("id").cloned().unwrap_or(Value::Null);
    let Some(method) = message["method"].as_str().filter(|_| message.is_object()) else {
        return vec![error(&id, -32600, "This is no single request of JSON-RPC.")];
    };
    let version = version(&message, agreed);
    match sender.send(&message, &headers(&message, method, version.as_deref()), tell).await {
        Ok(Reply::Messages(messages)) => {
            if method == "initialize" {
                let chosen = messages.iter().find_map(|m| m["result"]["protocolVersion"].as_str().map(str::to_owned));
                *agreed.lock().unwrap_or_else(PoisonError::into_inner) = chosen;
            }
            messages
        }
        Ok(Reply::Taken) => Vec::new(),
        Ok(Reply::Refused(status, why)) => told(&id, i64::from(status), &why),
        Err(why) => told(&id, 503, &why),
    }
}

/// A notification is not answered.
fn told(id: &Value, code: i64, why: &Refusal) -> Vec<Value> {
    if id.is_null() { Vec::new() } else { vec![error(id, code, &format!("{} {} [{}]", why.message, why.fix, why.code))] }
}

fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// As the message says, or as was agreed before.
fn version(message: &Value, agreed: &Mutex<Option<String>>) -> Option<String> {
    let params = &message["params"];
    let own = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str();
    let asked = params["protocolVersion"].as_str().filter(|_| message["method"] == "initialize");
    let agreed = || agreed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    own.or(asked).map(str::to_owned).or_else(agreed)
}

/// What the protocol wants to see without reading the body.
fn headers(message: &Value, method: &str, version: Option<&str>) -> Vec<(&'static str, String)> {
    let mut headers: Vec<(&'static str, String)> =
        version.map(|v| ("mcp-protocol-version", v.to_owned())).into_iter().collect();
    if version.is_some_and(|version| version >= MODERN) && method != "initialize" {
        headers.push(("mcp-method", method.to_owned()));
        let field = match method {
            "tools/call" | "prompts/get" => "name",
            "resources/read" => "uri",
            "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
            _ => return headers,
        };
        headers.extend(message["params"][field].as_str().map(|name| ("mcp-name", name.to_owned())));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_follow_from_the_message() {
        let agreed = Mutex::new(None);
        let told = |message: &Value| {
            let version = version(message, &agreed);
            headers(message, message["method"].as_str().unwrap(), version.as_deref())
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
        };
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
        let call = json!({ "method": "tools/call", "params": { "name": "get_status", "_meta": meta } });
        assert_eq!(told(&call), ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: get_status"]);
        let list = json!({ "method": "tools/list", "params": { "_meta": meta } });
        assert_eq!(told(&list), ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/list"]);
        let hello = json!({ "method": "initialize", "params": { "protocolVersion": "2025-06-18" } });
        assert_eq!(told(&hello), ["mcp-protocol-version: 2025-06-18"]);
        let old = json!({ "method": "tools/list" });
        assert!(told(&old).is_empty());
        *agreed.lock().unwrap() = Some("2025-06-18".to_owned());
        assert_eq!(told(&old), ["mcp-protocol-version: 2025-06-18"]);
    }
}
