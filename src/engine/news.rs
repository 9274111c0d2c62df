//! Writes down what others may be told of, in the transaction in which it happens.
//!
//! Invariants: a run tells its end once in each of its lives, and asks for approval once for each thing that it asks; who is told
//! is decided later, so that nothing here waits for or depends on it.

use super::accept;
use super::host::What;
use super::reasons;
use crate::domain::{Millis, News, NewsKind, Problem};
use crate::gates;
use crate::store::runs::{self, Run, RunState};
use crate::store::{StoreError, Tx, outbox, steps};
use crate::workflow::{State, deploy, release};
use sha2::{Digest as _, Sha256};

/// The run is over, and has its outcome.
///
/// # Errors
/// Those of the store.
pub(super) fn ended(tx: &Tx<'_>, run: &Run, now: Millis) -> Result<(), StoreError> {
    let Some(end) = accept::outcome(run) else { return Ok(()) };
    let Some(kind) = kind(tx, run, end.state)? else { return Ok(()) };
    let state = serde_json::to_value(end.state).ok().and_then(|word| word.as_str().map(str::to_owned));
    let news = News {
        version: end.version,
        url: end.url,
        sha: end.sha.or_else(|| run.subject.sha.clone()),
        problem: end.refusal.map(|why| Problem { code: why.code, message: why.message, fix: why.fix }),
        state,
        ..plain(run, kind, now)
    };
    outbox::tell(tx, &format!("end:{}", run.starts), &news)?;
    Ok(())
}

/// Something of the run has a new state: where it has begun to wait for people, they are told.
///
/// # Errors
/// Those of the store.
pub(super) fn waits(tx: &Tx<'_>, run: &Run, what: &What, now: Millis) -> Result<(), StoreError> {
    let begins = matches!(what, What::Step { name, kind, state } if kind == "wait" && state == steps::PENDING && name.contains("/wake/"));
    if !begins {
        return Ok(());
    }
    let Some(asks) = gates::asks_people(&reasons::gates(&steps::of(tx, &run.id)?)) else { return Ok(()) };
    let digest = Sha256::digest(asks.as_bytes());
    let key = format!("approval:{}:{:02x}{:02x}{:02x}{:02x}", run.starts, digest[0], digest[1], digest[2], digest[3]);
    outbox::tell(tx, &key, &News { asks: Some(asks), ..plain(run, NewsKind::NeedsApproval, now) })?;
    Ok(())
}

/// What is told of an end; nothing of one that nobody misses.
fn kind(tx: &Tx<'_>, run: &Run, end: State) -> Result<Option<NewsKind>, StoreError> {
    let deploys = run.workflow == deploy::WORKFLOW.name;
    if !deploys && run.workflow != release::WORKFLOW.name {
        return Ok(None);
    }
    Ok(match end {
        _ if run.state == RunState::Dead => Some(NewsKind::Failed),
        State::Succeeded if !deploys => Some(NewsKind::Released),
        State::Succeeded => {
            let back = runs::input(tx, &run.id)?.is_some_and(|input| input["rollback"] == serde_json::json!(true));
            Some(if back { NewsKind::RolledBack } else { NewsKind::Deployed })
        }
        State::RolledBack => Some(NewsKind::RolledBack),
        State::Rejected
        | State::Failed
        | State::Expired
        | State::RollbackFailed
        | State::HaltedForward
        | State::Indeterminate => Some(NewsKind::Failed),
        State::Cancelled | State::Superseded | State::Nothing => None,
    })
}

fn plain(run: &Run, kind: NewsKind, at: Millis) -> News {
    let subject = &run.subject;
    News {
        kind,
        at,
        run: run.id.clone(),
        repo: subject.repo.name.clone(),
        environment: subject.environment.clone(),
        tag: subject.tag.clone(),
        sha: subject.sha.clone(),
        version: None,
        url: None,
        by: subject.actor.login.clone(),
        state: None,
        problem: None,
        asks: None,
    }
}
