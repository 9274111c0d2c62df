//! `/healthz`, `/readyz` and `/metrics` over HTTP.

use futures::FutureExt;
use lockkeeper::domain::Refusal;
use lockkeeper::surfaces::http::{Health, Limits, Readiness, Snapshot, health_router, serve, traced};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The address of a server whose store is ready when the flag is up.
async fn server(ready: Arc<AtomicBool>) -> String {
    let health = Health {
        metrics: Arc::default(),
        snapshot: Arc::new(|| async { Snapshot { inbox_depth: 3, ..Snapshot::default() } }.boxed()),
        readiness: Arc::new(move || {
            let full = || Refusal::operator("store_full", "There is no space left.", "Make room.");
            let problem = (!ready.load(Ordering::Relaxed)).then(full);
            async move { vec![Readiness { name: "store", problem }, Readiness { name: "github", problem: None }] }.boxed()
        }),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, traced(health_router(health)), Limits::default(), std::future::pending()));
    format!("http://{address}")
}

#[tokio::test]
async fn health_does_not_wait_for_readiness() {
    let ready = Arc::new(AtomicBool::new(false));
    let at = server(ready.clone()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |path: &str| http.get(format!("{at}{path}")).send();
    assert_eq!(get("/healthz").await.unwrap().status(), 200);
    let not_yet = get("/readyz").await.unwrap();
    assert_eq!(not_yet.status(), 503);
    let problem =
        json!({ "code": "store_full", "message": "There is no space left.", "fix": "Make room.", "blame": "operator" });
    let checks = json!([{ "name": "store", "problem": problem }, { "name": "github", "problem": null }]);
    assert_eq!(not_yet.json::<Value>().await.unwrap(), json!({ "ready": false, "checks": checks }));
    ready.store(true, Ordering::Relaxed);
    assert_eq!(get("/readyz").await.unwrap().status(), 200);
    let metrics = get("/metrics").await.unwrap();
    assert!(metrics.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(metrics.text().await.unwrap().contains("lockkeeper_inbox_depth 3\n"));
}

#[tokio::test]
async fn every_answer_has_its_own_id() {
    let at = server(Arc::default()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut ids = Vec::new();
    for path in ["/healthz", "/healthz", "/none"] {
        let answer = http.get(format!("{at}{path}")).send().await.unwrap();
        ids.push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}
