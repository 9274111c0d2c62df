//! What one observation says: good, bad, or neither and why.

use crate::config::repo::{AnalysisPolicy, AnalysisSource, MetricPolicy, NoData};
use crate::domain::{Number, Refusal, Sample};
use crate::expect::{self, Expression, Variables};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// Numbers that a source with several of them may give; others are not looked at.
pub const NAMES: [&str; 4] = ["error_rate", "latency_ms", "requests", "errors"];

/// A policy with its expression read.
#[derive(Clone, Debug)]
pub struct Metric {
    policy: MetricPolicy,
    expression: Expression,
}

/// What was measured on the new copy and, if the policy compares, at the same time on the stable one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub sample: Sample,
    pub baseline: Option<Sample>,
}

/// An observation, judged. Reasons are half sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measurement {
    Good,
    Bad(String),
    /// There was an answer, and it says neither yes nor no.
    Unclear(String),
    Error {
        code: String,
        reason: String,
    },
    /// An empty answer of a metric that waits for data.
    Nothing,
}

/// The shape of what a source gives, to try expressions on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One number, `value`.
    One,
    /// The numbers of [`NAMES`].
    Several,
}

impl Metric {
    /// The metric of an analysis, as its source answers.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn of(policy: &AnalysisPolicy) -> Result<Self, Refusal> {
        match &policy.source {
            AnalysisSource::Prometheus(source) => Self::read(&policy.metric, Shape::One, source.baseline.is_some()),
            AnalysisSource::Haproxy(source) => Self::read(&policy.metric, Shape::Several, source.baseline),
        }
    }

    /// Reads the policy and tries its expression on made-up numbers, so that what can never be judged is refused before
    /// anything moves.
    ///
    /// # Errors
    /// The user's: an expression that cannot be read, names what is not there, or mixes kinds; limits that contradict.
    pub fn read(policy: &MetricPolicy, shape: Shape, compares: bool) -> Result<Self, Refusal> {
        let expression = expect::compile(&policy.expect).map_err(|why| unusable(&why))?;
        if policy.failure_limit >= policy.window.max(1) {
            let message = format!(
                "A metric bears {} bad measurements among its last {}, so it could never fail.",
                policy.failure_limit, policy.window
            );
            let fix = "Make `failure_limit` smaller than `window` in .github/lockkeeper.toml.";
            return Err(Refusal::user("analysis_never_fails", message, fix));
        }
        let sample = match shape {
            Shape::One => Sample::value(1.5),
            Shape::Several => Sample::Values(NAMES.iter().map(|name| ((*name).to_owned(), Number(1.5))).collect()),
        };
        let baseline = compares.then(|| sample.clone());
        let metric = Self { policy: policy.clone(), expression };
        if let Measurement::Error { reason, .. } = metric.judge(&Observation { sample, baseline }) {
            return Err(unusable(&reason));
        }
        Ok(metric)
    }

    pub fn policy(&self) -> &MetricPolicy {
        &self.policy
    }

    pub fn judge(&self, seen: &Observation) -> Measurement {
        for (sample, whose) in [(Some(&seen.sample), "the new copy"), (seen.baseline.as_ref(), "the stable copy")] {
            let Some(sample) = sample else { continue };
            if let Some(verdict) = self.neither(sample, whose) {
                return verdict;
            }
        }
        let variables = self.variables(seen);
        match self.expression.evaluate(&variables) {
            Ok(true) => Measurement::Good,
            Ok(false) => Measurement::Bad(format!("`{}` does not hold: {}", self.shown(), said(seen))),
            Err(error) => Measurement::Error { code: error.code().to_owned(), reason: format!("`{}`: {error}", self.shown()) },
        }
    }

    /// What a sample is worth that cannot be calculated with.
    fn neither(&self, sample: &Sample, whose: &str) -> Option<Measurement> {
        let numbers: Vec<(&str, Number)> = match sample {
            Sample::Error { code, reason } => {
                return Some(Measurement::Error { code: code.clone(), reason: reason.clone() });
            }
            Sample::NoData => return Some(self.no_data(&format!("there is no data of {whose}"))),
            Sample::Value(number) => vec![("value", *number)],
            Sample::Values(values) => self.used(values),
        };
        let (name, number) = numbers.into_iter().find(|(_, number)| !number.0.is_finite())?;
        Some(match number.0.is_nan() {
            true => self.no_data(&format!("`{name}` of {whose} is not a number, as when nothing is divided by nothing")),
            false => Measurement::Unclear(format!("`{name}` of {whose} is infinite")),
        })
    }

    /// Numbers that nobody asks about may be anything.
    fn used(&self, values: &BTreeMap<String, Number>) -> Vec<(&'static str, Number)> {
        let uses = self.expression.uses();
        let asked = |name: &str| uses.contains(&name) || uses.contains(&"baseline");
        NAMES.into_iter().filter(|name| asked(name)).filter_map(|name| Some((name, *values.get(name)?))).collect()
    }

    fn no_data(&self, reason: &str) -> Measurement {
        match self.policy.no_data {
            NoData::Inconclusive => Measurement::Unclear(reason.to_owned()),
            NoData::Failure => Measurement::Bad(reason.to_owned()),
            NoData::Wait => Measurement::Nothing,
        }
    }

    fn variables(&self, seen: &Observation) -> Variables {
        let variables = match &seen.sample {
            Sample::Value(number) => Variables::new().with("value", &json!(number.0)),
            Sample::Values(values) => NAMES.iter().fold(Variables::new(), |all, name| match values.get(*name) {
                Some(number) => all.with(name, &json!(number.0)),
                None => all,
            }),
            Sample::NoData | Sample::Error { .. } => Variables::new(),
        };
        match &seen.baseline {
            Some(Sample::Value(number)) => variables.with("baseline", &json!(number.0)),
            Some(Sample::Values(values)) => {
                let known = values.iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
                let map: Map<String, Json> = known.map(|(name, number)| (name.clone(), json!(number.0))).collect();
                variables.with("baseline", &Json::Object(map))
            }
            _ => variables,
        }
    }

    fn shown(&self) -> String {
        let text = self.expression.as_str();
        let clean: String = text.chars().map(|c| if c.is_control() || c == '`' { ' ' } else { c }).take(160).collect();
        if clean.len() < text.len() { clean + "…" } else { clean }
    }
}

fn said(seen: &Observation) -> String {
    let numbers = |sample: &Sample, one: &str, prefix: &str| match sample {
        Sample::Value(number) => format!("{one} {number}"),
        Sample::Values(values) => {
            let known = NAMES.iter().filter_map(|name| Some(format!("{prefix}{name} {}", values.get(*name)?)));
            known.collect::<Vec<_>>().join(", ")
        }
        Sample::NoData | Sample::Error { .. } => String::new(),
    };
    let mut text = numbers(&seen.sample, "value", "");
    if let Some(baseline) = &seen.baseline {
        text = format!("{text}, {}", numbers(baseline, "baseline", "baseline."));
    }
    text
}

fn unusable(why: &str) -> Refusal {
    let message = format!("The expectation of an analysis cannot be used: {why}.");
    let fix = "Mend `expect` in .github/lockkeeper.toml; numbers are doubles, so write 2.0 * baseline, not 2 * baseline.";
    Refusal::user("bad_expectation", message, fix)
}
