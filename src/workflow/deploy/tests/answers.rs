//! What the world answers to each call.

use super::case::{Asks, By, Deployer, NEWER, Numbers, PINNED};
use super::world::{Copied, Dispatched, Mutation, Row, START, World, commit_of, failed, sha};
use crate::domain::{
    CheckItem, CheckSource, CheckState, DeploymentStatusInfo, EnvironmentRecord, HeadMerge, Hold, LedgerEntry, Millis, NewHold,
    PerSlot, Sample, Sha, Slot, Standing, Unreadable, WorkflowRunInfo,
};
use crate::flow::StepFailure;
use crate::plan::{
    Call, CheckRunMade, DeploymentCall, DeploymentMade, DispatchMade, ErrandCall, LandCall, ProbeAnswer, StatusCall,
};
use crate::rollout::analysis::Observation;
use crate::targets::traffic::{Counted, Counters, Drained, Kept, Observed, Shares, SlotState};
use crate::targets::{Progress, Ticket};
use crate::workflow::deploy::HEALTH_STALE;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

type Done = Result<Value, StepFailure>;

fn answer(value: impl Serialize) -> Done {
    Ok(serde_json::to_value(value).unwrap())
}

impl World<'_> {
    pub(super) fn act(&mut self, step: &str, call: Call, other_sha: bool) -> Done {
        match call {
            Call::Passing { what } | Call::Sought { what } => self.act(step, *what, other_sha),
            Call::ReadCommit { .. } => answer(self.ground()),
            Call::Recheck { .. } => answer(self.recheck()),
            Call::IsLocked { .. } => answer(self.now < self.free_at()),
            Call::ReadEnvironment { .. } => answer(EnvironmentRecord {
                at: self.now,
                history: self.record.clone(),
                holds: self.holds.clone(),
                ..EnvironmentRecord::default()
            }),
            Call::Compare { base, head, .. } => answer(self.compare(commit_of(&base), commit_of(&head))),
            Call::ReadMergesOf { .. } => answer(Vec::<HeadMerge>::new()),
            Call::CheckRun(call) => {
                match self.checks.iter_mut().find(|(by, _)| by == step) {
                    Some(made) if self.mutation != Mutation::ForgetsItsWork => made.1 = call.outcome,
                    _ => self.checks.push((step.to_owned(), call.outcome)),
                }
                self.seen_once();
                answer(CheckRunMade { id: 77, url: None })
            }
            Call::CreateDeployment(call) => self.create(step, call, other_sha),
            Call::DeploymentStatus(call) => self.status(step, call),
            Call::Land(call) => self.land(step, call),
            Call::Unland { lease, at, .. } => {
                self.holds_lease(step, lease.token)?;
                self.end_live(at);
                answer(true)
            }
            Call::MarkBad { sha, .. } => {
                self.record.iter_mut().filter(|entry| entry.sha == sha).for_each(|entry| entry.good = false);
                answer(())
            }
            Call::PlaceHold(new) => {
                self.hold(new);
                answer(())
            }
            Call::EndHolds { holds, .. } => {
                self.holds.retain(|hold| !holds.contains(&hold.id));
                answer(())
            }
            Call::IsEnvironmentKnown { .. } => answer(true),
            Call::IsKeyGood { .. } => answer(self.case.asks != Asks::Key { good: false }),
            Call::IsTeamMember { .. } => answer(false),
            Call::Measure(_) => answer(self.measured()),
            Call::Probe(call) => answer(self.probe(call.check.place().contains("green"), commit_of(&call.sha))),
            Call::CarryOut(errand) => self.carry_out(step, &errand).and_then(answer),
            Call::FollowErrand { errand, .. } => self.progress(&errand).and_then(answer),
            Call::Dispatch { sha, inputs, healthy_until, .. } => self.dispatch(step, sha, &inputs, healthy_until),
            Call::ReadWorkflowRun { workflow_run, .. } => self.workflow_run(workflow_run),
            Call::CancelWorkflowRun { workflow_run, .. } => self.cancel(workflow_run),
            Call::ReadStatuses { deployment, .. } => self.reports(deployment),
            call => self.traffic(step, call),
        }
    }

    fn traffic(&mut self, step: &str, call: Call) -> Done {
        match call {
            Call::ObserveTraffic(_) => answer(self.observed()),
            Call::Shift { slot, percent, healthy_until, .. } => {
                self.shift(step, slot, percent, healthy_until)?;
                answer(self.observed())
            }
            Call::Keep { slot, percent, .. } => {
                let users = [(slot, percent), (slot.other(), 100 - percent)];
                if let Some((deaf, _)) = users.into_iter().find(|(slot, share)| *share > 0 && !self.serves(*slot)) {
                    return answer(Kept::Deaf(deaf));
                }
                self.kept(step, slot, percent);
                answer(Kept::Kept)
            }
            Call::Drain { slot, .. } => {
                if self.share(slot) > 0 {
                    return Err(failed(step, "slot_in_use", false));
                }
                answer(Drained { left: 0 })
            }
            Call::CountTraffic(_) => self.counted(step),
            other => {
                self.broken.push(format!("law 0: nobody answers {other:?}"));
                Err(failed(step, "unknown_call", false))
            }
        }
    }

    fn compare(&self, base: u8, head: u8) -> Standing {
        match base.cmp(&head) {
            std::cmp::Ordering::Equal => Standing::Same,
            std::cmp::Ordering::Greater if self.mutation != Mutation::LiesAboutOrder => Standing::Behind,
            _ => Standing::Ahead,
        }
    }

    fn create(&mut self, step: &str, call: DeploymentCall, other_sha: bool) -> Done {
        let known = self.rows.iter().position(|row| row.step == step).filter(|_| self.mutation != Mutation::ForgetsItsWork);
        let id = known.unwrap_or_else(|| {
            let slot = call.payload.get("slot").and_then(|slot| Slot::parse(slot));
            let sha = call.sha.clone();
            self.rows.push(Row { step: step.to_owned(), task: call.task, sha, slot, statuses: Vec::new() });
            self.rows.len() - 1
        });
        self.seen_once();
        self.began_back(call.task);
        if self.case.target() == By::Reporter && !other_sha {
            self.begins(step, self.rows[id].slot);
        }
        let told = if other_sha { sha(9) } else { call.sha };
        answer(DeploymentMade { id: id as u64, sha: told })
    }

    fn status(&mut self, step: &str, call: StatusCall) -> Done {
        let row = &mut self.rows[usize::try_from(call.deployment).unwrap()];
        let said = row.statuses.iter().any(|(by, _)| by == step) && self.mutation != Mutation::ForgetsItsWork;
        if !said {
            row.statuses.push((step.to_owned(), call.state));
        }
        self.seen_once();
        answer(())
    }

    fn holds_lease(&self, step: &str, token: u64) -> Result<(), StepFailure> {
        if token == self.token() { Ok(()) } else { Err(failed(step, "lease_lost", false)) }
    }

    fn end_live(&mut self, at: Millis) {
        self.record.iter_mut().filter(|entry| entry.until.is_none()).for_each(|entry| entry.until = Some(at));
    }

    fn land(&mut self, step: &str, LandCall { lease, entry, .. }: LandCall) -> Done {
        self.holds_lease(step, lease.token)?;
        let key = |entry: &LedgerEntry| (entry.run.clone(), entry.sha.clone(), entry.rollback, entry.slot);
        if !self.record.iter().any(|known| key(known) == key(&entry)) {
            self.landed(&entry);
            self.end_live(entry.since);
            self.record.insert(0, entry);
        }
        answer(true)
    }

    fn hold(&mut self, what: NewHold) {
        let known = self.holds.iter().any(|hold| (&hold.what.run, hold.what.kind) == (&what.run, what.kind));
        if !known {
            let id = self.holds.len() as u64 + 1;
            self.holds.push(Hold { id, what, ended_at: None, ended_by: None, ended_why: None });
        }
    }

    pub(super) fn read_checks(&mut self) -> Result<Vec<CheckItem>, Unreadable> {
        let green = |after: u16| self.now.0 >= START.0 + i64::from(after) * 1000;
        let state = match self.case.green_after {
            None if self.mutation != Mutation::BelievesTheUnread => {
                return Err(Unreadable { reason: "GitHub does not say".into() });
            }
            None => CheckState::Success,
            Some(after) if green(after) => {
                self.seen.green = true;
                CheckState::Success
            }
            Some(_) => CheckState::Pending,
        };
        let source = CheckSource::CheckRun { id: 3, app_id: 8, app_slug: "actions".into() };
        Ok(vec![CheckItem { name: "build".into(), source, state, conclusion: String::new(), at: START, url: None }])
    }

    fn measured(&mut self) -> Observation {
        let sample = match self.case.numbers {
            Numbers::Good => {
                self.seen.evidence = true;
                Sample::value(0.0)
            }
            Numbers::Nothing if self.mutation == Mutation::BelievesNoData => Sample::value(0.0),
            Numbers::Bad => Sample::value(2.0),
            Numbers::Nothing => Sample::NoData,
            Numbers::Broken => Sample::error("prometheus_down", "it does not answer"),
        };
        Observation { sample, baseline: None }
    }

    fn probe(&mut self, green: bool, commit: u8) -> ProbeAnswer {
        let slot = if green { Slot::Green } else { Slot::Blue };
        let copy = if self.case.in_place() { self.in_place.clone() } else { self.slots.get(slot).clone() };
        let copy = copy.filter(|copy| commit_of(&copy.sha) == commit);
        let well = copy.as_ref().is_some_and(|copy| self.is_healthy(copy));
        if well && copy.is_some_and(|copy| !copy.old) {
            self.seen.healthy_at = Some(self.now);
        }
        let ok = well || self.mutation == Mutation::BelievesTheSick;
        ProbeAnswer { ok, code: "health_status".into(), reason: "it is not well".into(), fix: None, hopeless: false }
    }

    fn observed(&self) -> Observed {
        let state = |slot: Slot| SlotState { servers: 1, healthy: u32::from(self.serves(slot)), draining: 0, sessions: 0 };
        let parts = PerSlot::of(|slot| u32::from(self.share(slot)));
        Observed { split: self.green.map(|_| Shares(parts)), slots: PerSlot::of(state) }
    }

    fn shift(&mut self, step: &str, slot: Slot, percent: u8, healthy_until: Option<Millis>) -> Result<(), StepFailure> {
        if healthy_until.is_some_and(|until| self.now > until) && self.share(slot) != percent {
            return Err(failed(step, HEALTH_STALE, false));
        }
        let users = [(slot, percent), (slot.other(), 100 - percent)];
        // Without a balancer nobody looks.
        if self.case.balanced() && users.into_iter().any(|(slot, share)| share > 0 && !self.serves(slot)) {
            return Err(failed(step, "slot_unhealthy", false));
        }
        self.moved(step, slot, percent);
        Ok(())
    }

    fn carry_out(&mut self, step: &str, errand: &ErrandCall) -> Result<Ticket, StepFailure> {
        let progress = match (errand.action.as_str(), errand.slot) {
            ("bring_up", slot) => {
                self.begins(step, slot);
                self.progress(errand)?
            }
            ("shift", Some(slot)) => {
                self.shift(step, slot, errand.weight.unwrap_or(100), errand.healthy_until)?;
                Progress::Done { url: None }
            }
            _ => {
                self.taken_down(step, errand.slot);
                Progress::Done { url: None }
            }
        };
        Ok(Ticket { progress, status_url: None })
    }

    fn begins(&mut self, step: &str, slot: Option<Slot>) {
        self.comes_up(step, slot);
        self.begun.entry(step.to_owned()).or_insert(self.now);
    }

    fn progress(&mut self, errand: &ErrandCall) -> Result<Progress, StepFailure> {
        match self.deployer(&errand.step) {
            Deployer::Lies => Err(failed(&errand.step, "target_lied", false)),
            Deployer::Succeeds if self.is_up(&errand.step, &errand.sha, errand.slot) => Ok(Progress::Done { url: None }),
            Deployer::Fails if self.is_over(&errand.step) => Ok(Progress::Failed { reason: "it failed".into() }),
            _ => Ok(Progress::Working),
        }
    }

    fn is_over(&self, step: &str) -> bool {
        let begun = self.begun.get(step).copied().unwrap_or(self.now);
        self.now.0 >= begun.0 + i64::from(self.case.takes) * 1000
    }

    /// A good deployer's version is there once its time is over.
    fn is_up(&mut self, step: &str, sha: &Sha, slot: Option<Slot>) -> bool {
        let over = self.is_over(step);
        let begun = self.begun.get(step).copied().unwrap_or(self.now);
        let since = Millis(begun.0 + i64::from(self.case.takes) * 1000);
        if over && self.up.insert(step.to_owned()) {
            let old = commit_of(sha) != PINNED || step.starts_with("back.");
            self.put(slot, Some(Copied { sha: sha.clone(), since, old }));
        }
        over
    }

    fn dispatch(&mut self, step: &str, sha: Sha, inputs: &BTreeMap<String, String>, healthy_until: Option<Millis>) -> Done {
        let known = self.dispatched.iter().position(|run| run.step == step);
        let id = match known.filter(|_| self.mutation != Mutation::ForgetsItsWork) {
            Some(id) => id,
            None => {
                let slot = inputs.get("slot").and_then(|slot| Slot::parse(slot));
                let moved = inputs.get("action").is_some_and(|action| action == "shift");
                match slot.filter(|_| moved) {
                    Some(slot) => {
                        let weight = inputs.get("weight").and_then(|weight| weight.parse().ok()).unwrap_or(100);
                        self.shift(step, slot, weight, healthy_until)?;
                    }
                    None => self.begins(step, slot),
                }
                self.dispatched.push(Dispatched { step: step.to_owned(), sha, slot, moved, cancelled: false });
                self.dispatched.len() - 1
            }
        };
        // One that is not told which commit says at which it ran.
        let told_sha = self.deployer(step) != Deployer::Lies;
        answer(DispatchMade { workflow_run: id as u64, url: None, told_sha })
    }

    fn workflow_run(&mut self, id: u64) -> Done {
        let Dispatched { step, sha, slot, moved, cancelled } = self.dispatched[usize::try_from(id).unwrap()].clone();
        let deployer = if moved { Deployer::Succeeds } else { self.deployer(&step) };
        let conclusion = match deployer {
            _ if moved => Some("success"),
            _ if cancelled => Some("cancelled"),
            Deployer::Succeeds => self.is_up(&step, &sha, slot).then_some("success"),
            Deployer::Fails => self.is_over(&step).then_some("failure"),
            Deployer::Hangs => None,
            Deployer::Lies => Some("success"),
        };
        let head_sha = if deployer == Deployer::Lies { super::world::sha(NEWER) } else { sha };
        let status = if conclusion.is_some() { "completed" } else { "in_progress" }.to_owned();
        let conclusion = conclusion.map(str::to_owned);
        answer(WorkflowRunInfo { id, status, conclusion, head_sha, url: String::new(), created_at: START })
    }

    /// One that is over stays as it ended.
    fn cancel(&mut self, id: u64) -> Done {
        let index = usize::try_from(id).unwrap();
        let over = self.up.contains(&self.dispatched[index].step);
        self.dispatched[index].cancelled |= !over;
        answer(!over)
    }

    /// Who lies is somebody whose word does not count.
    fn reports(&mut self, deployment: u64) -> Done {
        let Row { step, sha, slot, .. } = self.rows[usize::try_from(deployment).unwrap()].clone();
        let deployer = self.deployer(&step);
        let state = match deployer {
            Deployer::Succeeds => self.is_up(&step, &sha, slot).then_some("success"),
            Deployer::Fails => self.is_over(&step).then_some("failure"),
            Deployer::Hangs => None,
            Deployer::Lies => Some("success"),
        };
        let login = if deployer == Deployer::Lies { "eve" } else { "deployer[bot]" };
        let report = |state: &str| DeploymentStatusInfo {
            id: 5,
            state: state.to_owned(),
            description: String::new(),
            creator_login: login.to_owned(),
            creator_id: 6,
            app_id: None,
            at: START,
            environment_url: None,
            log_url: None,
        };
        answer(state.map(report).into_iter().collect::<Vec<_>>())
    }

    /// Ten requests in each slot in every second.
    fn counted(&mut self, step: &str) -> Done {
        let requests = u64::try_from(self.now.0 - START.0).unwrap() / 100;
        let counters = |requests, errors| Counters { requests, errors, ..Counters::default() };
        let counted = match self.case.numbers {
            Numbers::Good => {
                self.seen.evidence |= !step.contains(".first.");
                counters(requests, 0)
            }
            Numbers::Nothing if self.mutation == Mutation::BelievesNoData => counters(requests, 0),
            Numbers::Bad => counters(requests, requests),
            Numbers::Nothing => counters(0, 0),
            Numbers::Broken => return Err(failed(step, "balancer_unreachable", false)),
        };
        answer(Some(Counted { since: "start".into(), slots: PerSlot { blue: counted.clone(), green: counted } }))
    }
}
