//! What was asked and answered: a bounded log, exact counts, and everything that GitHub would have complained about.

use crate::domain::Millis;
use std::collections::{BTreeMap, VecDeque};

/// Older entries fall out of the log; counts and violations keep them.
const LOG_KEPT: usize = 20_000;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct LogEntry {
    pub seq: u64,
    pub at: Millis,
    pub method: String,
    /// With its query.
    pub path: String,
    /// The operation, `GET /repos/{owner}/{repo}/releases` or `POST /graphql Name`.
    pub route: String,
    /// 0 while it has no answer, or when it never got one.
    pub status: u16,
    /// An injected fault decided the answer.
    pub injected: bool,
    /// The first 20,000 bytes.
    pub body: String,
}

/// Something that a well-behaved App does not do, or that GitHub refused.
#[derive(Clone, Debug)]
pub struct Violation {
    pub seq: u64,
    pub route: String,
    /// The answer's status; 200 for a GraphQL error or for what GitHub silently ignores.
    pub status: u16,
    pub message: String,
}

#[derive(Default)]
pub(super) struct Journal {
    seq: u64,
    log: VecDeque<LogEntry>,
    counts: BTreeMap<String, u64>,
    violations: Vec<Violation>,
}

impl Journal {
    /// Notes a request before anything happens, so that one that is never answered is there too.
    pub fn open(&mut self, at: Millis, method: &str, path: &str, route: String, body: &[u8]) -> u64 {
        self.seq += 1;
        *self.counts.entry(route.clone()).or_default() += 1;
        let body = String::from_utf8_lossy(body.get(..body.len().min(20_000)).unwrap_or_default()).into_owned();
        let (method, path) = (method.to_owned(), path.to_owned());
        self.log.push_back(LogEntry { seq: self.seq, at, method, path, route, status: 0, injected: false, body });
        if self.log.len() > LOG_KEPT {
            self.log.pop_front();
        }
        self.seq
    }

    pub fn close(&mut self, seq: u64, status: u16, injected: bool) {
        let first = self.log.front().map_or(0, |e| e.seq);
        let index = usize::try_from(seq.saturating_sub(first)).ok();
        if let Some(entry) = index.and_then(|i| self.log.get_mut(i)) {
            entry.status = status;
            entry.injected = injected;
        }
    }

    pub fn complain(&mut self, seq: u64, route: &str, status: u16, message: impl Into<String>) {
        self.violations.push(Violation { seq, route: route.to_owned(), status, message: message.into() });
    }

    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.clone()
    }
    pub fn log(&self) -> Vec<LogEntry> {
        self.log.iter().cloned().collect()
    }
    pub fn violations(&self) -> Vec<Violation> {
        self.violations.clone()
    }
    /// Starts counting anew; numbers of requests go on.
    pub fn clear(&mut self) {
        self.log.clear();
        self.counts.clear();
        self.violations.clear();
    }
}
