//! `POST /callback/<run>`: a deployer reports how far it is, without being asked.
//!
//! Invariants: a 2xx means that what the report says is on the disk, or changes nothing; never more than a report's size is
//! kept; only so many are looked at at once, and the others are told to come back: whoever is not heard is asked, as one
//! without a callback is.

use crate::domain::Refusal;
use crate::engine::callbacks::{Reports, Told};
use crate::surfaces::http::{Unread, whole};
use crate::targets::callback::LARGEST_REPORT;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{Request, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Reports that are judged at once.
const AT_ONCE: usize = 32;
/// From the header to the end of the report.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// A store that takes longer is told of as one that took nothing.
const STORE_TIMEOUT: Duration = Duration::from_secs(8);

#[derive(Clone)]
struct Callback {
    reports: Arc<Reports>,
    places: Arc<Semaphore>,
}

/// The routes of this door.
pub fn callback_router(reports: Reports) -> Router {
    let callback = Callback { reports: Arc::new(reports), places: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new().route("/callback/{run}", post(receive)).with_state(callback)
}

async fn receive(State(callback): State<Callback>, Path(run): Path<String>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = match whole(body, LARGEST_REPORT, READ_TIMEOUT).await {
        Ok(body) => body,
        Err(why) => return unread(why),
    };
    // Only now, so that nobody keeps a place by being slow.
    let Ok(_place) = callback.places.try_acquire() else { return busy(Duration::from_secs(1)) };
    let told = tokio::time::timeout(STORE_TIMEOUT, callback.reports.report(&run, &parts.headers, &body)).await;
    match told {
        Ok(Ok(told)) => said(told),
        Ok(Err(refusal)) => {
            tracing::error!(code = refusal.code, message = refusal.message, "a report was not taken");
            unavailable()
        }
        Err(_) => unavailable(),
    }
}

fn unread(why: Unread) -> Response {
    let (status, code, text) = match why {
        Unread::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "callback_too_large", "The report is larger than 64 KB."),
        Unread::Broken => (StatusCode::BAD_REQUEST, "callback_broken", "The connection broke before the report was complete."),
        Unread::TooSlow => (StatusCode::REQUEST_TIMEOUT, "callback_too_slow", "The report did not arrive in time."),
    };
    refused(status, code, text)
}

fn said(told: Told) -> Response {
    match told {
        Told::Taken => done(StatusCode::ACCEPTED, "taken"),
        Told::Noted => done(StatusCode::ACCEPTED, "noted"),
        Told::Duplicate => done(StatusCode::OK, "duplicate"),
        Told::Late => done(StatusCode::OK, "late"),
        Told::Unknown => (StatusCode::NOT_FOUND, axum::Json(serde_json::json!({ "code": "not_found" }))).into_response(),
        Told::TooMany(wait) => busy(wait),
        Told::Refused { status, refusal } => {
            tracing::debug!(code = refusal.code, message = refusal.message, "a report was refused");
            show(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN), &refusal)
        }
    }
}

fn done(status: StatusCode, word: &'static str) -> Response {
    (status, axum::Json(serde_json::json!({ "status": word }))).into_response()
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    show(status, &Refusal::user(code, message, "Send the report again, as the README describes under \"Callbacks\"."))
}

fn busy(wait: Duration) -> Response {
    let mut response = refused(StatusCode::TOO_MANY_REQUESTS, "callback_too_many", "There are too many reports now.");
    response.headers_mut().insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
    response
}

fn unavailable() -> Response {
    refused(StatusCode::SERVICE_UNAVAILABLE, "callback_not_stored", "The report could not be stored now.")
}

fn show(status: StatusCode, refusal: &Refusal) -> Response {
    (status, axum::Json(refusal)).into_response()
}
