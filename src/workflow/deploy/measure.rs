//! The metrics of an environment while a version is watched: what to ask, and what the answers say so far.
//!
//! Invariant: everything is computed again from the stored answers at each evaluation, so that a restart changes no verdict.

use super::bring_up::values;
use super::drive::Drive;
use crate::config::repo::{AnalysisPolicy, AnalysisSource, Baseline, fill_query};
use crate::domain::{Millis, Refusal, Sample, Slot};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Call, MeasureCall};
use crate::rollout::analysis::{Counters, Metric, Observation, State, Verdict, between, combine};
use crate::targets::traffic::{Counted, Counters as Seen};

pub(super) struct Metrics<'a> {
    all: Vec<One<'a>>,
}

struct One<'a> {
    policy: &'a AnalysisPolicy,
    metric: Metric,
    state: State,
    /// The balancer's counters at the last look.
    before: Option<Counted>,
}

impl<'a> Metrics<'a> {
    pub fn begin(policies: &'a [AnalysisPolicy], now: Millis, seed: &str) -> Result<Self, Refusal> {
        let begin = |policy: &'a AnalysisPolicy| {
            let metric = Metric::of(policy)?;
            let state = State::begin(&policy.metric, now, hash(seed, &policy.name));
            Ok(One { policy, metric, state, before: None })
        };
        Ok(Self { all: policies.iter().map(begin).collect::<Result<_, Refusal>>()? })
    }

    /// When the next of them is due.
    pub fn next_at(&self) -> Option<Millis> {
        self.all.iter().map(|one| one.state.next_at()).min()
    }

    pub fn verdict(&self) -> Verdict {
        combine(self.all.iter().map(|one| (one.policy.name.as_str(), one.state.verdict())))
    }

    /// What the counters stand at before anything is counted.
    pub fn count_first(&mut self, f: &mut Flow, drive: &Drive, name: &str) -> Result<(), Stop> {
        for (index, one) in self.all.iter_mut().enumerate() {
            if matches!(one.policy.source, AnalysisSource::Haproxy(_))
                && let Some(call) = drive.balancer()
            {
                one.before = f.try_step(&format!("{name}.first.{index}"), &Call::CountTraffic(call))?.unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Asks those that are due, side by side.
    pub fn measure(&mut self, f: &mut Flow, drive: &Drive, name: &str, at: Millis) -> Result<(), Stop> {
        let due: Vec<usize> =
            (0..self.all.len()).filter(|i| self.all.get(*i).is_some_and(|one| one.state.next_at() <= at)).collect();
        let calls: Vec<(String, Call)> =
            due.iter().filter_map(|index| Some((format!("{name}.{index}"), self.all.get(*index)?.call(drive)?))).collect();
        let answers: Vec<Result<serde_json::Value, StepFailure>> = f.try_all(&calls)?;
        let now = f.now();
        let came: Millis = f.record(&format!("{name}.came"), || now)?;
        for (index, answer) in due.into_iter().zip(answers) {
            if let Some(one) = self.all.get_mut(index) {
                let seen = one.seen(answer, drive);
                one.state.feed(&one.metric, &seen, came);
            }
        }
        Ok(())
    }
}

impl One<'_> {
    /// Nothing where there is no balancer to count: that is a configuration that plans refuse.
    fn call(&self, drive: &Drive) -> Option<Call> {
        match &self.policy.source {
            AnalysisSource::Haproxy(_) => Some(Call::CountTraffic(drive.balancer()?)),
            AnalysisSource::Prometheus(source) => {
                let old = drive.slots.and_then(|slots| slots.old);
                let baseline = source.baseline.as_ref().map(|baseline| match baseline {
                    Baseline::Same => filled(&source.query, drive, old),
                    Baseline::Query(query) => filled(query, drive, old),
                });
                Some(Call::Measure(MeasureCall {
                    repo: drive.this.input.repo.clone(),
                    prometheus: source.prometheus.clone(),
                    query: filled(&source.query, drive, drive.leg.slot),
                    baseline,
                    timeout: source.timeout,
                }))
            }
        }
    }

    fn seen(&mut self, answer: Result<serde_json::Value, StepFailure>, drive: &Drive) -> Observation {
        let broken = |code: &str, reason: String| Observation { sample: Sample::error(code, reason), baseline: None };
        let value = match answer {
            Ok(value) => value,
            Err(failure) => return broken(&failure.refusal.code, failure.refusal.message),
        };
        match &self.policy.source {
            AnalysisSource::Prometheus(_) => {
                serde_json::from_value(value).unwrap_or_else(|why| broken("measurement_unreadable", why.to_string()))
            }
            AnalysisSource::Haproxy(source) => {
                let Ok(Some(now)) = serde_json::from_value::<Option<Counted>>(value) else {
                    return broken("counters_unreadable", "the balancer's counters could not be read".to_owned());
                };
                let before = self.before.replace(now.clone());
                let sample = |slot: Option<Slot>| since(before.as_ref(), &now, slot);
                let baseline = source.baseline.then(|| sample(drive.slots.and_then(|slots| slots.old)));
                Observation { sample: sample(drive.leg.slot), baseline }
            }
        }
    }
}

/// What happened in a slot between two looks.
fn since(before: Option<&Counted>, now: &Counted, slot: Option<Slot>) -> Sample {
    let (Some(before), Some(slot)) = (before, slot) else { return Sample::NoData };
    if before.since != now.since {
        return Sample::error("counters_restarted", "the balancer was restarted, so its counters began anew");
    }
    between(&counters(before.slots.get(slot)), &counters(now.slots.get(slot)))
}

fn counters(seen: &Seen) -> Counters {
    Counters {
        requests: seen.requests,
        errors: seen.errors.saturating_add(seen.broken),
        latency_ms: (seen.response_ms > 0).then_some(seen.response_ms),
    }
}

/// A query that cannot be filled in asks for nothing that exists: the answer is an error, never a pass.
fn filled(query: &str, drive: &Drive, slot: Option<Slot>) -> Result<String, String> {
    let mut values = values(drive.this, &drive.leg, None);
    values.insert("slot", slot.map(|slot| slot.to_string()).unwrap_or_default());
    fill_query(query, |name| values.get(name).cloned())
}

/// FNV-1a: differs from run to run and from metric to metric, and stays the same after a restart.
fn hash(run: &str, metric: &str) -> u64 {
    let byte = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    run.bytes().chain(metric.bytes()).fold(0xcbf2_9ce4_8422_2325, byte)
}
