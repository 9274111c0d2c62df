//! `POST /webhook`: size, signature, headers, JSON, in this order; then the delivery is stored and only then answered.
//!
//! Invariants: a 2xx means that the delivery is on disk, or was before; whoever has no valid signature learns nothing, not
//! even what else is wrong; if the store cannot take a delivery the answer is 503, so that GitHub counts it as failed and
//! the reconciler asks for it again.

use super::body::{BodyError, MAX_BODY, read};
use super::screen::{Own, screen};
use super::verify::{Secrets, looks_signed};
use crate::domain::{DeliveryId, InstallationId, Refusal, RepoId};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

/// GitHub gives up after ten seconds.
const STORE_TIMEOUT: Duration = Duration::from_secs(8);

/// A delivery that is worth storing.
#[derive(Debug)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub event: String,
    pub action: Option<String>,
    pub repo: Option<RepoId>,
    pub installation: Option<InstallationId>,
    /// Why it is only remembered and not worked on.
    pub ignored: Option<&'static str>,
    pub body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    Stored,
    Duplicate,
}

/// Takes a delivery and answers when it is on disk.
pub type Keep = Arc<dyn Fn(NewDelivery) -> BoxFuture<'static, Result<Receipt, Refusal>> + Send + Sync>;

/// What the door needs.
#[derive(Clone)]
pub struct Receiver {
    pub secrets: Secrets,
    pub own: Arc<Own>,
    pub keep: Keep,
}

/// The routes of this door.
pub fn router(receiver: Receiver) -> Router {
    Router::new()
        .route("/webhook", post(receive))
        .method_not_allowed_fallback(|| async {
            let fix = "Send webhooks with POST.";
            problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address takes only POST.", fix)
        })
        .with_state(Arc::new(receiver))
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let signature = parts.headers.get("x-hub-signature-256").map_or(&b""[..], |value| value.as_bytes());
    let body = match read(body, content_length(&parts.headers), looks_signed(signature)).await {
        Ok(body) => body,
        Err(error) => return unreadable(error),
    };
    if !receiver.secrets.verify(signature, &body.bytes) {
        return (StatusCode::UNAUTHORIZED, axum::Json(serde_json::json!({ "code": "unauthorized" }))).into_response();
    }
    let (id, event) = match names(&parts.headers) {
        Ok(names) => names,
        Err(refusal) => return refused(StatusCode::BAD_REQUEST, &refusal),
    };
    let span = tracing::info_span!("delivery", delivery = %id, event);
    take(&receiver, &parts.headers, id, event, body.bytes.clone()).instrument(span).await
}

/// Everything after the signature.
async fn take(receiver: &Receiver, headers: &HeaderMap, id: DeliveryId, event: String, body: Bytes) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if content_type.starts_with(b"application/x-www-form-urlencoded") {
        let fix = "Set the webhook's content type to `application/json` in the settings of the GitHub App.";
        return problem(StatusCode::BAD_REQUEST, "content_type_form", "The payload is sent as a form.", fix);
    }
    let Ok(screened) = screen(&event, &body, &receiver.own) else {
        let fix = "Send the payload as GitHub does: one JSON object, with content type `application/json`.";
        return problem(StatusCode::BAD_REQUEST, "body_not_json_object", "The payload is not a JSON object.", fix);
    };
    if event == "ping" {
        return answer(StatusCode::OK, &id, "pong");
    }
    let ignored = screened.ignored.map(|why| why.reason());
    let delivery = NewDelivery {
        id: id.clone(),
        event,
        action: screened.envelope.action,
        repo: screened.envelope.repository.map(|repository| RepoId(repository.id)),
        installation: screened.envelope.installation.map(|installation| InstallationId(installation.id)),
        ignored,
        body,
    };
    match tokio::time::timeout(STORE_TIMEOUT, (receiver.keep)(delivery)).await {
        Ok(Ok(Receipt::Duplicate)) => answer(StatusCode::ACCEPTED, &id, "duplicate"),
        Ok(Ok(Receipt::Stored)) => answer(StatusCode::ACCEPTED, &id, if ignored.is_some() { "ignored" } else { "accepted" }),
        Ok(Err(refusal)) => {
            tracing::error!(code = refusal.code, message = refusal.message, "delivery not stored");
            refused(StatusCode::SERVICE_UNAVAILABLE, &refusal)
        }
        Err(_) => {
            tracing::error!("delivery not stored in time");
            let message = "The store did not take the delivery in time.";
            let fix = "Look at the disk of the server; the delivery is asked for again by itself.";
            problem(StatusCode::SERVICE_UNAVAILABLE, "store_slow", message, fix)
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The delivery's id and the event's name.
fn names(headers: &HeaderMap) -> Result<(DeliveryId, String), Refusal> {
    let fix = "Send the headers that GitHub sends with every webhook.";
    let text = |name: &str, code: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty());
        value.ok_or_else(|| Refusal::user(code, format!("The header `{name}` is missing."), fix))
    };
    let event = text("X-GitHub-Event", "event_header_missing")?;
    let id = text("X-GitHub-Delivery", "delivery_header_missing")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if event.len() > 100 || !event.bytes().all(plain) {
        return Err(Refusal::user("event_header_invalid", "The header `X-GitHub-Event` does not hold an event's name.", fix));
    }
    let invalid = || Refusal::user("delivery_header_invalid", "The header `X-GitHub-Delivery` does not hold an id.", fix);
    Ok((DeliveryId::parse(id).ok_or_else(invalid)?, event.to_owned()))
}

fn unreadable(error: BodyError) -> Response {
    match error {
        BodyError::TooLarge => {
            let message = format!("The payload is larger than {} MB.", MAX_BODY / 1024 / 1024);
            let fix = "GitHub sends nothing larger; look at what stands between GitHub and this server.";
            problem(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", &message, fix)
        }
        BodyError::TooSlow => {
            let fix = "Look at the network between GitHub and this server, then redeliver.";
            problem(StatusCode::REQUEST_TIMEOUT, "payload_too_slow", "The payload did not arrive in time.", fix)
        }
        BodyError::Broken => {
            let fix = "Redeliver the event from the App's settings, Advanced.";
            problem(StatusCode::BAD_REQUEST, "payload_broken", "The connection broke before the payload was complete.", fix)
        }
    }
}

fn answer(status: StatusCode, id: &DeliveryId, word: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "delivery": id, "status": word }))).into_response()
}

fn refused(status: StatusCode, refusal: &Refusal) -> Response {
    problem(status, &refusal.code, &refusal.message, &refusal.fix)
}

fn problem(status: StatusCode, code: &str, message: &str, fix: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "code": code, "message": message, "fix": fix }))).into_response()
}
