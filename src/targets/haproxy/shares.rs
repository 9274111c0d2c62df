//! Weights of servers for a split between two slots. Pure.
//!
//! HAProxy's relative weights (`50%`) are of no use here: they are cut to whole parts of the initial weight, which is 1 where
//! nobody set one, so that 10 % becomes nothing. So the weights are absolute (0 to 256). The smallest ones are chosen whose
//! sums stand exactly as the split asks, that give every usable server something, and that stand within a slot as the
//! initial weights do, as far as whole numbers allow; where that is not all possible, the sums stay exact.

use crate::domain::{PerSlot, Slot};
use crate::targets::Split;

/// The most that HAProxy takes for one server.
const MOST: u64 = 256;
/// How many multiples of the smallest sums are tried.
const LONGEST: u64 = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Weight in HAProxy's configuration.
    pub initial: u32,
    /// Up, and in no maintenance.
    pub usable: bool,
}

/// A weight for each member, in order.
///
/// A slot that gets everything gets its initial weights back, also where a server is down: it may return at any time. In
/// between, a server that is not usable gets 0, so that its return cannot move the shares; the next shift takes it in.
///
/// # Errors
/// The slot that should get users and has nobody to serve them.
pub(super) fn weights(split: Split, slots: &PerSlot<Vec<Member>>) -> Result<PerSlot<Vec<u16>>, Slot> {
    let deaf = |slot: &Slot| split.percent(*slot) > 0 && !slots.get(*slot).iter().any(|m| m.usable);
    if let Some(slot) = Slot::ALL.into_iter().find(deaf) {
        return Err(slot);
    }
    if let Some(whole) = split.whole() {
        return Ok(PerSlot::of(|slot| {
            let all = slots.get(slot);
            if slot == whole { restored(all) } else { vec![0; all.len()] }
        }));
    }
    let parts = PerSlot::of(|slot| initial(slots.get(slot), |m| m.usable));
    let (blue, green) = (u64::from(split.percent(Slot::Blue)), u64::from(split.percent(Slot::Green)));
    let common = gcd(blue, green);
    let unit = PerSlot { blue: blue / common, green: green / common };
    let mut best: Option<(Score, PerSlot<Vec<u16>>)> = None;
    for times in 1..=LONGEST {
        let sums = PerSlot::of(|slot| unit.get(slot) * times);
        let fits = |slot: Slot| *sums.get(slot) <= MOST * serving(parts.get(slot));
        if !Slot::ALL.into_iter().all(fits) {
            break;
        }
        let (Some(blue), Some(green)) = (share(sums.blue, &parts.blue), share(sums.green, &parts.green)) else { continue };
        let score = score(&blue, &parts.blue).plus(score(&green, &parts.green));
        if best.as_ref().is_none_or(|(least, _)| score.beats(*least)) {
            best = Some((score, PerSlot { blue, green }));
        }
        if score.is_perfect() {
            break;
        }
    }
    // Sums of at most 99 fit even one server.
    Ok(best.map_or_else(PerSlot::default, |(_, weights)| weights))
}

/// Initial weights of all; if those that can serve would get nothing, the same for each of them.
fn restored(members: &[Member]) -> Vec<u16> {
    let mut weights = initial(members, |_| true);
    if !members.iter().zip(&weights).any(|(m, w)| m.usable && *w > 0) {
        members.iter().zip(&mut weights).filter(|(m, _)| m.usable).for_each(|(_, w)| *w = 1);
    }
    weights
}

/// Initial weights of the chosen; if all of them are 0, the same for each.
fn initial(members: &[Member], chosen: impl Fn(&Member) -> bool) -> Vec<u16> {
    let none = members.iter().filter(|m| chosen(m)).all(|m| m.initial == 0);
    let weight = |m: &Member| match (chosen(m), none) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => u16::try_from(m.initial.min(256)).unwrap_or(256),
    };
    members.iter().map(weight).collect()
}

fn serving(parts: &[u16]) -> u64 {
    parts.iter().filter(|part| **part > 0).count() as u64
}

/// `sum` in whole numbers that stand to each other as `parts`, by largest remainder; each that serves gets at least 1 while
/// there is enough. `None`: one would get more than HAProxy takes.
fn share(sum: u64, parts: &[u16]) -> Option<Vec<u16>> {
    let all: u64 = parts.iter().map(|p| u64::from(*p)).sum();
    let least = u64::from(sum >= serving(parts));
    let mut given: Vec<u64> =
        parts.iter().map(|p| if *p == 0 { 0 } else { (sum * u64::from(*p) / all.max(1)).max(least) }).collect();
    let lack = |given: &[u64], i: usize| {
        let exact = sum as i64 * i64::from(parts[i]);
        exact - given[i] as i64 * all as i64
    };
    loop {
        let now: u64 = given.iter().sum();
        let served = (0..parts.len()).filter(|i| parts[*i] > 0);
        if now < sum {
            let next = served.max_by_key(|i| (lack(&given, *i), std::cmp::Reverse(*i)))?;
            given[next] += 1;
        } else if now > sum {
            let next = served.filter(|i| given[*i] > least).min_by_key(|i| lack(&given, *i))?;
            given[next] -= 1;
        } else {
            break;
        }
    }
    given.into_iter().map(|w| u16::try_from(w).ok().filter(|w| u64::from(*w) <= MOST)).collect()
}

/// How far weights are from what is wished; smaller is better.
#[derive(Clone, Copy, Debug)]
struct Score {
    /// Servers that could serve and get nothing.
    idle: usize,
    /// Sum over the servers of how far their share of the slot is from the one that their initial weight gives them.
    uneven: f64,
}

impl Score {
    fn plus(self, other: Self) -> Self {
        Self { idle: self.idle + other.idle, uneven: self.uneven + other.uneven }
    }
    fn beats(self, other: Self) -> bool {
        self.idle < other.idle || (self.idle == other.idle && self.uneven < other.uneven - 1e-12)
    }
    fn is_perfect(self) -> bool {
        self.idle == 0 && self.uneven < 1e-12
    }
}

fn score(weights: &[u16], parts: &[u16]) -> Score {
    let sum = |all: &[u16]| all.iter().map(|w| f64::from(*w)).sum::<f64>().max(1.0);
    let (given, wished) = (sum(weights), sum(parts));
    let pairs = || weights.iter().zip(parts);
    Score {
        idle: pairs().filter(|(w, p)| **w == 0 && **p > 0).count(),
        uneven: pairs().map(|(w, p)| (f64::from(*w) / given - f64::from(*p) / wished).abs()).sum(),
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
