//! The thread that moves the write-ahead log into the database, so that no write waits for it.
//!
//! Invariants: it only ever moves what is committed (a passive checkpoint), so that the writer and the readers go on beside
//! it; if it fails or falls behind, the writer's own limit on the log's length does the same later.

use super::StoreError;
use super::writer::thread_refused;
use crate::domain::Refusal;
use rusqlite::{Connection, Row};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Pieces of work between two moves: each costs the disk some milliseconds, in which a write takes longer, and a log that is
/// used again is cheaper to write than one that grows.
const PIECES: usize = 512;
/// What is written during one move is left to the next. Only a log that was moved whole is used again from its start.
const PASSES: usize = 4;

pub(super) struct Mover {
    bell: SyncSender<()>,
    thread: JoinHandle<()>,
    pieces: usize,
}

impl Mover {
    pub(super) fn start(connection: Connection) -> Result<Self, Refusal> {
        let (bell, rung) = sync_channel(1);
        let body = move || serve(&connection, &rung);
        let thread = std::thread::Builder::new().name("store-mover".into()).spawn(body).map_err(|why| thread_refused(&why))?;
        Ok(Self { bell, thread, pieces: 0 })
    }

    /// So many pieces were committed.
    pub(super) fn wrote(&mut self, pieces: usize) {
        self.pieces += pieces;
        if self.pieces >= PIECES {
            self.pieces = 0;
            // One that is still at it finds the rest, too.
            let _ = self.bell.try_send(());
        }
    }

    /// Waits for its end, so that the file is closed.
    pub(super) fn stop(self) {
        drop(self.bell);
        if self.thread.join().is_err() {
            tracing::error!("the thread that moves the store's log ended in a bug");
        }
    }
}

fn serve(connection: &Connection, rung: &Receiver<()>) {
    while rung.recv().is_ok() {
        for _ in 0..PASSES {
            match pass(connection) {
                Ok(true) => break,
                Ok(false) => {}
                Err(why) => {
                    tracing::warn!(%why, "the store's log could not be moved now; it grows until it can");
                    break;
                }
            }
        }
    }
}

/// Whether all of the log is in the database now.
fn pass(connection: &Connection) -> Result<bool, StoreError> {
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>("log")?, row.get::<_, i64>("checkpointed")?));
    let (log, moved) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], row)?;
    Ok(log == moved)
}
