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
    within(READ_TIMEOUT, &LARGE_PLACES, body, declared, keep).await
}

async fn within(
    patience: Duration,
    places: &'static Semaphore,
    body: Body,
    declared: Option<u64>,
    keep: bool,
) -> Result<Read, BodyError> {
    // A client that asked first (`Expect: 100-continue`) or announces something absurd gets its answer at once.
    if declared.is_some_and(|length| length > (MAX_BODY + MAX_DRAIN) as u64) {
        return Err(BodyError::TooLarge);
    }
    let keep = keep && declared.is_none_or(|length| length <= MAX_BODY as u64);
    tokio::time::timeout(patience, collect(body, keep, places)).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(mut body: Body, keep: bool, places: &'static Semaphore) -> Result<Read, BodyError> {
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
                place = places.acquire().await.ok();
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream::{self, StreamExt};
    use std::convert::Infallible;

    fn body(chunks: usize, size: usize) -> Body {
        Body::from_stream(stream::iter((0..chunks).map(move |_| Ok::<_, Infallible>(Bytes::from(vec![b'x'; size])))))
    }

    #[tokio::test]
    async fn chunks_are_joined_in_order() {
        let chunks = ["one ", "", "two ", "three"].map(|text| Ok::<_, Infallible>(Bytes::from(text)));
        let read = read(Body::from_stream(stream::iter(chunks)), None, true).await.unwrap();
        assert_eq!(read.bytes, "one two three");
    }

    #[tokio::test]
    async fn the_cap_is_exact_whatever_was_declared() {
        assert_eq!(read(body(25, 1024 * 1024), None, true).await.unwrap().bytes.len(), MAX_BODY);
        let over = || body(1, MAX_BODY + 1);
        for declared in [None, Some(10), Some(MAX_BODY as u64 + 1), Some(u64::MAX)] {
            for keep in [true, false] {
                let error = read(over(), declared, keep).await.err();
                assert_eq!(error, Some(BodyError::TooLarge), "{declared:?} {keep}");
            }
        }
    }

    #[tokio::test]
    async fn without_a_signature_nothing_is_kept() {
        assert!(read(body(3, 1000), None, false).await.unwrap().bytes.is_empty());
    }

    #[tokio::test]
    async fn a_body_that_trickles_is_given_up() {
        let drop_by_drop = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"x"))).then(|chunk| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            chunk
        });
        let trickle = Body::from_stream(drop_by_drop);
        assert_eq!(
            within(Duration::from_millis(100), &LARGE_PLACES, trickle, None, true).await.err(),
            Some(BodyError::TooSlow)
        );
    }

    #[tokio::test]
    async fn large_bodies_wait_for_each_other_and_small_ones_do_not() {
        static PLACES: Semaphore = Semaphore::const_new(LARGE_BODIES);
        let large = || within(Duration::from_millis(200), &PLACES, body(2, LARGE), None, true);
        let held = futures::future::join_all((0..LARGE_BODIES).map(|_| large())).await;
        assert!(held.iter().all(Result::is_ok));
        assert!(within(READ_TIMEOUT, &PLACES, body(1, LARGE), None, true).await.is_ok(), "a small body waits");
        assert_eq!(large().await.err(), Some(BodyError::TooSlow));
        drop(held);
        assert!(large().await.is_ok());
    }
}
