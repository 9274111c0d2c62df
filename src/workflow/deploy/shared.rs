//! Users whom two versions share before a deployment begins: a rollout halted in the middle behind a barrier, a way back
//! failed, or somebody else has moved weights.
//!
//! Invariants: no version comes up in a slot that has users, so all of them are in the other one first; who sees which version
//! then is decided by a person who says why, never by a merge or a tag; nobody is moved where our record and the balancer do
//! not agree on what runs there.

use super::drive::Drive;
use super::end::Ending;
use super::leg::{Leg, what};
use super::page::Shown;
use crate::actions::rollback;
use crate::domain::{EnvironmentRecord, LedgerEntry, Refusal, Slot};
use crate::flow::{Flow, Stop};
use crate::plan::Call;
use crate::targets::traffic::Shares;

/// Where users are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    Nobody,
    In(Slot),
    Shared {
        /// Where most of them are; nothing: nobody can say.
        most: Option<Slot>,
    },
}

impl Users {
    /// By our own record alone. Halves that nobody else can tell apart are counted to the version that was good.
    pub fn by_record(live: Option<&LedgerEntry>) -> Self {
        let Some((live, slot)) = live.and_then(|live| Some((live, live.slot?))) else { return Self::Nobody };
        match live.share {
            None => Self::In(slot),
            Some(share) => Self::Shared { most: Some(more(slot, share)) },
        }
    }

    /// By what the balancer says, and by our record where that leaves it open.
    pub fn seen(Shares(parts): Shares, by_record: Self) -> Self {
        match (parts.blue, parts.green) {
            (0, 0) => Self::Nobody,
            (_, 0) => Self::In(Slot::Blue),
            (0, _) => Self::In(Slot::Green),
            (blue, green) if blue > green => Self::Shared { most: Some(Slot::Blue) },
            (blue, green) if blue < green => Self::Shared { most: Some(Slot::Green) },
            _ => match by_record {
                Self::Nobody => Self::Shared { most: None },
                Self::In(slot) => Self::Shared { most: Some(slot) },
                shared @ Self::Shared { .. } => shared,
            },
        }
    }
}

/// Where most users are when the new copy has this share of them.
fn more(new: Slot, share: u8) -> Slot {
    if share > 50 { new } else { new.other() }
}

/// What runs in a slot that has users.
enum Runs<'r> {
    Known(&'r LedgerEntry),
    /// We have not deployed it.
    NotOurs,
}

/// Nothing where all users should be in the other slot.
fn runs(record: &EnvironmentRecord, slot: Slot) -> Option<Runs<'_>> {
    let Some(live) = record.live() else { return Some(Runs::NotOurs) };
    if live.slot == Some(slot) {
        return Some(Runs::Known(live));
    }
    live.share?;
    let before = record.history.iter().find(|entry| entry.until == Some(live.since));
    Some(before.filter(|entry| entry.slot == Some(slot)).map_or(Runs::NotOurs, Runs::Known))
}

impl Drive<'_> {
    /// Brings all users to the slot where most of them are, which stays; the other one is free then.
    pub(super) fn gather(
        &mut self,
        f: &mut Flow,
        shown: &mut Shown,
        most: Option<Slot>,
    ) -> Result<Result<Slot, Ending<'static>>, Stop> {
        let known = most.and_then(|slot| Some((slot, runs(&self.record, slot)?)));
        let Some((slot, runs)) = known else { return Ok(Err(Ending::refused(self.undecided()))) };
        let entry = match runs {
            Runs::Known(entry) => Some(entry.clone()),
            Runs::NotOurs if self.balancer().is_some() => None,
            // Who is told by an errand must be told which version.
            Runs::NotOurs => return Ok(Err(Ending::refused(self.undecided()))),
        };
        if !self.this.input.insists() {
            return Ok(Err(Ending::refused(self.needs_a_person(slot, entry.as_ref()))));
        }
        let subject = entry.as_ref().map_or_else(|| self.leg.subject.clone(), super::drive::subject_of);
        let deployment = entry.as_ref().and_then(|entry| entry.deployment);
        let leg = Leg { prefix: "gather.", subject, deployment, slot: Some(slot), guard: None };
        if let Err(refusal) = self.shift(f, shown, &leg, "gather.shift", 100, None)? {
            return Ok(Err(Ending::failed(refusal)));
        }
        match entry {
            Some(entry) => {
                let run = self.this.run_id().clone();
                // No way back: this run may have one of its own, to the same version in the same slot.
                self.land_as(f, "gather.land", LedgerEntry { run, share: None, rollback: false, until: None, ..entry })?;
            }
            None => self.unland(f, "gather.land")?,
        }
        self.drain(f, shown, "gather.drain", slot.other())?;
        let read = Call::ReadEnvironment { place: self.this.input.place(), earlier: Vec::new() };
        self.record = f.step("gather.record", &read)?;
        Ok(Ok(slot))
    }

    /// The shares that a deployment leaves users in, and how to go on: half a message and a whole fix.
    pub(super) fn left_shared(&self, share: u8) -> (String, String) {
        let forward = "Fix forward: deploy a version that is mended";
        let old = self.slots.and_then(|slots| Some((slots.new, slots.old?))).filter(|_| share < 100);
        let Some((new, old)) = old else { return (String::new(), format!("{forward}.")) };
        let name = what(&self.leg.subject);
        let before = self.record.live().map_or_else(|| "what ran there before".to_owned(), rollback::name);
        let rest = 100 - share;
        let shares =
            format!(" {share} % of users are with {name} in the slot {new}, {rest} % with {before} in the slot {old}.");
        let stays = more(new, share);
        let command = self.command("…");
        (shares, format!("{forward}, with `{command}`: it first moves all users to the slot {stays}, where most of them are."))
    }

    fn command(&self, git_ref: &str) -> String {
        let input = self.this.input;
        format!("lockkeeper deploy {} --repo {} --ref {git_ref} --reason …", input.environment, input.repo.name)
    }

    fn shared(&self, fix: String) -> Refusal {
        let environment = &self.this.input.environment;
        let text = format!("Users of {environment} are shared between both slots already, so there is no free one.");
        Refusal::user("traffic_shared", text, fix)
    }

    fn needs_a_person(&self, slot: Slot, entry: Option<&LedgerEntry>) -> Refusal {
        let name = entry.map_or_else(|| "what we have not deployed".to_owned(), rollback::name);
        let command = self.command(self.leg.subject.sha.as_str());
        self.shared(format!(
            "Deploy by hand with a reason: `{command}`. It first moves all users to the slot {slot}, where most of them are, with \
             {name}."
        ))
    }

    fn undecided(&self) -> Refusal {
        self.shared("Give one of the slots all users with the balancer's own tools, and deploy again.".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Millis, PerSlot, RunId, Sha};

    fn entry(n: i64, slot: Slot, share: Option<u8>, until: Option<i64>) -> LedgerEntry {
        LedgerEntry {
            run: RunId::parse(&format!("run-{n}")).unwrap(),
            sha: Sha::parse(&format!("{n:040}")).unwrap(),
            tag: None,
            version: None,
            component: None,
            deployment: None,
            url: None,
            slot: Some(slot),
            barrier: false,
            rollback: false,
            good: share.is_none(),
            share,
            since: Millis(n),
            until: until.map(Millis),
        }
    }

    #[test]
    fn the_balancer_counts_and_our_record_breaks_ties() {
        let seen = |blue, green, record| Users::seen(Shares(PerSlot { blue, green }), record);
        let most = |slot| Users::Shared { most: slot };
        let (blue, green) = (Some(Slot::Blue), Some(Slot::Green));
        for (users, wanted) in [
            (seen(0, 0, Users::In(Slot::Blue)), Users::Nobody),
            (seen(3, 0, Users::In(Slot::Green)), Users::In(Slot::Blue)),
            (seen(0, 1, Users::Nobody), Users::In(Slot::Green)),
            (seen(9, 1, most(green)), most(blue)),
            (seen(1, 2, Users::In(Slot::Blue)), most(green)),
            (seen(5, 5, Users::In(Slot::Green)), most(green)),
            (seen(5, 5, most(blue)), most(blue)),
            (seen(5, 5, Users::Nobody), most(None)),
        ] {
            assert_eq!(users, wanted);
        }
        let by_record = |share| Users::by_record(Some(&entry(1, Slot::Green, share, None)));
        assert_eq!(by_record(None), Users::In(Slot::Green));
        assert_eq!([0, 10, 50, 51].map(|share| by_record(Some(share))), [blue, blue, blue, green].map(most));
        assert_eq!(Users::by_record(None), Users::Nobody);
    }

    #[test]
    fn what_runs_in_a_slot_is_known_only_where_the_record_says_so() {
        let name = |history: &[LedgerEntry], slot| {
            let record = EnvironmentRecord { history: history.to_vec(), ..EnvironmentRecord::default() };
            runs(&record, slot).map(|runs| match runs {
                Runs::Known(entry) => entry.since.0,
                Runs::NotOurs => 0,
            })
        };
        let (one, two) = (entry(1, Slot::Blue, None, Some(2)), entry(2, Slot::Green, Some(10), None));
        let halted = [two.clone(), one.clone()];
        assert_eq!((name(&halted, Slot::Blue), name(&halted, Slot::Green)), (Some(1), Some(2)));
        // What ran there before was not ours.
        let after_another = [two, entry(1, Slot::Blue, None, Some(1))];
        assert_eq!(name(&after_another, Slot::Blue), Some(0));
        // All users should be in blue.
        let whole = [entry(1, Slot::Blue, None, None)];
        assert_eq!((name(&whole, Slot::Blue), name(&whole, Slot::Green)), (Some(1), None));
        assert_eq!(name(&[], Slot::Green), Some(0));
    }
}
