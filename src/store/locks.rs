//! Locks with a queue: first come, first served. A place in the queue is also the fencing token, so that a later holder of
//! the same key always has a greater one.

use super::row::{id, millis, name};
use super::{Rx, StoreError, Tx};
use crate::domain::{Millis, RunId};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// One place in a lock's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub token: u64,
    pub key: String,
    pub run: RunId,
    /// The name under which the run asked.
    pub name: String,
    /// Holds the lock; the others of the same key wait, in the order of their tokens.
    pub held: bool,
    /// When it asked.
    pub since: Millis,
}

/// Joins the queue of `key`; a run and name that stand in it keep their place. The place says whether it holds the lock.
///
/// # Errors
/// Those of the store.
pub fn join(tx: &Tx<'_>, key: &str, run: &RunId, asked_as: &str, now: Millis) -> Result<Place, StoreError> {
    tx.conn
        .prepare_cached(
            "INSERT INTO locks (key, run, name, held, since)
             VALUES (?1, ?2, ?3, NOT EXISTS (SELECT 1 FROM locks WHERE key = ?1), ?4) ON CONFLICT (run, name) DO NOTHING",
        )?
        .execute(params![key, run.as_str(), asked_as, now.0])?;
    let mut statement = tx.conn.prepare_cached("SELECT * FROM locks WHERE run = ?1 AND name = ?2")?;
    let place = statement.query_and_then([run.as_str(), asked_as], read)?.next();
    place.unwrap_or_else(|| Err(StoreError::Sql("a place in a lock's queue vanished".into())))
}

/// Lets go or leaves the queue, and gives the place that holds the lock now because of it.
///
/// # Errors
/// Those of the store.
pub fn leave(tx: &Tx<'_>, run: &RunId, asked_as: &str) -> Result<Option<Place>, StoreError> {
    let mut statement = tx.conn.prepare_cached("DELETE FROM locks WHERE run = ?1 AND name = ?2 RETURNING key")?;
    let key: Option<String> = statement.query_row([run.as_str(), asked_as], |row| row.get(0)).optional()?;
    key.map_or(Ok(None), |key| promote(tx, &key))
}

/// Lets go of everything that a run holds or waits for, and gives the places that hold a lock now because of it.
///
/// # Errors
/// Those of the store.
pub fn leave_all(tx: &Tx<'_>, run: &RunId) -> Result<Vec<Place>, StoreError> {
    let mut statement = tx.conn.prepare_cached("SELECT name FROM locks WHERE run = ?1 ORDER BY id")?;
    let names: Vec<String> = statement.query_map([run.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut promoted = Vec::new();
    for asked_as in names {
        promoted.extend(leave(tx, run, &asked_as)?);
    }
    // A lock that this run let go and itself stood next for is gone with its second place.
    promoted.retain(|place| place.run != *run);
    Ok(promoted)
}

/// The queue of a lock, its holder first.
///
/// # Errors
/// Those of the store.
pub fn queue(rx: &Rx<'_>, key: &str) -> Result<Vec<Place>, StoreError> {
    rx.conn.prepare_cached("SELECT * FROM locks WHERE key = ?1 ORDER BY id")?.query_and_then([key], read)?.collect()
}

/// All places of all queues.
///
/// # Errors
/// Those of the store.
pub fn all(rx: &Rx<'_>) -> Result<Vec<Place>, StoreError> {
    rx.conn.prepare_cached("SELECT * FROM locks ORDER BY key, id")?.query_and_then([], read)?.collect()
}

fn promote(tx: &Tx<'_>, key: &str) -> Result<Option<Place>, StoreError> {
    let sql = "UPDATE locks SET held = 1 WHERE id = (SELECT min(id) FROM locks WHERE key = ?1) AND held = 0 RETURNING *";
    let mut statement = tx.conn.prepare_cached(sql)?;
    statement.query_and_then([key], read)?.next().transpose()
}

fn read(row: &Row<'_>) -> Result<Place, StoreError> {
    Ok(Place {
        token: id(row, "id")?,
        key: row.get("key")?,
        run: name(row, "run")?,
        name: row.get("name")?,
        held: row.get("held")?,
        since: millis(row, "since")?,
    })
}
