//! Tables of single samples and of whole analyses; the laws are in `properties`.

mod properties;

use super::*;
use crate::config::repo::NoData;
use crate::domain::{Number, Sample};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

fn policy(expect: &str) -> MetricPolicy {
    MetricPolicy {
        expect: expect.into(),
        interval: Duration::from_secs(10),
        count: 3,
        failure_limit: 0,
        window: 3,
        consecutive_errors: 2,
        inconclusive_limit: 1,
        no_data: NoData::Inconclusive,
        delay: Duration::ZERO,
        within: Duration::from_secs(600),
    }
}

fn one(policy: &MetricPolicy) -> Metric {
    Metric::read(policy, Shape::One, policy.expect.contains("baseline")).unwrap()
}

fn seen(sample: Sample) -> Observation {
    Observation { sample, baseline: None }
}

/// `1` good, `0` bad, `?` no data, `!` an error, `i` infinite, `n` not a number.
fn sample(letter: char) -> Sample {
    match letter {
        '1' => Sample::value(0.001),
        '0' => Sample::value(0.5),
        '?' => Sample::NoData,
        'i' => Sample::value(f64::INFINITY),
        'n' => Sample::value(f64::NAN),
        _ => Sample::error("source_slow", "Prometheus did not answer within 5 s"),
    }
}

/// Feeds letters until a final verdict; the verdict in few words.
fn run(policy: &MetricPolicy, letters: &str) -> String {
    let metric = one(policy);
    let mut state = State::begin(policy, Millis(0), 7);
    let mut fed = 0;
    for letter in letters.chars() {
        let now = state.next_at();
        fed += 1;
        // As the engine does it: the state goes through the store between any two measurements.
        state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        if !matches!(state.feed(&metric, &seen(sample(letter)), now), Verdict::Running { .. }) {
            break;
        }
    }
    match state.verdict() {
        Verdict::Running { .. } => format!("running after {fed}"),
        Verdict::Passed => format!("passed after {fed}"),
        Verdict::Failed { code, reason } => format!("FAILED after {fed} [{code}] {reason}"),
        Verdict::Inconclusive { code, reason } => format!("unclear after {fed} [{code}] {reason}"),
    }
}

#[test]
fn whole_analyses() {
    let strict = policy("value < 0.01");
    let loose = MetricPolicy { failure_limit: 1, window: 4, ..strict.clone() };
    let patient = MetricPolicy { no_data: NoData::Wait, ..strict.clone() };
    let harsh = MetricPolicy { no_data: NoData::Failure, ..strict.clone() };
    let mut table = String::new();
    for (name, policy, streams) in [
        ("strict", &strict, vec!["11", "111", "110", "0", "1?11", "1??", "1?1?1", "!!", "!!!", "!!1!!1!!1", "1n1i", "i?", ""]),
        ("loose", &loose, vec!["0", "01", "00", "0110", "01111", "0?0", "0?!0", "0!!0", "10!!!"]),
        ("patient", &patient, vec!["?????", "?1?1?1", "nnn0", "ii"]),
        ("harsh", &harsh, vec!["?", "1n", "i1i"]),
    ] {
        for letters in streams {
            writeln!(table, "{name:8}{letters:10} {}", run(policy, letters)).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_a_sample_says() {
    let values = |pairs: &[(&str, f64)]| {
        Sample::Values(pairs.iter().map(|(name, value)| ((*name).to_owned(), Number(*value))).collect::<BTreeMap<_, _>>())
    };
    let mut table = String::new();
    let mut line = |expect: &str, shape: Shape, sample: Sample, baseline: Option<Sample>| {
        let said = match Metric::read(&policy(expect), shape, baseline.is_some()) {
            Ok(metric) => format!("{:?}", metric.judge(&Observation { sample, baseline })),
            Err(refusal) => format!("refused [{}] {}", refusal.code, refusal.message),
        };
        writeln!(table, "{expect:48} {said}").unwrap();
    };
    let one = |value: f64| Sample::value(value);
    line("value < 0.01", Shape::One, one(0.005), None);
    line("value < 0.01", Shape::One, one(0.02), None);
    line("value >= 0.0", Shape::One, one(-0.0), None);
    line("value < 0.01", Shape::One, one(f64::NEG_INFINITY), None);
    line("!(value > 0.01)", Shape::One, one(f64::NAN), None);
    line("value != value", Shape::One, one(f64::NAN), None);
    line("true", Shape::One, one(f64::NAN), None);
    line("true", Shape::One, Sample::NoData, None);
    line("true", Shape::One, Sample::error("x", "it broke"), None);
    line("value < 2.0 * baseline", Shape::One, one(0.3), Some(one(0.2)));
    line("value < 2.0 * baseline", Shape::One, one(0.5), Some(one(0.2)));
    line("value < 2.0 * baseline", Shape::One, one(0.0), Some(Sample::NoData));
    line("value < 2.0 * baseline", Shape::One, one(0.0), Some(one(f64::NAN)));
    line("value < 2.0 * baseline", Shape::One, one(0.0), Some(Sample::error("x", "it broke")));
    line("value < 2 * baseline", Shape::One, one(0.3), Some(one(0.2)));
    line("value < 2.0 * baseline", Shape::One, one(0.3), None);
    line("value < 2.0 * baseline", Shape::One, one(0.3), Some(values(&[("errors", 1.0)])));
    line("valeu < 1.0", Shape::One, one(0.3), None);
    line("value", Shape::One, one(0.3), None);
    line("status == 200", Shape::One, one(0.3), None);
    line("error_rate < 0.01", Shape::One, one(0.3), None);
    line("value < 0.01", Shape::Several, values(&[("error_rate", 0.0)]), None);
    line("error_rate < 0.01", Shape::Several, values(&[("error_rate", 0.0), ("latency_ms", f64::NAN)]), None);
    line("error_rate < 0.01", Shape::Several, values(&[("error_rate", f64::NAN)]), None);
    line("error_rate < 0.01 && latency_ms < 500", Shape::Several, values(&[("error_rate", 0.0)]), None);
    line("error_rate < 0.01", Shape::Several, values(&[("error_rate", 0.5), ("requests", 100.0)]), None);
    line(
        "requests > 5 && error_rate <= baseline.error_rate",
        Shape::Several,
        values(&[("error_rate", 0.5), ("requests", 100.0)]),
        Some(values(&[("error_rate", 0.1), ("hostile`name", f64::NAN)])),
    );
    insta::assert_snapshot!(table);
}

#[test]
fn a_metric_that_could_never_fail_is_refused() {
    for (failure_limit, window, fine) in
        [(0, 1, true), (1, 1, false), (3, 3, false), (2, 3, true), (0, 0, true), (u32::MAX, 5, false)]
    {
        let policy = MetricPolicy { failure_limit, window, ..policy("value < 1.0") };
        assert_eq!(Metric::read(&policy, Shape::One, false).is_ok(), fine, "{failure_limit} of {window}");
    }
}

/// Argo calls an analysis that was ended before it measured anything a success.
#[test]
fn nothing_measured_is_never_a_pass() {
    let policy = policy("value < 0.01");
    let state = State::begin(&policy, Millis(5), 1);
    assert!(matches!(state.verdict(), Verdict::Running { .. }));
    let Verdict::Inconclusive { code, reason } = state.cut_short(&policy) else { panic!() };
    assert_eq!((code.as_str(), reason.as_str()), ("analysis_cut_short", "the analysis ended after 0 of 3 good measurements"));
    assert!(matches!(combine([]), Verdict::Inconclusive { .. }));
    let eager = MetricPolicy { count: 0, window: 0, within: Duration::ZERO, ..policy };
    let state = State::begin(&eager, Millis(5), 1);
    assert!(matches!(state.cut_short(&eager), Verdict::Inconclusive { .. }));
    assert!(run(&eager, "?").starts_with("unclear after 1 [analysis_out_of_time]"), "{}", run(&eager, "?"));
    assert_eq!(run(&eager, "1"), "passed after 1");
}

#[test]
fn what_does_not_pass_in_time_is_inconclusive() {
    let policy = MetricPolicy { no_data: NoData::Wait, within: Duration::from_secs(60), ..policy("value < 0.01") };
    let metric = one(&policy);
    let mut state = State::begin(&policy, Millis(0), 7);
    assert!(matches!(state.feed(&metric, &seen(Sample::NoData), Millis(59_999)), Verdict::Running { .. }));
    let Verdict::Inconclusive { code, .. } = state.feed(&metric, &seen(Sample::value(0.0)), Millis(60_000)) else { panic!() };
    assert_eq!(code, "analysis_out_of_time");
    // The measurement that passes counts, even if the clock has jumped.
    let mut state = State::begin(&policy, Millis(0), 7);
    for _ in 0..2 {
        state.feed(&metric, &seen(Sample::value(0.0)), Millis(-1_000_000));
    }
    assert_eq!(state.feed(&metric, &seen(Sample::value(0.0)), Millis(i64::MAX)), &Verdict::Passed);
}

#[test]
fn what_has_passed_is_watched_on_and_can_still_fail() {
    let policy = policy("value < 0.01");
    let metric = one(&policy);
    let mut state = State::begin(&policy, Millis(0), 7);
    for _ in 0..50 {
        state.feed(&metric, &seen(sample('1')), state.next_at());
    }
    assert_eq!((state.verdict(), state.good(), state.cut_short(&policy)), (&Verdict::Passed, 50, Verdict::Passed));
    assert!(serde_json::to_string(&state).unwrap().len() < 300, "the state does not grow");
    state.feed(&metric, &seen(sample('0')), state.next_at());
    let failed = state.verdict().clone();
    assert!(matches!(&failed, Verdict::Failed { .. }), "{failed:?}");
    state.feed(&metric, &seen(sample('1')), state.next_at());
    assert_eq!(state.verdict(), &failed);
}

#[test]
fn several_metrics_are_as_good_as_the_worst() {
    let running = |at| Verdict::Running { next_at: Millis(at) };
    let failed = Verdict::failed("analysis_failed", "value 3");
    let unclear = Verdict::inconclusive("analysis_inconclusive", "no data");
    let of = |all: &[&Verdict]| combine(all.iter().enumerate().map(|(i, v)| (["a", "b", "c"][i], *v)));
    assert_eq!(of(&[&Verdict::Passed, &Verdict::Passed]), Verdict::Passed);
    assert_eq!(of(&[&Verdict::Passed, &running(9), &running(4)]), running(4));
    assert_eq!(of(&[&running(9), &unclear]), Verdict::inconclusive("analysis_inconclusive", "b: no data"));
    assert_eq!(of(&[&unclear, &failed, &failed]), Verdict::failed("analysis_failed", "b: value 3; c: value 3"));
    let long = Verdict::failed("x", "ü".repeat(5000));
    let Verdict::Failed { reason, .. } = of(&[&long]) else { panic!() };
    assert_eq!(reason.chars().count(), 600);
}

#[test]
fn counters_of_a_balancer() {
    let at = |requests, errors, latency_ms| Counters { requests, errors, latency_ms };
    let said = |before: Counters, after: Counters| serde_json::to_string(&between(&before, &after)).unwrap();
    assert_eq!(
        said(at(100, 5, None), at(300, 7, Some(12))),
        r#"{"values":{"error_rate":0.01,"errors":2.0,"latency_ms":12.0,"requests":200.0}}"#
    );
    assert_eq!(said(at(100, 5, None), at(100, 5, Some(3))), r#""no_data""#);
    assert_eq!(said(at(0, 0, None), at(0, 4, None)), r#"{"values":{"error_rate":1.0,"errors":4.0,"requests":4.0}}"#);
    for (before, after) in
        [(at(100, 5, None), at(3, 0, None)), (at(1, 5, None), at(3, 4, None)), (at(u64::MAX, 0, None), at(0, 0, None))]
    {
        assert!(said(before, after).contains("counters_restarted"), "{before:?} {after:?}");
    }
}

#[test]
fn a_thousand_environments_do_not_measure_in_one_moment() {
    let policy = policy("value < 0.01");
    let metric = one(&policy);
    let (mut first, mut third) = (BTreeMap::new(), BTreeMap::new());
    for seed in 0..1000 {
        let mut state = State::begin(&policy, Millis(0), seed);
        *first.entry(state.next_at().0 / 100).or_insert(0) += 1;
        for _ in 0..2 {
            state.feed(&metric, &seen(sample('1')), state.next_at());
        }
        *third.entry(state.next_at().0 / 100).or_insert(0) += 1;
    }
    let mut after_a_pause = BTreeMap::new();
    for seed in 0..1000 {
        let mut state = State::begin(&policy, Millis(0), seed);
        state.feed(&metric, &seen(sample('1')), Millis(3_600_000));
        *after_a_pause.entry(state.next_at().0 / 100).or_insert(0) += 1;
    }
    let most = |slots: &BTreeMap<i64, i32>| slots.values().copied().max().unwrap_or(0);
    assert!(first.len() >= 25 && most(&first) < 80, "{first:?}");
    assert!(third.len() >= 30 && most(&third) < 80, "{third:?}");
    assert!(after_a_pause.len() >= 25 && most(&after_a_pause) < 80, "{after_a_pause:?}");
}
