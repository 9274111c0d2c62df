//! Calls that are ready: one line for each repository, served in turn, with a limit for each and for all together.

use crate::domain::{Millis, RepoId, RunId};
use crate::store::runs::Subject;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A call that is to be made.
#[derive(Clone, Debug)]
pub(super) struct CallJob {
    pub run: RunId,
    pub step: String,
    pub workflow: String,
    pub subject: Arc<Subject>,
    /// Nothing when it is to be read from the store.
    pub call: Option<Value>,
    /// Asked for in this process by the first start of the run, and never tried.
    pub fresh: bool,
    /// Which start of the run it belongs to; the result of an earlier one is dropped.
    pub starts: u32,
    pub attempts: u32,
    pub first_error_at: Option<Millis>,
}

#[derive(Default)]
struct Lines {
    lines: HashMap<RepoId, VecDeque<CallJob>>,
    /// Repositories that have a line, in the order of their turn.
    turns: VecDeque<RepoId>,
    running: HashMap<RepoId, usize>,
    total: usize,
    /// Calls that go on and take nobody's place.
    aside: usize,
    /// Those of them that wait for their pace.
    waiting: usize,
    closed: bool,
}

pub(super) struct Queue {
    lines: Mutex<Lines>,
    changed: Notify,
    concurrency: usize,
    per_repository: usize,
}

impl Queue {
    pub(super) fn new(concurrency: usize, per_repository: usize) -> Self {
        Self { lines: Mutex::default(), changed: Notify::new(), concurrency, per_repository }
    }

    pub(super) fn push(&self, job: CallJob) {
        let mut lines = self.lock();
        let repo = job.subject.repo.id;
        let line = lines.lines.entry(repo).or_default();
        line.push_back(job);
        if line.len() == 1 {
            lines.turns.push_back(repo);
        }
        drop(lines);
        self.changed.notify_one();
    }

    /// The next call that may run now. Its slot is free again when the [`Slot`] is dropped.
    pub(super) fn next(self: &Arc<Self>) -> Option<(CallJob, Slot)> {
        let mut lines = self.lock();
        if lines.closed || lines.total >= self.concurrency {
            return None;
        }
        for _ in 0..lines.turns.len() {
            let repo = lines.turns.pop_front()?;
            if lines.running.get(&repo).copied().unwrap_or(0) >= self.per_repository {
                lines.turns.push_back(repo);
                continue;
            }
            let line = lines.lines.get_mut(&repo)?;
            let job = line.pop_front();
            if line.is_empty() {
                lines.lines.remove(&repo);
            } else {
                lines.turns.push_back(repo);
            }
            if let Some(job) = job {
                *lines.running.entry(repo).or_default() += 1;
                lines.total += 1;
                return Some((job, Slot { queue: Arc::clone(self), repo, aside: false, waiting: false }));
            }
        }
        None
    }

    /// Returns when something may have changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Gives out no more calls.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    /// Calls in flight and calls that wait.
    pub(super) fn depth(&self) -> (usize, usize) {
        let lines = self.lock();
        (lines.total + lines.aside, lines.lines.values().map(VecDeque::len).sum())
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slot of a call. Clones share it.
#[derive(Clone)]
pub struct Place(Arc<Mutex<Option<Slot>>>);

impl Place {
    pub(super) fn of(slot: Slot) -> Self {
        Self(Arc::new(Mutex::new(Some(slot))))
    }

    /// Lets another call go: for one that needs GitHub no more and takes its time. A drain does not wait for it.
    pub fn leave(&self) {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(slot);
    }

    /// The same for one that a drain waits for.
    pub fn step_aside(&self) {
        if let Some(slot) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            slot.step_aside();
        }
    }

    /// The same for one that waits for its pace, unless as many do as may be in flight; whether it has no place any more.
    pub fn try_step_aside(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().is_none_or(Slot::wait_aside)
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

/// A call in flight.
pub(super) struct Slot {
    queue: Arc<Queue>,
    repo: RepoId,
    aside: bool,
    waiting: bool,
}

impl Slot {
    fn step_aside(&mut self) {
        if std::mem::replace(&mut self.aside, true) {
            return;
        }
        let mut lines = self.queue.lock();
        lines.free(self.repo);
        lines.aside += 1;
        drop(lines);
        self.queue.changed.notify_one();
    }

    fn wait_aside(&mut self) -> bool {
        if self.aside {
            return true;
        }
        let mut lines = self.queue.lock();
        if lines.waiting >= self.queue.concurrency {
            return false;
        }
        lines.waiting += 1;
        drop(lines);
        self.waiting = true;
        self.step_aside();
        true
    }
}

impl Lines {
    fn free(&mut self, repo: RepoId) {
        self.total -= 1;
        let left = self.running.get_mut(&repo).map_or(0, |running| {
            *running -= 1;
            *running
        });
        if left == 0 {
            self.running.remove(&repo);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut lines = self.queue.lock();
        lines.waiting -= usize::from(self.waiting);
        if self.aside {
            lines.aside -= 1;
        } else {
            lines.free(self.repo);
        }
        drop(lines);
        self.queue.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actor, InstallationId, RepoName, RepoRef};

    fn job(repo: u64, step: &str) -> CallJob {
        let repo = RepoRef { id: RepoId(repo), name: RepoName::parse("a/b").unwrap(), installation: InstallationId(1) };
        let subject = Subject { repo, tag: None, sha: None, environment: None, delivery: None, actor: Actor::schedule() };
        CallJob {
            run: RunId::parse("r").unwrap(),
            step: step.into(),
            workflow: "w".into(),
            subject: Arc::new(subject),
            call: None,
            fresh: true,
            starts: 1,
            attempts: 0,
            first_error_at: None,
        }
    }

    fn take(queue: &Arc<Queue>) -> Vec<(String, Slot)> {
        std::iter::from_fn(|| queue.next()).map(|(job, slot)| (job.step, slot)).collect()
    }

    fn names(taken: &[(String, Slot)]) -> Vec<&str> {
        taken.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn repositories_take_turns_and_none_takes_more_than_its_share() {
        let queue = Arc::new(Queue::new(4, 2));
        for (repo, step) in [(1, "a1"), (1, "a2"), (1, "a3"), (1, "a4"), (2, "b1"), (3, "c1"), (3, "c2")] {
            queue.push(job(repo, step));
        }
        let mut taken = take(&queue);
        assert_eq!(names(&taken), ["a1", "b1", "c1", "a2"], "four in flight");
        let (_, slot) = taken.remove(1);
        let place = Place::of(slot);
        let clone = place.clone();
        place.leave();
        clone.leave();
        assert_eq!(names(&take(&queue)), ["c2"], "the first repository has its two, and a place is left once");
        assert_eq!(queue.depth(), (3, 2));
        drop(taken);
        assert_eq!(names(&take(&queue)), ["a3", "a4"]);
        queue.push(job(9, "late"));
        queue.close();
        assert!(queue.next().is_none());
    }

    #[test]
    fn what_steps_aside_takes_nobodys_place_and_is_waited_for() {
        let queue = Arc::new(Queue::new(2, 1));
        for step in ["long", "next"] {
            queue.push(job(1, step));
        }
        let mut taken = take(&queue);
        assert_eq!(names(&taken), ["long"]);
        let (_, slot) = taken.remove(0);
        let place = Place::of(slot);
        place.step_aside();
        place.step_aside();
        let next = take(&queue);
        assert_eq!(names(&next), ["next"]);
        assert_eq!(queue.depth(), (2, 0), "a drain waits for both");
        drop(next);
        place.leave();
        assert_eq!(queue.depth(), (0, 0));
    }

    #[test]
    fn no_more_wait_aside_than_may_be_in_flight() {
        let queue = Arc::new(Queue::new(2, 1));
        for step in ["one", "two", "three"] {
            queue.push(job(1, step));
        }
        let mut places = Vec::new();
        for aside in [true, true, false] {
            let (_, slot) = take(&queue).remove(0);
            let place = Place::of(slot);
            assert_eq!((place.try_step_aside(), place.try_step_aside()), (aside, aside));
            places.push(place);
        }
        queue.push(job(1, "four"));
        assert!(queue.next().is_none(), "the third has kept its place");
        places[0].leave();
        assert!(places[2].try_step_aside() && places[0].try_step_aside(), "there is room again, and who has left is gone");
        assert_eq!(names(&take(&queue)), ["four"]);
    }
}
