//! Signals that have come for a run, in the order of arrival.

use super::row::{json, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::{Millis, RunId};
use rusqlite::params;
use serde_json::Value;

/// One signal; `taken_by` is the wait that consumed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    pub id: u64,
    pub name: String,
    pub value: Value,
    pub taken_by: Option<String>,
}

/// Stores a signal and gives its id, which grows in the order of arrival.
///
/// # Errors
/// Those of the store.
pub fn push(tx: &Tx<'_>, run: &RunId, signal: &str, value: &Value, now: Millis) -> Result<u64, StoreError> {
    let mut statement = tx.conn.prepare_cached("INSERT INTO signals (run, name, value, at) VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute(params![run.as_str(), signal, to_json(value)?, now.0])?;
    Ok(tx.conn.last_insert_rowid().cast_unsigned())
}

/// The value of the newest signal of this name that nobody has taken yet.
///
/// # Errors
/// Those of the store.
pub fn newest_open(rx: &Rx<'_>, run: &RunId, signal: &str) -> Result<Option<Value>, StoreError> {
    let sql = "SELECT value FROM signals WHERE run = ?1 AND name = ?2 AND taken_by IS NULL ORDER BY id DESC LIMIT 1";
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then([run.as_str(), signal], |row| json(row, "value"))?.next().transpose()
}

/// # Errors
/// Those of the store.
pub fn take(tx: &Tx<'_>, id: u64, wait: &str) -> Result<(), StoreError> {
    let mut statement = tx.conn.prepare_cached("UPDATE signals SET taken_by = ?2 WHERE id = ?1")?;
    statement.execute(params![id.cast_signed(), wait])?;
    Ok(())
}

/// # Errors
/// Those of the store.
pub fn of(rx: &Rx<'_>, run: &RunId) -> Result<Vec<Signal>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT id, name, value, taken_by FROM signals WHERE run = ?1 ORDER BY id")?;
    let rows = statement.query_and_then([run.as_str()], |row| -> Result<Signal, StoreError> {
        Ok(Signal {
            id: row.get::<_, i64>("id")?.cast_unsigned(),
            name: row.get("name")?,
            value: json(row, "value")?,
            taken_by: row.get("taken_by")?,
        })
    })?;
    rows.collect()
}

/// Forgets one signal.
///
/// # Errors
/// Those of the store.
pub fn forget_one(tx: &Tx<'_>, id: u64) -> Result<(), StoreError> {
    tx.conn.prepare_cached("DELETE FROM signals WHERE id = ?1")?.execute([id.cast_signed()])?;
    Ok(())
}

/// Forgets the signals that a wait consumed, for a new start; the others are still news.
///
/// # Errors
/// Those of the store.
pub fn forget_taken(tx: &Tx<'_>, run: &RunId) -> Result<(), StoreError> {
    tx.conn.prepare_cached("DELETE FROM signals WHERE run = ?1 AND taken_by IS NOT NULL")?.execute([run.as_str()])?;
    Ok(())
}
