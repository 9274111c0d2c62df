//! Edits our answers to comments as the deployments that they tell of go on.
//!
//! Invariants: an answer is edited at most once in a span, and always to the last state; an answer that is deleted ends nothing
//! but itself; the commenter's comment gets its last reaction when everything is over. What is edited is found in the store, so
//! that a restart takes all of them up.

mod view;

use super::host::{Event, Host, What};
use crate::domain::{RepoRef, RunId};
use crate::github::{GitHub, Trouble};
use crate::store::{Store, StoreError, replies};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::Instant;
use view::View;

/// Edits in flight.
const TOGETHER: usize = 8;
/// After an edit that GitHub did not take.
const AGAIN: Duration = Duration::from_secs(30);

pub struct Replies {
    pub store: Store,
    pub host: Host,
    pub github: GitHub,
    /// Between two edits of one answer.
    pub every: Duration,
}

/// An answer that is not done.
struct Open {
    repo: RepoRef,
    comment: u64,
    /// The comment that asked.
    asked: u64,
    /// The runs that it tells of, and those of them that are not over.
    shows: Vec<RunId>,
    left: HashSet<RunId>,
    /// When the next edit may be made, while something goes on and when nothing does.
    may: Instant,
    may_at_end: Instant,
    changed: bool,
    in_flight: bool,
    /// What it says, as far as this process has seen to it: much that happens changes nothing in it.
    says: Option<String>,
}

type All = HashMap<RunId, Open>;

impl Replies {
    /// Until the server stops. What is not edited then is edited after the next start.
    pub async fn run(self, stopped: impl Future<Output = ()>) {
        tokio::select! {
            () = Arc::new(self).edit_all() => {}
            () = stopped => {}
        }
    }

    /// Edits that GitHub lets wait hold up neither others nor what happens meanwhile.
    async fn edit_all(self: Arc<Self>) {
        let (mut events, mut all) = (self.host.watch(), All::new());
        let mut edits = JoinSet::new();
        self.look(&mut all, None).await;
        loop {
            let due = all.values().filter_map(Open::due).min().filter(|_| edits.len() < TOGETHER);
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.hear(&mut all, &event).await,
                    Err(RecvError::Lagged(_)) => self.look(&mut all, None).await,
                    Err(RecvError::Closed) => return,
                },
                () = at(due) => self.edit(&mut all, &mut edits),
                Some(edited) = edits.join_next() => match edited {
                    Ok((run, edited)) => self.edited(&mut all, &run, edited),
                    Err(why) => {
                        tracing::warn!(%why, "an edit of an answer broke off");
                        // Nobody knows which one it was; to edit one twice changes nothing.
                        all.values_mut().filter(|open| open.in_flight).for_each(|open| open.waits(Some(AGAIN), self.every));
                    }
                },
            }
        }
    }

    async fn hear(&self, all: &mut All, event: &Event) {
        // The row was written before the step that wrote it ended.
        let replied = matches!(&event.what, What::Step { name, state, .. } if name == "reply" && state == "done");
        if replied && !all.contains_key(&event.run) {
            self.look(all, Some(&event.run)).await;
            return;
        }
        for open in all.values_mut().filter(|open| open.shows.contains(&event.run)) {
            open.changed = true;
            if matches!(event.what, What::Ended { .. }) {
                open.left.remove(&event.run);
            }
        }
    }

    /// Takes up answers that are not known yet, and looks at all of those anew.
    async fn look(&self, all: &mut All, only: Option<&RunId>) {
        let wanted = only.cloned();
        let found = self.store.read(move |rx| {
            let rows = replies::going_on(rx, wanted.as_ref())?;
            rows.into_iter().map(|(run, comment)| Ok((comment, view::of(rx, &run)?))).collect::<Result<Vec<_>, StoreError>>()
        });
        let now = Instant::now();
        match found.await {
            Err(why) => tracing::warn!(%why, "answers that go on cannot be read"),
            Ok(found) => {
                for (comment, view) in found.into_iter().filter_map(|(comment, view)| Some((comment, view?))) {
                    let open = Open {
                        repo: view.repo,
                        comment,
                        asked: view.asked,
                        shows: view.shows,
                        left: view.left,
                        may: now + self.every,
                        may_at_end: now,
                        changed: true,
                        in_flight: false,
                        says: None,
                    };
                    let known = all.entry(view.run).or_insert(open);
                    known.changed = true;
                }
            }
        }
    }

    /// Begins the edits whose time has come, as many as may be in flight.
    fn edit(self: &Arc<Self>, all: &mut All, edits: &mut JoinSet<(RunId, Edited)>) {
        let now = Instant::now();
        let due = all.iter_mut().filter(|(_, open)| open.due().is_some_and(|at| at <= now));
        for (run, open) in due.take(TOGETHER.saturating_sub(edits.len())) {
            (open.changed, open.in_flight) = (false, true);
            let (this, run, repo) = (self.clone(), run.clone(), open.repo.clone());
            let (comment, asked, says) = (open.comment, open.asked, open.says.take());
            edits.spawn(async move {
                let edited = this.edit_one(&run, &repo, (comment, says), asked).await;
                (run, edited)
            });
        }
    }

    fn edited(&self, all: &mut All, run: &RunId, edited: Edited) {
        match (edited, all.get_mut(run)) {
            (Edited::Says(text), Some(open)) => {
                open.says = Some(text);
                open.waits(None, self.every);
            }
            (Edited::Again(after), Some(open)) => open.waits(Some(after), self.every),
            (Edited::Done, _) | (_, None) => drop(all.remove(run)),
        }
    }

    async fn edit_one(&self, run: &RunId, repo: &RepoRef, (comment, says): (u64, Option<String>), asked: u64) -> Edited {
        let id = run.clone();
        let view: View = match self.store.read(move |rx| view::of(rx, &id)).await {
            Ok(Some(view)) => view,
            // Its run was pruned.
            Ok(None) => return Edited::Done,
            Err(why) => {
                tracing::warn!(%run, %why, "an answer that goes on cannot be read");
                return Edited::Again(AGAIN);
            }
        };
        let github = self.github.installation(repo.installation);
        let edited = match says {
            Some(says) if says == view.text => Ok(()),
            _ => github.update_comment(&repo.name, comment, &view.text).await,
        };
        match edited {
            Err(why) if !is_gone(&why) => {
                tracing::warn!(%run, code = why.code, %why, "an answer cannot be edited");
                return Edited::Again(why.after().unwrap_or(AGAIN));
            }
            Ok(()) if !view.left.is_empty() => return Edited::Says(view.text),
            // Somebody has deleted the answer, or it has said everything.
            Ok(()) | Err(_) => {}
        }
        if view.left.is_empty() {
            // It only decorates; the comment may be gone.
            let _ = github.react(&repo.name, asked, if view.good { "rocket" } else { "confused" }).await;
        }
        let id = run.clone();
        if let Err(why) = self.store.write(move |tx| replies::done(tx, &id)).await {
            tracing::warn!(%run, %why, "it cannot be noted that an answer is done");
        }
        Edited::Done
    }
}

enum Edited {
    Done,
    /// It goes on, and this is what it says now.
    Says(String),
    /// It goes on; there is something to be said after this span.
    Again(Duration),
}

impl Open {
    /// After an edit.
    fn waits(&mut self, after: Option<Duration>, every: Duration) {
        self.in_flight = false;
        // What has happened during the edit may not be in it.
        self.changed |= after.is_some();
        self.may = Instant::now() + after.unwrap_or(every);
        self.may_at_end = self.may;
    }

    fn due(&self) -> Option<Instant> {
        let at = if self.left.is_empty() { self.may_at_end } else { self.may };
        (self.changed && !self.in_flight).then_some(at)
    }
}

fn is_gone(why: &Trouble) -> bool {
    why.is_gone() || !why.is_retryable()
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
