//! The metrics of an environment while a version is watched: what to ask, and what the answers say so far.
//!
//! Invariant: what has been measured is data that is kept with the round that it came from, so that a restart changes no
//! verdict.

use super::bring_up::values;
use super::drive::Drive;
use crate::config::repo::{AnalysisPolicy, AnalysisSource, Baseline, fill_query};
use crate::domain::{Millis, Refusal, Sample, Slot};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Call, MeasureCall};
use crate::rollout::analysis::{Counters, Metric, Observation, State, Verdict, between, combine};
use crate::targets::traffic::{Counted, Counters as Seen};
use serde::{Deserialize, Serialize};

pub(super) struct Metrics<'a> {
    all: Vec<One<'a>>,
}

struct One<'a> {
    policy: &'a AnalysisPolicy,
    metric: Metric,
}

/// What has been measured of one of them.
#[derive(Serialize, Deserialize)]
pub(super) struct Measured {
    state: State,
    /// The balancer's counters at the last look.
    before: Option<Counted>,
}

impl<'a> Metrics<'a> {
    pub fn of(policies: &'a [AnalysisPolicy]) -> Result<Self, Refusal> {
        let one = |policy: &'a AnalysisPolicy| Ok(One { policy, metric: Metric::of(policy)? });
        Ok(Self { all: policies.iter().map(one).collect::<Result<_, Refusal>>()? })
    }

    /// What the counters stand at before anything is counted.
    pub fn count_first(&self, f: &mut Flow, drive: &Drive, name: &str) -> Result<Vec<Option<Counted>>, Stop> {
        let mut all = Vec::with_capacity(self.all.len());
        for (index, one) in self.all.iter().enumerate() {
            let call = drive.balancer().filter(|_| matches!(one.policy.source, AnalysisSource::Haproxy(_)));
            let counted = call.map(|call| f.try_step(&format!("{name}.first.{index}"), &Call::CountTraffic(call)));
            all.push(counted.transpose()?.and_then(Result::ok).flatten());
        }
        Ok(all)
    }

    /// Nothing measured yet.
    pub fn begin(&self, first: Vec<Option<Counted>>, now: Millis, seed: &str) -> Vec<Measured> {
        let begin = |(one, before): (&One, _)| {
            let state = State::begin(&one.policy.metric, now, hash(seed, &one.policy.name));
            Measured { state, before }
        };
        self.all.iter().zip(first).map(begin).collect()
    }

    /// When the next of them is due.
    pub fn next_at(so: &[Measured]) -> Option<Millis> {
        so.iter().map(|one| one.state.next_at()).min()
    }

    pub fn verdict(&self, so: &[Measured]) -> Verdict {
        combine(self.all.iter().zip(so).map(|(one, so)| (one.policy.name.as_str(), so.state.verdict())))
    }

    /// Asks those that are due, side by side.
    pub fn measure(&self, f: &mut Flow, drive: &Drive, so: &mut [Measured], at: Millis) -> Result<(), Stop> {
        let due: Vec<(usize, (&One, &mut Measured))> =
            self.all.iter().zip(so).enumerate().filter(|(_, (_, so))| so.state.next_at() <= at).collect();
        let calls: Vec<(String, Call)> =
            due.iter().filter_map(|(index, (one, _))| Some((format!("measure.{index}"), one.call(drive)?))).collect();
        let answers: Vec<Result<serde_json::Value, StepFailure>> = f.try_all(&calls)?;
        for ((_, (one, so)), answer) in due.into_iter().zip(answers) {
            let seen = one.seen(answer, &mut so.before, drive);
            so.state.feed(&one.metric, &seen, f.now());
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

    fn seen(&self, answer: Result<serde_json::Value, StepFailure>, before: &mut Option<Counted>, drive: &Drive) -> Observation {
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
                let before = before.replace(now.clone());
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
