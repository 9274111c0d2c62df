//! Takes reports of deployers: finds the run and the errand that waits, has the report judged, and stores what came of it as a
//! signal to the run.
//!
//! Invariants: what is answered with success is on the disk; the first report that ends an errand counts, and at most one is
//! kept for each; nobody learns from the answer that a run exists unless it exists and its errands can be reported on.
//!
//! Known race: a report may come before the answer to the request that it is about. It waits for the run as a signal then.

use super::host::Host;
use super::limit::Limit;
use super::steps::errand_of;
use crate::config::Secret;
use crate::config::repo::{HttpAddress, Target};
use crate::config::settings::Resources;
use crate::domain::{Refusal, RepoId, RunId};
use crate::plan::{Call, ErrandCall};
use crate::store::runs;
use crate::store::{Rx, Store, StoreError, Tx, signals, steps};
use crate::targets::callback::{Callbacks, Expected, Heard, Verdict, claimed_step};
use crate::targets::sign::OwnHooks;
use crate::targets::{Errand, Progress};
use crate::workflow::deploy::{ERRAND, callback_signal, waits_for};
use http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reports about one run in a minute; a deployer that says how far it is every second still has its turn.
const A_MINUTE: u32 = 120;

/// One for the whole process.
pub struct Reports {
    pub host: Host,
    pub store: Store,
    pub resources: Resources,
    pub own_hooks: OwnHooks,
    pub callbacks: Callbacks,
    limit: Limit<RunId>,
}

/// What whoever reported is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The errand ends with it.
    Taken,
    /// It is no end yet; nothing was stored.
    Noted,
    /// An earlier report ends the errand.
    Duplicate,
    /// Nobody waits for it any more.
    Late,
    /// There is no such run, or nothing of it can be reported on.
    Unknown,
    /// Too many at once; not before this time.
    TooMany(Duration),
    Refused {
        status: u16,
        refusal: Refusal,
    },
}

struct Found {
    call: ErrandCall,
    repository: RepoId,
}

impl Reports {
    pub fn new(host: Host, store: Store, resources: Resources, own_hooks: OwnHooks, callbacks: Callbacks) -> Self {
        let limit = Limit::new(A_MINUTE, Duration::from_secs(60));
        Self { host, store, resources, own_hooks, callbacks, limit }
    }

    /// # Errors
    /// Those of the store; then nothing was taken.
    pub async fn report(self: &Arc<Self>, run: &str, headers: &HeaderMap, body: &[u8]) -> Result<Told, Refusal> {
        let Some(run) = RunId::parse(run) else { return Ok(Told::Unknown) };
        let (id, step) = (run.clone(), claimed_step(body));
        let found = self.store.read(move |rx| find(rx, &id, step.as_deref())).await.map_err(|why| why.refusal())?;
        let Some(Found { call, repository }) = found else { return Ok(Told::Unknown) };
        let Some(secret) = self.secret(&call) else { return Ok(Told::Unknown) };
        let Some(errand) = errand_of(&run, &call) else { return Ok(Told::Unknown) };
        let expected = Expected { errand: &errand, repository, secret: Some(&secret) };
        let verdict = self.callbacks.judge(headers, body, expected).await;
        // Strangers cost nobody a turn: only those who are known have one.
        if !matches!(verdict, Verdict::Denied { .. })
            && let Err(wait) = self.limit.take(&run, Instant::now())
        {
            return Ok(Told::TooMany(wait));
        }
        let (heard, refusal) = match verdict {
            Verdict::Denied { status, refusal } => return Ok(Told::Refused { status, refusal }),
            Verdict::Report(Progress::Working) => return Ok(Told::Noted),
            Verdict::Report(progress) => (Heard::Ended(progress), None),
            Verdict::Unbelievable(why) => (Heard::Unbelievable(why.refusal.clone()), Some(why.refusal)),
        };
        let kept = self.keep(errand, heard).await?;
        Ok(match refusal {
            Some(refusal) => Told::Refused { status: 422, refusal },
            None => kept,
        })
    }

    /// Nothing: nobody may report on it, or the operator has taken the hook away meanwhile.
    fn secret(&self, call: &ErrandCall) -> Option<Secret> {
        let Target::Http(target) = &call.target else { return None };
        match &target.at {
            HttpAddress::Hook(name) => self.resources.hook(name, &call.repo.name).ok().map(|hook| hook.secret.clone()),
            HttpAddress::Url(_) => Some(self.own_hooks.secret(call.repo.id, &call.environment)),
        }
    }

    async fn keep(self: &Arc<Self>, errand: Errand, heard: Heard) -> Result<Told, Refusal> {
        let value = serde_json::to_value(heard)
            .map_err(|why| Refusal::us("report_unwritable", format!("A report cannot be stored: {why}.")))?;
        let this = Arc::clone(self);
        let kept = self.store.write(move |tx| this.keep_in(tx, &errand, &value)).await;
        kept.map_err(|why| why.refusal())
    }

    fn keep_in(&self, tx: &Tx<'_>, errand: &Errand, value: &Value) -> Result<Told, StoreError> {
        let (run, name) = (&errand.run, callback_signal(&errand.step));
        if signals::of(tx, run)?.iter().any(|signal| signal.name == name) {
            return Ok(Told::Duplicate);
        }
        for prefix in waits_for(&errand.step) {
            if steps::is_open(tx, run, &prefix)? {
                let taken = self.host.signal_in(tx, run, &name, value)?;
                tracing::info!(%run, step = errand.step, taken, "a deployer has reported");
                return Ok(if taken { Told::Taken } else { Told::Late });
            }
        }
        Ok(Told::Late)
    }
}

/// The errand that the report names, or the last one of the run: whoever names none must be known before more is said.
fn find(rx: &Rx<'_>, run: &RunId, step: Option<&str>) -> Result<Option<Found>, StoreError> {
    let Some(known) = runs::get(rx, run)? else { return Ok(None) };
    let named = step.map_or(Ok(None), |step| steps::get(rx, run, step))?;
    let read = |step: steps::Step| match serde_json::from_value(step.body) {
        Ok(Call::CarryOut(call)) => Some(call),
        _ => None,
    };
    let call = match named.and_then(read) {
        Some(call) => Some(call),
        None => steps::last_call(rx, run, ERRAND)?.and_then(read),
    };
    Ok(call.map(|call| Found { call, repository: known.subject.repo.id }))
}
