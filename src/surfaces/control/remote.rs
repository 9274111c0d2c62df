//! The desk for whoever holds a key, below `/control` of the address that GitHub reaches; TLS is the reverse proxy's.
//!
//! Invariants: without a good key nothing is answered and nothing is read but the key's digest; where no key was made nobody
//! enters; a key that was revoked is no key at the next request; deliveries and keys are not here; whoever has a key takes only
//! so many of the connections that webhooks need too, and only for so long.

use super::attempts::{Attempts, Count};
use super::desk::Desk;
use super::routes::{Counter, routes};
use crate::domain::Refusal;
use crate::engine::client::Client;
use crate::surfaces::http::whole;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Requests with a good key that are worked on at once.
const AT_ONCE: usize = 128;
/// From the header to the end of a request.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request.
const LARGEST: usize = 64 << 10;

#[derive(Clone)]
struct Guard {
    desk: Desk,
    attempts: Arc<Attempts>,
    places: Arc<Semaphore>,
}

/// The routes of this door.
pub fn remote(desk: Desk, client: Client) -> Router {
    let guard = Guard { desk: desk.clone(), attempts: Arc::default(), places: Arc::new(Semaphore::new(AT_ONCE)) };
    let routes = routes(Counter { desk, client: Some(client) });
    Router::new().nest("/control", routes.layer(from_fn_with_state(guard, with_key)))
}

async fn with_key(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let given = bearer(&request).unwrap_or_default();
    let caller = match guard.desk.holder(given).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return guard.turned_away(),
        Err(refusal) => {
            tracing::error!(code = refusal.code, message = refusal.message, "a key could not be looked up");
            return (StatusCode::SERVICE_UNAVAILABLE, Json(not_looked_up())).into_response();
        }
    };
    let Ok(_place) = guard.places.try_acquire() else {
        let after = HeaderValue::from_static("1");
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, after)], Json(busy())).into_response();
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = whole(body, LARGEST, READ_TIMEOUT).await else {
        return (StatusCode::BAD_REQUEST, Json(unread())).into_response();
    };
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert(caller);
    next.run(request).await
}

pub fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, given) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
}

impl Guard {
    fn turned_away(&self) -> Response {
        match self.attempts.add(Instant::now()) {
            Count::Within => (StatusCode::UNAUTHORIZED, [challenge()], Json(no_key())).into_response(),
            Count::Over { left, first } => {
                if first {
                    tracing::warn!("somebody tries keys that are none");
                }
                let after = HeaderValue::from(left.as_secs() + 1);
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, after)], Json(too_many())).into_response()
            }
        }
    }
}

fn challenge() -> (header::HeaderName, HeaderValue) {
    (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn no_key() -> Refusal {
    let fix = "Set LOCKKEEPER_KEY to a key that `lockkeeper keys list` calls good, or make one with `lockkeeper keys create`.";
    Refusal::user("key_invalid", "The key is missing, unknown, expired or revoked.", fix)
}

fn not_looked_up() -> Refusal {
    Refusal::world("key_not_looked_up", "The key could not be looked up.", "Try again in a minute; the server's log says more.")
}

fn busy() -> Refusal {
    Refusal::world("rate_limited", "Too many requests are worked on now.", "Try again in a moment.")
}

fn unread() -> Refusal {
    let text = "The request did not arrive whole within 10 seconds, or is larger than 64 KB.";
    Refusal::user("request_unreadable", text, "Send it again.")
}

fn too_many() -> Refusal {
    Refusal::user("rate_limited", "Too many keys were tried that are none.", "Wait for a minute, and use a good key.")
}
