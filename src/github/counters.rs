//! How often each call was made and how it ended, for `/metrics` and the tests of the call budget.

use super::Operation;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One line of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallCount {
    pub operation: Operation,
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    pub count: u64,
}

#[derive(Default)]
pub(super) struct Counters(Mutex<BTreeMap<(Operation, u16), u64>>);

impl Counters {
    pub fn add(&self, operation: Operation, status: u16) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((operation, status)).or_default() += 1;
    }

    pub fn snapshot(&self) -> Vec<CallCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(&(operation, status), &count)| CallCount { operation, status, count }).collect()
    }
}
