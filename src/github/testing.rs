//! A server that answers as a test tells it and remembers what it was asked.

use super::app_auth::tests::key;
use super::{GitHub, GitHubConfig, Installation, Pacing};
use crate::domain::InstallationId;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

pub struct Said {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub delay: Duration,
}

pub fn say(status: u16, body: Value) -> Said {
    Said { status, headers: Vec::new(), body: body.to_string(), delay: Duration::ZERO }
}

impl Said {
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Script = dyn Fn(&Seen, usize) -> Said + Send + Sync;

#[derive(Clone)]
struct Shared {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Answers token requests by itself (`token-1`, `token-2`, …); `script` gets the rest with their number from 0.
pub async fn server(script: impl Fn(&Seen, usize) -> Said + Send + Sync + 'static) -> Server {
    let shared = Shared { script: Arc::new(script), seen: Arc::default() };
    let seen = shared.seen.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(answer).with_state(shared);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Server { url, seen }
}

async fn answer(State(shared): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let one = Seen { method, path, headers, body: serde_json::from_slice(&body).unwrap_or_default() };
    let (tokens, others) = {
        let mut seen = shared.seen.lock().unwrap();
        let tokens = seen.iter().filter(|s| is_token(s)).count();
        let others = seen.len() - tokens;
        seen.push(one.clone());
        (tokens, others)
    };
    let said = if is_token(&one) {
        say(201, json!({"token": format!("token-{}", tokens + 1), "expires_at": "2999-01-01T00:00:00Z"}))
    } else {
        (shared.script)(&one, others)
    };
    tokio::time::sleep(said.delay).await;
    let mut headers = HeaderMap::new();
    for (name, value) in said.headers {
        headers.insert(name, value.parse().unwrap());
    }
    (StatusCode::from_u16(said.status).unwrap(), headers, said.body)
}

fn is_token(seen: &Seen) -> bool {
    seen.path.ends_with("/access_tokens")
}

impl Server {
    pub fn config(&self) -> GitHubConfig {
        GitHubConfig {
            api_url: self.url.clone(),
            app_id: "42".into(),
            private_key: key(),
            request_timeout: Duration::from_millis(700),
            pacing: Pacing { longest_wait: Duration::from_millis(50), ..Pacing::default() },
            ..GitHubConfig::default()
        }
    }

    pub fn installation(&self) -> Installation {
        GitHub::new(self.config()).unwrap().installation(InstallationId(7))
    }

    /// All requests but those for tokens.
    pub fn calls(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|s| !is_token(s)).cloned().collect()
    }

    pub fn tokens(&self) -> usize {
        self.seen.lock().unwrap().iter().filter(|s| is_token(s)).count()
    }
}
