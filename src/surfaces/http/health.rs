//! `/healthz`, `/readyz` and `/metrics`.
//!
//! Invariants: `/healthz` asks nothing of anybody: it answers as soon as webhooks are accepted; `/readyz` says what is wrong
//! and what to do, and never a secret.

use super::metrics::{Metrics, Snapshot};
use crate::domain::Refusal;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use http::{StatusCode, header};
use serde::Serialize;
use std::sync::Arc;

/// One thing that must hold before Lockkeeper can work.
#[derive(Serialize, Clone, Debug)]
pub struct Readiness {
    /// `store`, `github`, …
    pub name: &'static str,
    /// What is wrong, if anything is.
    pub problem: Option<Refusal>,
}

/// Answers a question about the whole program.
pub type Ask<T> = Arc<dyn Fn() -> BoxFuture<'static, T> + Send + Sync>;

#[derive(Clone)]
pub struct Health {
    pub metrics: Arc<Metrics>,
    pub snapshot: Ask<Snapshot>,
    pub readiness: Ask<Vec<Readiness>>,
}

/// The routes.
pub fn health_router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> Response {
    let checks = (health.readiness)().await;
    let ready = checks.iter().all(|check| check.problem.is_none());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(serde_json::json!({ "ready": ready, "checks": checks }))).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    let snapshot = (health.snapshot)().await;
    match health.metrics.encode(&snapshot) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
