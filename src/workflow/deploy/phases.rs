//! The work of each phase, and what came of it as an event.

use super::bring_up;
use super::drive::{Drive, So, subject_of};
use super::fresh::Moved;
use super::leg::{Leg, what};
use super::page::{Shown, check_run, sheet, with_buttons};
use super::{cancelled, health};
use crate::actions::button::Button;
use crate::actions::rollback;
use crate::config::repo::{GradualStep, Strategy};
use crate::domain::{Blame, COMMIT_GONE, LedgerEntry};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Call, CheckOutcome, Task};
use crate::render::check::Stage;
use crate::rollout::machine::Event;
use crate::targets::Progress;
use serde_json::Value;
use std::time::Duration;

/// Says that it is under way.
pub(super) const BEGUN: &str = "check.begun";

impl Drive<'_> {
    pub(super) fn prepare(&self, f: &mut Flow, shown: &mut Shown, so: &mut So) -> Result<Event, Stop> {
        let progress = bring_up::bring_up(f, self.this, &self.leg, shown)?;
        Ok(self.progressed(progress, so))
    }

    fn progressed(&self, progress: Progress, so: &mut So) -> Event {
        match progress {
            Progress::Done { url } => {
                so.url = url.or_else(|| self.this.environment.url.clone());
                Event::Done
            }
            Progress::Failed { reason } => {
                so.refusal.get_or_insert(bring_up::failed(&reason));
                Event::Failed
            }
            Progress::Stopped { reason } => {
                so.refusal.get_or_insert(cancelled(&reason));
                Event::Abort
            }
            Progress::Working => Event::Unknown,
        }
    }

    pub(super) fn verify(&self, f: &mut Flow, shown: &mut Shown, so: &mut So) -> Result<Event, Stop> {
        match health::verify(f, self.this, &self.leg, so.url.as_deref(), shown)? {
            Ok(held) => {
                so.healthy_at = Some(held);
                Ok(Event::Done)
            }
            Err(refusal) => {
                so.refusal.get_or_insert(refusal);
                Ok(Event::Failed)
            }
        }
    }

    pub(super) fn move_users(
        &self,
        f: &mut Flow,
        shown: &mut Shown,
        name: &str,
        percent: u8,
        so: &mut So,
    ) -> Result<Event, Stop> {
        let (refusal, untouched) = match self.shift_to_healthy(f, shown, name, percent, so)? {
            Moved::Yes => {
                so.share = percent;
                self.show_progress(f, shown, &format!("check.{name}"), &format!("{percent} % of users are moved"))?;
                return Ok(Event::Done);
            }
            Moved::Unasked(refusal) => (refusal, so.share == 0),
            Moved::No(refusal) => (refusal, false),
        };
        let stopped = refusal.code == "cancelled";
        so.refusal.get_or_insert(refusal);
        Ok(match () {
            () if untouched => Event::NotMoved,
            () if stopped => Event::Abort,
            () if self.nobody_is_there(f, name)? => Event::NotMoved,
            () => Event::Failed,
        })
    }

    /// Nobody was moved: that users are where they were is made sure of, because the balancer may have been restarted.
    pub(super) fn clean_up(&self, f: &mut Flow, shown: &mut Shown) -> Result<Event, Stop> {
        if let Some((slot, traffic)) = self.slots.and_then(|slots| slots.old).zip(self.balancer()) {
            let call = Call::Shift { traffic, slot, percent: 100, healthy_until: None };
            let kept: Result<Value, StepFailure> = f.try_step("cleanup", &call)?;
            if let Err(failure) = kept {
                let why = failure.refusal.message;
                shown.progress.push(format!("It is not sure that all users are in the slot {slot}: {why}"));
            }
        }
        self.take_down(f, shown, &self.leg, "retire.")?;
        Ok(Event::Done)
    }

    pub(super) fn watched(&self, f: &mut Flow, name: &str, span: Duration, percent: u8, so: &mut So) -> Result<Event, Stop> {
        let watched = self.watch(f, name, span, percent)?;
        if let Some(refusal) = watched.refusal {
            so.refusal.get_or_insert(refusal);
        }
        Ok(watched.event)
    }

    pub(super) fn pause(&self, f: &mut Flow, shown: &mut Shown, at: usize, so: &mut So) -> Result<Event, Stop> {
        let percent = self.weight(at);
        let unsaid = self.show_paused(f, shown, &format!("check.paused.{at}"), &format!("Paused at {percent} % of users"))?;
        let paused = self.paused(f, &format!("paused.{at}"), percent, unsaid)?;
        match paused.event {
            // Whoever goes on has seen what was wrong.
            Event::Resume | Event::Promote => so.refusal = None,
            _ => so.refusal = so.refusal.take().or(paused.refusal),
        }
        Ok(paused.event)
    }

    fn steps(&self) -> &[GradualStep] {
        if let Strategy::Gradual { steps } = &self.this.strategy { steps } else { &[] }
    }

    pub(super) fn weight(&self, at: usize) -> u8 {
        self.steps().get(at).map_or(100, |step| step.weight)
    }

    pub(super) fn watch_for(&self, at: usize) -> Duration {
        self.steps().get(at).map_or(Duration::ZERO, |step| step.bake)
    }

    /// Everybody is moved, and the old copy is kept for a while: for longer when somebody pauses it.
    pub(super) fn bake(&self, f: &mut Flow, shown: &mut Shown, so: &mut So) -> Result<Event, Stop> {
        let span = if let Strategy::BlueGreen { bake } = &self.this.strategy { *bake } else { Duration::ZERO };
        let event = self.watched(f, "bake", span, 100, so)?;
        if event != Event::Pause {
            return Ok(event);
        }
        let at = self.steps().len();
        Ok(match self.pause(f, shown, at, so)? {
            Event::Resume | Event::Promote => Event::Done,
            other => other,
        })
    }

    /// The version is live: our own record first, then the old copy may go, then GitHub is told.
    pub(super) fn finalize(&self, f: &mut Flow, shown: &mut Shown, so: &mut So) -> Result<Event, Stop> {
        self.land(f, &self.leg, "land", so.url.clone())?;
        if let Some(old) = self.slots.and_then(|slots| slots.old) {
            so.left = self.drain(f, shown, "drain", old)?;
        }
        Ok(Event::Done)
    }

    /// Says on the check run how far it is; it costs a call, so it is only said when users are moved, and when what stands there
    /// is over.
    pub(super) fn show_progress(&self, f: &mut Flow, shown: &mut Shown, step: &str, title: &str) -> Result<(), Stop> {
        let mut text = sheet(self.this.input, Stage::UnderWay, None, self.verdicts, &shown.progress).text();
        text.title = title.to_owned();
        let call = check_run(self.this.input, shown, None, text);
        // Before users are moved nothing hangs on time, and what stands there must not stay.
        let call = if step == BEGUN { call } else { call.passing() };
        shown.say(f, step, call).map(|_| ())
    }

    /// Somebody is to decide. What is to be said again, where GitHub did not take it.
    fn show_paused(&self, f: &mut Flow, shown: &mut Shown, step: &str, title: &str) -> Result<Option<Call>, Stop> {
        let mut text = sheet(self.this.input, Stage::UnderWay, None, self.verdicts, &shown.progress).text();
        text.title = title.to_owned();
        let buttons = self.this.buttons(&[Button::Promote, Button::Back, Button::Extend]);
        let call = with_buttons(self.this.input, shown, Some(CheckOutcome::ActionRequired), text, buttons).passing();
        let taken = shown.say(f, step, call.clone())?;
        Ok((!taken).then(|| call.sought()))
    }

    /// The version before it is brought up again, as a deployment of its own that people can see.
    pub(super) fn roll_back(&self, f: &mut Flow, shown: &mut Shown, so: &mut So) -> Result<Event, Stop> {
        let Some((leg, entry)) = self.way_back(f, shown)? else { return Ok(Event::Failed) };
        let input = self.this.input;
        leg.status(f, input, "status.in_progress", "in_progress", &format!("Going back to {}", what(&leg.subject)), None)?;
        let url = match self.bring_back(f, shown, &leg) {
            Ok(Ok(url)) => url,
            Ok(Err(reason)) => return self.way_back_failed(f, &leg, &reason),
            Err(Stop::Failed(failure)) => return self.way_back_failed(f, &leg, &failure.refusal.message),
            Err(suspended) => return Err(suspended),
        };
        let leg = self.shown_late(f, shown, leg)?;
        leg.status(f, input, "status.success", "success", &format!("{} is live again", what(&leg.subject)), url)?;
        self.retire_previous(f, &leg)?;
        so.back = Some(entry.clone());
        Ok(Event::Done)
    }

    /// The deployment of the newest version that can come back: GitHub makes none of a commit that is gone, so that is known
    /// before anybody is moved.
    fn way_back(&self, f: &mut Flow, shown: &mut Shown) -> Result<Option<(Leg, &LedgerEntry)>, Stop> {
        let mut gone = Vec::new();
        while let Ok(entry) = rollback::target(&self.record.history, &self.leg.subject.sha, None, &gone) {
            let leg = Leg { prefix: "back.", subject: subject_of(entry), deployment: None, slot: None, guard: None };
            let step = if gone.is_empty() { leg.step("deployment") } else { leg.step(&format!("deployment.{}", gone.len())) };
            let how = |call: Call| if self.this.needs_github() { call } else { call.passing() };
            match self.this.deployment_by(f, shown, &leg, (Task::Rollback, &step), how) {
                Ok(leg) => return Ok(Some((leg, entry))),
                Err(Stop::Failed(failure)) if failure.refusal.code == COMMIT_GONE => {
                    shown.progress.push(rollback::passed_over(&rollback::name(entry)));
                    gone.push(entry.sha.clone());
                }
                // Users do not wait until it can be shown.
                Err(Stop::Failed(failure)) if failure.refusal.blame != Blame::Us && !self.this.needs_github() => {
                    return Ok(Some((leg, entry)));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    }

    /// A way back that went ahead while GitHub was away is shown now that it is over.
    fn shown_late(&self, f: &mut Flow, shown: &mut Shown, leg: Leg) -> Result<Leg, Stop> {
        if leg.deployment.is_some() {
            return Ok(leg);
        }
        let made = self.this.deployment_by(f, shown, &leg, (Task::Rollback, &leg.step("deployment.late")), Call::sought);
        match made {
            Err(Stop::Failed(_)) => Ok(leg),
            Ok(leg) => {
                // The one after it makes it inactive.
                self.land(f, &leg, "back.land.late", None)?;
                Ok(leg)
            }
            suspended => suspended,
        }
    }

    /// Brings the version before up, and gives its address or why it is not there.
    fn bring_back(&self, f: &mut Flow, shown: &mut Shown, leg: &Leg) -> Result<Result<Option<String>, String>, Stop> {
        let url = match bring_up::bring_up(f, self.this, leg, shown)? {
            Progress::Done { url } => url.or_else(|| self.this.environment.url.clone()),
            Progress::Failed { reason } | Progress::Stopped { reason } => return Ok(Err(reason)),
            Progress::Working => return Ok(Err("nobody could say whether it was brought up".to_owned())),
        };
        if let Err(refusal) = health::verify(f, self.this, leg, url.as_deref(), shown)? {
            return Ok(Err(refusal.message));
        }
        self.land(f, leg, "back.land", url.clone())?;
        Ok(Ok(url))
    }

    fn way_back_failed(&self, f: &mut Flow, leg: &Leg, reason: &str) -> Result<Event, Stop> {
        leg.status(f, self.this.input, "status.end", "error", &format!("The way back failed: {reason}"), None)?;
        Ok(Event::Failed)
    }
}
