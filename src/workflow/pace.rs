//! When runs that began together do the same thing again: each a little earlier than it could, and each by another part.

use std::time::Duration;

/// From nothing up to `most`: differs from run to run and from round to round, and stays the same after a restart.
pub(super) fn early(most: Duration, run: &str, round: u32) -> Duration {
    // FNV-1a; its last steps mix too little for neighbours.
    let byte = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = run.bytes().chain(round.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, byte);
    let part = f64::from(u16::try_from((hash ^ (hash >> 29)) >> 16 & 0xffff).unwrap_or_default()) / 65_536.0;
    most.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_thousand_runs_spread_over_the_span_in_every_round() {
        for round in [0, 1, 2, 500] {
            let mut slots = BTreeMap::new();
            for run in 0..1_000 {
                let id = format!("019acd10-7f60-7{run:03x}-8000-00000000{run:04x}");
                let by = early(Duration::from_secs(10), &id, round);
                assert_eq!(by, early(Duration::from_secs(10), &id, round));
                *slots.entry(by.as_secs()).or_insert(0) += 1;
            }
            assert!(slots.len() == 10 && slots.values().all(|n| (60..150).contains(n)), "{round} {slots:?}");
        }
    }
}
