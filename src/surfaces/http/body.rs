//! Reads a small request whole.
//!
//! Invariants: never more than the cap is kept. What is too large is read on for a while and thrown away, because many clients
//! write a request to its end before they read, and would see a broken connection instead of the answer.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::time::Duration;

/// How much beyond the cap is thrown away before the connection is given up.
const MOST_WASTE: usize = 32 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    TooSlow,
    /// The connection broke, or the framing is not HTTP.
    Broken,
}

/// The body, of at most so many bytes, if it arrives in time.
pub async fn whole(body: Body, most: usize, patience: Duration) -> Result<Bytes, Unread> {
    tokio::time::timeout(patience, collect(body, most)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn collect(mut body: Body, most: usize) -> Result<Bytes, Unread> {
    let (mut kept, mut seen) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        seen += data.len();
        if seen > most + MOST_WASTE {
            break;
        }
        if seen <= most {
            kept.extend_from_slice(&data);
        }
    }
    if seen > most { Err(Unread::TooLarge) } else { Ok(kept.freeze()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream::{self, StreamExt};
    use std::convert::Infallible;

    fn chunks(count: usize, size: usize) -> Body {
        Body::from_stream(stream::iter((0..count).map(move |_| Ok::<_, Infallible>(Bytes::from(vec![b'x'; size])))))
    }

    #[tokio::test]
    async fn the_cap_is_exact_and_what_is_over_it_is_read_to_its_end() {
        let second = Duration::from_secs(1);
        assert_eq!(whole(chunks(4, 25), 100, second).await.map(|bytes| bytes.len()), Ok(100));
        assert_eq!(whole(chunks(1, 101), 100, second).await, Err(Unread::TooLarge));
        let (sender, mut left) = tokio::sync::mpsc::unbounded_channel();
        let told = stream::iter(0..10).map(move |_| {
            let _ = sender.send(());
            Ok::<_, Infallible>(Bytes::from(vec![b'x'; 1 << 20]))
        });
        assert_eq!(whole(Body::from_stream(told), 100, second).await, Err(Unread::TooLarge));
        assert_eq!(left.len(), 10);
        left.close();
        let endless = Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b'x'; 1 << 20]))));
        assert_eq!(whole(endless, 100, Duration::from_secs(60)).await, Err(Unread::TooLarge));
    }

    #[tokio::test]
    async fn what_trickles_is_given_up() {
        let drops = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"x"))).then(|chunk| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            chunk
        });
        assert_eq!(whole(Body::from_stream(drops), 1 << 20, Duration::from_millis(50)).await, Err(Unread::TooSlow));
    }
}
