//! What the gates of a deployment may know of the environment that it goes to: from our own record, read anew for every look.
//!
//! Of holds after a rollback nothing is said here: whether one covers a commit costs a question to GitHub, which is asked once,
//! when it is the deployment's turn.

use super::reviews;
use crate::config::repo::{Environment, GatePolicy};
use crate::domain::{
    Actor, ActorKind, Commit, EnvName, EnvPlace, EnvironmentRecord, Hold, HoldKind, LedgerEntry, Override, RepoRef, Sha,
};
use crate::flow::{Flow, Stop};
use crate::gates::{self, Approval, Asked, DeployView, EnvironmentHistory, HoldView, Occupancy, Rejection};
use crate::plan::Call;

/// Where a deployment goes, and who asks.
#[derive(Clone, Copy)]
pub struct Going<'a> {
    pub repo: &'a RepoRef,
    pub environment: &'a Environment,
    /// Of the run's plan.
    pub digest: &'a str,
    pub actor: &'a Actor,
    /// A tag or a merge asked for it, no person.
    pub automatic: bool,
    pub reason: Option<&'a str>,
    /// Whoever asks would rather wait for a lock than be refused.
    pub wait: bool,
    /// The commit that is deployed, and the history of it that is known, newest first.
    pub head: &'a Sha,
    pub history: &'a [Commit],
    /// A gate that whoever asks would open, while it is only asked.
    pub opened: Option<&'a Override>,
}

/// What was read.
pub struct Place {
    occupancy: Vec<EnvironmentHistory>,
    holds: Vec<HoldView>,
    /// Nothing when they could not be read.
    approvals: Option<Vec<Approval>>,
    rejections: Vec<Rejection>,
    overrides: Vec<Override>,
}

impl Going<'_> {
    /// `step` is unique in the run.
    pub fn read(&self, f: &mut Flow, step: &str, gates: &[GatePolicy]) -> Result<Place, Stop> {
        let place = EnvPlace { repo: self.repo.id, environment: self.environment.name.clone() };
        let record: EnvironmentRecord = f.step(step, &Call::ReadEnvironment { place, earlier: earlier(gates) })?;
        Ok(self.place(&record))
    }

    /// What a record that was read says to the gates.
    pub fn place(&self, record: &EnvironmentRecord) -> Place {
        let occupancy = record.earlier.iter().map(|(environment, history)| EnvironmentHistory {
            environment: environment.clone(),
            at: record.at,
            history: history.iter().map(occupied).collect(),
        });
        let stands = |hold: &&Hold| hold.what.kind != HoldKind::Hold && !self.owns(hold);
        let holds = record.holds.iter().filter(stands).map(held).collect();
        let brought = reviews::brought(self.history, self.head, record.live().map(|live| &live.sha));
        let said = record.reviews.as_ref();
        Place {
            occupancy: occupancy.collect(),
            holds,
            approvals: said.map(|said| reviews::approvals(said, self.actor, &brought, self.history)),
            rejections: said.map(reviews::rejections).unwrap_or_default(),
            overrides: said.into_iter().flat_map(|said| &said.overrides).chain(self.opened).cloned().collect(),
        }
    }

    /// An agent's reason opens nothing.
    fn by_person(&self) -> bool {
        !self.automatic && self.actor.is_person()
    }

    /// Who has locked an environment works in it.
    fn owns(&self, hold: &Hold) -> bool {
        owns(self.actor, self.automatic, hold)
    }

    pub fn view<'v>(&'v self, place: &'v Place) -> DeployView<'v> {
        DeployView {
            repo: Some(&self.repo.name),
            environment: Some(&self.environment.name),
            digest: Some(self.digest),
            asked: if self.by_person() { Asked::ByPerson { reason: self.reason } } else { Asked::Automatic },
            wait: self.wait,
            occupancy: &place.occupancy,
            holds: Some(&place.holds),
            approvals: place.approvals.as_deref(),
            rejections: &place.rejections,
            overrides: &place.overrides,
            ..DeployView::default()
        }
    }
}

/// The operator is whoever may read the server's files: not one person who could know what the lock is for.
pub fn owns(actor: &Actor, automatic: bool, hold: &Hold) -> bool {
    let owner = &hold.what.owner;
    !automatic && actor.kind != ActorKind::Operator && owner.kind == actor.kind && owner.id == actor.id
}

/// The environments that must have run the commit first.
fn earlier(gates: &[GatePolicy]) -> Vec<EnvName> {
    gates
        .iter()
        .filter_map(|gate| if let GatePolicy::Soak(after) = gate { Some(after.environment.clone()) } else { None })
        .collect()
}

/// Only a version that was good has soaked.
fn occupied(entry: &LedgerEntry) -> Occupancy {
    let until = if entry.good { entry.until } else { Some(entry.since) };
    Occupancy { sha: entry.sha.clone(), from: entry.since, until }
}

fn held(hold: &Hold) -> HoldView {
    let what = &hold.what;
    let kind = match what.kind {
        HoldKind::Lock => gates::HoldKind::Lock,
        HoldKind::Freeze => gates::HoldKind::Freeze,
        HoldKind::Hold => gates::HoldKind::Hold,
    };
    let (owner, reason) = (what.owner.login.clone(), what.reason.clone());
    HoldView { kind, owner, reason, since: what.since, until: what.until }
}
