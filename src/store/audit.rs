//! Who asked for what through which door, and what was decided. Rows are added, never changed or deleted (by
//! trigger), and chained ([`chain`]).

use super::row::{json, maybe_name, millis, to_json};
use super::{Rx, StoreError, Tx, chain};
use crate::domain::{Actor, Millis, RepoId, RunId};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub at: Millis,
    pub actor: Actor,
    /// `webhook`, `cli`, `reconciler`, …; `run` where a run tells how it ended.
    pub door: String,
    pub action: String,
    pub run: Option<RunId>,
    pub repo: Option<RepoId>,
    /// `accepted`, `refused:<code>`, …; of a run its state and why: `succeeded`, `failed:<code>`, …
    pub decision: String,
    pub detail: Value,
}

/// # Errors
/// Those of the store.
pub fn add(tx: &Tx<'_>, record: &Record) -> Result<(), StoreError> {
    // A number that was given is never given again, so that a gap shows.
    let last = "SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name = 'audit'";
    let last: i64 = tx.conn.prepare_cached(last)?.query_row([], |row| row.get("seq"))?;
    let id = last.cast_unsigned() + 1;
    let hash = chain::digest(&chain::head(tx)?.hash, id, record);
    let sql = "INSERT INTO audit (id, hash, at, actor, door, action, run, repo_id, decision, detail)
               VALUES (?9, ?10, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.conn.prepare_cached(sql)?.execute(params![
        record.at.0,
        to_json(&record.actor)?,
        record.door,
        record.action,
        record.run.as_ref().map(RunId::as_str),
        record.repo.map(|id| id.0.cast_signed()),
        record.decision,
        to_json(&record.detail)?,
        id.cast_signed(),
        hash,
    ])?;
    Ok(())
}

/// Of one run, oldest first.
///
/// # Errors
/// Those of the store.
pub fn of_run(rx: &Rx<'_>, run: &RunId) -> Result<Vec<Record>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM audit WHERE run = ?1 ORDER BY id")?;
    statement.query_and_then([run.as_str()], read)?.collect()
}

/// Newest first.
///
/// # Errors
/// Those of the store.
pub fn latest(rx: &Rx<'_>, limit: u32) -> Result<Vec<Record>, StoreError> {
    rx.conn.prepare_cached("SELECT * FROM audit ORDER BY id DESC LIMIT ?1")?.query_and_then([limit], read)?.collect()
}

pub(super) fn read(row: &Row<'_>) -> Result<Record, StoreError> {
    let repo: Option<i64> = row.get("repo_id")?;
    Ok(Record {
        at: millis(row, "at")?,
        actor: json(row, "actor")?,
        door: row.get("door")?,
        action: row.get("action")?,
        run: maybe_name(row, "run")?,
        repo: repo.map(|id| RepoId(id.cast_unsigned())),
        decision: row.get("decision")?,
        detail: json(row, "detail")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use serde_json::json;

    #[tokio::test(flavor = "multi_thread")]
    async fn records_stay_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let run = RunId::parse("r1").unwrap();
        let record = |run: Option<RunId>, at: i64| Record {
            at: Millis(at),
            actor: Actor::schedule(),
            door: "webhook".into(),
            action: "publish".into(),
            run,
            repo: Some(RepoId(u64::MAX)),
            decision: "accepted".into(),
            detail: json!({"n": at}),
        };
        let rows = [record(Some(run.clone()), 1), record(None, 2), record(Some(run.clone()), 3)];
        store
            .write({
                let rows = rows.clone();
                move |tx| rows.iter().try_for_each(|row| add(tx, row))
            })
            .await
            .unwrap();
        let [a, b, c] = rows;
        assert_eq!(store.read(move |rx| of_run(rx, &run)).await.unwrap(), [a, c.clone()]);
        assert_eq!(store.read(|rx| latest(rx, 2)).await.unwrap(), [c, b]);
        for sql in ["UPDATE audit SET decision = 'refused'", "DELETE FROM audit"] {
            let changed = store.write(move |tx| Ok(tx.conn.execute(sql, [])?)).await.unwrap_err();
            assert!(changed.to_string().contains("audit rows are never"), "{changed}");
        }
        assert_eq!(store.read(|rx| latest(rx, 9)).await.unwrap().len(), 3);
    }
}
