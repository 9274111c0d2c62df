//! How users are moved between the two slots of an environment.
//!
//! Invariants: a [`Split`] always sums to 100; what a balancer says is what counts, never what it was told; a slot that
//! nobody has seen healthy gets no users; nothing is ever cut.

use super::Trouble;
use crate::domain::{PerSlot, Slot};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// How new requests are shared between the slots, in whole percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Split {
    green: u8,
}

impl Split {
    /// `percent` of 100 to this slot, the rest to the other one; `None` above 100.
    pub fn to(slot: Slot, percent: u8) -> Option<Self> {
        let other = 100_u8.checked_sub(percent)?;
        Some(Self { green: if slot == Slot::Green { percent } else { other } })
    }

    /// All to this slot.
    pub fn all(slot: Slot) -> Self {
        Self { green: if slot == Slot::Green { 100 } else { 0 } }
    }

    pub fn percent(self, slot: Slot) -> u8 {
        match slot {
            Slot::Green => self.green,
            Slot::Blue => 100 - self.green,
        }
    }

    /// The slot that gets everything, if one does.
    pub fn whole(self) -> Option<Slot> {
        Slot::ALL.into_iter().find(|slot| self.percent(*slot) == 100)
    }
}

impl TryFrom<u8> for Split {
    type Error = &'static str;
    fn try_from(green: u8) -> Result<Self, Self::Error> {
        Self::to(Slot::Green, green).ok_or("a share is at most 100 percent")
    }
}

impl From<Split> for u8 {
    fn from(split: Split) -> u8 {
        split.green
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blue {} %, green {} %", self.percent(Slot::Blue), self.green)
    }
}

/// What a balancer does now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// `None`: nobody gets an answer, no server of either slot takes new requests.
    pub split: Option<Shares>,
    pub slots: PerSlot<SlotState>,
}

/// What each slot gets of new requests, as parts of their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares(pub PerSlot<u32>);

impl Shares {
    /// Whether it is exactly this split.
    pub fn are(self, split: Split) -> bool {
        let Self(parts) = self;
        let product = |slot: Slot| u64::from(*parts.get(slot)) * u64::from(split.percent(slot.other()));
        product(Slot::Blue) == product(Slot::Green)
    }

    /// In percent, with a fraction.
    pub fn percent(self, slot: Slot) -> f64 {
        let Self(parts) = self;
        100.0 * f64::from(*parts.get(slot)) / (f64::from(parts.blue) + f64::from(parts.green))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotState {
    /// Copies that are known at all.
    pub servers: u32,
    /// Copies that are up, whether or not users are sent to them.
    pub healthy: u32,
    /// Copies that are in drain: no new users.
    pub draining: u32,
    /// Requests and connections that are being served or wait.
    pub sessions: u64,
}

/// What a slot has done since its balancer started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub requests: u64,
    /// Answers with status 500 to 599.
    pub errors: u64,
    /// Requests that got no answer of the slot: it could not be reached or broke off.
    pub broken: u64,
    /// Mean of the last requests, in milliseconds, weighted by the servers' requests.
    pub response_ms: u64,
    pub sessions: u64,
    pub queued: u64,
    pub healthy: u32,
    pub servers: u32,
}

/// Counters of both slots, and what they count from: another value of `since` means that they began anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub since: String,
    pub slots: PerSlot<Counters>,
}

/// How users were found who should be shared as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// They are, or are again: a restart of the balancer or another hand had moved them.
    Kept,
    /// Nobody serves in this slot, which should have users.
    Deaf(Slot),
}

impl Observed {
    /// A slot that should have users and where nobody serves; `first` is looked at first.
    pub fn deaf(&self, split: Split, first: Slot) -> Option<Slot> {
        let deaf = |slot: &Slot| split.percent(*slot) > 0 && self.slots.get(*slot).healthy == 0;
        [first, first.other()].into_iter().find(deaf)
    }
}

/// How a slot was drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Requests and connections that were still there when the time was up; they go on.
    pub left: u64,
}

/// Moves users. Every call looks first and does nothing where things already are as asked.
pub trait Traffic {
    fn observe(&self) -> impl Future<Output = Result<Observed, Trouble>> + Send;

    /// Shares new requests as asked, and reads back that it is so.
    fn shift(&self, split: Split) -> impl Future<Output = Result<Observed, Trouble>> + Send;

    /// Sends no new users to the slot and waits, at most `limit`, until those that are there have left by themselves.
    fn drain(&self, slot: Slot, limit: Duration) -> impl Future<Output = Result<Drained, Trouble>> + Send;

    /// `None`: it does not count.
    fn counters(&self) -> impl Future<Output = Result<Option<Counted>, Trouble>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_always_sums_to_100() {
        for percent in 0..=100 {
            let split = Split::to(Slot::Blue, percent).unwrap();
            assert_eq!(split.percent(Slot::Blue), percent);
            assert_eq!(split.percent(Slot::Blue) + split.percent(Slot::Green), 100);
            assert_eq!(serde_json::from_str::<Split>(&serde_json::to_string(&split).unwrap()).unwrap(), split);
        }
        assert_eq!(Split::to(Slot::Blue, 101), None);
        assert!(serde_json::from_str::<Split>("101").is_err());
        assert_eq!(Split::all(Slot::Blue).whole(), Some(Slot::Blue));
        assert_eq!(Split::to(Slot::Blue, 99).unwrap().whole(), None);
    }

    #[test]
    fn shares_are_compared_exactly() {
        let shares = |blue, green| Shares(PerSlot { blue, green });
        let tenth = Split::to(Slot::Green, 10).unwrap();
        assert!(shares(9, 1).are(tenth) && shares(90, 10).are(tenth));
        assert!(!shares(89, 10).are(tenth) && !shares(1, 9).are(tenth) && !shares(9, 0).are(tenth));
        assert!(shares(0, 3).are(Split::all(Slot::Green)) && !shares(1, 300).are(Split::all(Slot::Green)));
        assert!((shares(1, 3).percent(Slot::Green) - 75.0).abs() < f64::EPSILON);
    }
}
