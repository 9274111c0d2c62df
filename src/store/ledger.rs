//! What users of an environment have been given, and since when: our own record, which GitHub only mirrors.
//!
//! Invariants: one row of an environment is live; only the run that holds the environment's lock writes, and it shows the
//! fencing token by which it holds it; rows end and are judged, and learn of a GitHub deployment that was made late; they are
//! never changed otherwise.

use super::row::{maybe_millis, maybe_name, millis, name};
use super::{Rx, StoreError, Tx, locks};
use crate::domain::{EnvName, EnvPlace, Lease, LedgerEntry, Millis, RepoId, RunId, Sha, Slot, Tag};
use rusqlite::{OptionalExtension, Row, params};

/// Whether the lease is still held under this token.
///
/// # Errors
/// Those of the store.
pub fn holds(rx: &Rx<'_>, lease: &Lease) -> Result<bool, StoreError> {
    Ok(locks::queue(rx, &lease.key)?.first().is_some_and(|place| place.held && place.token == lease.token))
}

/// Makes the entry the live one; the one before ends. Repeating it changes nothing. False when the lease is not held any more:
/// then nothing was written.
///
/// # Errors
/// Those of the store.
pub fn land(tx: &Tx<'_>, place: &EnvPlace, lease: &Lease, entry: &LedgerEntry) -> Result<bool, StoreError> {
    if !holds(tx, lease)? {
        return Ok(false);
    }
    let (repo, environment) = (place.repo.0.cast_signed(), place.environment.as_str());
    // A run that goes back to the commit that it deployed has two entries of it: one for the way there, one for the way back.
    let sql = "SELECT 1 FROM ledger WHERE repo_id = ?1 AND environment = ?2 AND run = ?3 AND life = 0 AND sha = ?4
               AND rollback = ?5 AND slot IS ?6";
    let (run, slot) = (entry.run.as_str(), entry.slot.map(Slot::as_str));
    let values = params![repo, environment, run, entry.sha.as_str(), entry.rollback, slot];
    if tx.conn.prepare_cached(sql)?.query_row(values, |_| Ok(())).optional()?.is_some() {
        let sql =
            "UPDATE ledger SET deployment = ?7 WHERE repo_id = ?1 AND environment = ?2 AND run = ?3 AND life = 0 AND sha = ?4
                   AND rollback = ?5 AND slot IS ?6 AND deployment IS NULL";
        let deployment = entry.deployment.map(u64::cast_signed);
        let values = params![repo, environment, run, entry.sha.as_str(), entry.rollback, slot, deployment];
        tx.conn.prepare_cached(sql)?.execute(values)?;
        return Ok(true);
    }
    tx.conn
        .prepare_cached("UPDATE ledger SET until = ?3 WHERE repo_id = ?1 AND environment = ?2 AND until IS NULL")?
        .execute(params![repo, environment, entry.since.0])?;
    tx.conn
        .prepare_cached(
            "INSERT INTO ledger (repo_id, environment, run, sha, tag, version, component, deployment, url, slot, barrier,
             rollback, good, share, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            repo,
            environment,
            entry.run.as_str(),
            entry.sha.as_str(),
            entry.tag.as_ref().map(Tag::as_str),
            entry.version,
            entry.component,
            entry.deployment.map(u64::cast_signed),
            entry.url,
            entry.slot.map(Slot::as_str),
            entry.barrier,
            entry.rollback,
            entry.good,
            entry.share,
            entry.since.0,
        ])?;
    Ok(true)
}

/// A run that was given up begins anew: what it has landed before is no sign of what it does now.
///
/// # Errors
/// Those of the store.
pub fn begin_anew(tx: &Tx<'_>, run: &RunId) -> Result<(), StoreError> {
    // By way of negative numbers: entries of two lives must not meet while they are counted up.
    for sql in ["UPDATE ledger SET life = -life - 1 WHERE run = ?1", "UPDATE ledger SET life = -life WHERE run = ?1"] {
        tx.conn.prepare_cached(sql)?.execute(params![run.as_str()])?;
    }
    Ok(())
}

/// Ends the live entry without another one: users are with something that we have not deployed. False as in [`land`].
///
/// # Errors
/// Those of the store.
pub fn unland(tx: &Tx<'_>, place: &EnvPlace, lease: &Lease, at: Millis) -> Result<bool, StoreError> {
    if !holds(tx, lease)? {
        return Ok(false);
    }
    let (repo, environment) = (place.repo.0.cast_signed(), place.environment.as_str());
    tx.conn
        .prepare_cached("UPDATE ledger SET until = ?3 WHERE repo_id = ?1 AND environment = ?2 AND until IS NULL")?
        .execute(params![repo, environment, at.0])?;
    Ok(true)
}

/// Says of every entry with this commit in this environment that it is bad: no rollback leads to it.
///
/// # Errors
/// Those of the store.
pub fn mark_bad(tx: &Tx<'_>, place: &EnvPlace, sha: &Sha) -> Result<(), StoreError> {
    let sql = "UPDATE ledger SET good = 0 WHERE repo_id = ?1 AND environment = ?2 AND sha = ?3";
    let values = params![place.repo.0.cast_signed(), place.environment.as_str(), sha.as_str()];
    tx.conn.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Newest first, at most `limit`; the live one is the first, if there is one.
///
/// # Errors
/// Those of the store.
pub fn of(rx: &Rx<'_>, place: &EnvPlace, limit: u32) -> Result<Vec<LedgerEntry>, StoreError> {
    let sql = "SELECT * FROM ledger WHERE repo_id = ?1 AND environment = ?2 ORDER BY id DESC LIMIT ?3";
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then(params![place.repo.0.cast_signed(), place.environment.as_str(), limit], read)?.collect()
}

/// What is live in each environment of a repository.
///
/// # Errors
/// Those of the store.
pub fn live(rx: &Rx<'_>, repo: RepoId) -> Result<Vec<(EnvName, LedgerEntry)>, StoreError> {
    let sql = "SELECT * FROM ledger INDEXED BY ledger_live WHERE repo_id = ?1 AND until IS NULL ORDER BY environment";
    let mut statement = rx.conn.prepare_cached(sql)?;
    let both = |row: &Row<'_>| Ok((name(row, "environment")?, read(row)?));
    statement.query_and_then([repo.0.cast_signed()], both)?.collect()
}

fn known_slot(text: &str) -> Result<Slot, StoreError> {
    Slot::parse(text).ok_or_else(|| super::error::unreadable("slot", text))
}

fn read(row: &Row<'_>) -> Result<LedgerEntry, StoreError> {
    let deployment: Option<i64> = row.get("deployment")?;
    let slot: Option<String> = row.get("slot")?;
    Ok(LedgerEntry {
        run: name(row, "run")?,
        sha: name(row, "sha")?,
        tag: maybe_name(row, "tag")?,
        version: row.get("version")?,
        component: row.get("component")?,
        deployment: deployment.map(i64::cast_unsigned),
        url: row.get("url")?,
        slot: slot.as_deref().map(known_slot).transpose()?,
        barrier: row.get("barrier")?,
        rollback: row.get("rollback")?,
        good: row.get("good")?,
        share: row.get("share")?,
        since: millis(row, "since")?,
        until: maybe_millis(row, "until")?,
    })
}

#[cfg(test)]
mod tests;
