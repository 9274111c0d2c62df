//! What has changed, for clients that would rather be told than ask: one long answer for each that listens.
//!
//! Invariants: a word is about an address only, and is said only of what the caller may read at that moment; a key that has
//! ended hears no more; whoever listens takes a place from others that wait, not from those that ask.
//!
//! Known limit: what happened while nobody listened is not told; whoever begins to listen reads first.

use super::catalog::Tool;
use super::resources::{About, about};
use super::server::{Agents, may_ever};
use crate::actions::access::{Caller, Rights};
use crate::domain::{ActorKind, RepoId, RunId};
use crate::store::{holds, keys, runs};
use crate::surfaces::control::sees;
use crate::surfaces::now;
use rmcp::ErrorData;
use rmcp::model::SubscriptionFilter;
use rmcp::service::SubscriptionContext;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Addresses of one that listens.
const MOST: usize = 20;
/// What happens within this time is one word.
const GATHERED: Duration = Duration::from_millis(250);
/// Runs in one word.
const MANY: usize = 500;
/// How often the key and the locks are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// The same where nothing will be told.
const SELDOM: Duration = Duration::from_secs(30);
/// Then a client listens anew.
const LONGEST: Duration = Duration::from_secs(3_600);

/// The addresses that there are.
pub(super) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let asked = requested.resource_subscriptions.iter().flatten();
    let known: Vec<String> = asked.filter(|uri| about(uri).is_some()).take(MOST).cloned().collect();
    let filter = SubscriptionFilter::builder();
    if known.is_empty() { filter.build() } else { filter.resource_subscriptions(known).build() }
}

/// The token of a job is good for a few minutes, and its end is not known here.
const OF_A_JOB: Duration = Duration::from_secs(5 * 60);

/// What has happened since the last word.
#[derive(Default)]
struct News {
    runs: BTreeSet<RunId>,
    /// More than anybody could follow.
    all: bool,
    locks: bool,
}

impl Agents {
    pub(super) async fn listened(&self, context: &SubscriptionContext, caller: &Caller) -> Result<(), ErrorData> {
        let uris = context.accepted().resource_subscriptions.iter().flatten();
        let reads = may_ever(Tool::GetStatus, caller).is_ok();
        let uris = uris.filter_map(|uri| Some((uri, about(uri)?)));
        let uris: BTreeMap<&String, About> = uris.filter(|(_, about)| reads || matches!(about, About::Deployment(_))).collect();
        if uris.is_empty() {
            self.idle(context, caller).await;
            return Ok(());
        }
        let Ok(_place) = self.waits.clone().try_acquire_owned() else {
            return Err(ErrorData::internal_error("Too many listen now; ask with get_deployment instead.", None));
        };
        let Some(client) = &self.client else {
            return Err(ErrorData::internal_error("No server runs, so that nothing happens that could be told.", None));
        };
        let (mut watched, mut stopping, end) =
            (client.host.watch(), self.stopping.clone(), Instant::now() + self.longest(caller));
        let (mut speak, mut look) = (interval(GATHERED), interval(LOOK));
        speak.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut news, mut locks) = (News::default(), self.locks(caller).await);
        loop {
            let over = async {
                // A sender that is gone means the same as a word from it.
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = over => return Ok(()),
                () = sleep_until(end) => return Ok(()),
                event = watched.recv() => match event {
                    Ok(event) if news.runs.len() < MANY => {
                        news.runs.insert(event.run);
                    }
                    Ok(_) => news.all = true,
                    Err(RecvError::Lagged(_)) => news.all = true,
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = look.tick() => {
                    if !self.is_still_good(caller).await {
                        return Ok(());
                    }
                    let found = self.locks(caller).await;
                    news.locks |= found != locks;
                    locks = found;
                }
                _ = speak.tick() => {
                    let news = std::mem::take(&mut news);
                    for uri in self.touched(news, &uris, caller).await {
                        if context.sink().notify_resource_updated(uri.as_str()).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    fn longest(&self, caller: &Caller) -> Duration {
        match (&caller.rights, caller.actor.kind) {
            // As long as what GitHub says of a person's token is believed.
            (Rights::Through(_), _) => self.people.as_ref().map(|people| people.good_for).unwrap_or_default(),
            (_, ActorKind::Agent) => OF_A_JOB,
            _ => LONGEST,
        }
    }

    /// Nothing will ever be said: that takes nobody's place.
    async fn idle(&self, context: &SubscriptionContext, caller: &Caller) {
        let (mut stopping, end) = (self.stopping.clone(), Instant::now() + self.longest(caller));
        let ended = async {
            while self.is_still_good(caller).await {
                tokio::time::sleep(SELDOM).await;
            }
        };
        tokio::select! {
            () = context.cancelled() => {}
            // A sender that is gone means the same as a word from it.
            _ = stopping.wait_for(|stop| *stop) => {}
            () = ended => {}
            () = sleep_until(end) => {}
        }
    }

    /// The addresses that the news are about.
    async fn touched<'u>(&self, news: News, uris: &BTreeMap<&'u String, About>, caller: &Caller) -> Vec<&'u String> {
        if news.runs.is_empty() && !news.all && !news.locks {
            return Vec::new();
        }
        let (ids, wanted) = (news.runs, caller.clone());
        let found = self.desk.read(move |rx| {
            let all: Result<Vec<_>, _> = ids.iter().map(|id| runs::get(rx, id)).collect();
            Ok(all?.into_iter().flatten().filter(|run| sees(&wanted, run)).collect::<Vec<_>>())
        });
        let found = found.await.unwrap_or_default();
        let own = self.own_repo(caller).await;
        let is_told = |about: &About| match about {
            About::Repo(name) => {
                let theirs = own.as_ref() == Some(name);
                theirs && (news.all || news.locks || found.iter().any(|run| run.subject.repo.name == *name))
            }
            // Only whoever sees it reads anything there.
            About::Deployment(id) => news.all || found.iter().any(|run| run.id == *id),
        };
        uris.iter().filter(|(_, about)| is_told(about)).map(|(uri, _)| *uri).collect()
    }

    async fn is_still_good(&self, caller: &Caller) -> bool {
        let (kind, id) = caller.actor.id_of();
        kind != ActorKind::Key || self.desk.read(move |rx| keys::is_good(rx, id.0, now())).await.unwrap_or(false)
    }

    /// The locks that this caller may know of.
    async fn locks(&self, caller: &Caller) -> Vec<u64> {
        let Some(repo): Option<RepoId> = caller.only_repo() else { return Vec::new() };
        let wanted = caller.clone();
        let read = self.desk.read(move |rx| holds::all_open(rx, repo, now()));
        let theirs = read.await.unwrap_or_default().into_iter().filter(|hold| wanted.sees_environment(&hold.what.environment));
        theirs.map(|hold| hold.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_there_are_are_listened_to() {
        let of = |uris: &[&str]| {
            accepted(&SubscriptionFilter::builder().resource_subscriptions(uris.to_vec()).tools_list_changed().build())
        };
        let good = "lockkeeper://repos/acme/shop/status";
        let filter = of(&[good, "file:///etc/passwd", "lockkeeper://keys"]);
        assert_eq!((filter.resource_subscriptions, filter.tools_list_changed), (Some(vec![good.to_owned()]), None));
        assert_eq!(of(&["x"]).resource_subscriptions, None);
        let many: Vec<String> = (0..50).map(|n| format!("lockkeeper://deployments/r{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(of(&many).resource_subscriptions.map(|uris| uris.len()), Some(MOST));
    }
}
