//! Timers that are set, by absolute time.

use super::row::{millis, name};
use super::{Rx, StoreError, Tx};
use crate::domain::{Millis, RunId};
use rusqlite::params;

/// # Errors
/// Those of the store.
pub fn set(tx: &Tx<'_>, run: &RunId, timer: &str, at: Millis) -> Result<(), StoreError> {
    let sql = "INSERT INTO timers (run, name, at) VALUES (?1, ?2, ?3) ON CONFLICT (run, name) DO UPDATE SET at = ?3";
    tx.conn.prepare_cached(sql)?.execute(params![run.as_str(), timer, at.0])?;
    Ok(())
}

/// Takes a timer away; false when it was not set.
///
/// # Errors
/// Those of the store.
pub fn clear(tx: &Tx<'_>, run: &RunId, timer: &str) -> Result<bool, StoreError> {
    let mut statement = tx.conn.prepare_cached("DELETE FROM timers WHERE run = ?1 AND name = ?2")?;
    Ok(statement.execute([run.as_str(), timer])? > 0)
}

/// # Errors
/// Those of the store.
pub fn clear_all(tx: &Tx<'_>, run: &RunId) -> Result<(), StoreError> {
    tx.conn.prepare_cached("DELETE FROM timers WHERE run = ?1")?.execute([run.as_str()])?;
    Ok(())
}

/// The timers of a run.
///
/// # Errors
/// Those of the store.
pub fn of(rx: &Rx<'_>, run: &RunId) -> Result<Vec<(String, Millis)>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT name, at FROM timers WHERE run = ?1 ORDER BY at")?;
    statement.query_and_then([run.as_str()], |row| Ok((row.get("name")?, millis(row, "at")?)))?.collect()
}

/// All timers, earliest first.
///
/// # Errors
/// Those of the store.
pub fn all(rx: &Rx<'_>) -> Result<Vec<(RunId, String, Millis)>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT run, name, at FROM timers ORDER BY at")?;
    statement.query_and_then([], |row| Ok((name(row, "run")?, row.get("name")?, millis(row, "at")?)))?.collect()
}
