//! What runs have had done through the door of the actions.
//!
//! Invariant: a row is written in the transaction that did it, so whoever finds none may do it, and nobody does it twice.

use super::row::{json, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::RunId;
use rusqlite::params;
use serde_json::Value;

/// # Errors
/// Those of the store; `Sql` where this step has done something already (look with [`get`] first).
pub fn add(tx: &Tx<'_>, run: &RunId, step: &str, answer: &Value) -> Result<(), StoreError> {
    let sql = "INSERT INTO acts (run, step, answer) VALUES (?1, ?2, ?3)";
    tx.conn.prepare_cached(sql)?.execute(params![run.as_str(), step, to_json(answer)?])?;
    Ok(())
}

/// What a step was answered with, if it has done something.
///
/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, run: &RunId, step: &str) -> Result<Option<Value>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT answer FROM acts WHERE run = ?1 AND step = ?2")?;
    statement.query_and_then([run.as_str(), step], |row| json(row, "answer"))?.next().transpose()
}
