//! Counters of a balancer as a sample: what happened between two looks.

use crate::domain::{Number, Sample};
use serde::{Deserialize, Serialize};

/// What a balancer has counted for one copy since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests that were answered or failed.
    pub requests: u64,
    /// Those that failed: answers of class 5xx, connections that could not be made, answers that broke off.
    pub errors: u64,
    /// Mean time to an answer over the balancer's own recent requests, in milliseconds, if it has one.
    pub latency_ms: Option<u64>,
}

/// What happened from one look to the next: `requests`, `errors`, `error_rate` and `latency_ms`. Without a request there is
/// no data.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 requests between two looks nobody needs the last one")]
pub fn between(before: &Counters, after: &Counters) -> Sample {
    let (Some(requests), Some(errors)) = (after.requests.checked_sub(before.requests), after.errors.checked_sub(before.errors))
    else {
        return Sample::error("counters_restarted", "the balancer's counters went back, so it was restarted");
    };
    if requests == 0 && errors == 0 {
        return Sample::NoData;
    }
    // A failed connection may be counted before its request is.
    let (errors, requests) = (errors as f64, requests.max(errors) as f64);
    let mut values = vec![("requests", requests), ("errors", errors), ("error_rate", errors / requests)];
    values.extend(after.latency_ms.map(|latency| ("latency_ms", latency as f64)));
    Sample::Values(values.into_iter().map(|(name, value)| (name.to_owned(), Number(value))).collect())
}
