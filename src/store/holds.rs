//! What keeps deployments out of an environment: locks and freezes of people, holds after a rollback.
//!
//! Invariant: a hold is ended, never removed: who placed it, who ended it and why stays on record.

use super::row::{id, json, maybe_json, maybe_millis, maybe_name, millis, name, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::{Actor, EnvName, Hold, HoldKind, Millis, NewHold, RepoId, RunId, Sha};
use rusqlite::{Row, params};

/// Places a hold; one that this run has placed already is left as it is.
///
/// # Errors
/// Those of the store.
pub fn place(tx: &Tx<'_>, new: &NewHold) -> Result<(), StoreError> {
    let sql = "INSERT INTO holds (repo_id, environment, kind, owner, reason, sha, run, since, until, pull)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
    tx.conn.prepare_cached(sql)?.execute(params![
        new.repo.0.cast_signed(),
        new.environment.as_str(),
        new.kind.as_str(),
        to_json(&new.owner)?,
        new.reason,
        new.sha.as_ref().map(Sha::as_str),
        new.run.as_ref().map(RunId::as_str),
        new.since.0,
        new.until.map(|at| at.0),
        new.pull.map(u64::cast_signed),
    ])?;
    Ok(())
}

/// A run that was given up begins anew: it may place its holds again, though those that it placed before have ended.
///
/// # Errors
/// Those of the store.
pub fn begin_anew(tx: &Tx<'_>, run: &RunId) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached("UPDATE holds SET past = 1 WHERE run = ?1 AND ended_at IS NOT NULL")?
        .execute(params![run.as_str()])?;
    Ok(())
}

/// Ends a hold; false when it had ended.
///
/// # Errors
/// Those of the store.
pub fn end(tx: &Tx<'_>, hold: u64, by: &Actor, why: &str, now: Millis) -> Result<bool, StoreError> {
    let sql = "UPDATE holds SET ended_at = ?2, ended_by = ?3, ended_why = ?4 WHERE id = ?1 AND ended_at IS NULL";
    Ok(tx.conn.prepare_cached(sql)?.execute(params![hold.cast_signed(), now.0, to_json(by)?, why])? > 0)
}

/// Those of an environment that are in force, oldest first.
///
/// # Errors
/// Those of the store.
pub fn open(rx: &Rx<'_>, repo: RepoId, environment: &EnvName, now: Millis) -> Result<Vec<Hold>, StoreError> {
    let sql = "SELECT * FROM holds WHERE repo_id = ?1 AND environment = ?2 AND ended_at IS NULL
               AND (until IS NULL OR until > ?3) ORDER BY id";
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then(params![repo.0.cast_signed(), environment.as_str(), now.0], read)?.collect()
}

/// All of a repository that are in force.
///
/// # Errors
/// Those of the store.
pub fn all_open(rx: &Rx<'_>, repo: RepoId, now: Millis) -> Result<Vec<Hold>, StoreError> {
    let sql = "SELECT * FROM holds WHERE repo_id = ?1 AND ended_at IS NULL AND (until IS NULL OR until > ?2)
               ORDER BY environment, id";
    rx.conn.prepare_cached(sql)?.query_and_then(params![repo.0.cast_signed(), now.0], read)?.collect()
}

/// Those that end with a pull request.
///
/// # Errors
/// Those of the store.
pub fn of_pull(rx: &Rx<'_>, repo: RepoId, pull: u64) -> Result<Vec<Hold>, StoreError> {
    let sql = "SELECT * FROM holds WHERE repo_id = ?1 AND pull = ?2 AND ended_at IS NULL ORDER BY id";
    rx.conn.prepare_cached(sql)?.query_and_then(params![repo.0.cast_signed(), pull.cast_signed()], read)?.collect()
}

fn read(row: &Row<'_>) -> Result<Hold, StoreError> {
    Ok(Hold {
        id: id(row, "id")?,
        what: NewHold {
            repo: RepoId(id(row, "repo_id")?),
            environment: name(row, "environment")?,
            kind: kind(&row.get::<_, String>("kind")?)?,
            owner: json(row, "owner")?,
            reason: row.get("reason")?,
            sha: maybe_name(row, "sha")?,
            run: maybe_name(row, "run")?,
            since: millis(row, "since")?,
            until: maybe_millis(row, "until")?,
            pull: row.get::<_, Option<i64>>("pull")?.map(i64::cast_unsigned),
        },
        ended_at: maybe_millis(row, "ended_at")?,
        ended_by: maybe_json(row, "ended_by")?,
        ended_why: row.get("ended_why")?,
    })
}

fn kind(text: &str) -> Result<HoldKind, StoreError> {
    HoldKind::parse(text).ok_or_else(|| super::error::unreadable("kind of a hold", text))
}
