//! The turn of a deployment: one at a time in an environment, and what was true when it was asked for is looked at again once
//! it is its turn.
//!
//! Invariants: an older commit never lands over a newer one, except by a rollback; an automatic deployment gives way to a
//! newer one that waits and contains it; a gate that does not pass any more, or a plan that people do not agree to any more,
//! sends the run back to its gates, without the lock.
//!
//! What holds a version back after a rollback gives way to a commit that says that it reverts the bad one. Its content is not
//! compared with the reverse: others may have changed the same lines since, and such words stand on the default branch only
//! with the consent of those who may write there. So the words open the way for one try, which is judged like any other: only
//! when it is live and good does the hold end, and one that fails leaves it where it was and is held itself.

use super::end::Ending;
use super::order::superseded;
use super::page::Shown;
use super::{Cleared, Deployment, drive, lock_key, named, refused_step, what, who};
use crate::actions::authority;
use crate::config::repo::{CONFIG_PATH, GatePolicy};
use crate::domain::{
    ActorKind, Artifact, Commit, EnvironmentRecord, Hold, HoldKind, InQueue, Lease, LedgerEntry, Millis, Recheck, Refusal,
    Role, Sha, Standing,
};
use crate::flow::{Flow, StepFailure, Stop};
use crate::notes::takes_back;
use crate::plan::{Call, Task};
use crate::workflow::gating;
use crate::workflow::place;
use crate::workflow::report::{Outcome, State};
use crate::workflow::supplied;
use std::time::Duration;

/// Who gets the lock within this time has not waited for it.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Gates that looked longer ago look again when it is the deployment's turn.
const LOOK_IS_GOOD_FOR: Duration = Duration::from_secs(60);
/// A role that was read longer ago is read again when it is the deployment's turn.
const ROLE_IS_GOOD_FOR: Duration = Duration::from_secs(60);

impl Deployment<'_> {
    /// Nothing when a gate does not pass any more after the wait for this turn: others go ahead meanwhile.
    pub(super) fn with_lease(
        &self,
        f: &mut Flow,
        shown: &mut Shown,
        cleared: &Cleared,
        turn: u32,
    ) -> Result<Option<Outcome>, Stop> {
        let input = self.input;
        let (key, lease) = (lock_key(&input.place()), named("lease", turn));
        let lined = input.keeps_its_order(f);
        if lined {
            input.change_lines(f, shown, &lease, &key)?;
        }
        let busy = f.step(&named("lease.busy", turn), &Call::IsLocked { key: key.clone() })?;
        if lined {
            self.appear(f, shown)?;
        }
        if busy {
            self.show_queued(f, shown, &cleared.verdicts, turn)?;
        }
        let now = f.now();
        let asked: Millis = f.record(&named("lease.asked", turn), || now)?;
        let token = if lined { f.turn(&lease)?.ok_or_else(|| lost(&lease))? } else { f.lock(&lease, &key)? };
        let now = f.now();
        let got: Millis = f.record(&named("lease.got", turn), || now)?;
        // A server that was down, or a GitHub that was slow, is a wait too. Runs before the third version are past this.
        let old = f.flow_version() >= 3 && got > cleared.passed_at.plus(LOOK_IS_GOOD_FOR);
        let waited = busy || old || got > asked.plus(AT_ONCE);
        // A way back has no gates.
        if waited && !self.plan.gates.is_empty() && !self.case(&named("lease.gates.", turn), |case| gating::holds(f, case))? {
            f.unlock(&key);
            return Ok(None);
        }
        // Runs of the first version are past this.
        if f.flow_version() >= 2 && (waited || shown.waiting) && !self.is_still_there(f, turn)? {
            let verdicts = &cleared.verdicts;
            return Ending { verdicts, ..Ending::refused(gone(input.environment.as_str())) }.report(f, input, shown).map(Some);
        }
        let read = Call::ReadEnvironment { place: input.place(), earlier: Vec::new() };
        let record: EnvironmentRecord = f.step(&named("lease.record", turn), &read)?;
        if !self.is_agreed(f, &record, turn)? {
            f.unlock(&key);
            return Ok(None);
        }
        self.leased(f, shown, cleared, Lease { key, token }, record).map(Some)
    }

    /// Whether people still agree to this plan: somebody may have rejected it since the gates passed.
    fn is_agreed(&self, f: &mut Flow, record: &EnvironmentRecord, turn: u32) -> Result<bool, Stop> {
        let asks = |gate: &&GatePolicy| matches!(gate, GatePolicy::Approvals(_));
        let gates: Vec<GatePolicy> = self.plan.gates.iter().filter(asks).cloned().collect();
        if gates.is_empty() {
            return Ok(true);
        }
        let now = f.now();
        f.record(&named("lease.agreed", turn), || {
            let place = self.going().place(record);
            self.case("", |case| Ok(case.passes_with(&gates, &place, now))).unwrap_or(false)
        })
    }

    /// What went to an environment that is not there any more would be seen by nobody, and taken down by nobody.
    fn is_still_there(&self, f: &mut Flow, turn: u32) -> Result<bool, Stop> {
        let (repo, environment) = (self.input.repo.clone(), self.input.environment.clone());
        f.step(&named("lease.known", turn), &Call::IsEnvironmentKnown { repo, environment })
    }

    fn leased(
        &self,
        f: &mut Flow,
        shown: &mut Shown,
        cleared: &Cleared,
        lease: Lease,
        record: EnvironmentRecord,
    ) -> Result<Outcome, Stop> {
        let input = self.input;
        let verdicts = cleared.verdicts.as_slice();
        let over = match self.out_of_turn(f, &record, &cleared.artifacts)? {
            Ok(over) => over,
            Err(ending) => return Ending { verdicts, ..ending }.report(f, input, shown),
        };
        drive::Drive { this: self, leg: self.leg(shown), lease, record, verdicts, over, slots: None }.run(f, shown)
    }

    pub(super) fn task(&self) -> Task {
        if self.input.rollback { Task::Rollback } else { Task::Deploy }
    }

    /// Why this deployment may not go ahead now that it is its turn; else the holds that end once it is live.
    fn out_of_turn(
        &self,
        f: &mut Flow,
        record: &EnvironmentRecord,
        artifacts: &[Artifact],
    ) -> Result<Result<Vec<u64>, Ending<'static>>, Stop> {
        if let Some(ending) = self.gives_way(f, record)? {
            return Ok(Err(ending));
        }
        if let Some(ending) = self.left_already(record) {
            return Ok(Err(ending));
        }
        if let Err(refusal) = self.may_still(f)? {
            return Ok(Err(Ending::refused(refusal)));
        }
        let over = match self.held(f, record)? {
            Ok(over) => over,
            Err(refusal) => return Ok(Err(Ending::refused(refusal))),
        };
        if let Some(ending) = self.older_than_live(f, record)? {
            return Ok(Err(ending));
        }
        if let Some(ending) = self.verify_pin(f, artifacts)? {
            return Ok(Err(ending));
        }
        Ok(self.verify_configuration(f)?.map_or(Ok(over), |refusal| Err(Ending::refused(refusal))))
    }

    /// What a peer supplies must be what was planned with.
    fn verify_configuration(&self, f: &mut Flow) -> Result<Option<Refusal>, Stop> {
        // Nothing holds up a way back.
        let Some(pinned) = self.plan.pin.configuration.as_ref().filter(|_| !self.input.rollback) else { return Ok(None) };
        let (environment, input) = (self.environment, self.input);
        let about =
            supplied::About { repo: &input.repo, environment, subject: &input.subject, ground: self.ground, back: false };
        Ok(match supplied::read(f, "lease.configuration", about)? {
            Ok(now) => supplied::drift(pinned, &now.unwrap_or_default()),
            Err(refusal) => Some(refusal),
        })
    }

    /// A way back from something that users have left meanwhile would be one from what they have now.
    fn left_already(&self, record: &EnvironmentRecord) -> Option<Ending<'static>> {
        let leaving = self.input.leaving.as_ref()?;
        let newest = record.history.first().filter(|newest| newest.sha != *leaving)?;
        Some(Ending::refused(left(leaving, newest, self.input.environment.as_str())))
    }

    /// A key that has ended meanwhile has no right to what it has asked for either, nor somebody who has lost their role while
    /// this waited for its turn.
    fn may_still(&self, f: &mut Flow) -> Result<Result<(), Refusal>, Stop> {
        let actor = &self.input.actor;
        match (actor.kind, &self.input.by_comment) {
            (ActorKind::Key, _) => {
                let good = f.step("lease.key", &Call::IsKeyGood { number: actor.id.0 })?;
                Ok(if good { Ok(()) } else { Err(key_ended(&actor.login)) })
            }
            // Also those whom an agent acts for.
            (ActorKind::User | ActorKind::Agent, Some(by)) => {
                let now = f.now();
                let at: Millis = f.record("lease.role.at", || now)?;
                if at <= by.role_read.plus(ROLE_IS_GOOD_FOR) {
                    return Ok(Ok(()));
                }
                let (repo, account, login) = (self.input.repo.clone(), actor.id, actor.login.clone());
                let role: Result<Role, StepFailure> = f.try_step("lease.role", &Call::ReadRole { repo, account, login })?;
                let role = role.map_err(|failure| failure.refusal);
                match role.and_then(|role| authority::check(role, authority::DEPLOYS).map(|()| role)) {
                    Ok(role) => who::may(f, "lease.who", self.input, self.environment, role),
                    Err(refusal) => Ok(Err(refusal)),
                }
            }
            _ => Ok(Ok(())),
        }
    }

    /// A newer automatic deployment that waits behind this one and contains it takes its place.
    fn gives_way(&self, f: &mut Flow, record: &EnvironmentRecord) -> Result<Option<Ending<'static>>, Stop> {
        let newer = |other: &&InQueue| other.automatic && other.run != *self.run_id() && other.sha != self.input.subject.sha;
        let Some(newest) = record.queue.iter().rfind(newer).filter(|_| self.input.automatic) else {
            return Ok(None);
        };
        if self.compare(f, "lease.newer", &self.input.subject.sha, &newest.sha)? != Standing::Ahead {
            return Ok(None);
        }
        Ok(Some(superseded(&newest.sha, newest.run.as_str(), "waits for this environment")))
    }

    /// What people or a rollback have put in the way; else the holds that end once this is live.
    fn held(&self, f: &mut Flow, record: &EnvironmentRecord) -> Result<Result<Vec<u64>, Refusal>, Stop> {
        let (input, mut over) = (self.input, Vec::new());
        for hold in &record.holds {
            let stops = match hold.what.kind {
                // A way back that somebody has locked could meet what the lock protects.
                HoldKind::Lock => !self.owns(hold),
                HoldKind::Freeze => !input.rollback && !self.owns(hold),
                HoldKind::Hold if input.rollback => false,
                HoldKind::Hold => {
                    let bad = self.about_the_bad(f, hold)?;
                    let insists = input.insists();
                    over.extend((bad == Bad::Mended || (bad == Bad::Contained && insists)).then_some(hold.id));
                    bad == Bad::Contained && !insists
                }
            };
            if stops {
                return Ok(Err(locked(hold, input.environment.as_str())));
            }
        }
        Ok(Ok(over))
    }

    fn owns(&self, hold: &Hold) -> bool {
        place::owns(&self.input.actor, self.input.automatic, hold)
    }

    /// How this commit stands to the one that was rolled back.
    fn about_the_bad(&self, f: &mut Flow, hold: &Hold) -> Result<Bad, Stop> {
        let Some(bad) = &hold.what.sha else { return Ok(Bad::Contained) };
        let oldest_first: Vec<Commit> = self.ground.facts.history.iter().rev().cloned().collect();
        if takes_back(&oldest_first, bad) {
            return Ok(Bad::Mended);
        }
        let step = format!("lease.held.{}", hold.id);
        Ok(match self.compare(f, &step, bad, &self.input.subject.sha)? {
            Standing::Same | Standing::Ahead => Bad::Contained,
            Standing::Behind => Bad::Elsewhere,
            // A squash of exactly that brings it too; a head that came after it may have mended it.
            Standing::Diverged | Standing::Unrelated => {
                let merges = self.merges_here(f, &format!("{step}.merges"), bad)?;
                match () {
                    () if merges.is_empty() => Bad::Elsewhere,
                    // Merged once more after its revert, it is back.
                    () if merges.iter().all(|merge| takes_back(&oldest_first, &merge.commit)) => Bad::Mended,
                    () => Bad::Contained,
                }
            }
        })
    }

    /// A person's explicit deployment with a reason, or a fix, ends what a rollback has put in the way: once it is live, since
    /// one that fails mends nothing.
    pub(super) fn end_holds(&self, f: &mut Flow, holds: &[u64]) -> Result<(), Stop> {
        if holds.is_empty() {
            return Ok(());
        }
        let input = self.input;
        let why = input.reason.clone().unwrap_or_else(|| format!("{} reverts it", what(&input.subject)));
        f.step("holds", &Call::EndHolds { holds: holds.to_vec(), by: input.actor.clone(), why })
    }

    fn verify_pin(&self, f: &mut Flow, artifacts: &[Artifact]) -> Result<Option<Ending<'static>>, Stop> {
        let (input, subject) = (self.input, &self.input.subject);
        let Some(tag) = subject.tag.as_ref().filter(|_| !input.rollback) else { return Ok(None) };
        let call = Call::Recheck {
            repo: input.repo.clone(),
            tag: subject.tag.clone(),
            sha: subject.sha.clone(),
            base: None,
            authors: Vec::new(),
            folder: None,
        };
        let look: Recheck = f.step("lease.pin", &call)?;
        Ok(match &look.tag {
            Some(now) if now.commit == subject.sha => {
                self.case("", |case| case.artifacts_still(f, "lease.artifacts", (artifacts, &look)))?.map(Ending::refused)
            }
            Some(now) => Some(Ending::refused(Refusal::user(
                "tag_moved",
                format!(
                    "The tag {tag} stood at {} when this was asked for and now stands at {}.",
                    subject.sha.short(),
                    now.commit.short()
                ),
                "Never move a tag that may have been used: put it back, or deploy a new version.",
            ))),
            None => Some(Ending::new(State::Cancelled, crate::actions::publish::gone(tag))),
        })
    }
}

/// How a commit stands to one that was rolled back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bad {
    Contained,
    /// It contains a revert of it.
    Mended,
    Elsewhere,
}

/// A place without an end has no end.
fn lost(step: &str) -> Stop {
    refused_step(step, Refusal::us("lease_lost", "The place in the environment's queue was lost."))
}

fn gone(environment: &str) -> Refusal {
    let text = format!("There is no environment {environment} any more: the configuration has lost it while this waited.");
    let fix = format!("Deploy to one of those that there are, or add [environments.{environment}] to {CONFIG_PATH} again.");
    Refusal::user("environment_gone", text, fix)
}

fn key_ended(key: &str) -> Refusal {
    let text = format!("The {key}, which asked for this, has ended before its turn came.");
    Refusal::user("key_ended", text, "Ask for it again with a key that is good.")
}

fn left(leaving: &Sha, newest: &LedgerEntry, environment: &str) -> Refusal {
    let (was, now) = (leaving.short(), crate::actions::rollback::name(newest));
    let text = format!("This was asked for to leave {was} in {environment}, where {now} is the newest by now.");
    Refusal::user("plan_stale", text, "See `lockkeeper status`, and roll back again if that is not good either.")
}

/// Names the lock, its owner, its end, and how to go on.
pub(super) fn locked(hold: &Hold, environment: &str) -> Refusal {
    let what = &hold.what;
    let end = what.until.map_or_else(|| "until somebody ends it".to_owned(), |at| format!("until {}", at.rfc3339()));
    let reason = crate::gates::shown(&what.reason);
    let by = crate::gates::shown(&what.owner.login);
    match what.kind {
        HoldKind::Hold => Refusal::user(
            "held_after_rollback",
            format!("{environment} holds back what contains {}: {reason}.", what.sha.as_ref().map_or("it", Sha::short)),
            format!("Revert that commit, or deploy by hand with a reason: `lockkeeper deploy {environment} --reason …`."),
        ),
        HoldKind::Lock | HoldKind::Freeze => Refusal::user(
            "environment_locked",
            format!("{environment} has been locked by {by} {end}: {reason}."),
            format!(
                "Wait, ask {by}, or end it with `lockkeeper unlock {environment} --reason …`; `--wait` queues a deployment."
            ),
        ),
    }
}
