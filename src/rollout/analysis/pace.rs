//! When to measure: spread by a seed, so that many environments that began together do not ask together for ever. Pauses are
//! only ever shortened, so that no bad version goes unnoticed for longer than the interval that was asked for.

use crate::config::repo::MetricPolicy;
use crate::domain::Millis;
use std::time::Duration;

/// However it is asked for, nothing is measured more often.
const SHORTEST: Duration = Duration::from_secs(1);
/// The first measurement is put off by up to this part of an interval, and one that follows a late one is early by as much:
/// both come in crowds, after a merge to many places or a restart. Others are early by up to the other part.
const FIRST: u64 = 4;
const LATER: u64 = 10;

pub(super) fn first(policy: &MetricPolicy, now: Millis, seed: u64) -> Millis {
    now.plus(policy.delay).plus(share(interval(policy), FIRST, mix(seed)))
}

/// After the measurement with this number, the first being 1, which was due at `due`.
pub(super) fn next(policy: &MetricPolicy, (due, now): (Millis, Millis), seed: u64, measured: u32) -> Millis {
    let interval = interval(policy);
    let part = if due.until(now) > interval / 2 { FIRST } else { LATER };
    let early = share(interval, part, mix(seed ^ mix(u64::from(measured))));
    now.plus(interval.saturating_sub(early).max(SHORTEST))
}

fn interval(policy: &MetricPolicy) -> Duration {
    policy.interval.max(SHORTEST)
}

/// From nothing up to one `part`th of the span.
fn share(span: Duration, part: u64, random: u64) -> Duration {
    let most = u64::try_from(span.as_millis()).unwrap_or(u64::MAX) / part;
    Duration::from_millis(if most == 0 { 0 } else { random % (most + 1) })
}

/// SplitMix64's last step: neighbouring seeds give unrelated numbers.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
