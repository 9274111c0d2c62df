//! The laws, looked after at every effect and at the end. The numbers are those of the product's invariants.

use super::case::{Before, Kind, NEWER, PINNED, Said, Trouble};
use super::world::{World, commit_of, sha};
use crate::config::repo::Rollback;
use crate::domain::{HoldKind, LedgerEntry, Millis, Sha, Slot};
use crate::plan::{Call, CheckOutcome, Task};
use crate::workflow::deploy::fresh::WINDOW;
use crate::workflow::report::{Outcome, State};
use std::collections::BTreeSet;

/// What has been seen of a run.
#[derive(Default)]
pub struct Seen {
    /// The required check, as it is.
    pub green: bool,
    /// A good measurement since users were moved last.
    pub evidence: bool,
    /// A person has said how to go on.
    pub person: bool,
    /// A good answer of the new copy.
    pub healthy_at: Option<Millis>,
    /// The share that was asked for last.
    pub told: u8,
    /// Percent of users in green, as it was before and as it was asked for last.
    pub in_green: Option<u8>,
    /// Steps by which users went back.
    pub back: BTreeSet<String>,
}

/// From a probe to the move that stands on it passes at least the time of the two calls.
const SLACK: i64 = 4_000;

impl World<'_> {
    fn law(&mut self, number: u8, holds: bool, what: &str) {
        if !holds {
            let since = self.now.0 - super::world::START.0;
            self.broken.push(format!("law {number}: {what}, {} s after the start", since / 1000));
        }
    }

    /// 2: every effect names the pinned commit, on the way back one that was live before.
    pub(super) fn pinned(&mut self, step: &str, call: &Call) {
        let named: Option<Sha> = match call.inner() {
            Call::CheckRun(call) => Some(call.sha.clone()),
            Call::CreateDeployment(call) => Some(call.sha.clone()),
            Call::CarryOut(errand) => Some(errand.sha.clone()),
            Call::Dispatch { sha, .. } => Some(sha.clone()),
            Call::Land(call) => Some(call.entry.sha.clone()),
            Call::Probe(call) => Some(call.sha.clone()),
            Call::Recheck { sha, .. } => Some(sha.clone()),
            _ => None,
        };
        let elsewhere = step.starts_with("back.") || step.starts_with("gather.") || step.starts_with("retire.old.");
        let fits = named.is_none_or(|named| {
            let before = elsewhere && self.record.iter().any(|entry| entry.sha == named);
            before || (!elsewhere && named == sha(PINNED)) || (elsewhere && self.record.is_empty())
        });
        self.law(2, fits, &format!("{step} names another commit"));
    }

    /// A version comes up.
    pub(super) fn comes_up(&mut self, step: &str, slot: Option<Slot>) {
        if step.starts_with("back.") {
            return self.began_back(Task::Rollback);
        }
        let passed = self.seen.green || self.case.back;
        self.law(7, passed, "a check that nobody has seen green has let it pass");
        let older = self.is_older();
        self.law(6, !older, "an older commit comes up");
        let users = slot.map_or(0, |slot| self.share(slot));
        self.law(5, users == 0, "it comes up where users are");
    }

    fn is_older(&self) -> bool {
        !self.case.back && self.case.before == Before::Live(NEWER)
    }

    /// 8: one way back at most.
    pub(super) fn began_back(&mut self, task: Task) {
        if task == Task::Rollback && !self.case.back {
            let rows = self.rows.iter().filter(|row| row.task == Task::Rollback).count();
            self.law(8, rows <= 1, "a second way back");
        }
    }

    /// 9: at most one visible effect of each step.
    pub(super) fn seen_once(&mut self) {
        let mut all: Vec<&str> = self.checks.iter().map(|(step, _)| step.as_str()).collect();
        all.extend(self.rows.iter().map(|row| row.step.as_str()));
        all.extend(self.rows.iter().flat_map(|row| &row.statuses).map(|(step, _)| step.as_str()));
        let (many, once) = (all.len(), all.into_iter().collect::<BTreeSet<_>>().len());
        self.law(9, many == once, "two visible effects of one step");
    }

    /// Users are shared as it was asked for.
    pub(super) fn moved(&mut self, step: &str, slot: Slot, percent: u8) {
        let new = self.new_slot();
        let before = new.map_or(0, |new| self.share(new));
        self.green = Some(if slot == Slot::Green { percent } else { 100 - percent });
        let after = new.map_or(0, |new| self.share(new));
        if after > before && !step.starts_with("gather.") {
            self.moved_on(step, before);
        }
        (self.seen.told, self.seen.in_green) = (after, self.green);
        if step.starts_with("back.") {
            self.seen.back.insert(step.to_owned());
            let once = self.seen.back.len() == 1;
            self.law(8, once, "users go back a second time");
        }
    }

    /// More users come to the new copy.
    fn moved_on(&mut self, step: &str, before: u8) {
        let asked = self.case.health;
        let (now, healthy) = (self.now, self.seen.healthy_at);
        self.law(3, !asked || healthy.is_some(), &format!("{step} before the copy was seen healthy"));
        let older = self.is_older();
        self.law(6, !older, "users come to an older commit");
        let back = !self.seen.back.is_empty();
        self.law(8, !back, "users come again after they went back");
        if step == "forward" {
            let dead = self.new_slot().is_none_or(|new| !self.serves(new.other()));
            return self.law(5, dead, "users leave an old copy that serves");
        }
        let window = i64::try_from(WINDOW.as_millis()).unwrap() + SLACK;
        let fresh = healthy.is_some_and(|at| now.0 - at.0 <= window);
        self.law(5, !asked || fresh, &format!("{step} to a copy that was seen healthy too long ago"));
        let proven = before == 0 || !self.case.analysis || self.seen.evidence || self.seen.person;
        self.law(7, proven, &format!("{step} without one good measurement"));
        self.seen.evidence = false;
    }

    /// The same shares again: a hand or a restart had moved users.
    pub(super) fn kept(&mut self, step: &str, slot: Slot, percent: u8) {
        let (wanted, green) = (self.seen.in_green, if slot == Slot::Green { percent } else { 100 - percent });
        let what = format!("{step} shares users otherwise than they were: {green} % in green instead of {wanted:?}");
        self.law(5, wanted == Some(green), &what);
        self.green = Some(green);
    }

    pub(super) fn taken_down(&mut self, step: &str, slot: Option<Slot>) {
        let users = slot.map_or(0, |slot| self.share(slot));
        let unsure = !self.troubled.is_empty() || self.was_restarted();
        self.law(5, users == 0 || unsure, &format!("{step} cuts users off"));
        self.put(slot, None);
    }

    /// Something is live from now on.
    pub(super) fn landed(&mut self, entry: &LedgerEntry) {
        if !entry.good || entry.sha != sha(PINNED) || entry.rollback {
            return;
        }
        let older = self.is_older();
        self.law(6, !older, "an older commit lands");
        let first = !self.case.in_place() && self.case.before == Before::Nothing;
        let bakes = matches!(self.case.kind, Kind::Direct | Kind::BlueGreen) && self.case.analysis && !first;
        let proven = !bakes || self.seen.evidence || self.seen.person;
        self.law(7, proven, "it is live without one good measurement");
    }

    fn was_restarted(&self) -> bool {
        self.case.said.iter().any(|(_, said)| *said == Said::Restart)
    }

    /// 10, and that users are where the end says.
    pub(super) fn at_the_end(&mut self, end: &Outcome) {
        self.told_once(end.state);
        self.only_what_is_meant(end.state);
        if self.troubled.is_empty() && !self.was_restarted() {
            self.users_are_there(end.state);
        }
    }

    fn told_once(&mut self, state: State) {
        let is_end = |word: &str| ["success", "failure", "error", "inactive"].contains(&word);
        // Whatever is lost on the way to GitHub is not told, and what nobody knows of ends nowhere.
        let lost = |(step, trouble): (&String, &Trouble)| {
            step.contains("status") || (step.ends_with("deployment") && *trouble == Trouble::DoneUnknown)
        };
        let unheard = self.troubled.iter().any(lost);
        for row in self.rows.clone() {
            let ends: Vec<&str> = row.statuses.iter().map(|(_, word)| word.as_str()).filter(|word| is_end(word)).collect();
            self.law(10, unheard || ends.len() == 1, &format!("{state:?}: a deployment ends with {ends:?}"));
            let word = match state {
                State::Succeeded => "success",
                State::Cancelled | State::Superseded | State::Expired => "inactive",
                State::RollbackFailed | State::Indeterminate => "error",
                _ => "failure",
            };
            let fits = row.task == Task::Rollback || ends.first().is_none_or(|end| *end == word);
            self.law(10, fits, &format!("{state:?} is told as {ends:?}"));
        }
        let deployments = self.rows.iter().filter(|row| row.step == "deployment").count();
        self.law(10, deployments <= 1, "two deployments");
        let unheard = self.troubled.keys().any(|step| step.contains("check"));
        let asks = Some(CheckOutcome::ActionRequired);
        let ends = self.checks.iter().filter(|(_, outcome)| outcome.is_some() && *outcome != asks).count();
        self.law(10, unheard || ends == 1, &format!("{state:?}: the check run ends {ends} times"));
    }

    fn only_what_is_meant(&mut self, state: State) {
        let left: Vec<HoldKind> = self.holds.iter().map(|hold| hold.what.kind).collect();
        let meant: &[HoldKind] = match state {
            State::RolledBack => &[HoldKind::Hold],
            State::RollbackFailed | State::Indeterminate => &[HoldKind::Lock],
            State::Succeeded if self.case.back => &[HoldKind::Hold],
            _ => &[],
        };
        self.law(10, left == meant, &format!("{state:?} leaves {left:?}"));
        let live = self.record.iter().filter(|entry| entry.until.is_none()).count();
        self.law(10, live <= 1, "two versions are live");
    }

    fn users_are_there(&mut self, state: State) {
        let new = self.new_slot().map_or(0, |slot| self.share(slot));
        let live = self.record.iter().find(|entry| entry.until.is_none()).cloned();
        let ours = |entry: &LedgerEntry| commit_of(&entry.sha) == PINNED;
        let known = self.record.iter().any(|entry| ours(entry) && !(self.case.back && entry.since.0 < 10));
        let fits = match state {
            State::Succeeded => (self.case.in_place() || new == 100) && live.is_some_and(|live| ours(&live) && live.good),
            State::RolledBack => new == 0 && live.is_none_or(|live| !ours(&live) || live.rollback || self.case.back),
            State::HaltedForward => live.is_some_and(|live| ours(&live) && !live.good),
            State::RollbackFailed | State::Indeterminate => true,
            _ => known || new == 0,
        };
        self.law(10, fits, &format!("{state:?} with {new} % of users at the new version"));
        let forced = self.case.rollback == Rollback::Forbidden && state == State::RolledBack;
        self.law(8, !forced, "it went back over a barrier");
    }
}
