//! What somebody else has reported on GitHub as deployed to an environment of ours, for those who ask whether our record is true.
//!
//! Invariants: one row for an environment at most, the newest report; a row opens no gate and moves nothing.

use super::row::{id, millis, name};
use super::{Rx, StoreError, Tx};
use crate::domain::{EnvName, EnvPlace, RepoId, Reported};
use rusqlite::{Row, params};

/// Notes a report, unless a newer one is there.
///
/// # Errors
/// Those of the store.
pub fn note(tx: &Tx<'_>, place: &EnvPlace, reported: &Reported) -> Result<(), StoreError> {
    let sql = "INSERT INTO elsewhere (repo_id, environment, deployment, sha, login, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (repo_id, environment) DO UPDATE
               SET deployment = excluded.deployment, sha = excluded.sha, login = excluded.login, at = excluded.at
               WHERE excluded.at >= at";
    tx.conn.prepare_cached(sql)?.execute(params![
        place.repo.0.cast_signed(),
        place.environment.as_str(),
        reported.deployment.cast_signed(),
        reported.sha.as_str(),
        reported.by,
        reported.at.0,
    ])?;
    Ok(())
}

/// That deployment is not there any more.
///
/// # Errors
/// Those of the store.
pub fn forget(tx: &Tx<'_>, place: &EnvPlace, deployment: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM elsewhere WHERE repo_id = ?1 AND environment = ?2 AND deployment = ?3";
    let values = params![place.repo.0.cast_signed(), place.environment.as_str(), deployment.cast_signed()];
    tx.conn.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The newest report of each environment that has one.
///
/// # Errors
/// Those of the store.
pub fn of(rx: &Rx<'_>, repo: RepoId) -> Result<Vec<(EnvName, Reported)>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM elsewhere WHERE repo_id = ?1")?;
    statement.query_and_then([repo.0.cast_signed()], read)?.collect()
}

fn read(row: &Row<'_>) -> Result<(EnvName, Reported), StoreError> {
    let reported =
        Reported { deployment: id(row, "deployment")?, sha: name(row, "sha")?, by: row.get("login")?, at: millis(row, "at")? };
    Ok((name(row, "environment")?, reported))
}
