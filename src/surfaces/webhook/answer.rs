//! What the door says, for each way that a request can go.

use super::body::{BodyError, MAX_BODY};
use crate::domain::{DeliveryId, Refusal};
use crate::surfaces::now;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::sync::atomic::{AtomicI64, Ordering};

/// A response and what the metrics say about it.
pub struct Answer {
    pub event: &'static str,
    pub word: &'static str,
    pub response: Response,
}

/// The sender learns nothing; the operator learns of it now and then, because a secret may be set wrongly.
pub fn unauthorized() -> Answer {
    static TOLD: AtomicI64 = AtomicI64::new(i64::MIN);
    let minute = now().0 / 60_000;
    if TOLD.swap(minute, Ordering::Relaxed) != minute {
        tracing::warn!("a webhook without a valid signature was refused; is the secret the one in the App's settings?");
    }
    let response = (StatusCode::UNAUTHORIZED, axum::Json(serde_json::json!({ "code": "unauthorized" }))).into_response();
    Answer { event: "other", word: "unauthorized", response }
}

pub fn unreadable(error: BodyError) -> Answer {
    let (status, refusal) = match error {
        BodyError::TooLarge => {
            let message = format!("The payload is larger than {} MB.", MAX_BODY / 1024 / 1024);
            let fix = "GitHub sends nothing larger; look at what stands between GitHub and this server.";
            (StatusCode::PAYLOAD_TOO_LARGE, Refusal::user("payload_too_large", message, fix))
        }
        BodyError::TooSlow => {
            let fix = "Look at the network between GitHub and this server, then redeliver.";
            let refusal = Refusal::world("payload_too_slow", "The payload did not arrive in time.", fix);
            (StatusCode::REQUEST_TIMEOUT, refusal)
        }
        BodyError::Broken => {
            let fix = "Redeliver the event from the App's settings, Advanced.";
            let message = "The connection broke before the payload was complete.";
            (StatusCode::BAD_REQUEST, Refusal::world("payload_broken", message, fix))
        }
    };
    Answer { event: "other", word: "unreadable", response: refused(status, &refusal) }
}

pub fn done(status: StatusCode, id: &DeliveryId, word: &'static str) -> Answer {
    let response = (status, axum::Json(serde_json::json!({ "delivery": id, "status": word }))).into_response();
    Answer { event: "other", word, response }
}

pub fn bad_request(refusal: &Refusal) -> Answer {
    Answer { event: "other", word: "bad_request", response: refused(StatusCode::BAD_REQUEST, refusal) }
}

pub fn not_stored(refusal: &Refusal) -> Answer {
    tracing::error!(code = refusal.code, message = refusal.message, "delivery not stored");
    Answer { event: "other", word: "not_stored", response: refused(StatusCode::SERVICE_UNAVAILABLE, refusal) }
}

pub fn refused(status: StatusCode, refusal: &Refusal) -> Response {
    let body = serde_json::json!({ "code": refusal.code, "message": refusal.message, "fix": refusal.fix });
    (status, axum::Json(body)).into_response()
}
