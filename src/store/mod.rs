//! The SQLite file: deliveries, runs, steps, timers, signals, locks, audit, tags. Only this module knows SQL.
//!
//! Invariants:
//! - What a returned [`Store::write`] did is on the disk: WAL with `synchronous=FULL`, both read back at open, and replies
//!   are sent after COMMIT.
//! - One process (an exclusive lock on `lockkeeper.lock`), one writer thread. Writes that arrive together share one
//!   transaction, each in its own savepoint: an error undoes that one only.
//! - A COMMIT that fails for another reason than a full or busy disk ends the process, because nobody can say then what is
//!   stored; it is read again at the next start.
//! - SQLite is 3.51.3 or later: versions before it can corrupt a WAL that is reset while it is read.
//! - The folder is 0700 and its files are 0600.

pub mod acts;
pub mod answers;
pub mod audit;
pub mod chain;
pub mod elsewhere;
mod error;
pub mod events;
pub mod facts;
pub mod heads;
pub mod holds;
pub mod inbox;
pub mod keys;
mod latency;
pub mod ledger;
pub mod locks;
mod migrate;
pub mod mirrors;
mod mover;
mod open;
pub mod outbox;
pub mod plans;
mod reader;
pub mod replies;
pub mod repos;
pub mod reviews;
mod row;
pub mod runs;
pub mod signals;
pub mod steps;
pub mod timers;
mod tx;
mod writer;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use latency::CommitTimes;
pub use tx::{Rx, Tx};

use crate::domain::Refusal;
use mover::Mover;
use reader::Readers;
use std::path::Path;
use std::sync::Arc;
use writer::Writer;

/// The open store; clones share it. It closes when the last clone is gone, or by [`Store::close`].
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: Arc<Readers>,
}

impl Store {
    /// Opens or creates the store in `dir` and brings its tables up to date.
    ///
    /// # Errors
    /// `store_locked` (another process has it), `store_newer` (a later version wrote it), `store_unsafe` (SQLite too old or
    /// durability refused), `store_folder`, `store_full`, `store_corrupt`, `store_io`: all the operator's.
    pub fn open(dir: &Path) -> Result<Self, Refusal> {
        let opened = open::open(dir)?;
        let readers = Readers::start(&opened.path)?;
        let writer = Writer::start(opened.connection, Mover::start(opened.mover)?, opened.lock)?;
        Ok(Self { writer, readers: Arc::new(readers) })
    }

    /// Runs `work` in the next transaction and answers when it is on the disk. An error undoes what `work` did and nothing
    /// else. `work` runs on the writer's thread: it computes and talks to the database, it never waits.
    ///
    /// # Errors
    /// The one that `work` returned, or that of the transaction ([`StoreError::Full`], [`StoreError::Busy`], …).
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// Runs `work` on a consistent snapshot, beside the writer.
    ///
    /// # Errors
    /// The one that `work` returned, or [`StoreError::Closed`].
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Rx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.read(work).await
    }

    /// How long the last commits took, fsync included.
    pub fn commit_times(&self) -> CommitTimes {
        self.writer.commit_times()
    }

    /// Finishes what was handed in and closes the file, so that another may open it. Later calls answer `Closed`.
    pub async fn close(&self) {
        self.readers.close();
        self.writer.close().await;
    }
}

/// Another program that holds the file until it is dropped; the store waits for it no longer than a moment.
#[cfg(test)]
pub(crate) async fn hold(store: &Store, dir: &Path) -> rusqlite::Connection {
    store.write(|tx| Ok(tx.conn.busy_timeout(std::time::Duration::from_millis(20))?)).await.unwrap();
    let other = rusqlite::Connection::open(dir.join("lockkeeper.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}
