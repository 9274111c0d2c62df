//! A deployment from its lease to its end: does the work of one phase after another and lets `rollout::machine` say which
//! comes next.
//!
//! Invariants: an abort is looked for before every phase that moves something; what is live is written before people are told.

use super::bring_up::{DISPATCH, ERRAND};
use super::end::Ending;
use super::leg::{Leg, what};
use super::page::Shown;
use super::phases::BEGUN;
use super::slots::Slots;
use super::steer::RULES;
use super::{Deployment, cancelled};
use crate::actions::deploy::Subject;
use crate::actions::rollback;
use crate::config::repo::{Rollback, Strategy};
use crate::domain::{EnvironmentRecord, Lease, LedgerEntry, Millis, Refusal};
use crate::flow::{Flow, StepFailure, Stop};
use crate::gates::Verdict;
use crate::plan::{Call, LandCall};
use crate::rollout::machine::{End, Event, Phase, Rules, next};
use crate::workflow::report::Outcome;

pub(super) struct Drive<'a> {
    pub this: &'a Deployment<'a>,
    pub leg: Leg,
    pub lease: Lease,
    /// As it was at the lease.
    pub record: EnvironmentRecord,
    pub verdicts: &'a [Verdict],
    /// The holds that end once this is live.
    pub over: Vec<u64>,
    /// Found at the start, for strategies with two copies.
    pub slots: Option<Slots>,
}

/// What has come of the phases so far.
#[derive(Default)]
pub(super) struct So {
    /// Where the new version can be seen.
    pub url: Option<String>,
    /// When its health checks held last.
    pub healthy_at: Option<Millis>,
    /// The share of users who have been moved to it, in percent.
    pub share: u8,
    /// What went wrong first.
    pub refusal: Option<Refusal>,
    /// What is live again.
    pub back: Option<LedgerEntry>,
    /// Users may have met the new version, and nothing was put back.
    pub stays: bool,
    /// Nobody serves in the old copy.
    pub old_is_dead: bool,
    /// No user is left in the copy that they were taken from.
    pub left: bool,
}

/// More phases than any strategy has.
const TURNS: usize = 1_000;

impl Drive<'_> {
    pub fn run(mut self, f: &mut Flow, shown: &mut Shown) -> Result<Outcome, Stop> {
        let found = match self.find_slots(f, shown) {
            // Users may have been gathered or not, and nobody can say.
            Err(Stop::Failed(StepFailure { dead: true, refusal, step })) if step.starts_with("gather.") => {
                return self.end(f, shown, End::Indeterminate, So { refusal: Some(refusal), ..So::default() });
            }
            found => found?,
        };
        match found {
            Ok(slots) => {
                (self.leg.slot, self.slots) = (slots.map(|slots| slots.new), slots);
                self.leg.guard = self.balancer().filter(|_| slots.is_some_and(|slots| slots.old.is_some()));
            }
            Err(ending) => return Ending { verdicts: self.verdicts, ..ending }.report(f, self.this.input, shown),
        }
        self.begin(f, shown)?;
        let rules = f.record(RULES, || self.rules())?;
        let (mut phase, mut so) = (Phase::Preparing, So::default());
        for turn in 0..TURNS {
            if let Phase::End(end) = phase {
                return self.end(f, shown, end, so);
            }
            let event = self.turn(f, shown, turn, phase, &mut so)?;
            let mut after = next(&rules, phase, event);
            if after == phase {
                // The same work has the same end again: nobody can say how to go on, and people are told so.
                after = next(&rules, phase, Event::Unknown);
            }
            so.old_is_dead |= event == Event::StableUnhealthy;
            if after == Phase::RollingBack || matches!(after, Phase::End(End::Failed | End::HaltedForward | End::Cancelled)) {
                self.note_bad(f, &rules, phase, event, so.share)?;
            }
            so.stays = phase.has_moved_users(&rules);
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
        self.leg.status(f, this.input, "status.in_progress", "in_progress", &text, None)?;
        // It says there what is waited for, and nothing is any more.
        match shown.check_run {
            // Runs of the first version are past this.
            Some(_) if !shown.under_way && f.flow_version() >= 2 => self.show_progress(f, shown, BEGUN, &text),
            _ => Ok(()),
        }
    }

    pub(super) fn rules(&self) -> Rules {
        let rollback = self.this.environment.rollback;
        // Nobody is there who could be moved step by step.
        let first = self.slots.is_some_and(|slots| slots.old.is_none());
        let measured = !self.this.environment.analysis.is_empty() && !self.this.input.rollback;
        let (steps, bake) = stages(&self.this.strategy, first, measured);
        let previous = match self.slots {
            Some(slots) => slots.old.is_some(),
            None => {
                !self.this.input.rollback && rollback::target(&self.record.history, &self.leg.subject.sha, None, &[]).is_ok()
            }
        };
        Rules { in_place: self.slots.is_none(), steps, bake, rollback, previous }
    }

    /// Does a phase's work. Trouble becomes an event, so that there is a way on from everywhere.
    fn turn(&self, f: &mut Flow, shown: &mut Shown, turn: usize, phase: Phase, so: &mut So) -> Result<Event, Stop> {
        let goes_back = matches!(phase, Phase::RollingBack | Phase::CleaningUp | Phase::Finalizing);
        if !goes_back && let Some(reason) = f.cancelled(&format!("abort.{turn}"))? {
            so.refusal.get_or_insert(cancelled(&reason));
            // This phase has not begun to move anybody.
            let moves = matches!(phase, Phase::Preparing | Phase::Shifting(_) | Phase::Promoting);
            return Ok(if moves { Event::NotMoved } else { Event::Abort });
        }
        let done = match phase {
            Phase::Preparing => self.prepare(f, shown, so),
            Phase::PreVerifying => self.verify(f, shown, so),
            // What is live must be on record: without it this is no success.
            Phase::Finalizing => return self.finalize(f, shown, so),
            Phase::RollingBack => match self.slots {
                Some(slots) => self.back_to_old(f, shown, slots, so),
                None => self.roll_back(f, shown, so),
            },
            Phase::Shifting(at) => self.move_users(f, shown, &format!("shift.{at}"), self.weight(at), so),
            Phase::Analyzing(at) => self.watched(f, &format!("watch.{at}"), self.watch_for(at), self.weight(at), so),
            Phase::Paused(at) => self.pause(f, shown, at, so),
            Phase::Promoting => self.move_users(f, shown, "promote", 100, so),
            Phase::Baking => self.bake(f, shown, so),
            Phase::CleaningUp => self.clean_up(f, shown),
            Phase::End(_) => Ok(Event::Done),
        };
        match done {
            Err(Stop::Failed(failure)) => Ok(event_of(phase, failure, so)),
            other => other,
        }
    }

    pub(super) fn land(&self, f: &mut Flow, leg: &Leg, step: &str, url: Option<String>) -> Result<(), Stop> {
        self.land_as(f, step, self.entry(leg, url))
    }

    pub(super) fn entry(&self, leg: &Leg, url: Option<String>) -> LedgerEntry {
        let barrier = self.this.environment.rollback == Rollback::Forbidden;
        let back = !leg.prefix.is_empty() || self.this.input.rollback;
        let subject = leg.subject.clone();
        LedgerEntry {
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
            good: true,
            share: None,
            since: Millis::default(),
            until: None,
        }
    }

    /// Writes that this is live from now on.
    pub(super) fn land_as(&self, f: &mut Flow, step: &str, entry: LedgerEntry) -> Result<(), Stop> {
        let now = f.now();
        let since = f.record(&format!("{step}.at"), || now)?;
        let entry = LedgerEntry { since, ..entry };
        let call = LandCall { place: self.this.input.place(), lease: self.lease.clone(), entry };
        let landed: bool = f.step(step, &Call::Land(call))?;
        debug_assert!(landed, "the executor refuses instead of answering false");
        Ok(())
    }

    /// Users are with something again that we have not deployed.
    pub(super) fn unland(&self, f: &mut Flow, step: &str) -> Result<(), Stop> {
        let now = f.now();
        let at = f.record(&format!("{step}.at"), || now)?;
        let ended: bool = f.step(step, &Call::Unland { place: self.this.input.place(), lease: self.lease.clone(), at })?;
        debug_assert!(ended, "the executor refuses instead of answering false");
        Ok(())
    }

    /// Users may have met it, and it is not good: that is on record before anything else is done.
    fn note_bad(&self, f: &mut Flow, rules: &Rules, phase: Phase, event: Event, share: u8) -> Result<(), Stop> {
        if !phase.has_moved_users(rules) {
            return Ok(());
        }
        // Where the old copy is dead everybody is moved forward.
        let stays = event != Event::StableUnhealthy && self.slots.is_some_and(|slots| slots.old.is_some());
        let share = Some(share).filter(|share| *share < 100 && stays);
        self.land_as(f, "land.bad", LedgerEntry { good: false, share, ..self.entry(&self.leg, None) })?;
        // Who stops a deployment says nothing about the version, nor does an old copy that dies.
        let stopped = matches!(event, Event::Abort | Event::NotMoved | Event::Expired | Event::StableUnhealthy);
        if stopped {
            return Ok(());
        }
        let call = Call::MarkBad { place: self.this.input.place(), sha: self.leg.subject.sha.clone() };
        f.step("mark_bad", &call)
    }
}

/// How many weights come before all users are moved, and whether the version is watched afterwards. `first`: there are no users
/// yet.
pub(super) fn stages(strategy: &Strategy, first: bool, measured: bool) -> (usize, bool) {
    match strategy {
        Strategy::Gradual { steps } if !first => (steps.len(), false),
        Strategy::BlueGreen { bake } if !first => (0, measured || !bake.is_zero()),
        // Without steps there is nowhere else to measure.
        Strategy::Direct => (0, measured),
        Strategy::Gradual { .. } | Strategy::BlueGreen { .. } => (0, false),
    }
}

/// A version as it was live before.
pub fn subject_of(entry: &LedgerEntry) -> Subject {
    Subject {
        sha: entry.sha.clone(),
        tag: entry.tag.clone(),
        version: entry.version.clone(),
        component: entry.component.clone(),
    }
}

/// Refusals of ours before a deployer is asked, and of one that does not know us.
const NEVER_BEGUN: [&str; 6] =
    ["not_lent", "address_not_allowed", "target_url_invalid", "target_denied", "command_unusable", "command_argument_unsafe"];

fn never_begun(failure: &StepFailure) -> bool {
    let refused = NEVER_BEGUN.contains(&failure.refusal.code.as_str());
    failure.step == DISPATCH || (failure.step == ERRAND && refused)
}

/// What a step that failed for good means for the deployment.
fn event_of(phase: Phase, failure: StepFailure, so: &mut So) -> Event {
    let event = match () {
        // It was stopped before anybody was asked.
        () if phase == Phase::Preparing && failure.step == DISPATCH && failure.refusal.code == "cancelled" => Event::NotMoved,
        () if failure.refusal.code == "cancelled" => Event::Abort,
        // Tried for as long as anything is tried: nobody knows what it has done.
        () if failure.dead => Event::Unknown,
        // GitHub has refused to start the workflow, or nobody was asked: nothing was brought up.
        () if phase == Phase::Preparing && never_begun(&failure) => Event::NotMoved,
        () => Event::Failed,
    };
    so.refusal.get_or_insert(failure.refusal);
    event
}
