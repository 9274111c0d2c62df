//! The two copies as their deployer sees them: one is taken down when its slot gets a new version, and serves again when it
//! has been found healthy. Until then it answers every user with an error: whoever is sent there too early is counted.

use crate::haproxy::stage::Service;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use http::StatusCode;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

#[derive(Default)]
struct Inner {
    services: BTreeMap<&'static str, Service>,
    /// Slots whose copy is there.
    up: Mutex<BTreeMap<String, bool>>,
    sick: AtomicBool,
}

#[derive(Clone)]
pub struct Copies {
    inner: Arc<Inner>,
    port: u16,
}

impl Copies {
    pub async fn serve(services: BTreeMap<&'static str, Service>) -> Self {
        let inner = Arc::new(Inner { services, ..Inner::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().route("/{slot}", get(health)).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, port }
    }

    /// Where health checks ask: `{{ slot }}` is filled in by Lockkeeper.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{{{{ slot }}}}", self.port)
    }

    /// The copy in this slot is being replaced: nobody may be sent there.
    pub fn replace(&self, slot: &str, sick: bool) {
        self.inner.up.lock().unwrap().insert(slot.to_owned(), false);
        self.inner.sick.store(sick, Ordering::SeqCst);
        self.inner.service(slot).answers(500);
    }

    /// The new copy is there. Users may come once a health check has seen it.
    pub fn up(&self, slot: &str) {
        self.inner.up.lock().unwrap().insert(slot.to_owned(), true);
    }
}

impl Inner {
    fn service(&self, slot: &str) -> &Service {
        self.services.iter().find(|(name, _)| name.starts_with(slot)).unwrap().1
    }
}

async fn health(State(inner): State<Arc<Inner>>, Path(slot): Path<String>) -> StatusCode {
    let up = inner.up.lock().unwrap().get(&slot) == Some(&true);
    if !up || inner.sick.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    inner.service(&slot).answers(200);
    StatusCode::OK
}
