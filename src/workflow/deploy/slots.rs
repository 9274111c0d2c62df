//! Two copies side by side: which slot gets the new version, and how users are moved between them.
//!
//! Invariants: what the balancer says counts, not our record of it; users whom two versions share already are not shared
//! anew; the old copy is drained and never cut.

use super::bring_up::{Action, Errand, carry_out};
use super::drive::Drive;
use super::leg::{Leg, what};
use super::page::Shown;
use crate::config::repo::{Strategy, Target, Traffic};
use crate::domain::{Refusal, Slot};
use crate::flow::{Flow, Stop};
use crate::plan::{Call, TrafficCall};
use crate::rollout::machine::Event;
use crate::targets::Progress;
use crate::targets::traffic::{Drained, Observed};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long users of the old copy may take to leave.
const DRAIN: Duration = Duration::from_secs(10 * 60);

/// Where the two versions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slots {
    pub new: Slot,
    /// Users are in the other slot; nothing: there are none yet.
    pub old: Option<Slot>,
}

impl Drive<'_> {
    /// The slots of this deployment; nothing for a strategy that has none.
    pub(super) fn find_slots(&self, f: &mut Flow) -> Result<Result<Option<Slots>, Refusal>, Stop> {
        if self.this.strategy == Strategy::Direct {
            return Ok(Ok(None));
        }
        let known = self.record.live().and_then(|live| live.slot);
        let Some(call) = self.balancer() else {
            let new = known.map_or(Slot::Blue, Slot::other);
            return Ok(Ok(Some(Slots { new, old: known })));
        };
        let seen: Observed = f.step("slots", &Call::ObserveTraffic(call))?;
        let Some(shares) = seen.split else {
            return Ok(Ok(Some(Slots { new: known.map_or(Slot::Blue, Slot::other), old: None })));
        };
        let old = Slot::ALL.into_iter().find(|slot| *shares.0.get(slot.other()) == 0);
        Ok(match old {
            Some(old) => Ok(Some(Slots { new: old.other(), old: Some(old) })),
            None => Err(shared(self.this.input.environment.as_str())),
        })
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
    ) -> Result<Result<(), Refusal>, Stop> {
        let Some(slot) = leg.slot else { return Ok(Ok(())) };
        if let Some(traffic) = self.balancer() {
            let moved: Result<Observed, _> = f.try_step(name, &Call::Shift { traffic, slot, percent })?;
            shown.progress.push(format!("{percent} % of users are with {} in the slot {slot}", what(&leg.subject)));
            return Ok(moved.map(|_| ()).map_err(|failure| failure.refusal));
        }
        let errand = Errand { name: format!("{name}."), action: Action::Shift, weight: Some(percent) };
        Ok(match carry_out(f, self.this, leg, &errand, shown)? {
            Progress::Done { .. } => {
                shown.progress.push(format!("{percent} % of users are with {} in the slot {slot}", what(&leg.subject)));
                Ok(())
            }
            Progress::Failed { reason } => Err(not_moved(&reason)),
            Progress::Stopped { reason } => Err(super::cancelled(&reason)),
            Progress::Working => Err(not_moved("nobody could say whether it was done")),
        })
    }

    /// Ends what runs in a slot that nobody uses any more, where the target can be told to. It is a debt when that fails, no
    /// trouble for users.
    pub(super) fn take_down(&self, f: &mut Flow, shown: &mut Shown, leg: &Leg) -> Result<(), Stop> {
        if leg.slot.is_none() || !matches!(self.this.target, Target::Http(_) | Target::Command(_)) {
            return Ok(());
        }
        let errand = Errand { name: "retire.".to_owned(), action: Action::TakeDown, weight: None };
        let ended = match carry_out(f, self.this, leg, &errand, shown) {
            Err(Stop::Failed(failure)) => Err(failure.refusal.message),
            Err(suspended) => return Err(suspended),
            Ok(Progress::Done { .. }) => Ok(()),
            Ok(Progress::Failed { reason } | Progress::Stopped { reason }) => Err(reason),
            Ok(Progress::Working) => Err("nobody could say whether it was done".to_owned()),
        };
        let name = what(&leg.subject);
        shown.progress.push(match ended {
            Ok(()) => format!("Taken down: {name}"),
            Err(why) => format!("{name} was not taken down: {why}"),
        });
        Ok(())
    }

    /// Lets the users of a slot leave by themselves. What is left when the time is up goes on; it is told, not cut.
    pub(super) fn drain(&self, f: &mut Flow, shown: &mut Shown, name: &str, slot: Slot) -> Result<(), Stop> {
        let Some(traffic) = self.balancer() else { return Ok(()) };
        let drained: Result<Drained, _> = f.try_step(name, &Call::Drain { traffic, slot, limit: DRAIN })?;
        shown.progress.push(match drained {
            Ok(Drained { left: 0 }) => format!("Drained: the slot {slot}"),
            Ok(Drained { left }) => format!("The slot {slot} still serves {left} connections; they are not cut"),
            Err(failure) => format!("The slot {slot} was not drained: {}", failure.refusal.message),
        });
        Ok(())
    }

    /// Users go back to the old copy, which has run all the time.
    pub(super) fn back_to_old(&self, f: &mut Flow, shown: &mut Shown, slots: Slots) -> Result<Event, Stop> {
        let (Some(old), Some(live)) = (slots.old, self.record.live()) else { return Ok(Event::Failed) };
        let leg =
            Leg { prefix: "back.", subject: super::drive::subject_of(live), deployment: live.deployment, slot: Some(old) };
        match self.shift(f, shown, &leg, "back.shift", 100)? {
            Ok(()) => {}
            Err(refusal) if refusal.code == "slot_unhealthy" => return Ok(Event::StableUnhealthy),
            Err(_) => return Ok(Event::Failed),
        }
        self.drain(f, shown, "back.drain", slots.new)?;
        self.land(f, &leg, "back.land", live.url.clone(), true)?;
        Ok(Event::Done)
    }
}

fn shared(environment: &str) -> Refusal {
    Refusal::user(
        "traffic_shared",
        format!(
            "Users of {environment} are shared between both slots already, so nobody can say which version is the old one."
        ),
        "Give one of the slots all users with the balancer's own tools, and deploy again.",
    )
}

fn not_moved(reason: &str) -> Refusal {
    Refusal::user(
        "traffic_not_moved",
        format!("Users were not moved: {reason}."),
        "Look at what the target says, mend it, and deploy again.",
    )
}
