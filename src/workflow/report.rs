//! How a run ended, for the record and for whoever starts it again.

use crate::domain::{CheckItem, CheckSource, Refusal, Sha, Unreadable};
use crate::gates::{Status, Verdict};
use serde::{Deserialize, Serialize};

/// The outcome of every workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub state: State,
    pub sha: Option<Sha>,
    pub version: Option<String>,
    /// The release's or environment's page.
    pub url: Option<String>,
    pub refusal: Option<Refusal>,
    /// Checks that made the run fail: a new run of one of them starts the gates again.
    pub failed_checks: Vec<FailedCheck>,
    /// GitHub's id of the deployment, for runs that made one.
    pub deployment: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Succeeded,
    /// A gate or a rule said no; nothing was changed.
    Rejected,
    /// Something that was begun did not work; what could be undone is undone.
    Failed,
    /// Nobody could answer in time.
    Expired,
    Cancelled,
    /// A newer version took its place before it began.
    Superseded,
    /// It failed, and the version before it is live again.
    RolledBack,
    /// It failed and the way back failed too; the environment is locked.
    RollbackFailed,
    /// It failed, and traffic stays where it is: what went before may not or cannot come back.
    HaltedForward,
    /// Nobody can say what runs now; the environment is locked.
    Indeterminate,
    /// There was nothing to do.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCheck {
    pub name: String,
    /// The check run's id; nothing for a commit status.
    pub check_run: Option<u64>,
}

impl Outcome {
    pub fn new(state: State) -> Self {
        Self { state, sha: None, version: None, url: None, refusal: None, failed_checks: Vec::new(), deployment: None }
    }
    pub fn refused(state: State, refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), ..Self::new(state) }
    }
    pub fn at(mut self, sha: &Sha) -> Self {
        self.sha = Some(sha.clone());
        self
    }
}

/// The first gate that stands in the way, as a refusal; one that waiting cannot help before one that it can.
pub fn refusal_of(verdicts: &[Verdict]) -> Refusal {
    let open = || verdicts.iter().filter(|v| !v.status.advances());
    let stuck = || open().find(|v| v.ask_again.is_none());
    let bad = open().find(|v| v.status == Status::Fail).or_else(stuck).or_else(|| open().next());
    match bad {
        Some(verdict) => Refusal::user(&verdict.code, verdict.reason.clone(), verdict.fix.clone()),
        None => Refusal::us("no_verdict", "A gate refused without saying why."),
    }
}

/// The checks that failed, by GitHub's own names, so that their rerun can be told from any other.
pub fn failed_checks(verdicts: &[Verdict], checks: &Result<Vec<CheckItem>, Unreadable>) -> Vec<FailedCheck> {
    let named = |item: &&CheckItem| {
        let name = crate::gates::shown(&item.name);
        verdicts.iter().any(|v| v.gate == "checks" && v.status == Status::Fail && v.names.contains(&name))
    };
    let mut failed: Vec<FailedCheck> = Vec::new();
    for item in checks.iter().flatten().filter(named) {
        let check_run = if let CheckSource::CheckRun { id, .. } = item.source { Some(id) } else { None };
        match failed.iter_mut().find(|known| known.name == item.name) {
            Some(known) => known.check_run = known.check_run.max(check_run),
            None => failed.push(FailedCheck { name: item.name.clone(), check_run }),
        }
    }
    failed
}
