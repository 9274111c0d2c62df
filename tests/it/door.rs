//! A running webhook door over a store in a temporary folder.

use futures::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use lockkeeper::store::Store;
use lockkeeper::surfaces::http::{Health, Limits, Snapshot, health_router, serve, traced};
use lockkeeper::surfaces::webhook::{Own, Receiver, Secrets, router};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

pub const SECRET: &str = "a secret";
pub const PUSH: &str = include_str!("../fixtures/webhooks/push.tag.json");

pub fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body).finalize();
    let hex: String = mac.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

pub struct Door {
    pub address: std::net::SocketAddr,
    pub http: reqwest::Client,
    pub store: Store,
    pub bell: Arc<Notify>,
    pub own: watch::Receiver<Own>,
    pub folder: TempDir,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Door {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self::with_store(folder, store).await
    }

    pub async fn with_store(folder: TempDir, store: Store) -> Self {
        let (_, own) = watch::channel(Own { app_id: Some(4242), slug: Some("lockkeeper".into()), ..Own::default() });
        let secrets = Secrets::new([SECRET, "the next secret"]).unwrap();
        let bell = Arc::new(Notify::new());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (own_, store_, bell_) = (own.clone(), store.clone(), bell.clone());
        let receiver = Receiver { secrets, own: own_, store: store_, bell: bell_, metrics: Arc::default() };
        let health = Health {
            metrics: receiver.metrics.clone(),
            snapshot: Arc::new(|| std::future::ready(Snapshot::default()).boxed()),
            readiness: Arc::new(|| std::future::ready(Vec::new()).boxed()),
        };
        let routes = traced(router(receiver).merge(health_router(health)));
        let limits = Limits { header_timeout: Duration::from_millis(300), ..Limits::default() };
        tokio::spawn(serve(listener, routes, limits, async { drop(stopped.await) }));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, http, store, bell, own, folder, _stop: stop }
    }

    /// What remains when the listener is gone.
    pub fn close(self) -> (TempDir, Store) {
        (self.folder, self.store)
    }

    /// Sends a delivery; a header given as nothing is left out.
    pub async fn send(&self, headers: &[(&str, Option<&str>)], body: impl Into<reqwest::Body>) -> (u16, serde_json::Value) {
        let mut request = self.http.post(format!("http://{}/webhook", self.address)).body(body);
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(*name, *value);
            }
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub async fn deliver(&self, id: &str, event: &str, body: &str) -> (u16, serde_json::Value) {
        let signature = sign(SECRET, body.as_bytes());
        let headers =
            [("X-GitHub-Delivery", Some(id)), ("X-GitHub-Event", Some(event)), ("X-Hub-Signature-256", Some(&*signature))];
        self.send(&headers, body.to_owned()).await
    }
}
