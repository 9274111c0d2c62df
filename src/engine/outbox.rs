//! Tells those whom the operator has named of what happened.
//!
//! Invariants: nothing waits for it: news is in the store when its cause is, and is told by this task alone. Each notifier has
//! one message on its way at a time, so that one that hangs holds up nobody but itself. A message that was not taken is tried
//! again, under the same id, for a day; then it is given up, which is on record. Addresses and secrets are in no log and no record.
//!
//! Known race: a receiver that took a message while we were killed gets it again, with the id that it knows.

mod send;

use super::host::{Event, Host, What};
use crate::config::settings::{NotifierKind, NotifierSettings};
use crate::domain::{Actor, Millis, News, NewsKind, RunId};
use crate::peers::Peers;
use crate::probes::Caller;
use crate::store::audit::{self, Record};
use crate::store::outbox::{self, Message};
use crate::store::steps::PENDING;
use crate::store::{Store, StoreError};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use uuid::Uuid;

/// After this a message is given up.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Also after a long stop of ours.
const LEAST: u32 = 2;
/// The longest wait before the second attempt, doubled for each further one up to the other.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Even when nothing seems to be due.
const LOOK: Duration = Duration::from_secs(30);
/// What is on its way when the server stops may take so long.
const GRACE: Duration = Duration::from_secs(5);
/// News that is shared out in one transaction.
const TOGETHER: u32 = 100;

pub struct Notifiers {
    pub store: Store,
    pub host: Host,
    pub all: BTreeMap<String, NotifierSettings>,
    pub caller: Caller,
    pub peers: Peers,
    /// Where people see repositories.
    pub site: String,
}

/// What became of one attempt.
enum Told {
    Taken,
    /// Why, as a code, and when the receiver wants to be asked again.
    Not(&'static str, Option<Duration>),
}

type Sent = (String, Result<(), StoreError>);

impl Notifiers {
    /// Until the server stops; what is not told then is told after the next start.
    pub async fn run(self, stopped: impl Future<Output = ()>) {
        let (this, mut sends) = (Arc::new(self), JoinSet::new());
        tokio::select! {
            () = Arc::clone(&this).tell_all(&mut sends) => {}
            () = stopped => {}
        }
        let rest = async { while sends.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            tracing::warn!("news that was on its way is told again after the next start");
        }
    }

    async fn tell_all(self: Arc<Self>, sends: &mut JoinSet<Sent>) {
        let (mut events, mut busy) = (self.host.watch(), HashSet::new());
        self.forget_others().await;
        loop {
            let wait = self.begin(sends, &mut busy).await.unwrap_or_else(|why| {
                tracing::warn!(%why, "the outbox cannot be read");
                LOOK
            });
            let news = async {
                loop {
                    match events.recv().await {
                        Ok(event) if !is_news(&event) => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => return true,
                        Err(RecvError::Closed) => return false,
                    }
                }
            };
            tokio::select! {
                goes_on = news => if !goes_on { return },
                () = tokio::time::sleep(wait) => {}
                Some(sent) = sends.join_next() => match sent {
                    Ok((name, noted)) => {
                        if let Err(why) = noted {
                            tracing::warn!(notifier = name, %why, "what became of news cannot be noted; it is told again");
                            tokio::time::sleep(FIRST).await;
                        }
                        busy.remove(&name);
                    }
                    Err(why) => {
                        tracing::error!(%why, "telling news broke off");
                        // Nobody knows whose it was; the receivers know the ids.
                        tokio::time::sleep(FIRST).await;
                        busy.clear();
                    }
                },
            }
        }
    }

    /// Messages for notifiers that are configured no longer.
    async fn forget_others(&self) {
        let names: Vec<String> = self.all.keys().cloned().collect();
        match self.store.write(move |tx| outbox::keep_only(tx, &names)).await {
            Ok(0) => {}
            Ok(dropped) => tracing::warn!(dropped, "news was for notifiers that are not configured any more"),
            Err(why) => tracing::warn!(%why, "the outbox cannot be read"),
        }
    }

    /// Shares out what is new, sends off what is due, and says how long nothing else is.
    async fn begin(self: &Arc<Self>, sends: &mut JoinSet<Sent>, busy: &mut HashSet<String>) -> Result<Duration, StoreError> {
        while self.share().await? {}
        let (names, now) = (self.all.keys().filter(|name| !busy.contains(*name)).cloned().collect::<Vec<_>>(), self.host.now());
        let next = self.store.read(move |rx| names.iter().map(|name| outbox::next(rx, name)).collect::<Result<Vec<_>, _>>());
        let mut wait = LOOK;
        for message in next.await?.into_iter().flatten() {
            let left = now.until(message.next_at);
            if left > Duration::ZERO {
                wait = wait.min(left);
                continue;
            }
            busy.insert(message.notifier.clone());
            let this = Arc::clone(self);
            sends.spawn(async move { (message.notifier.clone(), this.one(message).await) });
        }
        Ok(wait)
    }

    /// False when there is nothing more that is new.
    async fn share(&self) -> Result<bool, StoreError> {
        let fresh = self.store.read(|rx| outbox::unshared(rx, TOGETHER)).await?;
        if fresh.is_empty() {
            return Ok(false);
        }
        let now = self.host.now();
        let shares: Vec<(u64, Vec<(String, String)>)> = fresh
            .into_iter()
            .map(|(id, news)| {
                let told = self.all.iter().filter(|(_, notifier)| notifier.wants(&news) && self.may_hear(notifier, &news));
                (id, told.map(|(name, _)| (Uuid::now_v7().to_string(), name.clone())).collect())
            })
            .collect();
        self.store.write(move |tx| shares.iter().try_for_each(|(id, with)| outbox::share(tx, *id, with, now))).await?;
        Ok(true)
    }

    /// A peer is told nothing of repositories that it is not lent to.
    fn may_hear(&self, notifier: &NotifierSettings, news: &News) -> bool {
        match &notifier.kind {
            NotifierKind::Peer { peer, .. } => self.peers.is_lent(peer, &news.repo),
            NotifierKind::Webhook { .. } | NotifierKind::Slack { .. } => true,
        }
    }

    async fn one(&self, message: Message) -> Result<(), StoreError> {
        let Some(notifier) = self.all.get(&message.notifier) else { return Ok(()) };
        let told = self.send(notifier, &message).await;
        let (now, id, name, event) = (self.host.now(), message.id.clone(), &message.notifier, message.news.kind.as_str());
        match told {
            Told::Taken => {
                tracing::info!(notifier = name, message = id, event, "told");
                self.store.write(move |tx| outbox::done(tx, &id)).await
            }
            Told::Not(code, _) if message.since.until(now) >= PATIENCE && message.attempts + 1 >= LEAST => {
                tracing::error!(notifier = name, message = id, event, code, "nobody took this news for a day; it is given up");
                self.store.write(move |tx| given_up(tx, &message, code, now)).await
            }
            Told::Not(code, after) => {
                // A receiver that wants more at once is not the one to say how busy we are.
                let wait = after.unwrap_or_default().max(backoff(message.attempts, rand::random()));
                tracing::warn!(notifier = name, message = id, event, code, attempts = message.attempts + 1, "not told yet");
                let (next_at, all) = (now.plus(wait), after.map(|_| message.notifier.clone()));
                let note = move |tx: &crate::store::Tx<'_>| {
                    outbox::again(tx, &id, next_at)?;
                    // What one message was told is meant for all of them.
                    all.map_or(Ok(()), |notifier| outbox::pause(tx, &notifier, next_at))
                };
                self.store.write(note).await
            }
        }
    }
}

/// A run has ended, or has begun to wait.
fn is_news(event: &Event) -> bool {
    match &event.what {
        What::Ended { .. } => true,
        What::Step { kind, state, .. } => kind == "wait" && state == PENDING,
        What::Started { .. } | What::Retry { .. } => false,
    }
}

fn given_up(tx: &crate::store::Tx<'_>, message: &Message, code: &str, now: Millis) -> Result<(), StoreError> {
    let Message { id, notifier, news, attempts, .. } = message;
    let (run, event): (&RunId, NewsKind) = (&news.run, news.kind);
    let record = Record {
        at: now,
        actor: Actor::schedule(),
        door: "outbox".to_owned(),
        action: "announce".to_owned(),
        run: Some(run.clone()),
        repo: crate::store::runs::get(tx, run)?.map(|run| run.subject.repo.id),
        decision: format!("failed:{code}"),
        detail: json!({ "notifier": notifier, "message": id, "event": event, "attempts": attempts + 1 }),
    };
    audit::add(tx, &record)?;
    outbox::done(tx, id)
}

/// A random part, at least half, of a bound that doubles from attempt to attempt.
fn backoff(attempts: u32, dice: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32 << attempts.min(16)).min(LONGEST);
    doubled.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let longest: Vec<u64> = (0..11).map(|n| backoff(n, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
        assert_eq!((backoff(0, 0.0), backoff(u32::MAX, 0.0)), (Duration::from_millis(500), Duration::from_secs(300)));
    }
}
