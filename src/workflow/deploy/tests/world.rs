//! The world in memory: GitHub, a deployer, two slots with users before them, health that changes with time, metrics, and our
//! own record. It answers every call that the deploy workflow makes, looks for its own earlier work first as the real
//! executors do, and tells [`super::laws`] of whatever others can see.

use super::case::{Asks, BAD, Before, Case, Deployer, NEWER, OLDER, PINNED, Said, Trouble, part};
use crate::actions::deploy::Subject;
use crate::config::repo::CONFIG_PATH;
use crate::domain::{
    Actor, ActorKind, Ancestry, BranchRef, CommitFacts, EnvName, FileAt, Hold, InstallationId, LedgerEntry, Millis, PerSlot,
    Recheck, Refusal, RepoId, RepoName, RepoRef, RunId, Sha, Slot, UserId,
};
use crate::flow::StepFailure;
use crate::plan::{Call, CheckOutcome, Ground, Task};
use crate::workflow::deploy::Input;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub const START: Millis = Millis(1_800_000_000_000);
pub const RUN: &str = "run-of-the-model";

/// A defect of the world, of its host, or of the workflow, one for each law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    None,
    /// 2: the pin is read again.
    Drifts,
    /// 3: what is unhealthy is called healthy.
    BelievesTheSick,
    /// 4: an abort is not passed on.
    Deaf,
    /// 5: health is asked once, as before flow version 2.
    AsksOnce,
    /// 6: every commit is newer than every other one.
    LiesAboutOrder,
    /// 7: no data is called good.
    BelievesNoData,
    /// 7: checks that cannot be read are called green.
    BelievesTheUnread,
    /// 8
    GoesBackTwice,
    /// 9: nobody looks for their own earlier work.
    ForgetsItsWork,
    /// 10
    SaysItTwice,
}

/// What runs somewhere.
#[derive(Clone, Debug)]
pub struct Copied {
    pub sha: Sha,
    pub since: Millis,
    /// It was there before, or was brought back.
    pub old: bool,
}

/// A deployment on GitHub, with our reports on it by their steps.
#[derive(Clone, Debug)]
pub struct Row {
    pub step: String,
    pub task: Task,
    pub sha: Sha,
    pub slot: Option<Slot>,
    pub statuses: Vec<(String, String)>,
}

/// A run of the repository's own workflow.
#[derive(Clone, Debug)]
pub(super) struct Dispatched {
    pub step: String,
    pub sha: Sha,
    pub slot: Option<Slot>,
    /// It has moved users; nothing more follows.
    pub moved: bool,
    /// It has ended before its time.
    pub cancelled: bool,
}

pub struct World<'c> {
    pub case: &'c Case,
    pub mutation: Mutation,
    pub now: Millis,
    /// Laws that were broken.
    pub broken: Vec<String>,
    pub slots: PerSlot<Option<Copied>>,
    pub in_place: Option<Copied>,
    /// Percent of users in green; nothing: nobody serves anybody.
    pub green: Option<u8>,
    pub rows: Vec<Row>,
    pub checks: Vec<(String, Option<CheckOutcome>)>,
    /// Newest first.
    pub record: Vec<LedgerEntry>,
    pub holds: Vec<Hold>,
    token: u64,
    /// When a deployer was asked first, by the step.
    pub(super) begun: BTreeMap<String, Millis>,
    pub(super) dispatched: Vec<Dispatched>,
    /// Steps whose versions have come up.
    pub(super) up: BTreeSet<String>,
    /// Calls that did not simply work.
    pub troubled: BTreeMap<String, Trouble>,
    pub seen: super::laws::Seen,
}

pub fn sha(commit: u8) -> Sha {
    Sha::parse(&format!("{commit:02x}").repeat(20)).unwrap()
}

pub fn commit_of(sha: &Sha) -> u8 {
    u8::from_str_radix(&sha.as_str()[..2], 16).unwrap()
}

pub fn repo() -> RepoRef {
    RepoRef { id: RepoId(1), name: RepoName::parse("acme/shop").unwrap(), installation: InstallationId(7) }
}

pub fn input(case: &Case) -> Value {
    let person = case.asks == Asks::Person;
    let kind = if person { ActorKind::User } else { ActorKind::Key };
    serde_json::to_value(Input {
        repo: repo(),
        environment: EnvName::parse("live").unwrap(),
        subject: Subject { sha: sha(PINNED), tag: None, version: None, component: None },
        actor: match case.asks {
            Asks::Tag => Actor::schedule(),
            Asks::Person | Asks::Key { .. } => Actor { kind, id: UserId(5), login: "ann".into() },
        },
        asked_at: START,
        automatic: case.asks == Asks::Tag,
        rollback: case.back,
        reason: person.then(|| "because".to_owned()),
        strategy: None,
        wait: false,
        remarks: Vec::new(),
        taken: None,
        by_comment: None,
        leaving: None,
        configured: None,
    })
    .unwrap()
}

impl<'c> World<'c> {
    pub fn new(case: &'c Case, mutation: Mutation) -> Self {
        let slotted = !case.in_place();
        let copy = |commit| Some(Copied { sha: sha(commit), since: Millis(0), old: true });
        let entry = |commit, slot, since| LedgerEntry {
            run: RunId::parse(&format!("run-{commit}")).unwrap(),
            sha: sha(commit),
            tag: None,
            version: None,
            component: None,
            deployment: None,
            url: None,
            slot: Some(slot).filter(|_| slotted),
            barrier: false,
            rollback: false,
            good: true,
            share: None,
            since: Millis(since),
            until: None,
        };
        let ended = |entry: LedgerEntry, at| LedgerEntry { until: Some(Millis(at)), ..entry };
        let (record, blue, green) = match case.before {
            Before::Nothing => (Vec::new(), None, None),
            // What a rollback leads to has been live before, in the other slot.
            Before::Live(commit) if case.back => {
                (vec![entry(commit, Slot::Blue, 2), ended(entry(PINNED, Slot::Green, 1), 2)], copy(commit), None)
            }
            Before::Live(commit) => (vec![entry(commit, Slot::Blue, 2)], copy(commit), None),
            Before::Halted => {
                let halted = LedgerEntry { good: false, share: Some(10), ..entry(BAD, Slot::Green, 2) };
                (vec![halted, ended(entry(OLDER, Slot::Blue, 1), 2)], copy(OLDER), copy(BAD))
            }
        };
        let users = match case.before {
            Before::Nothing => None,
            Before::Live(_) => Some(0),
            Before::Halted => Some(10),
        };
        Self {
            case,
            mutation,
            now: START,
            broken: Vec::new(),
            in_place: blue.clone().filter(|_| !slotted),
            slots: if slotted { PerSlot { blue, green } } else { PerSlot::default() },
            green: users.filter(|_| slotted),
            rows: Vec::new(),
            checks: Vec::new(),
            record,
            holds: Vec::new(),
            token: 7,
            begun: BTreeMap::new(),
            dispatched: Vec::new(),
            up: BTreeSet::new(),
            troubled: BTreeMap::new(),
            seen: super::laws::Seen { in_green: users.filter(|_| slotted), ..super::laws::Seen::default() },
        }
    }

    pub fn free_at(&self) -> Millis {
        Millis(START.0 + i64::from(self.case.locked_for) * 1000)
    }

    pub fn lock(&mut self) -> u64 {
        self.token += 1;
        self.token
    }

    /// Whoever let go holds nothing by the old token.
    pub fn unlock(&mut self) {
        self.token += 1;
    }

    pub(super) fn token(&self) -> u64 {
        self.token
    }

    pub fn heard(&mut self, said: Said) {
        self.seen.person |= matches!(said, Said::Resume | Said::Promote);
    }

    /// While users are being moved: before that nobody looks after them.
    pub fn restart_balancer(&mut self) {
        if self.case.balanced() && self.seen.told > 0 {
            self.green = Some(50);
        }
    }

    /// How long a call takes, in seconds.
    pub fn slowness(&self, step: &str) -> i64 {
        let more = match self.trouble(step) {
            Some(Trouble::Slow) => 45,
            Some(Trouble::DoneUnknown | Trouble::Lost) => 300,
            _ => 0,
        };
        1 + more
    }

    fn trouble(&self, step: &str) -> Option<Trouble> {
        self.case.troubles.iter().find(|(at, _)| *at == part(step)).map(|(_, trouble)| *trouble)
    }

    /// One call, as its executor makes it: what is not the first time looks for its own work.
    pub fn perform(&mut self, step: &str, call: &Value) -> Result<Value, StepFailure> {
        let call: Call = serde_json::from_value(call.clone()).unwrap();
        self.pinned(step, &call);
        // Our own store does not fail for good.
        let ours = matches!(
            call,
            Call::Land(_)
                | Call::Unland { .. }
                | Call::MarkBad { .. }
                | Call::PlaceHold(_)
                | Call::EndHolds { .. }
                | Call::ReadEnvironment { .. }
                | Call::IsLocked { .. }
                | Call::IsKeyGood { .. }
        );
        let trouble = self.trouble(step).filter(|_| !ours);
        if let Some(trouble) = trouble.filter(|trouble| *trouble != Trouble::Slow) {
            self.troubled.insert(step.to_owned(), trouble);
        }
        match trouble {
            Some(Trouble::Refused) => return Err(failed(step, "refused", false)),
            Some(Trouble::Lost) => return Err(failed(step, "lost", true)),
            _ => {}
        }
        let answer = self.act(step, call, trouble == Some(Trouble::OtherSha));
        if trouble == Some(Trouble::DoneUnknown) { Err(failed(step, "lost", true)) } else { answer }
    }

    /// Health as it is.
    pub fn is_healthy(&self, copy: &Copied) -> bool {
        let since = |at: Millis| self.now.0 - at.0;
        if copy.old {
            return self.case.old_dies.is_none_or(|at| since(START) < i64::from(at) * 1000);
        }
        let (from, span) = (i64::from(self.case.sick.0) * 1000, i64::from(self.case.sick.1) * 1000);
        !(from..from + span).contains(&since(copy.since))
    }

    pub fn serves(&self, slot: Slot) -> bool {
        self.slots.get(slot).as_ref().is_some_and(|copy| self.is_healthy(copy))
    }

    pub fn share(&self, slot: Slot) -> u8 {
        let green = self.green.map(|green| if slot == Slot::Green { green } else { 100 - green });
        green.unwrap_or(0)
    }

    /// Where the pinned version came up in this run.
    pub fn new_slot(&self) -> Option<Slot> {
        Slot::ALL.into_iter().find(|slot| self.slots.get(*slot).as_ref().is_some_and(|copy| !copy.old))
    }

    pub fn put(&mut self, slot: Option<Slot>, copy: Option<Copied>) {
        match slot {
            None => self.in_place = copy,
            Some(Slot::Blue) => self.slots.blue = copy,
            Some(Slot::Green) => self.slots.green = copy,
        }
    }

    pub(super) fn ground(&mut self) -> Ground {
        let file = |text: String| Ok(Some(FileAt { path: CONFIG_PATH.to_owned(), text }));
        let checks = self.read_checks();
        let facts = CommitFacts {
            at: self.now,
            default_branch: BranchRef { name: "main".into(), head: sha(NEWER) },
            sha: Some(sha(PINNED)),
            on_default_branch: Some(Ancestry::Contained),
            tag: None,
            tags: Vec::new(),
            tags_complete: true,
            releases: Vec::new(),
            checks,
            config: file(self.case.config()),
            config_here: file(self.case.config()),
            manifests: Vec::new(),
            notes_config: Vec::new(),
            history: Vec::new(),
            history_complete: true,
        };
        Ground { run: RunId::parse(RUN).unwrap(), app_id: 42, facts, released: Vec::new(), lent: None, pull: None }
    }

    pub(super) fn recheck(&mut self) -> Recheck {
        let checks = self.read_checks();
        Recheck {
            at: self.now,
            tag: None,
            releases: Vec::new(),
            checks,
            ahead: None,
            behind: None,
            first_time: Vec::new(),
            touched: None,
        }
    }

    pub(super) fn deployer(&self, step: &str) -> Deployer {
        match (step.starts_with("back."), self.case.back_works) {
            (true, true) => Deployer::Succeeds,
            (true, false) => Deployer::Fails,
            (false, _) => self.case.deployer,
        }
    }

    /// Everything that others can see.
    pub fn scene(&self) -> String {
        let holds: Vec<_> = self.holds.iter().map(|hold| (hold.what.kind, &hold.what.sha)).collect();
        let Self { green, slots, in_place, rows, checks, record, .. } = self;
        format!("{green:?} {slots:?} {in_place:?} {rows:?} {checks:?} {record:?} {holds:?}")
    }
}

pub fn failed(step: &str, code: &str, dead: bool) -> StepFailure {
    let refusal = Refusal::world(code, format!("It is {code}."), "Look at the model.");
    StepFailure { step: step.to_owned(), refusal, dead }
}
