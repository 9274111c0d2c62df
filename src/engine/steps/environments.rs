//! Our own record of environments: what is live, what is held, who waits; and the one question to GitHub that orders commits.

use super::{Done, Steps, answer, stored, trouble};
use crate::domain::{
    Actor, EnvName, EnvPlace, EnvironmentRecord, InQueue, Lease, Millis, NewHold, Refusal, RepoId, RepoRef, Reviews, RunId,
    Sha, Standing,
};
use crate::engine::host::{Host, StepCtx, StepError};
use crate::plan::LandCall;
use crate::store::runs::Run;
use crate::store::{Rx, StoreError, Tx, holds, ledger, locks, reviews, runs};
use crate::workflow::gating::OUR_RECORD;
use crate::workflow::{comment, deploy, protect, release};

/// How many entries of an environment are looked at: rollbacks go no further back.
const HISTORY: u32 = 100;

impl Steps {
    pub(super) async fn read_environment(&self, ctx: &StepCtx, place: EnvPlace, earlier: Vec<EnvName>) -> Done {
        let (now, run) = (self.now(), ctx.run.clone());
        let read = move |rx: &Rx<'_>| {
            let reviews = said_to(rx, &run)?;
            Ok(EnvironmentRecord { reviews, ..record(rx, &place, &earlier, now)? })
        };
        answer(&self.store.read(read).await.map_err(stored)?)
    }

    /// Unrelated histories and unknown commits are told, not retried.
    pub(super) async fn compare(&self, repo: &RepoRef, base: &Sha, head: &Sha) -> Done {
        if base == head {
            return answer(&Standing::Same);
        }
        match self.at(repo).distance(&repo.name, base, head).await {
            Ok(far) => answer(&match (far.ahead, far.behind) {
                (0, 0) => Standing::Same,
                (_, 0) => Standing::Ahead,
                (0, _) => Standing::Behind,
                _ => Standing::Diverged,
            }),
            Err(why) if why.is_gone() => answer(&Standing::Unrelated),
            Err(why) => Err(trouble(why)),
        }
    }

    pub(super) async fn land(&self, call: LandCall) -> Done {
        let LandCall { place, lease, entry } = call;
        let (host, repo) = (self.host.get().cloned(), place.repo);
        let landed = self.store.write(move |tx| {
            let landed = ledger::land(tx, &place, &lease, &entry)?;
            if let Some(host) = host.filter(|_| landed) {
                wake_waiting(&host, tx, repo, &entry.run)?;
            }
            Ok(landed)
        });
        if landed.await.map_err(stored)? {
            return answer(&true);
        }
        Err(lease_lost())
    }

    pub(super) async fn unland(&self, place: EnvPlace, lease: Lease, at: Millis) -> Done {
        let ended = self.store.write(move |tx| ledger::unland(tx, &place, &lease, at));
        if ended.await.map_err(stored)? { answer(&true) } else { Err(lease_lost()) }
    }

    pub(super) async fn mark_bad(&self, place: EnvPlace, sha: Sha) -> Done {
        answer(&self.store.write(move |tx| ledger::mark_bad(tx, &place, &sha)).await.map_err(stored)?)
    }

    pub(super) async fn place_hold(&self, new: NewHold) -> Done {
        answer(&self.store.write(move |tx| holds::place(tx, &new)).await.map_err(stored)?)
    }

    pub(super) async fn end_holds(&self, all: Vec<u64>, by: Actor, why: String) -> Done {
        let now = self.now();
        let work = move |tx: &Tx<'_>| all.iter().try_for_each(|hold| holds::end(tx, *hold, &by, &why, now).map(|_| ()));
        answer(&self.store.write(work).await.map_err(stored)?)
    }
}

fn lease_lost() -> StepError {
    let text = "Another run has taken over this environment, so this one may not write what is live.";
    StepError::Fail(Refusal::us("lease_lost", text))
}

/// Somebody may wait for this version to be live here.
fn wake_waiting(host: &Host, tx: &Tx<'_>, repo: RepoId, but: &RunId) -> Result<(), StoreError> {
    let waits =
        |run: &Run| [deploy::WORKFLOW.name, release::WORKFLOW.name, protect::WORKFLOW.name].contains(&run.workflow.as_str());
    for run in runs::active_of(tx, repo, comment::WORKFLOW.name)?.into_iter().filter(|run| run.id != *but && waits(run)) {
        host.signal_in(tx, &run.id, "wake", &serde_json::json!(OUR_RECORD))?;
    }
    Ok(())
}

/// Nothing when a row cannot be understood: that is for the gates to say, and trying again does not help.
fn said_to(rx: &Rx<'_>, run: &RunId) -> Result<Option<Reviews>, StoreError> {
    match reviews::of(rx, run) {
        Ok(said) => Ok(Some(said)),
        Err(StoreError::Sql(why)) => {
            tracing::error!(%run, %why, "what people have said to a run cannot be read");
            Ok(None)
        }
        Err(why) => Err(why),
    }
}

fn record(rx: &Rx<'_>, place: &EnvPlace, earlier: &[EnvName], at: Millis) -> Result<EnvironmentRecord, StoreError> {
    let mut others = std::collections::BTreeMap::new();
    for name in earlier {
        let other = EnvPlace { repo: place.repo, environment: name.clone() };
        others.insert(name.clone(), ledger::of(rx, &other, HISTORY)?);
    }
    let mut queue = Vec::new();
    for waiting in locks::queue(rx, &deploy::lock_key(place))? {
        let input = runs::input(rx, &waiting.run)?.and_then(|value| serde_json::from_value::<deploy::Input>(value).ok());
        queue.extend(input.map(|input| InQueue { run: waiting.run, sha: input.subject.sha, automatic: input.automatic }));
    }
    Ok(EnvironmentRecord {
        at,
        history: ledger::of(rx, place, HISTORY)?,
        holds: holds::open(rx, place.repo, &place.environment, at)?,
        queue,
        earlier: others,
        reviews: None,
    })
}
