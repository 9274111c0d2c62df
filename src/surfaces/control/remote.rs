//! The desk for whoever holds a key, below `/control` of the address that GitHub reaches; TLS is the reverse proxy's.
//!
//! Invariants: without a good key nothing is answered and nothing is read but the key's digest; where no key was made nobody
//! enters; a key that was revoked is no key at the next request; deliveries and keys are not here.
//!
//! Failed attempts are counted for the door as a whole, because behind a proxy all come from one address; past the limit they
//! are told to wait and are not looked up more than once each. A good key is let in all the same: to shut it out would be
//! somebody else's to choose.

use super::desk::Desk;
use super::routes::{Counter, routes};
use crate::domain::Refusal;
use crate::engine::client::Client;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed attempts within [`WINDOW`] that are answered with a reason.
const ATTEMPTS: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct Guard {
    desk: Desk,
    failures: Arc<Mutex<Failures>>,
}

/// The routes of this door.
pub fn remote(desk: Desk, client: Client) -> Router {
    let guard = Guard { desk: desk.clone(), failures: Arc::default() };
    let routes = routes(Counter { desk, client: Some(client) });
    Router::new().nest("/control", routes.layer(from_fn_with_state(guard, with_key)))
}

async fn with_key(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let given = bearer(&request).unwrap_or_default();
    match guard.desk.holder(given).await {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(None) => guard.turned_away(),
        Err(refusal) => (StatusCode::SERVICE_UNAVAILABLE, Json(refusal)).into_response(),
    }
}

pub(super) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, given) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
}

impl Guard {
    fn turned_away(&self) -> Response {
        let count = self.failures.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now());
        match count {
            Count::Within => (StatusCode::UNAUTHORIZED, [challenge()], Json(no_key())).into_response(),
            Count::Over { left, first } => {
                if first {
                    tracing::warn!(attempts = ATTEMPTS, "somebody tries keys that are none");
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

fn too_many() -> Refusal {
    Refusal::user("rate_limited", "Too many keys were tried that are none.", "Wait for a minute, and use a good key.")
}

/// Failed attempts of one window after the other.
#[derive(Default)]
struct Failures {
    begun: Option<Instant>,
    count: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Count {
    Within,
    /// `first`: nobody has been told of it in this window.
    Over {
        left: Duration,
        first: bool,
    },
}

impl Failures {
    fn add(&mut self, now: Instant) -> Count {
        let begun = *self.begun.get_or_insert(now);
        let gone = now.duration_since(begun);
        if gone >= WINDOW {
            *self = Self { begun: Some(now), count: 0 };
            return self.add(now);
        }
        self.count = self.count.saturating_add(1);
        if self.count <= ATTEMPTS {
            return Count::Within;
        }
        Count::Over { left: WINDOW - gone, first: self.count == ATTEMPTS + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_attempts_are_told_to_wait_until_the_window_is_over() {
        let (mut failures, begin) = (Failures::default(), Instant::now());
        let later = |seconds: u64| begin + Duration::from_secs(seconds);
        for _ in 0..ATTEMPTS {
            assert_eq!(failures.add(begin), Count::Within);
        }
        assert_eq!(failures.add(later(15)), Count::Over { left: Duration::from_secs(45), first: true });
        assert_eq!(failures.add(later(59)), Count::Over { left: Duration::from_secs(1), first: false });
        assert_eq!(failures.add(later(60)), Count::Within);
    }
}
