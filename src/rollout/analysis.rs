//! From samples to a verdict: a fold over the measurements of one metric, and the union of several metrics.
//!
//! Invariants: nothing passes without [`MetricPolicy::count`] good measurements; a measurement is good only if the
//! expression is true of finite numbers that were really measured; one bad measurement above the limit decides at once;
//! whatever was cut short, unreadable, late or empty is at best inconclusive. A verdict of failed or inconclusive is final.
//! The same samples, times and seed give the same state.
//!
//! The state is data for a step's result. A metric that has passed may be fed on, for as long as users are watched: it can
//! still fail.

mod counters;
mod metric;
mod pace;
mod union;

pub use counters::{Counters, between};
pub use metric::{Measurement, Metric, NAMES, Observation, Shape};
pub use union::combine;

use crate::config::repo::MetricPolicy;
use crate::domain::Millis;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What is known about a metric, or about all metrics of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The next measurement is due at `next_at`.
    Running {
        next_at: Millis,
    },
    Passed,
    /// The version is bad. Code: lower-case words joined by `_`; reason: one sentence.
    Failed {
        code: String,
        reason: String,
    },
    /// Nobody knows: a person decides, or a deadline.
    Inconclusive {
        code: String,
        reason: String,
    },
}

/// The measurements of one metric so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    begun: Millis,
    next_at: Millis,
    /// So that a thousand environments do not measure in the same moment; see [`pace`].
    seed: u64,
    measured: u32,
    good: u32,
    errors_in_a_row: u32,
    /// The last `window` measurements that were good (true) or bad.
    answers: VecDeque<bool>,
    /// Whether each of the last `window` measurements was inconclusive.
    unclear: VecDeque<bool>,
    verdict: Verdict,
}

impl State {
    /// Nothing measured yet. The seed should differ from environment to environment and from metric to metric.
    pub fn begin(policy: &MetricPolicy, now: Millis, seed: u64) -> Self {
        let next_at = pace::first(policy, now, seed);
        Self {
            begun: now,
            next_at,
            seed,
            measured: 0,
            good: 0,
            errors_in_a_row: 0,
            answers: VecDeque::new(),
            unclear: VecDeque::new(),
            verdict: Verdict::Running { next_at },
        }
    }

    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// When the next measurement is due, also of a metric that has passed.
    pub fn next_at(&self) -> Millis {
        self.next_at
    }

    pub fn good(&self) -> u32 {
        self.good
    }

    /// Takes in what was measured; `now` is when the answer came.
    pub fn feed(&mut self, metric: &Metric, seen: &Observation, now: Millis) -> &Verdict {
        if self.is_final() {
            return &self.verdict;
        }
        self.measured = self.measured.saturating_add(1);
        self.next_at = pace::next(metric.policy(), (self.next_at, now), self.seed, self.measured);
        let measurement = metric.judge(seen);
        self.count(metric.policy(), &measurement);
        self.verdict = self.decide(metric, &measurement, now);
        &self.verdict
    }

    /// The verdict if nothing more is measured.
    pub fn cut_short(&self, policy: &MetricPolicy) -> Verdict {
        match &self.verdict {
            Verdict::Running { .. } => {
                let reason = format!("the analysis ended after {} of {} good measurements", self.good, policy.count.max(1));
                Verdict::inconclusive("analysis_cut_short", reason)
            }
            decided => decided.clone(),
        }
    }

    fn is_final(&self) -> bool {
        matches!(self.verdict, Verdict::Failed { .. } | Verdict::Inconclusive { .. })
    }

    fn count(&mut self, policy: &MetricPolicy, measurement: &Measurement) {
        let window = policy.window.max(1) as usize;
        let answer = match measurement {
            Measurement::Good => Some(true),
            Measurement::Bad(_) => Some(false),
            Measurement::Unclear(_) | Measurement::Error { .. } | Measurement::Nothing => None,
        };
        self.good = self.good.saturating_add(u32::from(answer == Some(true)));
        if let Some(answer) = answer {
            push(&mut self.answers, answer, window);
        }
        if !matches!(measurement, Measurement::Nothing) {
            push(&mut self.unclear, matches!(measurement, Measurement::Unclear(_)), window);
        }
        self.errors_in_a_row = match measurement {
            Measurement::Error { .. } => self.errors_in_a_row.saturating_add(1),
            _ => 0,
        };
    }

    fn decide(&self, metric: &Metric, measurement: &Measurement, now: Millis) -> Verdict {
        let policy = metric.policy();
        let bad = self.answers.iter().filter(|good| !**good).count();
        let unclear = self.unclear.iter().filter(|unclear| **unclear).count();
        match measurement {
            Measurement::Bad(reason) if bad > policy.failure_limit as usize => {
                Verdict::failed("analysis_failed", tally(reason, bad, self.answers.len(), policy.failure_limit, "bad"))
            }
            Measurement::Unclear(reason) if unclear > policy.inconclusive_limit as usize => {
                let reason = tally(reason, unclear, self.unclear.len(), policy.inconclusive_limit, "inconclusive");
                Verdict::inconclusive("analysis_inconclusive", reason)
            }
            Measurement::Error { code, reason } if self.errors_in_a_row > policy.consecutive_errors => {
                Verdict::inconclusive(code, format!("{reason} ({} times in a row)", self.errors_in_a_row))
            }
            _ if self.good >= policy.count.max(1) => Verdict::Passed,
            _ if self.begun.until(now) >= policy.within => self.out_of_time(policy),
            _ => Verdict::Running { next_at: self.next_at },
        }
    }

    fn out_of_time(&self, policy: &MetricPolicy) -> Verdict {
        let (good, wanted) = (self.good, policy.count.max(1));
        let reason = format!("{good} of {wanted} good measurements were made within {} s", policy.within.as_secs());
        Verdict::inconclusive("analysis_out_of_time", reason)
    }
}

impl Verdict {
    fn failed(code: &str, reason: impl Into<String>) -> Self {
        Self::Failed { code: code.to_owned(), reason: reason.into() }
    }
    fn inconclusive(code: &str, reason: impl Into<String>) -> Self {
        Self::Inconclusive { code: code.to_owned(), reason: reason.into() }
    }
}

fn tally(reason: &str, count: usize, of: usize, allowed: u32, word: &str) -> String {
    match (count, allowed) {
        (1, 0) => reason.to_owned(),
        _ => format!("{reason} ({count} of the last {of} measurements were {word}, {allowed} may be)"),
    }
}

fn push(list: &mut VecDeque<bool>, value: bool, most: usize) {
    list.push_back(value);
    while list.len() > most {
        list.pop_front();
    }
}

#[cfg(test)]
mod tests;
