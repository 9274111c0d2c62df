//! Laws that hold for any stream of samples.

use super::*;
use proptest::prelude::*;

fn any_number() -> impl Strategy<Value = f64> {
    let hostile = prop::sample::select(vec![
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        0.01,
    ]);
    prop_oneof![2 => Just(0.001), 2 => Just(0.5), 1 => hostile, 1 => any::<f64>(), 1 => any::<u64>().prop_map(f64::from_bits)]
}

fn any_sample() -> impl Strategy<Value = Sample> {
    prop_oneof![
        6 => any_number().prop_map(Sample::value),
        1 => Just(Sample::NoData),
        1 => Just(Sample::error("source_gone", "it did not answer")),
        1 => Just(Sample::Values([("value".to_owned(), Number(0.0))].into())),
    ]
}

prop_compose! {
    fn any_policy()(
        count in 1_u32..6, window in 1_u32..6, bad in 0_u32..6, errors in 0_u32..4, unclear in 0_u32..4,
        no_data in prop::sample::select(vec![NoData::Inconclusive, NoData::Failure, NoData::Wait]),
        interval in 0_u64..100, delay in 0_u64..100, within in prop::sample::select(vec![0_u64, 60, 100_000]),
    ) -> MetricPolicy {
        MetricPolicy {
            expect: "value < 0.01".into(),
            interval: Duration::from_secs(interval),
            count,
            failure_limit: bad % window,
            window,
            consecutive_errors: errors,
            inconclusive_limit: unclear,
            no_data,
            delay: Duration::from_secs(delay),
            within: Duration::from_secs(within),
        }
    }
}

/// The verdicts after each sample.
fn verdicts(policy: &MetricPolicy, samples: &[Sample], seed: u64) -> Vec<Verdict> {
    let metric = one(policy);
    let mut state = State::begin(policy, Millis(0), seed);
    let fed = samples.iter().map(|s| state.feed(&metric, &seen(s.clone()), state.next_at()).clone());
    fed.collect()
}

/// The verdict on the whole list of measurements, as the rules say it, and nothing kept from one to the next.
fn on_the_list(policy: &MetricPolicy, all: &[(Measurement, Millis)], running: &Verdict) -> String {
    let last = |of: &dyn Fn(&Measurement) -> Option<bool>| -> Vec<bool> {
        let told: Vec<bool> = all.iter().filter_map(|(one, _)| of(one)).collect();
        told[told.len().saturating_sub(policy.window.max(1) as usize)..].to_vec()
    };
    let bad = last(&|one| match one {
        Measurement::Good => Some(false),
        Measurement::Bad(_) => Some(true),
        _ => None,
    });
    let unclear = last(&|one| match one {
        Measurement::Nothing => None,
        other => Some(matches!(other, Measurement::Unclear(_))),
    });
    let count = |list: &[bool]| list.iter().filter(|yes| **yes).count();
    let in_a_row = all.iter().rev().take_while(|(one, _)| matches!(one, Measurement::Error { .. })).count();
    let goods = all.iter().filter(|(one, _)| matches!(one, Measurement::Good)).count();
    let (newest, at) = all.last().unwrap();
    match newest {
        Measurement::Bad(_) if count(&bad) > policy.failure_limit as usize => "analysis_failed".into(),
        Measurement::Unclear(_) if count(&unclear) > policy.inconclusive_limit as usize => "analysis_inconclusive".into(),
        Measurement::Error { code, .. } if in_a_row > policy.consecutive_errors as usize => code.clone(),
        _ if goods >= policy.count.max(1) as usize => "passed".into(),
        _ if Millis(0).until(*at) >= policy.within => "analysis_out_of_time".into(),
        _ => word(running),
    }
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Running { .. } => "running".into(),
        Verdict::Passed => "passed".into(),
        Verdict::Failed { code, .. } | Verdict::Inconclusive { code, .. } => code.clone(),
    }
}

fn good(sample: &Sample) -> bool {
    matches!(sample, Sample::Value(n) if n.0.is_finite() && n.0 < 0.01)
}

fn passed(verdicts: &[Verdict]) -> Option<usize> {
    verdicts.iter().position(|v| *v == Verdict::Passed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn never_passed_without_enough_good_measurements(policy in any_policy(), samples in prop::collection::vec(any_sample(), 0..30), seed: u64) {
        for (i, verdict) in verdicts(&policy, &samples, seed).iter().enumerate() {
            let goods = samples[..=i].iter().filter(|s| good(s)).count();
            prop_assert!(*verdict != Verdict::Passed || goods >= policy.count as usize, "{verdict:?} after {goods} good");
        }
    }

    /// Compared with a count over the whole stream: failed at the very sample that is one too many, and never otherwise.
    #[test]
    fn a_failure_inside_the_window_decides_at_once(policy in any_policy(), samples in prop::collection::vec(any_sample(), 0..30), seed: u64) {
        let metric = one(&policy);
        let mut answers = Vec::new();
        for (verdict, sample) in verdicts(&policy, &samples, seed).iter().zip(&samples) {
            match metric.judge(&seen(sample.clone())) {
                Measurement::Good => answers.push(true),
                Measurement::Bad(_) => answers.push(false),
                _ => {}
            }
            let last = &answers[answers.len().saturating_sub(policy.window as usize)..];
            let too_many = last.iter().filter(|good| !**good).count() > policy.failure_limit as usize;
            match verdict {
                Verdict::Failed { .. } => { prop_assert!(too_many); return Ok(()); }
                Verdict::Inconclusive { .. } => return Ok(()),
                _ => prop_assert!(!too_many, "{verdict:?} {answers:?}"),
            }
        }
    }

    /// What is kept is of one size, and says what the whole list would.
    #[test]
    fn folding_gives_the_verdict_of_the_list(policy in any_policy(), samples in prop::collection::vec(any_sample(), 1..60), seed: u64) {
        let metric = one(&policy);
        let (mut state, mut all) = (State::begin(&policy, Millis(0), seed), Vec::new());
        let running = Verdict::Running { next_at: Millis(0) };
        for sample in &samples {
            let now = state.next_at();
            all.push((metric.judge(&seen(sample.clone())), now));
            let text = serde_json::to_string(&state).unwrap();
            prop_assert!(text.len() < 400, "{text}");
            state = serde_json::from_str(&text).unwrap();
            state.feed(&metric, &seen(sample.clone()), now);
            prop_assert_eq!(word(state.verdict()), on_the_list(&policy, &all, &running));
            if matches!(state.verdict(), Verdict::Failed { .. } | Verdict::Inconclusive { .. }) {
                return Ok(());
            }
        }
    }

    /// Failed and inconclusive are final; passed may only become one of them.
    #[test]
    fn verdicts_only_get_worse(policy in any_policy(), samples in prop::collection::vec(any_sample(), 0..30), seed: u64) {
        for pair in verdicts(&policy, &samples, seed).windows(2) {
            match &pair[0] {
                Verdict::Running { .. } => {}
                Verdict::Passed => {
                    let back = matches!(pair[1], Verdict::Running { .. });
                    prop_assert!(!back);
                }
                ended => prop_assert_eq!(ended, &pair[1]),
            }
        }
    }

    /// A worse sample in the place of a good one never makes anything pass, or pass earlier.
    #[test]
    fn a_worse_sample_never_helps(
        policy in any_policy(), samples in prop::collection::vec(any_sample(), 1..25), at: prop::sample::Index, worse in any_sample(), seed: u64,
    ) {
        let at = at.index(samples.len());
        let (mut better, mut changed) = (samples.clone(), samples);
        better[at] = sample('1');
        changed[at] = if good(&worse) { sample('0') } else { worse };
        if let Some(when) = passed(&verdicts(&policy, &changed, seed)) {
            prop_assert!(passed(&verdicts(&policy, &better, seed)).is_some_and(|earlier| earlier <= when));
        }
    }

    /// When everything lies in the window and nothing ends early, only how many there are of each counts.
    #[test]
    fn inside_the_window_the_order_does_not_matter(goods in 0_usize..4, bads in 0_usize..4, unclear in 0_usize..4, shuffle: u64) {
        let policy = MetricPolicy { count: 3, window: 12, failure_limit: 3, inconclusive_limit: 3, ..policy("value < 0.01") };
        let sorted: String = ["1".repeat(goods), "0".repeat(bads), "?".repeat(unclear)].concat();
        let mut letters: Vec<char> = sorted.chars().collect();
        let mut random = shuffle;
        for i in (1..letters.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            letters.swap(i, usize::try_from(random >> 33).unwrap() % (i + 1));
        }
        let end = |letters: &[char]| {
            let samples: Vec<Sample> = letters.iter().map(|l| sample(*l)).collect();
            let last = verdicts(&policy, &samples, 1).pop();
            last.filter(|v| !matches!(v, Verdict::Running { .. }))
        };
        prop_assert_eq!(end(&sorted.chars().collect::<Vec<_>>()), end(&letters));
    }

    /// Paced by `next_at`, every analysis ends, whatever it is fed; and the pace is what was asked for.
    #[test]
    fn every_analysis_ends(policy in any_policy(), samples in prop::collection::vec(any_sample(), 1..8), seed: u64) {
        let metric = one(&policy);
        let mut state = State::begin(&policy, Millis(0), seed);
        let (first, interval) = (state.next_at(), policy.interval.max(Duration::from_secs(1)));
        prop_assert!(first >= Millis(0).plus(policy.delay) && first <= Millis(0).plus(policy.delay + interval / 4));
        let policy = MetricPolicy { within: policy.within.min(Duration::from_secs(1000)), ..policy };
        let metric = Metric::read(&policy, Shape::One, false).unwrap_or(metric);
        for sample in samples.iter().cycle().take(1002) {
            let now = state.next_at();
            if !matches!(state.feed(&metric, &seen(sample.clone()), now), Verdict::Running { .. }) {
                return Ok(());
            }
            let pause = now.until(state.next_at());
            prop_assert!(pause >= Duration::from_secs(1) && pause <= interval && pause * 10 >= interval * 9 - Duration::from_millis(10), "{pause:?}");
        }
        prop_assert!(false, "still running at {:?}", state.next_at());
    }

    #[test]
    fn the_same_samples_and_seed_give_the_same_state(policy in any_policy(), samples in prop::collection::vec(any_sample(), 0..20), seed: u64) {
        let metric = one(&policy);
        let (mut plain, mut stored) = (State::begin(&policy, Millis(0), seed), State::begin(&policy, Millis(0), seed));
        for sample in &samples {
            let now = plain.next_at();
            plain.feed(&metric, &seen(sample.clone()), now);
            let (text, kept) = (serde_json::to_string(&stored).unwrap(), serde_json::to_string(&seen(sample.clone())).unwrap());
            stored = serde_json::from_str(&text).unwrap();
            stored.feed(&metric, &serde_json::from_str(&kept).unwrap(), now);
            prop_assert_eq!(&plain, &stored);
        }
    }
}
