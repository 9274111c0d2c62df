//! Failed attempts to come in by a door as a whole, because behind a proxy all come from one address. Past the limit they are
//! told to wait. A good key is let in all the same: to shut it out would be somebody else's to choose.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed attempts within [`WINDOW`] that are answered with a reason.
const MOST: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// Failed attempts of one window after the other.
#[derive(Default)]
pub struct Attempts(Mutex<Failures>);

#[derive(Default)]
struct Failures {
    begun: Option<Instant>,
    count: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Count {
    Within,
    /// `first`: nobody has been told of it in this window.
    Over {
        left: Duration,
        first: bool,
    },
}

impl Attempts {
    pub fn add(&self, now: Instant) -> Count {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(now)
    }
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
        if self.count <= MOST {
            return Count::Within;
        }
        Count::Over { left: WINDOW - gone, first: self.count == MOST + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_attempts_are_told_to_wait_until_the_window_is_over() {
        let (attempts, begin) = (Attempts::default(), Instant::now());
        let later = |seconds: u64| begin + Duration::from_secs(seconds);
        for _ in 0..MOST {
            assert_eq!(attempts.add(begin), Count::Within);
        }
        assert_eq!(attempts.add(later(15)), Count::Over { left: Duration::from_secs(45), first: true });
        assert_eq!(attempts.add(later(59)), Count::Over { left: Duration::from_secs(1), first: false });
        assert_eq!(attempts.add(later(60)), Count::Within);
    }
}
