//! Reads a request's body within limits, before anything is known about who sent it.
//!
//! Invariants: never more than [`MAX_BODY`] bytes are kept, whatever `content-length` says; nothing is kept at all for a
//! sender that shows no signature; a sender that is slow loses its connection; only a few large bodies are in memory at once.
//! What is too large is read on for a while and thrown away, because a client that is still writing would otherwise see a
//! broken connection instead of the 413.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// GitHub caps payloads at 25 MB. Source: GitHub, "Webhook events and payloads", payload cap.
pub const MAX_BODY: usize = 25 * 1024 * 1024;
/// How much beyond the cap is thrown away before the connection is given up.
const MAX_DRAIN: usize = 2 * MAX_BODY;
/// GitHub waits ten seconds for the answer, so a body that takes longer helps nobody.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// From this size on, a body needs one of [`LARGE_BODIES`] places; nearly all payloads are smaller.
const LARGE: usize = 256 * 1024;
const LARGE_BODIES: usize = 8;

static LARGE_PLACES: Semaphore = Semaphore::const_new(LARGE_BODIES);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    TooSlow,
    /// The connection broke, or the framing is not HTTP.
    Broken,
}

/// A body and, if it is a large one, its place; the place is free again when this is dropped.
pub struct Read {
    pub bytes: Bytes,
    _place: Option<SemaphorePermit<'static>>,
}

/// Reads the body. With `keep` false the bytes are only counted and the result is empty.
pub async fn read(body: Body, declared: Option<u64>, keep: bool) -> Result<Read, BodyError> {
    // A client that asked first (`Expect: 100-continue`) or announces something absurd gets its answer at once.
    if declared.is_some_and(|length| length > (MAX_BODY + MAX_DRAIN) as u64) {
        return Err(BodyError::TooLarge);
    }
    let keep = keep && declared.is_none_or(|length| length <= MAX_BODY as u64);
    tokio::time::timeout(READ_TIMEOUT, collect(body, keep)).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(mut body: Body, keep: bool) -> Result<Read, BodyError> {
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    let (mut seen, mut place) = (0_usize, None);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        seen += data.len();
        if seen > MAX_BODY {
            (first, rest) = (Bytes::new(), BytesMut::new());
            if seen > MAX_BODY + MAX_DRAIN {
                break;
            }
        } else if keep {
            if seen > LARGE && place.is_none() {
                place = LARGE_PLACES.acquire().await.ok();
            }
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
        }
    }
    if seen > MAX_BODY {
        return Err(BodyError::TooLarge);
    }
    Ok(Read { bytes: join(first, rest), _place: place })
}

/// Most bodies arrive in one piece and are not copied.
fn join(first: Bytes, rest: BytesMut) -> Bytes {
    if rest.is_empty() {
        return first;
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.unsplit(rest);
    whole.freeze()
}
