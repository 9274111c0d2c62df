//! Threads that only read, each on a snapshot of its own, beside the writer.

use super::open::readable;
use super::writer::{execute, thread_refused};
use super::{Rx, StoreError};
use crate::domain::Refusal;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Enough that one long list does not keep the others waiting.
const READERS: usize = 2;

type Job = Box<dyn FnOnce(&Connection) + Send>;

pub(super) struct Readers(Arc<Queue>);

/// What waits to be read. A job wakes one reader, and none while both are busy.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// What waits is done; nothing new is taken.
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.bell.notify_one();
        Ok(())
    }

    /// Waits for the next; nothing once the store is closed.
    fn take(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            match waiting.jobs.pop_front() {
                None if !waiting.closed => waiting = self.bell.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                job => return job,
            }
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }
}

impl Readers {
    pub(super) fn start(path: &Path) -> Result<Self, Refusal> {
        let readers = Self(Arc::default());
        for _ in 0..READERS {
            let connection = readable(path).map_err(|why| why.refusal())?;
            let queue = Arc::clone(&readers.0);
            let body = move || {
                while let Some(job) = queue.take() {
                    job(&connection);
                }
            };
            std::thread::Builder::new().name("store-reader".into()).spawn(body).map_err(|why| thread_refused(&why))?;
        }
        Ok(readers)
    }

    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Rx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // Nobody may be waiting any more.
            let _ = reply.send(on_snapshot(conn, work));
        });
        self.0.put(job)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

fn on_snapshot<T>(conn: &Connection, work: impl FnOnce(&Rx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
    execute(conn, "BEGIN")?;
    let result = catch_unwind(AssertUnwindSafe(|| work(&Rx { conn }))).unwrap_or(Err(StoreError::Panicked));
    if !conn.is_autocommit() {
        execute(conn, "ROLLBACK")?;
    }
    result
}
