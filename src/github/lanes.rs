//! What one installation (or the App itself) shares between its calls: pace, quota, and one write at a time.

use super::config::GitHubConfig;
use super::operations::Cost;
use super::pace::{Admission, Pace};
use super::patience;
use super::quota::{Quota, Quotas};
use super::{Operation, Trouble};
use crate::domain::{InstallationId, Millis};
use http::HeaderMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;

pub(super) struct Lane {
    caller: Option<InstallationId>,
    pace: Mutex<Pace>,
    quotas: Mutex<Quotas>,
    /// GitHub asks for writes one after another.
    writes: Arc<tokio::sync::Mutex<()>>,
    longest_wait: Duration,
    reserve: u64,
}

impl Lane {
    fn new(caller: Option<InstallationId>, config: &GitHubConfig) -> Self {
        Self {
            caller,
            pace: Mutex::new(Pace::new(&config.pacing)),
            quotas: Mutex::default(),
            writes: Arc::default(),
            longest_wait: config.pacing.longest_wait,
            reserve: config.quota_reserve,
        }
    }

    /// Waits for the call's turn, within the longest wait; keep the guard while a write is under way. A `spare` call has only
    /// half of each window, and does not stand in the others' way while it waits.
    pub async fn enter(&self, operation: Operation, spare: bool, now: Millis) -> Result<Option<OwnedMutexGuard<()>>, Trouble> {
        let resource = if operation.cost() == Cost::Query { "graphql" } else { "core" };
        let used_up = self.quotas.lock().unwrap_or_else(PoisonError::into_inner).wait(resource, self.reserve, now);
        if let Some(wait) = used_up {
            let message = "The installation's calls for this hour are used up but for a reserve.";
            return Err(Trouble::retry(Some(wait), "github_quota", message).at(operation));
        }
        let deadline = Instant::now() + self.longest_wait;
        loop {
            let wait = self.pace().look(Instant::now(), operation.cost(), spare);
            if !wait.is_zero() {
                // Nobody waits for its pace on the place of others.
                if spare || Instant::now() + wait > deadline || !patience::steps_aside() {
                    return Err(paced(wait).at(operation));
                }
                tokio::time::sleep(wait).await;
            }
            let guard = self.turn(operation, deadline).await?;
            if self.pace().admit(Instant::now(), operation.cost(), spare) == Admission::Go {
                return Ok(guard);
            }
        }
    }

    async fn turn(&self, operation: Operation, deadline: Instant) -> Result<Option<OwnedMutexGuard<()>>, Trouble> {
        match operation.cost() {
            Cost::Write | Cost::Content => {
                let turn = tokio::time::timeout_at(deadline.into(), self.writes.clone().lock_owned()).await;
                Ok(Some(turn.map_err(|_| paced(Duration::from_secs(1)).at(operation))?))
            }
            Cost::Read | Cost::Query => Ok(None),
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn learn(&self, headers: &HeaderMap) {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner).learn(self.caller, headers);
    }

    /// After a secondary limit: every call of this installation holds back.
    pub fn hold(&self, span: Duration) {
        self.pace().hold(Instant::now(), span);
    }
}

fn paced(wait: Duration) -> Trouble {
    Trouble::retry(Some(wait), "github_paced", "Lockkeeper holds back to stay within GitHub's limits.")
}

/// One lane for each caller.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<Option<InstallationId>, Arc<Lane>>>);

impl Lanes {
    pub fn of(&self, caller: Option<InstallationId>, config: &GitHubConfig) -> Arc<Lane> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(caller).or_insert_with(|| Arc::new(Lane::new(caller, config))).clone()
    }

    pub fn quotas(&self) -> Vec<Quota> {
        let lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Quota> = Vec::new();
        for lane in lanes.values() {
            all.extend(lane.quotas.lock().unwrap_or_else(PoisonError::into_inner).all().cloned());
        }
        all.sort_by(|a, b| (a.installation, &a.resource).cmp(&(b.installation, &b.resource)));
        all
    }
}
