//! Steps: one row for each name that a run's workflow asked for. What `body` and `result` mean is up to the host.

use super::row::{json, maybe_json, maybe_millis, maybe_name, millis, name, to_json};
use super::runs::{Subject, subject};
use super::{Rx, StoreError, Tx};
use crate::domain::{Millis, RepoId, RunId};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// States by which the store finds rows; a call that waits for its answer, or a child for its end.
pub const PENDING: &str = "pending";
/// Kinds of rows that the executor works on.
pub const CALL: &str = "call";
pub const UNDO: &str = "undo";
pub const CHILD: &str = "child";

/// One row. `seq` is the order of first asking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub seq: u64,
    pub kind: String,
    pub state: String,
    /// Attempts that came to an end without success.
    pub attempts: u32,
    pub first_error: Option<String>,
    pub last_error: Option<String>,
    pub first_error_at: Option<Millis>,
    /// When the next attempt is due.
    pub next_at: Option<Millis>,
    pub started_at: Millis,
    pub finished_at: Option<Millis>,
    /// The run that a child row stands for.
    pub link: Option<RunId>,
    pub body: Value,
    pub result: Option<Value>,
}

/// What a change of a row writes; attempts and errors stay as they are.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    pub name: &'a str,
    pub seq: u64,
    pub kind: &'a str,
    pub state: &'a str,
    /// Only written when the row is new, like `seq` and `kind`.
    pub body: &'a Value,
    pub result: Option<Value>,
    pub finished: bool,
}

/// Adds a row or writes its new state and result.
///
/// # Errors
/// Those of the store.
pub fn put(tx: &Tx<'_>, run: &RunId, change: &Change<'_>, now: Millis) -> Result<(), StoreError> {
    let result = change.result.as_ref().map(to_json).transpose()?;
    let finished = change.finished.then_some(now.0);
    let known = tx
        .conn
        .prepare_cached(
            "UPDATE steps SET state = ?3, result = ?4, finished_at = coalesce(finished_at, ?5) WHERE run = ?1 AND name = ?2",
        )?
        .execute(params![run.as_str(), change.name, change.state, result, finished])?;
    if known == 0 {
        let sql = "INSERT INTO steps (run, name, state, result, finished_at, seq, kind, body, started_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let body = to_json(change.body)?;
        let (seq, kind) = (change.seq.cast_signed(), change.kind);
        let mut statement = tx.conn.prepare_cached(sql)?;
        statement.execute(params![run.as_str(), change.name, change.state, result, finished, seq, kind, body, now.0])?;
    }
    Ok(())
}

/// All rows of a run in the order of first asking.
///
/// # Errors
/// Those of the store.
pub fn of(rx: &Rx<'_>, run: &RunId) -> Result<Vec<Step>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM steps WHERE run = ?1 ORDER BY seq")?;
    statement.query_and_then([run.as_str()], read)?.collect()
}

/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, run: &RunId, step: &str) -> Result<Option<Step>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM steps WHERE run = ?1 AND name = ?2")?;
    statement.query_and_then([run.as_str(), step], read)?.next().transpose()
}

/// The last call whose name ends like this.
///
/// # Errors
/// Those of the store.
pub fn last_call(rx: &Rx<'_>, run: &RunId, suffix: &str) -> Result<Option<Step>, StoreError> {
    let sql =
        "SELECT * FROM steps WHERE run = ?1 AND kind = 'call' AND substr(name, -length(?2)) = ?2 ORDER BY seq DESC LIMIT 1";
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then([run.as_str(), suffix], read)?.next().transpose()
}

/// Calls whose names end like this, of runs of a repository that are active or have changed since.
///
/// # Errors
/// Those of the store.
pub fn calls_since(rx: &Rx<'_>, repo: RepoId, suffix: &str, since: Millis) -> Result<Vec<(RunId, Step)>, StoreError> {
    let sql = "SELECT steps.* FROM runs CROSS JOIN steps ON steps.run = runs.id
               WHERE runs.repo_id = ?1 AND (runs.state = 'active' OR runs.updated_at >= ?2)
               AND steps.kind = 'call' AND substr(steps.name, -length(?3)) = ?3";
    let mut statement = rx.conn.prepare_cached(sql)?;
    let read = |row: &Row<'_>| -> Result<(RunId, Step), StoreError> { Ok((name(row, "run")?, read(row)?)) };
    statement.query_and_then(params![repo.0.cast_signed(), since.0, suffix], read)?.collect()
}

/// Whether a step or wait is open whose name begins like this.
///
/// # Errors
/// Those of the store.
pub fn is_open(rx: &Rx<'_>, run: &RunId, prefix: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM steps WHERE run = ?1 AND state = 'pending' AND substr(name, 1, length(?2)) = ?2)";
    Ok(rx.conn.prepare_cached(sql)?.query_row([run.as_str(), prefix], |row| row.get(0))?)
}

/// Notes a failed attempt: one more, with its error, and when the next is due.
///
/// # Errors
/// Those of the store.
pub fn failed(
    tx: &Tx<'_>,
    run: &RunId,
    step: &str,
    error: &str,
    now: Millis,
    next_at: Option<Millis>,
) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached(
            "UPDATE steps SET attempts = attempts + 1, first_error = coalesce(first_error, ?3), last_error = ?3,
             first_error_at = coalesce(first_error_at, ?4), next_at = ?5 WHERE run = ?1 AND name = ?2",
        )?
        .execute(params![run.as_str(), step, error, now.0, next_at.map(|at| at.0)])?;
    Ok(())
}

/// Says which run a child row stands for.
///
/// # Errors
/// Those of the store.
pub fn set_link(tx: &Tx<'_>, run: &RunId, step: &str, child: &RunId) -> Result<(), StoreError> {
    let mut statement = tx.conn.prepare_cached("UPDATE steps SET link = ?3 WHERE run = ?1 AND name = ?2")?;
    statement.execute([run.as_str(), step, child.as_str()])?;
    Ok(())
}

/// Rows (run, name) that wait for the end of `child`.
///
/// # Errors
/// Those of the store.
pub fn waiting_for(rx: &Rx<'_>, child: &RunId) -> Result<Vec<(RunId, String)>, StoreError> {
    let sql = "SELECT run, name FROM steps WHERE link = ?1 AND state = 'pending' AND kind = 'child' ORDER BY run, seq";
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then([child.as_str()], |row| Ok((name(row, "run")?, row.get("name")?)))?.collect()
}

/// A call that is to be made, without its body.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCall {
    pub run: RunId,
    pub step: String,
    pub workflow: String,
    pub subject: Subject,
    /// How often the run was started.
    pub starts: u32,
    pub attempts: u32,
    pub first_error_at: Option<Millis>,
    pub next_at: Option<Millis>,
}

/// All calls of active runs that have no answer, oldest run first.
///
/// # Errors
/// Those of the store.
pub fn open_calls(rx: &Rx<'_>) -> Result<Vec<OpenCall>, StoreError> {
    let sql = "SELECT steps.run, steps.name, steps.attempts, steps.first_error_at, steps.next_at, runs.workflow, runs.repo_id,
               runs.repo_name, runs.installation, runs.tag, runs.sha, runs.environment, runs.delivery, runs.actor, runs.starts
               FROM steps CROSS JOIN runs ON runs.id = steps.run
               WHERE steps.state = 'pending' AND steps.kind IN ('call', 'undo') AND runs.state = 'active'
               ORDER BY runs.created_at, steps.run, steps.seq";
    let read = |row: &Row<'_>| -> Result<OpenCall, StoreError> {
        Ok(OpenCall {
            run: name(row, "run")?,
            step: row.get("name")?,
            workflow: row.get("workflow")?,
            subject: subject(row)?,
            starts: row.get("starts")?,
            attempts: row.get("attempts")?,
            first_error_at: maybe_millis(row, "first_error_at")?,
            next_at: maybe_millis(row, "next_at")?,
        })
    };
    rx.conn.prepare_cached(sql)?.query_and_then([], read)?.collect()
}

/// Forgets one row.
///
/// # Errors
/// Those of the store.
pub fn forget_one(tx: &Tx<'_>, run: &RunId, step: &str) -> Result<(), StoreError> {
    tx.conn.prepare_cached("DELETE FROM steps WHERE run = ?1 AND name = ?2")?.execute([run.as_str(), step])?;
    Ok(())
}

/// Forgets all rows of a run, for a new start.
///
/// # Errors
/// Those of the store.
pub fn forget(tx: &Tx<'_>, run: &RunId) -> Result<(), StoreError> {
    tx.conn.prepare_cached("DELETE FROM steps WHERE run = ?1")?.execute([run.as_str()])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Step, StoreError> {
    Ok(Step {
        name: row.get("name")?,
        seq: row.get::<_, i64>("seq")?.cast_unsigned(),
        kind: row.get("kind")?,
        state: row.get("state")?,
        attempts: row.get("attempts")?,
        first_error: row.get("first_error")?,
        last_error: row.get("last_error")?,
        first_error_at: maybe_millis(row, "first_error_at")?,
        next_at: maybe_millis(row, "next_at")?,
        started_at: millis(row, "started_at")?,
        finished_at: maybe_millis(row, "finished_at")?,
        link: maybe_name(row, "link")?,
        body: json(row, "body")?,
        result: maybe_json(row, "result")?,
    })
}
