//! Everything that is due at some time: timers of workflows (on the disk too) and attempts that are repeated (in memory, from
//! the disk after a restart).
//!
//! A timer of a workflow names a time of the wall clock. It fires when the span from setting it (or from the start of the
//! process) has passed on the monotonic clock, or when the wall clock says so after it was set forward or the machine slept,
//! whatever comes first. So a clock that is set back holds nothing up in a running process (after a restart it does, by as
//! much as it was set back), and one that is set forward fires timers early by at most the jump.

use super::queue::CallJob;
use crate::domain::{Millis, RunId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often the wall clock is compared with the monotonic one while timers are set.
const LOOK: Duration = Duration::from_secs(1);
/// Differences below this are not a jump.
const JUMP: i64 = 100;
/// Ten years: keeps a nonsensical time within what the monotonic clock can count to.
const FARTHEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

#[derive(Debug)]
pub(super) enum Due {
    Timer { run: RunId, name: String, at: Millis },
    Retry(Box<CallJob>),
}

#[derive(Default)]
struct Set {
    by_time: BTreeMap<(Instant, u64), Due>,
    by_name: HashMap<(RunId, String), (Instant, u64)>,
    next: u64,
}

#[derive(Default)]
pub(super) struct Timers {
    set: Mutex<Set>,
    changed: Notify,
}

impl Timers {
    /// Sets a timer of a workflow; one of the same name is replaced.
    pub(super) fn set(&self, run: RunId, name: String, at: Millis, now: Millis) {
        self.lock().set(run, name, at, Instant::now(), now);
        self.changed.notify_one();
    }

    pub(super) fn clear(&self, run: &RunId, name: &str) {
        let mut set = self.lock();
        if let Some(place) = set.by_name.remove(&(run.clone(), name.to_owned())) {
            set.by_time.remove(&place);
        }
    }

    /// Repeats a call after a span.
    pub(super) fn retry(&self, job: CallJob, after: Duration) {
        self.lock().add(Instant::now() + after.min(FARTHEST), Due::Retry(Box::new(job)));
        self.changed.notify_one();
    }

    /// Waits for the next thing that is due.
    pub(super) async fn next(&self, clock: &(dyn Fn() -> Millis + Send + Sync), watch: &mut Watch) -> Due {
        loop {
            let found = self.lock().poll(Instant::now(), clock(), watch);
            match found {
                Ok(due) => return due,
                Err(None) => self.changed.notified().await,
                Err(Some(wait)) => drop(tokio::time::timeout(wait.min(LOOK), self.changed.notified()).await),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().by_time.len()
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Set {
    fn set(&mut self, run: RunId, name: String, at: Millis, mono: Instant, wall: Millis) {
        let when = mono + wall.until(at).min(FARTHEST);
        let place = self.add(when, Due::Timer { run: run.clone(), name: name.clone(), at });
        if let Some(old) = self.by_name.insert((run, name), place) {
            self.by_time.remove(&old);
        }
    }

    fn add(&mut self, when: Instant, due: Due) -> (Instant, u64) {
        let place = (when, self.next);
        self.next += 1;
        self.by_time.insert(place, due);
        place
    }

    /// Takes the first that is due, or says how long until then; nothing when nothing is set.
    fn poll(&mut self, mono: Instant, wall: Millis, watch: &mut Watch) -> Result<Due, Option<Duration>> {
        if watch.jumped_forward(mono, wall) {
            self.pull(mono, wall);
        }
        let first = self.by_time.first_entry().ok_or(None)?;
        if first.key().0 > mono {
            return Err(Some(first.key().0.duration_since(mono)));
        }
        let due = first.remove();
        if let Due::Timer { run, name, .. } = &due {
            self.by_name.remove(&(run.clone(), name.clone()));
        }
        Ok(due)
    }

    /// Moves timers forward that the wall clock reaches earlier than the monotonic one.
    fn pull(&mut self, mono: Instant, wall: Millis) {
        let earlier: Vec<((Instant, u64), Instant)> = (self.by_time.iter())
            .filter_map(|(place, due)| match due {
                Due::Timer { at, .. } => Some((*place, mono + wall.until(*at).min(FARTHEST))),
                Due::Retry(_) => None,
            })
            .filter(|(place, when)| *when < place.0)
            .collect();
        for (place, when) in earlier {
            if let Some(due) = self.by_time.remove(&place) {
                let key = if let Due::Timer { run, name, .. } = &due { Some((run.clone(), name.clone())) } else { None };
                let place = self.add(when, due);
                key.map(|key| self.by_name.insert(key, place));
            }
        }
    }
}

/// Remembers how the wall clock stood to the monotonic one.
pub(super) struct Watch {
    began: Instant,
    offset: Option<i64>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), offset: None }
    }

    fn jumped_forward(&mut self, mono: Instant, wall: Millis) -> bool {
        let passed = i64::try_from(mono.duration_since(self.began).as_millis()).unwrap_or(i64::MAX);
        let offset = wall.0.saturating_sub(passed);
        let before = self.offset.replace(offset).unwrap_or(offset);
        offset.saturating_sub(before) > JUMP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        set: Set,
        watch: Watch,
        mono: Instant,
        wall: i64,
    }

    impl World {
        fn new() -> Self {
            let watch = Watch::new();
            Self { set: Set::default(), mono: watch.began, watch, wall: 1_000_000 }
        }
        /// Sets a timer that is due in `ms` by the wall clock.
        fn set(&mut self, name: &str, ms: i64) {
            self.set.set(RunId::parse("r").unwrap(), name.into(), Millis(self.wall + ms), self.mono, Millis(self.wall));
        }
        /// What fires within `ms`, while both clocks go along, looked at every 100 ms.
        fn within(&mut self, ms: u32) -> Vec<String> {
            let mut fired = vec![];
            for _ in 0..=ms / 100 {
                while let Ok(due) = self.set.poll(self.mono, Millis(self.wall), &mut self.watch) {
                    if let Due::Timer { name, .. } = due {
                        fired.push(name);
                    }
                }
                self.mono += Duration::from_millis(100);
                self.wall += 100;
            }
            fired
        }
    }

    #[test]
    fn timers_fire_in_order_and_replaced_ones_only_at_their_last_time() {
        let mut world = World::new();
        world.set("late", 5_000);
        world.set("soon", 1_000);
        world.set("moved", 1_500);
        world.set("moved", 90_000);
        assert!(world.within(900).is_empty());
        assert_eq!(world.within(5_000), ["soon", "late"]);
        assert_eq!(world.set.by_time.len(), 1);
        assert_eq!(world.within(90_000), ["moved"]);
        assert!(world.set.by_name.is_empty());
    }

    #[test]
    fn a_clock_set_back_holds_nothing_up() {
        let mut world = World::new();
        world.within(100);
        world.set("nap", 10_000);
        world.wall -= 3_600_000;
        assert!(world.within(9_000).is_empty());
        assert_eq!(world.within(1_500), ["nap"]);
    }

    #[test]
    fn a_clock_set_forward_fires_early_by_no_more_than_the_jump() {
        let mut world = World::new();
        world.within(100);
        world.set("near", 60_000);
        world.set("far", 600_000);
        world.wall += 120_000;
        assert_eq!(world.within(100), ["near"]);
        assert!(world.within(470_000).is_empty());
        assert_eq!(world.within(15_000), ["far"]);
    }

    #[test]
    fn a_nonsensical_time_does_no_harm() {
        let mut world = World::new();
        world.set("never", i64::MAX - 2_000_000);
        world.set("long ago", -900_000);
        assert_eq!(world.within(100), ["long ago"]);
    }
}
