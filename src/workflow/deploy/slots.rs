//! Two copies side by side: which slot gets the new version, and how users are moved between them.
//!
//! Invariants: what the balancer says counts, not our record of it; users whom two versions share already are not shared
//! anew; no version comes up in a slot that has users; the old copy is drained and never cut.

use super::bring_up::{Action, Errand, carry_out};
use super::drive::{Drive, So};
use super::end::Ending;
use super::fresh::HEALTH_STALE;
use super::leg::{Leg, what};
use super::page::Shown;
use super::shared::Users;
use crate::config::repo::{Strategy, Target, Traffic};
use crate::domain::{EnvironmentRecord, LedgerEntry, Millis, Refusal, Slot};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Call, TrafficCall};
use crate::rollout::machine::Event;
use crate::targets::Progress;
use crate::targets::traffic::{Counted, Drained, Observed};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long users of the old copy may take to leave.
const DRAIN: Duration = Duration::from_secs(10 * 60);
/// One look at whether they have.
const DRAIN_LOOK: Duration = Duration::from_secs(2);
/// Between two of them.
const DRAIN_PAUSE: Duration = Duration::from_secs(10);
/// How long the end of a copy may take, with the environment kept for it.
const END: Duration = Duration::from_secs(2 * 60);
/// How long nobody has come to a copy that is ended.
const QUIET: Duration = Duration::from_secs(10);

/// Where the two versions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slots {
    pub new: Slot,
    /// Users are in the other slot; nothing: there are none yet.
    pub old: Option<Slot>,
}

impl Drive<'_> {
    /// The slots of this deployment; nothing for a strategy that has none. Users whom two versions share are in one of them
    /// afterwards.
    pub(super) fn find_slots(
        &mut self,
        f: &mut Flow,
        shown: &mut Shown,
    ) -> Result<Result<Option<Slots>, Ending<'static>>, Stop> {
        if self.this.strategy == Strategy::Direct {
            return Ok(Ok(None));
        }
        let (users, seen) = self.users(f)?;
        let old = match users {
            Users::Nobody => None,
            Users::In(slot) => Some(slot),
            Users::Shared { most } => match self.gather(f, shown, most)? {
                Ok(slot) => Some(slot),
                Err(ending) => return Ok(Err(ending)),
            },
        };
        let known = old.or_else(|| self.record.live().and_then(|live| live.slot));
        let slots = Slots { new: known.map_or(Slot::Blue, Slot::other), old };
        Ok(match self.is_free(f, slots, seen)? {
            Ok(()) => Ok(Some(slots)),
            Err(refusal) => Err(Ending::refused(refusal)),
        })
    }

    /// A version that comes up in a slot cuts off whoever is there still. A way back does not wait for them, nor does a person
    /// who says why.
    fn is_free(&self, f: &mut Flow, slots: Slots, seen: Option<Observed>) -> Result<Result<(), Refusal>, Stop> {
        let input = self.this.input;
        let hurries = input.rollback || input.insists();
        let looked = self.balancer().zip(seen).filter(|_| f.flow_version() >= 3 && slots.old.is_some() && !hurries);
        let Some((traffic, mut seen)) = looked else { return Ok(Ok(())) };
        let now = f.now();
        let end: Millis = f.record("free.end", || now.plus(DRAIN))?;
        for round in 0_u32.. {
            let left = seen.slots.get(slots.new).sessions;
            let now = f.now();
            let next: Millis = f.record(&format!("free.next.{round}"), || now.plus(DRAIN_PAUSE))?;
            if left == 0 {
                return Ok(Ok(()));
            }
            if next >= end {
                return Ok(Err(in_use(slots.new, left)));
            }
            f.sleep_until(&format!("free.wait.{round}"), next)?;
            seen = f.step(&format!("free.{round}"), &Call::ObserveTraffic(traffic.clone()))?;
        }
        Err(Stop::Suspended)
    }

    /// Where users are before anything is moved, and what the balancer says.
    fn users(&self, f: &mut Flow) -> Result<(Users, Option<Observed>), Stop> {
        let by_record = Users::by_record(self.record.live());
        let Some(call) = self.balancer() else { return Ok((by_record, None)) };
        let seen: Observed = f.step("slots", &Call::ObserveTraffic(call))?;
        Ok((seen.split.map_or(Users::Nobody, |shares| Users::seen(shares, by_record)), Some(seen)))
    }

    pub(super) fn balancer(&self) -> Option<TrafficCall> {
        match &self.this.environment.traffic {
            Traffic::Target => None,
            Traffic::Haproxy(haproxy) => Some(TrafficCall { repo: self.this.input.repo.clone(), haproxy: haproxy.clone() }),
        }
    }

    /// Gives the slot of this leg its share of users. `name` is unique in the run.
    pub(super) fn shift(
        &self,
        f: &mut Flow,
        shown: &mut Shown,
        leg: &Leg,
        name: &str,
        percent: u8,
        healthy_until: Option<Millis>,
    ) -> Result<Result<(), Refusal>, Stop> {
        let Some(slot) = leg.slot else { return Ok(Ok(())) };
        if let Some(traffic) = self.balancer() {
            let moved: Result<Observed, _> = f.try_step(name, &Call::Shift { traffic, slot, percent, healthy_until })?;
            if moved.is_ok() {
                shown.progress.push(format!("{percent} % of users are with {} in the slot {slot}", self.who(leg)));
            }
            return Ok(moved.map(|_| ()).map_err(|failure| failure.refusal));
        }
        let errand =
            Errand { name: format!("{name}."), action: Action::Shift, weight: Some(percent), most: None, healthy_until };
        let end = match carry_out(f, self.this, leg, &errand, shown) {
            Err(Stop::Failed(failure)) if failure.refusal.code == HEALTH_STALE => return Ok(Err(failure.refusal)),
            end => end?,
        };
        Ok(match end {
            Progress::Done { .. } => {
                shown.progress.push(format!("{percent} % of users are with {} in the slot {slot}", self.who(leg)));
                Ok(())
            }
            Progress::Failed { reason } => Err(not_moved(&reason)),
            Progress::Stopped { reason } => Err(super::cancelled(&reason)),
            Progress::Working => Err(not_moved("nobody could say whether it was done")),
        })
    }

    /// Ends what runs in a slot that nobody uses any more, where the target can be told to. It is a debt when that fails, no
    /// trouble for users: whether there is one.
    pub(super) fn take_down(&self, f: &mut Flow, shown: &mut Shown, leg: &Leg, name: &str) -> Result<bool, Stop> {
        if leg.slot.is_none() || !self.can_take_down() {
            return Ok(false);
        }
        let errand =
            Errand { name: name.to_owned(), action: Action::TakeDown, weight: None, most: Some(END), healthy_until: None };
        let ended = match carry_out(f, self.this, leg, &errand, shown) {
            Err(Stop::Failed(failure)) => Err(failure.refusal.message),
            Err(suspended) => return Err(suspended),
            Ok(Progress::Done { .. }) => Ok(()),
            Ok(Progress::Failed { reason } | Progress::Stopped { reason }) => Err(reason),
            Ok(Progress::Working) => Err("nobody could say whether it was done".to_owned()),
        };
        let (name, owed) = (what(&leg.subject), ended.is_err());
        shown.progress.push(match ended {
            Ok(()) => format!("Taken down: {name}"),
            Err(why) => format!("{name} was not taken down: {why}"),
        });
        Ok(owed)
    }

    /// Ends the copy that users have left, once it is told how the deployment has ended: the environment is kept for it, so that
    /// it gives way to whoever waits, and whoever still comes keeps it. True when it should have ended and has not.
    pub(super) fn retire(&self, f: &mut Flow, shown: &mut Shown, leg: &Leg, name: &str) -> Result<bool, Stop> {
        // Runs before the third version leave it running.
        if f.flow_version() < 3
            || leg.slot.is_none()
            || !self.can_take_down()
            || self.others_wait(f, &format!("{name}queue"))?
        {
            return Ok(false);
        }
        if let Some((traffic, slot)) = self.balancer().zip(leg.slot) {
            let before = self.requests(f, &format!("{name}before"), &traffic, slot)?;
            let now = f.now();
            let until: Millis = f.record(&format!("{name}quiet.end"), || now.plus(QUIET))?;
            match f.sleep_until(&format!("{name}quiet"), until) {
                // It is too late to stop, and the whole time counts.
                Err(Stop::Failed(_)) => f.sleep_until(&format!("{name}quiet.on"), until)?,
                end => end?,
            }
            let after = self.requests(f, &format!("{name}after"), &traffic, slot)?;
            // A cookie leads users to a copy that drains, too.
            if before.is_none() || before != after || self.others_wait(f, &format!("{name}queue.again"))? {
                return Ok(false);
            }
        }
        self.take_down(f, shown, leg, name)
    }

    /// The leg of the copy before, where it is one of ours.
    pub(super) fn old_leg(&self) -> Option<Leg> {
        let (slot, live) = self.slots.and_then(|slots| slots.old).zip(self.record.live())?;
        let subject = super::drive::subject_of(live);
        let leg = Leg { prefix: "", subject, deployment: None, slot: Some(slot), guard: None };
        (live.slot == Some(slot)).then_some(leg)
    }

    fn can_take_down(&self) -> bool {
        matches!(self.this.target, Target::Http(_) | Target::Command(_))
    }

    /// Somebody else is to have the environment next.
    fn others_wait(&self, f: &mut Flow, name: &str) -> Result<bool, Stop> {
        let read = Call::ReadEnvironment { place: self.this.input.place(), earlier: Vec::new() };
        let record: Result<EnvironmentRecord, StepFailure> = f.try_step(name, &read)?;
        // Whoever cannot tell gives way.
        Ok(record.map_or(true, |record| record.queue.iter().any(|other| other.run != *self.this.run_id())))
    }

    /// What the balancer has counted in a slot since it was started; nothing where it does not say.
    fn requests(&self, f: &mut Flow, name: &str, traffic: &TrafficCall, slot: Slot) -> Result<Option<(String, u64)>, Stop> {
        let counted: Result<Option<Counted>, StepFailure> = f.try_step(name, &Call::CountTraffic(traffic.clone()))?;
        Ok(counted.ok().flatten().map(|counted| (counted.since, counted.slots.get(slot).requests)))
    }

    /// Lets the users of a slot leave by themselves: whether all have. What is left when the time is up goes on; it is told, not
    /// cut. Without a balancer the target lets them leave when it is told to move or to end them.
    pub(super) fn drain(&self, f: &mut Flow, shown: &mut Shown, name: &str, slot: Slot) -> Result<bool, Stop> {
        let Some(traffic) = self.balancer() else { return Ok(true) };
        let now = f.now();
        let end: Millis = f.record(&format!("{name}.end"), || now.plus(DRAIN))?;
        for round in 0_u32.. {
            let call = Call::Drain { traffic: traffic.clone(), slot, limit: DRAIN_LOOK };
            let drained: Result<Drained, _> = f.try_step(&format!("{name}.{round}"), &call)?;
            let now = f.now();
            let next: Millis = f.record(&format!("{name}.next.{round}"), || now.plus(DRAIN_PAUSE))?;
            let left = matches!(drained, Ok(Drained { left: 0 }));
            shown.progress.push(match drained {
                Ok(Drained { left: 0 }) => format!("Drained: the slot {slot}"),
                Ok(Drained { left }) if next >= end => {
                    format!("The slot {slot} still serves {left} connections; they are not cut")
                }
                Ok(Drained { left }) if f.flow_version() >= 3 && self.others_wait(f, &format!("{name}.queue.{round}"))? => {
                    format!("The slot {slot} still serves {left} connections, and others wait for the environment")
                }
                // Nobody who waits for others keeps a place among the calls that are made.
                Ok(Drained { .. }) => match f.sleep_until(&format!("{name}.wait.{round}"), next) {
                    // It is too late to stop.
                    Ok(()) | Err(Stop::Failed(_)) => continue,
                    Err(Stop::Suspended) => return Err(Stop::Suspended),
                },
                Err(failure) => format!("The slot {slot} was not drained: {}", failure.refusal.message),
            });
            return Ok(left);
        }
        Err(Stop::Suspended)
    }

    /// Whether the balancer says that the new copy has no users at all. Who cannot say does not say so.
    pub(super) fn nobody_is_there(&self, f: &mut Flow, name: &str) -> Result<bool, Stop> {
        let Some((slots, call)) = self.slots.zip(self.balancer()) else { return Ok(false) };
        let seen: Result<Observed, StepFailure> = f.try_step(&format!("{name}.seen"), &Call::ObserveTraffic(call))?;
        Ok(seen.is_ok_and(|seen| seen.split.is_none_or(|shares| *shares.0.get(slots.new) == 0)))
    }

    /// What a leg brings users to, for people.
    fn who(&self, leg: &Leg) -> String {
        let unknown = !leg.prefix.is_empty() && self.record.live().is_none();
        if unknown { "what ran there before".to_owned() } else { what(&leg.subject) }
    }

    /// The old copy does not serve: a copy of it that comes back for a moment gets no users, and the next deployment finds
    /// all users in one place.
    pub(super) fn settle_forward(&self, f: &mut Flow, shown: &mut Shown) -> Result<(), Stop> {
        let Some((slots, traffic)) = self.slots.zip(self.balancer()) else { return Ok(()) };
        let call = Call::Shift { traffic, slot: slots.new, percent: 100, healthy_until: None };
        let moved: Result<Observed, StepFailure> = f.try_step("forward", &call)?;
        shown.progress.push(match moved {
            Ok(_) => format!("All users are in the slot {}: the other one does not serve", slots.new),
            Err(failure) => format!("Users were left as they are: {}", failure.refusal.message),
        });
        Ok(())
    }

    /// Users go back to the old copy, which has run all the time.
    pub(super) fn back_to_old(&self, f: &mut Flow, shown: &mut Shown, slots: Slots, so: &mut So) -> Result<Event, Stop> {
        let Some(old) = slots.old else { return Ok(Event::Failed) };
        let live = self.record.live();
        let subject = live.map_or_else(|| self.leg.subject.clone(), super::drive::subject_of);
        let deployment = live.and_then(|live| live.deployment);
        let leg = Leg { prefix: "back.", subject, deployment, slot: Some(old), guard: None };
        match self.shift(f, shown, &leg, "back.shift", 100, None)? {
            Ok(()) => {}
            Err(refusal) if refusal.code == "slot_unhealthy" => return Ok(Event::StableUnhealthy),
            Err(_) => return Ok(Event::Failed),
        }
        so.left = self.drain(f, shown, "back.drain", slots.new)?;
        match live {
            // What was not good does not become so because worse came after it.
            Some(live) => {
                self.land_as(f, "back.land", LedgerEntry { good: live.good, ..self.entry(&leg, live.url.clone()) })?
            }
            None => self.unland(f, "back.land")?,
        }
        Ok(Event::Done)
    }
}

pub(super) fn unhealthy(slot: Slot, whose: &str) -> Refusal {
    Refusal::user(
        "slot_unhealthy",
        format!("The balancer sees no healthy server in the slot {slot} any more, where {whose} runs."),
        "See why the balancer's health checks of this slot fail.",
    )
}

fn in_use(slot: Slot, left: u64) -> Refusal {
    Refusal::user(
        "slot_in_use",
        format!("The slot {slot} still serves {left} connections of the version before, which this would cut."),
        "Wait until they have ended, or deploy by hand with `--reason …` to cut them.",
    )
}

fn not_moved(reason: &str) -> Refusal {
    Refusal::user(
        "traffic_not_moved",
        format!("Users were not moved: {reason}."),
        "Look at what the target says, mend it, and deploy again.",
    )
}
