//! A deployment from its lease to its end: does the work of one phase after another and lets `rollout::machine` say which
//! comes next.
//!
//! Invariants: an abort is looked for before every phase that moves something; what is live is written before people are told;
//! an environment whose state nobody knows, or whose way back failed, is left locked.

use super::bring_up;
use super::end::Ending;
use super::leg::{Leg, status_of, what};
use super::page::{Shown, check_run, sheet};
use super::slots::Slots;
use super::{Deployment, cancelled, health};
use crate::actions::deploy::Subject;
use crate::actions::rollback;
use crate::config::repo::{GradualStep, Strategy};
use crate::domain::{Actor, EnvironmentRecord, HoldKind, Lease, LedgerEntry, NewHold, Refusal};
use crate::flow::{Flow, StepFailure, Stop};
use crate::gates::Verdict;
use crate::plan::{Call, CheckOutcome, CheckRunMade, LandCall, Task};
use crate::rollout::machine::{End, Event, Phase, Rules, next};
use crate::targets::Progress;
use crate::workflow::report::{Outcome, State};
use std::time::Duration;

pub(super) struct Drive<'a> {
    pub this: &'a Deployment<'a>,
    pub leg: Leg,
    pub lease: Lease,
    /// As it was at the lease.
    pub record: EnvironmentRecord,
    pub verdicts: &'a [Verdict],
    /// Found at the start, for strategies with two copies.
    pub slots: Option<Slots>,
}

/// What has come of the phases so far.
#[derive(Default)]
struct So {
    /// Where the new version can be seen.
    url: Option<String>,
    /// What went wrong first.
    refusal: Option<Refusal>,
    /// What is live again.
    back: Option<LedgerEntry>,
}

/// More phases than any strategy has.
const TURNS: usize = 1_000;

impl Drive<'_> {
    pub fn run(mut self, f: &mut Flow, shown: &mut Shown) -> Result<Outcome, Stop> {
        match self.find_slots(f)? {
            Ok(slots) => (self.leg.slot, self.slots) = (slots.map(|slots| slots.new), slots),
            Err(refusal) => {
                return Ending { verdicts: self.verdicts, ..Ending::refused(refusal) }.report(f, self.this.input, shown);
            }
        }
        self.begin(f, shown)?;
        let (rules, mut phase, mut so) = (self.rules(), Phase::Preparing, So::default());
        for turn in 0..TURNS {
            if let Phase::End(end) = phase {
                return self.end(f, shown, end, so);
            }
            let event = self.turn(f, shown, turn, phase, &mut so)?;
            let after = next(&rules, phase, event);
            if after == Phase::RollingBack || matches!(after, Phase::End(End::Failed | End::HaltedForward | End::Cancelled)) {
                self.note_bad(f, &rules, phase, event)?;
            }
            phase = after;
        }
        Err(Stop::Suspended)
    }

    /// Makes GitHub's deployment, if there is none yet, and says that it goes on.
    fn begin(&mut self, f: &mut Flow, shown: &mut Shown) -> Result<(), Stop> {
        let this = self.this;
        if self.leg.deployment.is_none() {
            self.leg = this.deployment(f, shown, &self.leg, this.task())?;
        }
        let text = format!("Deploying {}", what(&self.leg.subject));
        self.leg.status(f, this.input, "status.in_progress", "in_progress", &text, None)
    }

    fn rules(&self) -> Rules {
        let rollback = self.this.environment.rollback;
        // Nobody is there who could be moved step by step.
        let first = self.slots.is_some_and(|slots| slots.old.is_none());
        let (steps, bake) = match &self.this.strategy {
            Strategy::Gradual { steps } if !first => (steps.len(), false),
            Strategy::BlueGreen { bake } if !first => (0, !bake.is_zero()),
            Strategy::Direct | Strategy::Gradual { .. } | Strategy::BlueGreen { .. } => (0, false),
        };
        let previous = match self.slots {
            Some(slots) => slots.old.is_some() && self.record.live().is_some(),
            None => rollback::target(&self.record.history, &self.leg.subject.sha, None).is_ok(),
        };
        Rules { in_place: self.slots.is_none(), steps, bake, rollback, previous: previous && !self.this.input.rollback }
    }

    /// Does a phase's work. Trouble becomes an event, so that there is a way on from everywhere.
    fn turn(&self, f: &mut Flow, shown: &mut Shown, turn: usize, phase: Phase, so: &mut So) -> Result<Event, Stop> {
        let goes_back = matches!(phase, Phase::RollingBack | Phase::CleaningUp | Phase::Finalizing);
        if !goes_back && let Some(reason) = f.cancelled(&format!("abort.{turn}"))? {
            so.refusal.get_or_insert(cancelled(&reason));
            return Ok(Event::Abort);
        }
        let done = match phase {
            Phase::Preparing => self.prepare(f, shown, so),
            Phase::PreVerifying => self.verify(f, shown, so),
            // What is live must be on record: without it this is no success.
            Phase::Finalizing => return self.finalize(f, shown, so),
            Phase::RollingBack => match self.slots {
                Some(slots) => self.back_to_old(f, shown, slots),
                None => self.roll_back(f, shown, so),
            },
            Phase::Shifting(at) => self.move_users(f, shown, &format!("shift.{at}"), self.weight(at), so),
            Phase::Analyzing(at) => self.watched(f, &format!("watch.{at}"), self.watch_for(at), so),
            Phase::Paused(at) => self.pause(f, shown, at, so),
            Phase::Promoting => self.move_users(f, shown, "promote", 100, so),
            Phase::Baking => self.watched(f, "bake", self.bake(), so),
            Phase::CleaningUp | Phase::End(_) => Ok(Event::Done),
        };
        match done {
            Err(Stop::Failed(failure)) => Ok(event_of(failure, so)),
            other => other,
        }
    }

    fn prepare(&self, f: &mut Flow, shown: &mut Shown, so: &mut So) -> Result<Event, Stop> {
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

    fn verify(&self, f: &mut Flow, shown: &mut Shown, so: &mut So) -> Result<Event, Stop> {
        match health::verify(f, self.this, &self.leg, so.url.as_deref(), shown)? {
            Ok(()) => Ok(Event::Done),
            Err(refusal) => {
                so.refusal.get_or_insert(refusal);
                Ok(Event::Failed)
            }
        }
    }

    fn move_users(&self, f: &mut Flow, shown: &mut Shown, name: &str, percent: u8, so: &mut So) -> Result<Event, Stop> {
        match self.shift(f, shown, &self.leg, name, percent)? {
            Ok(()) => {
                self.show_progress(f, shown, &format!("check.{name}"), &format!("{percent} % of users are moved"))?;
                Ok(Event::Done)
            }
            Err(refusal) => {
                let event = if refusal.code == "cancelled" { Event::Abort } else { Event::Failed };
                so.refusal.get_or_insert(refusal);
                Ok(event)
            }
        }
    }

    fn watched(&self, f: &mut Flow, name: &str, span: Duration, so: &mut So) -> Result<Event, Stop> {
        let watched = self.watch(f, name, span)?;
        if let Some(refusal) = watched.refusal {
            so.refusal.get_or_insert(refusal);
        }
        Ok(watched.event)
    }

    fn pause(&self, f: &mut Flow, shown: &mut Shown, at: usize, so: &mut So) -> Result<Event, Stop> {
        let percent = self.weight(at);
        self.show_progress(f, shown, &format!("check.paused.{at}"), &format!("Paused at {percent} % of users"))?;
        let paused = self.paused(f, &format!("paused.{at}"))?;
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

    fn weight(&self, at: usize) -> u8 {
        self.steps().get(at).map_or(100, |step| step.weight)
    }

    fn watch_for(&self, at: usize) -> Duration {
        self.steps().get(at).map_or(Duration::ZERO, |step| step.bake)
    }

    fn bake(&self) -> Duration {
        if let Strategy::BlueGreen { bake } = &self.this.strategy { *bake } else { Duration::ZERO }
    }

    /// The version is live: our own record first, then the old copy may go, then GitHub is told.
    fn finalize(&self, f: &mut Flow, shown: &mut Shown, so: &So) -> Result<Event, Stop> {
        self.land(f, &self.leg, "land", so.url.clone(), true)?;
        if let Some(old) = self.slots.and_then(|slots| slots.old) {
            self.drain(f, shown, "drain", old)?;
        }
        Ok(Event::Done)
    }

    /// Says on the check run how far it is; it costs a call, so it is only said when users are moved.
    fn show_progress(&self, f: &mut Flow, shown: &mut Shown, step: &str, title: &str) -> Result<(), Stop> {
        let mut text = sheet(self.this.input, None, self.verdicts, &shown.progress).text();
        text.title = title.to_owned();
        let made: Result<CheckRunMade, StepFailure> = f.try_step(step, &check_run(self.this.input, shown, None, text))?;
        shown.check_run = made.ok().map(|made| made.id).or(shown.check_run);
        Ok(())
    }

    pub(super) fn land(&self, f: &mut Flow, leg: &Leg, step: &str, url: Option<String>, good: bool) -> Result<(), Stop> {
        let now = f.now();
        let since = f.record(&format!("{step}.at"), || now)?;
        let barrier = self.this.environment.rollback == crate::config::repo::Rollback::Forbidden;
        let back = !leg.prefix.is_empty() || self.this.input.rollback;
        let subject = leg.subject.clone();
        let entry = LedgerEntry {
            run: self.this.run_id().clone(),
            sha: subject.sha,
            tag: subject.tag,
            version: subject.version,
            component: subject.component,
            deployment: leg.deployment,
            url,
            slot: leg.slot,
            barrier: barrier && !back,
            rollback: back,
            good,
            since,
            until: None,
        };
        let call = LandCall { place: self.this.input.place(), lease: self.lease.clone(), entry };
        let landed: bool = f.step(step, &Call::Land(call))?;
        debug_assert!(landed, "the executor refuses instead of answering false");
        Ok(())
    }

    /// Users may have met it, and it is not good: that is on record before anything else is done.
    fn note_bad(&self, f: &mut Flow, rules: &Rules, phase: Phase, event: Event) -> Result<(), Stop> {
        if !phase.has_moved_users(rules) {
            return Ok(());
        }
        self.land(f, &self.leg, "land.bad", None, false)?;
        // Who stops a deployment says nothing about the version.
        if event == Event::Abort {
            return Ok(());
        }
        let call = Call::MarkBad { place: self.this.input.place(), sha: self.leg.subject.sha.clone() };
        f.step("mark_bad", &call)
    }

    /// The version before it is brought up again, as a deployment of its own that people can see.
    fn roll_back(&self, f: &mut Flow, shown: &mut Shown, so: &mut So) -> Result<Event, Stop> {
        let Ok(entry) = rollback::target(&self.record.history, &self.leg.subject.sha, None) else { return Ok(Event::Failed) };
        let leg = Leg { prefix: "back.", subject: subject_of(entry), deployment: None, slot: None };
        let leg = self.this.deployment(f, shown, &leg, Task::Rollback)?;
        let input = self.this.input;
        leg.status(f, input, "status.in_progress", "in_progress", &format!("Going back to {}", what(&leg.subject)), None)?;
        let url = match bring_up::bring_up(f, self.this, &leg, shown)? {
            Progress::Done { url } => url.or_else(|| self.this.environment.url.clone()),
            Progress::Failed { reason } | Progress::Stopped { reason } => return self.way_back_failed(f, &leg, &reason),
            Progress::Working => return self.way_back_failed(f, &leg, "nobody could say whether it was brought up"),
        };
        if let Err(refusal) = health::verify(f, self.this, &leg, url.as_deref(), shown)? {
            return self.way_back_failed(f, &leg, &refusal.message);
        }
        self.land(f, &leg, "back.land", url.clone(), true)?;
        leg.status(f, input, "status.success", "success", &format!("{} is live again", what(&leg.subject)), url)?;
        so.back = Some(entry.clone());
        Ok(Event::Done)
    }

    fn way_back_failed(&self, f: &mut Flow, leg: &Leg, reason: &str) -> Result<Event, Stop> {
        leg.status(f, self.this.input, "status.end", "error", &format!("The way back failed: {reason}"), None)?;
        Ok(Event::Failed)
    }

    fn end(&self, f: &mut Flow, shown: &mut Shown, end: End, so: So) -> Result<Outcome, Stop> {
        let (name, environment) = (what(&self.leg.subject), self.this.input.environment.as_str());
        let why = so.refusal.clone().unwrap_or_else(|| Refusal::us("undecided", "Nobody can say how the deployment ended."));
        let (state, refusal) = match end {
            End::Succeeded => return self.succeeded(f, shown, so),
            End::Failed => (State::Failed, why),
            End::Cancelled => (State::Cancelled, why),
            End::RolledBack => {
                self.hold(f, HoldKind::Hold, &format!("{name} was rolled back: {}", why.message))?;
                let back = so.back.as_ref().or_else(|| self.slots.and(self.record.live()));
                let to = back.map_or_else(|| "the version before".to_owned(), rollback::name);
                let text = format!("{} {to} is live again in {environment}.", why.message);
                (State::RolledBack, Refusal { message: text, ..why })
            }
            End::RollbackFailed => {
                self.hold(f, HoldKind::Lock, &format!("the rollback of {name} failed"))?;
                let text = format!("{} The way back failed too; {environment} is locked.", why.message);
                let fix =
                    format!("Look at {environment} by hand, then `lockkeeper unlock {environment} --reason …`. {}", why.fix);
                (State::RollbackFailed, Refusal { message: text, fix, ..why })
            }
            End::HaltedForward => {
                let forbidden = self.this.environment.rollback == crate::config::repo::Rollback::Forbidden;
                let because = if forbidden { "rollback = \"forbidden\"" } else { "the old copy is not healthy" };
                let text = format!("{} Nothing was put back in {environment}: {because}.", why.message);
                let fix = format!("Fix forward: deploy a version that is mended. {}", why.fix);
                (State::HaltedForward, Refusal { message: text, fix, ..why })
            }
            End::Indeterminate => {
                self.hold(f, HoldKind::Lock, &format!("nobody can say whether {name} runs"))?;
                let text = format!("{} Nobody can say what runs in {environment}, so it is locked.", why.message);
                let fix = format!("Look at {environment} by hand, then `lockkeeper unlock {environment} --reason …`.");
                (State::Indeterminate, Refusal { message: text, fix, ..why })
            }
        };
        Ending { state, refusal, verdicts: self.verdicts }.report(f, self.this.input, shown)
    }

    fn hold(&self, f: &mut Flow, kind: HoldKind, reason: &str) -> Result<(), Stop> {
        let now = f.now();
        let since = f.record("hold.at", || now)?;
        let input = self.this.input;
        f.step(
            "hold",
            &Call::PlaceHold(NewHold {
                repo: input.repo.id,
                environment: input.environment.clone(),
                kind,
                owner: Actor::schedule(),
                reason: crate::render::line(reason, 200),
                sha: (kind == HoldKind::Hold).then(|| self.leg.subject.sha.clone()),
                run: Some(self.this.run_id().clone()),
                since,
                until: None,
            }),
        )
    }

    fn succeeded(&self, f: &mut Flow, shown: &mut Shown, so: So) -> Result<Outcome, Stop> {
        let (this, input) = (self.this, self.this.input);
        let text = format!("{} is live", what(&self.leg.subject));
        self.leg.status(f, input, "status.success", "success", &text, so.url.clone())?;
        self.retire_previous(f)?;
        let mut page = sheet(input, None, self.verdicts, &shown.progress);
        page.done = true;
        page.url = so.url.as_deref();
        let made: Result<CheckRunMade, StepFailure> =
            f.try_step("check", &check_run(input, shown, Some(CheckOutcome::Success), page.text()))?;
        // The version is live; a check run that GitHub does not take changes nothing about that.
        drop(made);
        let mut outcome = Outcome::new(State::Succeeded).at(&this.input.subject.sha);
        outcome.version = this.input.subject.version.clone();
        outcome.url = so.url;
        Ok(outcome)
    }

    /// GitHub marks the deployment before this one inactive by itself, except in production.
    fn retire_previous(&self, f: &mut Flow) -> Result<(), Stop> {
        let before = self.record.live().and_then(|live| live.deployment);
        match before.filter(|id| self.this.environment.is_production() && Some(*id) != self.leg.deployment) {
            Some(id) => {
                let text = format!("{} took its place", what(&self.leg.subject));
                status_of(f, "status.previous", self.this.input, id, "inactive", &text, None)
            }
            None => Ok(()),
        }
    }
}

/// A version as it was live before.
pub(super) fn subject_of(entry: &LedgerEntry) -> Subject {
    Subject {
        sha: entry.sha.clone(),
        tag: entry.tag.clone(),
        version: entry.version.clone(),
        component: entry.component.clone(),
    }
}

/// What a step that failed for good means for the deployment.
fn event_of(failure: StepFailure, so: &mut So) -> Event {
    let event = match () {
        () if failure.refusal.code == "cancelled" => Event::Abort,
        // Tried for as long as anything is tried: nobody knows what it has done.
        () if failure.dead => Event::Unknown,
        () => Event::Failed,
    };
    so.refusal.get_or_insert(failure.refusal);
    event
}
