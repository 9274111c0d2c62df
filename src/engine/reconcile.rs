//! Repairs what was missed: failed webhook deliveries, tags that GitHub told nobody about, repositories that came while
//! nobody listened. Runs at the start and every few minutes.
//!
//! Invariants: the tags of a repository that is looked at for the first time are its baseline and start nothing; a failed
//! delivery is asked for again once each round while it is younger than GitHub keeps it.

mod jobs;

use super::accept::Accept;
use super::host::Host;
use crate::domain::{Millis, Refusal, RepoRef, RunId, TagName};
use crate::github::GitHub;
use crate::store::{Store, StoreError, heads, inbox, mirrors, repos, runs};
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// GitHub keeps deliveries for three days.
const DELIVERIES: Duration = Duration::from_secs(3 * 24 * 3600);
/// Failed deliveries that are asked for again in one round.
const REDELIVERIES: usize = 100;
/// How long finished runs and deliveries are kept.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
const PRUNED: u32 = 500;

/// What a round did, for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub redelivered: usize,
    pub repositories: usize,
    pub tags_found: usize,
    /// Jobs that have waited for an answer while nobody listened.
    pub jobs_found: usize,
    /// Repositories or lists that could not be read; the next round tries again.
    pub unread: usize,
}

pub struct Reconciler {
    pub github: GitHub,
    pub host: Host,
    pub store: Store,
    /// Set once jobs that wait have been looked for since the start.
    pub jobs_listed: AtomicBool,
}

impl Reconciler {
    /// One round. Trouble with one repository leaves the others alone.
    pub async fn round(&self, now: Millis) -> Round {
        let mut round = Round::default();
        match self.redeliver(now).await {
            Ok(count) => round.redelivered = count,
            Err(why) => unread(&mut round, "failed deliveries", &why),
        }
        let repositories = match self.repositories(now).await {
            Ok(all) => all,
            Err(why) => {
                unread(&mut round, "installations", &why);
                Vec::new()
            }
        };
        round.repositories = repositories.len();
        for repo in &repositories {
            match self.tags(repo, now).await {
                Ok(found) => round.tags_found += found.len(),
                Err(why) => unread(&mut round, repo.name.as_str(), &why),
            }
        }
        self.jobs(&repositories, now, &mut round).await;
        self.prune(now).await;
        round
    }

    /// Asks for what GitHub could not deliver, unless it has arrived since.
    async fn redeliver(&self, now: Millis) -> Result<usize, Refusal> {
        let since = now.minus(DELIVERIES);
        let mut failed = self.github.failed_deliveries(since).await.map_err(Refusal::from)?;
        let mut asked = HashSet::new();
        // In the order of what happened, so that a later push is not taken for an earlier one.
        failed.sort_by_key(|delivery| delivery.id);
        for delivery in failed {
            if asked.len() >= REDELIVERIES || self.is_here(&delivery.guid).await? || !asked.insert(delivery.guid) {
                continue;
            }
            if let Err(why) = self.github.redeliver(delivery.id).await {
                tracing::warn!(delivery = delivery.id, code = why.code, %why, "GitHub does not deliver again");
            }
        }
        Ok(asked.len())
    }

    async fn is_here(&self, guid: &str) -> Result<bool, Refusal> {
        let Some(id) = crate::domain::DeliveryId::parse(guid) else { return Ok(true) };
        let found = self.store.read(move |rx| inbox::get(rx, &id)).await.map_err(|why| why.refusal())?;
        Ok(found.is_some())
    }

    /// Every repository that we may work on; those that are not listed any more are left alone.
    async fn repositories(&self, now: Millis) -> Result<Vec<RepoRef>, Refusal> {
        let mut all = Vec::new();
        for installation in self.github.installations().await.map_err(Refusal::from)? {
            if installation.suspended {
                continue;
            }
            match self.github.installation(installation.id).repositories().await {
                Ok(listed) => all.extend(listed.into_iter().filter(|r| !r.archived).map(|r| r.repo)),
                // One installation that cannot be read leaves the others alone.
                Err(why) => {
                    tracing::warn!(installation = %installation.id, code = why.code, %why, "repositories could not be listed")
                }
            }
        }
        let seen = all.clone();
        let noted = self.store.write(move |tx| seen.iter().try_for_each(|repo| repos::seen(tx, repo, now))).await;
        noted.map_err(|why| why.refusal())?;
        Ok(all)
    }

    /// Takes up tags that nobody told us about.
    async fn tags(&self, repo: &RepoRef, now: Millis) -> Result<Vec<RunId>, Refusal> {
        let names = self.github.installation(repo.installation).tag_names(&repo.name).await;
        let names = names.map_err(Refusal::from)?;
        let (host, repo) = (self.host.clone(), repo.clone());
        let started = self.store.write(move |tx| {
            let known = repos::tags(tx, repo.id)?;
            let fresh = names.into_iter().filter(|name| !known.iter().flatten().any(|tag| tag == &name.name));
            let fresh: Vec<TagName> = fresh.collect();
            for name in &fresh {
                repos::note_tag(tx, repo.id, &name.name, &name.commit, known.is_none(), now)?;
            }
            if known.is_none() {
                repos::baselined(tx, repo.id, now)?;
                return Ok(Vec::new());
            }
            let accept = Accept { host: &host, tx, delivery: None, now, skew: 0 };
            let mut started = Vec::new();
            for name in &fresh {
                started.extend(accept.tag_found(&repo, &name.name)?);
            }
            Ok::<_, StoreError>(started)
        });
        started.await.map_err(|why| why.refusal())
    }

    async fn prune(&self, now: Millis) {
        let before = now.minus(KEPT);
        let pruned = self
            .store
            .write(move |tx| {
                let records = inbox::prune(tx, before, PRUNED)? + runs::prune(tx, before, PRUNED)?;
                Ok(records + heads::prune(tx, before)? + mirrors::prune(tx)?)
            })
            .await;
        if let Err(why) = pruned {
            tracing::warn!(%why, "old records were not removed");
        }
    }
}

fn unread(round: &mut Round, what: &str, why: &Refusal) {
    round.unread += 1;
    tracing::warn!(what, code = why.code, message = why.message, "could not be read; the next round tries again");
}
