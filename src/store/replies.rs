//! Our comments that are edited as what they tell of goes on: one for each comment that asked for something.

use super::row::{id, name};
use super::{Rx, StoreError, Tx};
use crate::domain::RunId;
use rusqlite::{Row, params};

/// Notes that the run's answer is this comment, to be edited until it is done.
///
/// # Errors
/// Those of the store.
pub fn open(tx: &Tx<'_>, run: &RunId, comment: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO replies (run, comment) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    tx.conn.prepare_cached(sql)?.execute(params![run.as_str(), comment.cast_signed()])?;
    Ok(())
}

/// It says how everything ended.
///
/// # Errors
/// Those of the store.
pub fn done(tx: &Tx<'_>, run: &RunId) -> Result<(), StoreError> {
    tx.conn.prepare_cached("UPDATE replies SET done = 1 WHERE run = ?1")?.execute([run.as_str()])?;
    Ok(())
}

/// Those that are not done, or the one of this run if it is not: whose answer, and GitHub's id of it.
///
/// # Errors
/// Those of the store.
pub fn going_on(rx: &Rx<'_>, run: Option<&RunId>) -> Result<Vec<(RunId, u64)>, StoreError> {
    let sql = "SELECT run, comment FROM replies WHERE done = 0 AND (?1 IS NULL OR run = ?1)";
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then([run.map(RunId::as_str)], read)?.collect()
}

fn read(row: &Row<'_>) -> Result<(RunId, u64), StoreError> {
    Ok((name(row, "run")?, id(row, "comment")?))
}
