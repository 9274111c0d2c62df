//! Threads that only read, each on a snapshot of its own, beside the writer.

use super::open::readable;
use super::writer::thread_refused;
use super::{Rx, StoreError};
use crate::domain::Refusal;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Enough that one long list does not keep the others waiting.
const READERS: usize = 2;

type Job = Box<dyn FnOnce(&Connection) + Send>;

pub(super) struct Readers {
    /// Nothing once the store is closed.
    jobs: Mutex<Option<Sender<Job>>>,
}

impl Readers {
    pub(super) fn start(path: &Path) -> Result<Self, Refusal> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..READERS {
            let connection = readable(path).map_err(|why| why.refusal())?;
            let queue = Arc::clone(&queue);
            let body = move || serve(&connection, &queue);
            std::thread::Builder::new().name("store-reader".into()).spawn(body).map_err(|why| thread_refused(&why))?;
        }
        Ok(Self { jobs: Mutex::new(Some(jobs)) })
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
        self.send(job)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().ok_or(StoreError::Closed)?.send(job).map_err(|_| StoreError::Closed)
    }

    pub(super) fn close(&self) {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn on_snapshot<T>(conn: &Connection, work: impl FnOnce(&Rx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
    conn.execute_batch("BEGIN")?;
    let result = catch_unwind(AssertUnwindSafe(|| work(&Rx { conn }))).unwrap_or(Err(StoreError::Panicked));
    if !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    result
}

fn serve(conn: &Connection, queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(conn),
            Err(_) => return,
        }
    }
}
