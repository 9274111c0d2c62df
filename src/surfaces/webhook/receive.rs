//! `POST /webhook`: size, signature, headers, JSON, in this order; then the delivery is stored and only then answered.
//!
//! Invariants: a 2xx means that the delivery is on disk, or was before; what asks for nothing is settled as it is stored, so
//! that it costs one write and holds nobody up; whoever has no valid signature learns nothing, not even what else is wrong;
//! if the store cannot take a delivery the answer is 503, so that GitHub counts it as failed and the reconciler asks for it
//! again.

use super::answer::{Answer, bad_request, done, not_stored, refused, unauthorized, unreadable};
use super::body::read;
use super::screen::{Own, Screened, label, screen};
use super::translate::nothing_to_do;
use super::verify::{Secrets, looks_signed};
use crate::domain::{DeliveryId, InstallationId, Refusal, RepoId};
use crate::store::inbox::{self, DeliveryStatus, NewDelivery, Receipt};
use crate::store::{Store, StoreError};
use crate::surfaces::http::Metrics;
use crate::surfaces::now;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tracing::Instrument;

/// GitHub gives up after ten seconds.
const STORE_TIMEOUT: Duration = Duration::from_secs(8);

/// What the door needs.
#[derive(Clone)]
pub struct Receiver {
    pub secrets: Secrets,
    /// Who we are, as soon as it is known.
    pub own: watch::Receiver<Own>,
    pub store: Store,
    /// Rung when a delivery waits to be worked on.
    pub bell: Arc<Notify>,
    pub metrics: Arc<Metrics>,
}

/// The routes of this door.
pub fn router(receiver: Receiver) -> Router {
    Router::new()
        .route("/webhook", post(receive))
        .method_not_allowed_fallback(|| async {
            let fix = "Send webhooks with POST.";
            let refusal = Refusal::user("method_not_allowed", "This address takes only POST.", fix);
            refused(StatusCode::METHOD_NOT_ALLOWED, &refusal)
        })
        .with_state(Arc::new(receiver))
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request<Body>) -> Response {
    let begun = Instant::now();
    let answer = verified(&receiver, request).await;
    receiver.metrics.webhook(answer.event, answer.word, begun.elapsed());
    answer.response
}

async fn verified(receiver: &Receiver, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    let signature = parts.headers.get("x-hub-signature-256").map_or(&b""[..], |value| value.as_bytes());
    let body = match read(body, content_length(&parts.headers), looks_signed(signature)).await {
        Ok(body) => body,
        Err(error) => return unreadable(error),
    };
    if !receiver.secrets.verify(signature, &body.bytes) {
        return unauthorized();
    }
    let (id, event) = match names(&parts.headers) {
        Ok(names) => names,
        Err(refusal) => return bad_request(&refusal),
    };
    let span = tracing::info_span!("delivery", delivery = %id, event);
    let event_label = label(&event);
    let answer = take(receiver, &parts.headers, id, event, body.bytes.clone()).instrument(span).await;
    Answer { event: event_label, ..answer }
}

/// Everything after the signature.
async fn take(receiver: &Receiver, headers: &HeaderMap, id: DeliveryId, event: String, body: Bytes) -> Answer {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if content_type.starts_with(b"application/x-www-form-urlencoded") {
        let fix = "Set the webhook's content type to `application/json` in the settings of the GitHub App.";
        return bad_request(&Refusal::operator("content_type_form", "The payload is sent as a form.", fix));
    }
    let screened = screen(&event, &body, &receiver.own.borrow());
    let Ok(screened) = screened else {
        let fix = "Send the payload as GitHub does: one JSON object, with content type `application/json`.";
        return bad_request(&Refusal::user("body_not_json_object", "The payload is not a JSON object.", fix));
    };
    if event == "ping" {
        return done(StatusCode::OK, &id, "pong");
    }
    let delivery = delivery(id.clone(), event, body, screened, &receiver.own.borrow());
    let ignored = delivery.status == DeliveryStatus::Ignored;
    match tokio::time::timeout(STORE_TIMEOUT, keep(receiver, delivery)).await {
        Ok(Ok(receipt)) => {
            let word = match receipt {
                Receipt::Duplicate => "duplicate",
                Receipt::Accepted if ignored => "ignored",
                Receipt::Accepted => "accepted",
            };
            tracing::debug!(status = word, "delivery answered");
            done(StatusCode::ACCEPTED, &id, word)
        }
        Ok(Err(error)) => not_stored(&error.refusal()),
        Err(_) => {
            let fix = "Look at the disk of the server; the delivery is asked for again by itself.";
            not_stored(&Refusal::operator("store_slow", "The store did not take the delivery in time.", fix))
        }
    }
}

/// What is stored.
fn delivery(id: DeliveryId, event: String, body: Bytes, screened: Screened, own: &Own) -> NewDelivery {
    let (status, note) = match (screened.ignored, nothing_to_do(&event, &body, &screened, own)) {
        (Some(ignored), _) => (DeliveryStatus::Ignored, ignored.reason()),
        (None, Some(why)) => (DeliveryStatus::Done, why),
        (None, None) => (DeliveryStatus::Pending, ""),
    };
    NewDelivery {
        id,
        event,
        action: screened.envelope.action,
        repo: screened.envelope.repository.map(|repository| (RepoId(repository.id), repository.full_name)),
        installation: screened.envelope.installation.map(|installation| InstallationId(installation.id)),
        received_at: now(),
        status,
        note: note.to_owned(),
        payload: body.into(),
    }
}

/// Answers when the delivery is on the disk.
async fn keep(receiver: &Receiver, delivery: NewDelivery) -> Result<Receipt, StoreError> {
    let bell = (delivery.status == DeliveryStatus::Pending).then(|| receiver.bell.clone());
    let stored = receiver.store.write(move |tx| {
        if let Some(bell) = bell {
            tx.after_commit(move || bell.notify_one());
        }
        inbox::receive(tx, &delivery)
    });
    stored.await
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
