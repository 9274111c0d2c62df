//! What environments have been given, and what keeps deployments out of them: our own record, which GitHub only mirrors.

use super::{Actor, EnvName, Millis, RepoId, Reviews, RunId, Sha, Slot, Tag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One version's time in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub run: RunId,
    pub sha: Sha,
    pub tag: Option<Tag>,
    pub version: Option<String>,
    pub component: Option<String>,
    /// GitHub's id of the deployment that shows it.
    pub deployment: Option<u64>,
    pub url: Option<String>,
    /// Where it runs, for strategies with two slots.
    pub slot: Option<Slot>,
    /// No version from before this one may come back.
    pub barrier: bool,
    /// It came here as a rollback.
    pub rollback: bool,
    pub good: bool,
    /// The percentage of users who had been moved to it when it was written down; nothing: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u8>,
    pub since: Millis,
    /// Nothing: it is live.
    pub until: Option<Millis>,
}

/// Where an entry belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvPlace {
    pub repo: RepoId,
    pub environment: EnvName,
}

/// By what right a run writes: its place in the lock's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub key: String,
    /// Fencing token; that of a later holder is greater.
    pub token: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// A person has locked the environment.
    Lock,
    /// A person has frozen several environments at once.
    Freeze,
    /// After a rollback: the commit and what contains it stay out, until a person asks for it with a reason.
    Hold,
}

/// What is asked to be placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewHold {
    pub repo: RepoId,
    pub environment: EnvName,
    pub kind: HoldKind,
    pub owner: Actor,
    pub reason: String,
    /// For [`HoldKind::Hold`]: the commit that was rolled back.
    pub sha: Option<Sha>,
    /// The run that places it, if one does.
    pub run: Option<RunId>,
    pub since: Millis,
    /// It ends by itself then.
    pub until: Option<Millis>,
    /// It ends with this pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub id: u64,
    #[serde(flatten)]
    pub what: NewHold,
    pub ended_at: Option<Millis>,
    pub ended_by: Option<Actor>,
    pub ended_why: Option<String>,
}

/// All that our own record says of an environment at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentRecord {
    pub at: Millis,
    /// Newest first; the first one is live if it has no end.
    pub history: Vec<LedgerEntry>,
    /// Those in force, oldest first.
    pub holds: Vec<Hold>,
    /// Who holds the environment's lock and who waits for it, in order.
    pub queue: Vec<InQueue>,
    /// The history of other environments that were asked about.
    pub earlier: BTreeMap<EnvName, Vec<LedgerEntry>>,
    /// What was said to the run that reads; nothing when it cannot be read.
    #[serde(default)]
    pub reviews: Option<Reviews>,
}

/// A run in the queue of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InQueue {
    pub run: RunId,
    pub sha: Sha,
    /// A tag or a merge asked for it, no person.
    pub automatic: bool,
}

/// What somebody else has reported on GitHub as deployed to an environment of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// GitHub's id.
    pub deployment: u64,
    pub sha: Sha,
    pub by: String,
    pub at: Millis,
}

impl Reported {
    /// Our record may not be true any more: another commit was reported after it.
    pub fn differs_from(&self, live: &LedgerEntry) -> bool {
        self.at > live.since && self.sha != live.sha
    }
}

impl EnvironmentRecord {
    pub fn live(&self) -> Option<&LedgerEntry> {
        self.history.iter().find(|entry| entry.until.is_none())
    }
}

impl HoldKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Freeze => "freeze",
            Self::Hold => "hold",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Lock, Self::Freeze, Self::Hold].into_iter().find(|kind| kind.as_str() == text)
    }
}
