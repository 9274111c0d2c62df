//! How long to wait before the next attempt, and by which clock.

use crate::domain::Millis;
use crate::surfaces::now;
use std::time::{Duration, Instant};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Doubled from attempt to attempt, with jitter, so that many deliveries do not come back at once.
pub fn wait(attempts: u32) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << attempts.min(10)).min(LONGEST_WAIT);
    doubled.mul_f64(rand::random_range(0.75..=1.0))
}

/// Now by the system at the start, and from there on only forward.
#[derive(Clone, Copy)]
pub struct Clock {
    at: Millis,
    begun: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { at: now(), begun: Instant::now() }
    }
    pub fn now(&self) -> Millis {
        self.at.plus(self.begun.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_half_a_second_to_half_a_minute() {
        for (attempts, longest) in [(0, 500), (1, 1_000), (2, 2_000), (5, 16_000), (6, 30_000), (u32::MAX, 30_000)] {
            let longest = Duration::from_millis(longest);
            let waits: Vec<_> = (0..50).map(|_| wait(attempts)).collect();
            assert!(waits.iter().all(|wait| *wait <= longest && *wait >= longest.mul_f64(0.74)), "{attempts}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "no jitter");
        }
    }
}
