//! How long the last commits took, for the metrics.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Commits that are remembered.
const LAST: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Latencies(Mutex<VecDeque<Duration>>);

/// Of the last commits; zero before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitTimes {
    pub median: Duration,
    /// 99th percentile.
    pub p99: Duration,
}

impl Latencies {
    pub fn add(&self, took: Duration) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST {
            last.pop_front();
        }
        last.push_back(took);
    }

    pub fn times(&self) -> CommitTimes {
        let mut sorted: Vec<Duration> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        sorted.sort_unstable();
        let at = |percent: usize| sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied();
        CommitTimes { median: at(50).unwrap_or_default(), p99: at(99).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_count() {
        let latencies = Latencies::default();
        assert_eq!(latencies.times(), CommitTimes::default());
        (0..LAST).for_each(|_| latencies.add(Duration::from_secs(9)));
        (0..u64::try_from(LAST).unwrap()).for_each(|n| latencies.add(Duration::from_millis(n)));
        let times = latencies.times();
        assert_eq!((times.median.as_millis(), times.p99.as_millis()), (512, 1013));
    }
}
