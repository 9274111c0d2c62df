//! Works on stored deliveries: in order within a repository, side by side across repositories.
//!
//! Invariants: a delivery is settled only in the store (the engine does it in the transaction that takes its intents), so a
//! crash at any point leads to the same work again, which the engine folds; one that runs into a bug of ours is given up
//! after [`ATTEMPTS`], any other trouble after [`PATIENCE`]; a store that cannot write uses up no attempt.
//!
//! Races: a delivery that is stored while we look is seen by the next look, because the bell keeps one ring. The system's
//! clock may jump: waiting is measured by a clock that only goes on, and at the start everything pending is due.

use super::retry::{Clock, wait};
use super::screen::Own;
use super::translate::{Translation, translate};
use crate::domain::{Blame, Refusal};
use crate::engine::intent::Intent;
use crate::store::inbox::{self, Delivery, DeliveryStatus, Lane};
use crate::store::{Store, StoreError};
use crate::surfaces::now;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

/// Bugs of ours that one delivery may run into before it is a dead letter.
const ATTEMPTS: u32 = 6;
/// How long anything else is tried.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// When the store itself cannot be written.
const STORE_WAIT: Duration = Duration::from_secs(1);
/// Repositories at once.
const LANES: usize = 32;
/// A look without a ring, for whatever was missed.
const LOOK: Duration = Duration::from_secs(30);

/// Takes a delivery's intents and settles it, in one transaction.
pub type Accept = Arc<dyn Fn(Delivery, Vec<Intent>) -> BoxFuture<'static, Result<(), Refusal>> + Send + Sync>;

#[derive(Clone)]
pub struct Worker {
    store: Store,
    own: watch::Receiver<Own>,
    accept: Accept,
    bell: Arc<Notify>,
    clock: Clock,
}

impl Worker {
    /// `own` is who we are, as soon as it is known; `bell` is rung when a delivery was stored or waits again.
    pub fn new(store: Store, own: watch::Receiver<Own>, bell: Arc<Notify>, accept: Accept) -> Self {
        Self { store, own, accept, bell, clock: Clock::start() }
    }

    /// Works until `stop` is ready, then lets what has begun come to its end.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let (mut busy, mut tasks) = (HashSet::new(), JoinSet::new());
        self.resume().await;
        loop {
            let wait = self.look(&mut busy, &mut tasks).await;
            tokio::select! {
                () = &mut stop => break,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(wait) => {}
                Some(done) = tasks.join_next() => free(&mut busy, done),
            }
            while let Some(done) = tasks.try_join_next() {
                free(&mut busy, done);
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// What a former process had put off is due now: its clock may have been another one.
    async fn resume(&self) {
        if let Err(error) = self.store.write(inbox::resume).await {
            tracing::error!(%error, "what was put off waits for its time");
        }
    }

    /// Begins what is due, and says when to look again at the latest.
    async fn look(&self, busy: &mut HashSet<Lane>, tasks: &mut JoinSet<Lane>) -> Duration {
        let until = self.clock.now();
        let taken: Vec<Lane> = busy.iter().copied().collect();
        let limit = LANES.saturating_sub(taken.len());
        let found = self.store.read(move |rx| Ok((inbox::next(rx, until, &taken, limit)?, inbox::next_due(rx, until)?))).await;
        let (heads, due) = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "the inbox cannot be read");
                return STORE_WAIT;
            }
        };
        for delivery in heads {
            let (worker, lane) = (self.clone(), delivery.lane());
            busy.insert(lane);
            let span = tracing::info_span!("delivery", delivery = %delivery.id, event = delivery.event);
            let work = async move { worker.one(delivery).await };
            tasks.spawn(AssertUnwindSafe(work.instrument(span)).catch_unwind().map(move |_| lane));
        }
        due.map_or(LOOK, |at| until.until(at).min(LOOK))
    }

    /// Works on one delivery. Whatever goes wrong is written down or met again at the next look.
    async fn one(&self, delivery: Delivery) {
        let attempt = AssertUnwindSafe(self.attempt(&delivery)).catch_unwind().await;
        let result = attempt.unwrap_or_else(|_| Err(Failure::Refused(panicked())));
        let noted = match result {
            Ok(()) => Ok(()),
            Err(Failure::Store(error)) => Err(error),
            Err(Failure::Refused(refusal)) => self.put_off(&delivery, &refusal).await,
        };
        if let Err(error) = noted {
            tracing::error!(%error, "the delivery cannot be settled now and stays pending");
            tokio::time::sleep(STORE_WAIT).await;
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<(), Failure> {
        let id = delivery.id.clone();
        let payload = self.store.read(move |rx| inbox::payload(rx, &id)).await?.unwrap_or_default();
        let translation = translate(&delivery.event, &payload, &self.own.borrow());
        match translation {
            Translation::Intents(intents) => {
                tracing::info!(intents = intents.len(), "delivery taken up");
                match (self.accept)(delivery.clone(), intents).await {
                    Err(refusal) if refusal.blame == Blame::User => Ok(self.refuse(delivery, &refusal).await?),
                    other => Ok(other?),
                }
            }
            Translation::Nothing(why) => Ok(self.settle(delivery, DeliveryStatus::Done, why.to_owned()).await?),
            Translation::Ignored(why) => Ok(self.settle(delivery, DeliveryStatus::Ignored, why.reason().to_owned()).await?),
            Translation::Refused(refusal) => Ok(self.refuse(delivery, &refusal).await?),
        }
    }

    async fn settle(&self, delivery: &Delivery, status: DeliveryStatus, note: String) -> Result<(), StoreError> {
        let id = delivery.id.clone();
        self.store.write(move |tx| inbox::settle(tx, &id, status, &note, &[], now())).await
    }

    /// Trying again would not help: dealt with, with the reason beside it.
    async fn refuse(&self, delivery: &Delivery, refusal: &Refusal) -> Result<(), StoreError> {
        tracing::warn!(code = refusal.code, message = refusal.message, "delivery refused");
        self.settle(delivery, DeliveryStatus::Done, format!("refused, {}", note(refusal))).await
    }

    /// Tries again later, or gives up.
    async fn put_off(&self, delivery: &Delivery, refusal: &Refusal) -> Result<(), StoreError> {
        let (id, note, at) = (delivery.id.clone(), note(refusal), self.clock.now());
        let tries = delivery.attempts + 1;
        if refusal.blame == Blame::Us && tries >= ATTEMPTS || delivery.received_at.until(at) > PATIENCE {
            tracing::error!(code = refusal.code, message = refusal.message, tries, "delivery given up");
            return self.store.write(move |tx| inbox::bury(tx, &id, &note, at)).await;
        }
        let wait = wait(delivery.attempts);
        tracing::warn!(code = refusal.code, message = refusal.message, tries, ?wait, "delivery put off");
        self.store.write(move |tx| inbox::fail(tx, &id, &note, at.plus(wait))).await
    }
}

fn free(busy: &mut HashSet<Lane>, done: Result<Lane, tokio::task::JoinError>) {
    // A task catches its panics and is never cancelled, so there is no error.
    if let Ok(lane) = done {
        busy.remove(&lane);
    }
}

enum Failure {
    Store(StoreError),
    Refused(Refusal),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_passing() { Self::Store(error) } else { Self::Refused(error.refusal()) }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn panicked() -> Refusal {
    Refusal::us("delivery_panicked", "Working on the delivery ended in a bug.")
}

fn note(refusal: &Refusal) -> String {
    format!("{}: {} {}", refusal.code, refusal.message, refusal.fix)
}
