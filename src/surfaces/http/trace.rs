//! Gives every request an id, in the span of its log lines and in the answer.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::HeaderValue;
use tracing::Instrument;

/// Adds the ids to all routes.
pub fn traced(router: Router) -> Router {
    router.layer(from_fn(one))
}

async fn one(request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    // The path comes from outside: shown escaped and cut.
    let path: String = request.uri().path().chars().take(80).collect();
    let span = tracing::info_span!("request", request = id, method = %request.method(), ?path);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
