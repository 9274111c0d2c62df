//! A deployer behind a hook: writes down what it is asked and answers as it is told to.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use lockkeeper::config::Secret;
use lockkeeper::config::settings::{HookSettings, Repositories};
use lockkeeper::targets::sign;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

pub const HOOK_SECRET: &str = "the secret of the deployer's hook";
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Clone, Debug)]
pub struct Asked {
    pub line: String,
    headers: HeaderMap,
    raw: Bytes,
    pub body: Value,
}

impl Asked {
    /// Empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn is_signed(&self, secret: &str) -> bool {
        let signature = self.headers.get(sign::HEADER).map_or(&b""[..], |value| value.as_bytes());
        sign::is_signed(&Secret::from(secret), signature, &self.raw)
    }
}

/// What it answers; `None` hangs.
type Answer = Box<dyn Fn(&Asked) -> Option<(u16, Value)> + Send>;

#[derive(Clone)]
pub struct Deployer {
    pub url: String,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    listens: AbortHandle,
}

impl Deployer {
    /// Says `working` to everything, until it is told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let working: Answer = Box::new(|_| Some((202, json!({"status": "working"}))));
        let (answer, asked) = (Arc::new(Mutex::new(working)), Arc::<Mutex<Vec<Asked>>>::default());
        let served = (Arc::clone(&answer), Arc::clone(&asked));
        let app = Router::new().fallback(move |request: Request| {
            let (answer, asked) = served.clone();
            async move { Self::serve(&answer, &asked, request).await }
        });
        let listens = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        Self { url, answer, asked, listens }
    }

    /// Nobody is at its address any more.
    pub fn goes_away(&self) {
        self.listens.abort();
    }

    async fn serve(answer: &Mutex<Answer>, all: &Mutex<Vec<Asked>>, request: Request) -> Response {
        let line = format!("{} {}", request.method(), request.uri());
        let headers = request.headers().clone();
        let raw = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&raw).unwrap_or_default();
        let asked = Asked { line, headers, raw, body };
        let answer = (answer.lock().unwrap())(&asked);
        all.lock().unwrap().push(asked);
        match answer {
            // No connection outlives its answer, so that one that goes away is away.
            Some((status, body)) => {
                let mut headers = HeaderMap::from_iter([(header::CONNECTION, "close".parse().unwrap())]);
                match status {
                    // Whoever follows a redirect is seen there.
                    300..=399 => drop(headers.insert(header::LOCATION, "/elsewhere".parse().unwrap())),
                    429 => drop(headers.insert(header::RETRY_AFTER, "0".parse().unwrap())),
                    _ => {}
                }
                (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
            }
            None => std::future::pending().await,
        }
    }

    pub fn answers(&self, answer: impl Fn(&Asked) -> Option<(u16, Value)> + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// Does at once whatever it is asked.
    pub fn obeys(&self) {
        self.answers(|asked| Some((200, json!({"status": "done", "sha": asked.body["sha"]}))));
    }

    /// What the operator lends to everybody.
    pub fn settings(&self) -> HookSettings {
        HookSettings {
            url: format!("{}/deploy", self.url),
            status_url: None,
            secret: Secret::from(HOOK_SECRET),
            timeout: Duration::from_secs(2),
            repositories: Repositories(vec!["**".into()]),
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The first request that fits, as soon as it is there.
    pub async fn until(&self, fits: impl Fn(&Asked) -> bool) -> Asked {
        let begun = Instant::now();
        loop {
            if let Some(found) = self.asked().into_iter().find(|asked| fits(asked)) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "it is not asked: {:?}", self.asked());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The errand to do this, as soon as it is given out.
    pub async fn errand(&self, action: &str) -> Asked {
        self.until(|asked| asked.body["action"] == action).await
    }
}

/// A report about an errand that was asked for.
pub fn report(errand: &Asked, status: &str) -> Value {
    json!({"run": errand.body["run"], "step": errand.body["step"], "status": status, "sha": errand.body["sha"]})
}

/// A report as it is sent: body and headers.
pub fn signed(report: &Value, secret: &str) -> reqwest::Request {
    let body = report.to_string();
    let signature = sign::sign(&Secret::from(secret), body.as_bytes());
    let request = reqwest::Client::new().post("http://nowhere/").header(sign::HEADER, signature).body(body);
    request.build().unwrap()
}

/// A report of a job of GitHub Actions.
pub fn with_token(report: &Value, token: &str) -> reqwest::Request {
    reqwest::Client::new().post("http://nowhere/").bearer_auth(token).body(report.to_string()).build().unwrap()
}

/// Sends it to the callback of a run at this address; status and answer.
pub async fn sent(at: &str, run: &str, mut request: reqwest::Request) -> (u16, Value) {
    *request.url_mut() = format!("http://{at}/callback/{run}").parse().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.execute(request).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}
