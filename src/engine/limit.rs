//! So many in a span of time, for each of many.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many are remembered before those are forgotten whose span is over.
const MANY: usize = 10_000;

pub struct Limit<K> {
    most: u32,
    span: Duration,
    /// When its span began, and how many there were in it.
    seen: Mutex<HashMap<K, (Instant, u32)>>,
}

impl<K: Clone + Eq + Hash> Limit<K> {
    pub fn new(most: u32, span: Duration) -> Self {
        Self { most, span, seen: Mutex::default() }
    }

    /// Takes one; the error is how long until there is another.
    pub fn take(&self, of: &K, now: Instant) -> Result<(), Duration> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MANY {
            seen.retain(|_, (begun, _)| now.duration_since(*begun) < self.span);
        }
        let entry = seen.entry(of.clone()).or_insert((now, 0));
        if now.duration_since(entry.0) >= self.span {
            *entry = (now, 0);
        }
        if entry.1 >= self.most {
            return Err(self.span.saturating_sub(now.duration_since(entry.0)));
        }
        entry.1 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_and_time_gives_it_back() {
        let (limit, begun) = (Limit::new(2, Duration::from_secs(60)), Instant::now());
        let take = |of: char, after| limit.take(&of, begun + Duration::from_secs(after)).map_err(|wait| wait.as_secs());
        assert_eq!([take('a', 0), take('a', 0), take('b', 0)], [Ok(()), Ok(()), Ok(())]);
        assert_eq!([take('a', 20), take('b', 20), take('b', 20)], [Err(40), Ok(()), Err(40)]);
        assert_eq!([take('a', 60), take('a', 60), take('a', 61)], [Ok(()), Ok(()), Err(59)]);
    }
}
