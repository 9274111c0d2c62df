//! The chain through the audit: each row's digest covers the row and the digest before it, so that no row can be changed, put
//! in or taken out without every later digest being another one.
//!
//! Known limit: whoever can write the file can cut its tail off, compute all digests anew, or take all of them out, as if there
//! had been none. A copy of the head that is kept
//! elsewhere reveals both.

use super::audit::{self, Record};
use super::row::id;
use super::{Rx, StoreError};
use crate::domain::hex;
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What the first row has before it.
const BEGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Rows that are read at once.
const PAGE: u32 = 1_000;

/// A row of the audit as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub id: u64,
    #[serde(flatten)]
    pub record: Record,
    /// Nothing for rows from before there was a chain.
    pub hash: Option<String>,
}

/// How far a walk along the chain has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Of the last row; 0 before the first.
    pub id: u64,
    pub hash: String,
    /// A row with a digest has been seen: from then on all have one.
    chained: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self { id: 0, hash: BEGIN.to_owned(), chained: false }
    }
}

impl Head {
    /// Goes on to the next row; false when the row does not fit, and then the walk is over.
    pub fn take(&mut self, link: &Link) -> bool {
        let hash = digest(&self.hash, link.id, &link.record);
        let fits = link.id == self.id + 1
            && match &link.hash {
                Some(stored) => *stored == hash,
                None => !self.chained,
            };
        if fits {
            *self = Self { id: link.id, hash, chained: self.chained || link.hash.is_some() };
        }
        fits
    }
}

/// As a line of an export: with the digest before it, so that whoever has the line can compute its own.
pub fn line(before: &Head, link: &Link) -> Value {
    let mut line = covered(&before.hash, link.id, &link.record);
    line["hash"] = Value::from(digest(&before.hash, link.id, &link.record));
    line
}

/// Everything that the digest covers. Keys are sorted when it is written, and there is no white space (RFC 8785).
fn covered(before: &str, id: u64, record: &Record) -> Value {
    json!({
        "id": id, "prev": before, "at": record.at, "actor": record.actor, "door": record.door, "action": record.action,
        "run": record.run, "repo": record.repo, "decision": record.decision, "detail": record.detail,
    })
}

/// SHA-256, in hexadecimal.
pub(super) fn digest(before: &str, id: u64, record: &Record) -> String {
    let text = covered(before, id, record).to_string();
    hex(&Sha256::digest(text.as_bytes()))
}

/// Rows after this one, in order.
///
/// # Errors
/// Those of the store.
pub fn after(rx: &Rx<'_>, row: u64, limit: u32) -> Result<Vec<Link>, StoreError> {
    let sql = "SELECT * FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2";
    let row = i64::try_from(row).unwrap_or(i64::MAX);
    rx.conn.prepare_cached(sql)?.query_and_then(params![row, limit.min(PAGE)], read)?.collect()
}

/// One row.
///
/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, row: u64) -> Result<Option<Link>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM audit WHERE id = ?1")?;
    statement.query_and_then([i64::try_from(row).unwrap_or(i64::MAX)], read)?.next().transpose()
}

/// The newest rows, newest first; at most a page.
///
/// # Errors
/// Those of the store.
pub fn newest(rx: &Rx<'_>) -> Result<Vec<Link>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM audit ORDER BY id DESC LIMIT ?1")?;
    statement.query_and_then([PAGE], read)?.collect()
}

/// The last row's place in the chain, as it is stored.
pub(super) fn head(rx: &Rx<'_>) -> Result<Head, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1")?;
    let last = |row: &Row<'_>| -> Result<_, StoreError> { Ok((id(row, "id")?, row.get("hash")?)) };
    match statement.query_and_then([], last)?.next().transpose()? {
        None => return Ok(Head::default()),
        Some((id, Some(hash))) => return Ok(Head { id, hash, chained: true }),
        Some((_, None)) => {}
    }
    // Once: the first row of the chain counts in those before it.
    let mut head = Head::default();
    loop {
        let page = after(rx, head.id, PAGE)?;
        if page.is_empty() {
            return Ok(head);
        }
        for link in page {
            head = Head { id: link.id, hash: digest(&head.hash, link.id, &link.record), chained: false };
        }
    }
}

fn read(row: &Row<'_>) -> Result<Link, StoreError> {
    Ok(Link { id: id(row, "id")?, record: audit::read(row)?, hash: row.get("hash")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actor, Millis};
    use crate::store::Store;

    fn record(n: i64) -> Record {
        Record {
            at: Millis(n),
            actor: Actor::schedule(),
            door: "mcp".into(),
            action: "deploy".into(),
            run: None,
            repo: None,
            decision: "accepted".into(),
            detail: json!({"z": n, "a": {"y": [1, "ü"], "b": null}}),
        }
    }

    async fn walk(store: &Store) -> (Head, Option<u64>) {
        let rows = store.read(|rx| after(rx, 0, 99)).await.unwrap();
        let mut head = Head::default();
        let broken = rows.iter().find(|link| !head.take(link)).map(|link| link.id);
        (head, broken)
    }

    #[tokio::test]
    async fn the_first_row_that_was_touched_is_named() {
        for (sql, named) in [
            ("UPDATE audit SET decision = 'refused' WHERE id = 3", Some(3)),
            ("UPDATE audit SET detail = '{\"z\": 3}' WHERE id = 4", Some(4)),
            ("UPDATE audit SET hash = NULL WHERE id = 5", Some(5)),
            ("UPDATE audit SET hash = (SELECT hash FROM audit WHERE id = 4) WHERE id = 3", Some(3)),
            ("DELETE FROM audit WHERE id = 3", Some(4)),
            ("DELETE FROM audit WHERE id = 1", Some(2)),
            ("UPDATE audit SET actor = replace(actor, 'lockkeeper', 'somebody') WHERE id = 1", Some(1)),
            // The tail: only whoever has kept the head can tell.
            ("DELETE FROM audit WHERE id = 5", None),
            ("SELECT 1", None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            // Two rows from before there was a chain.
            store
                .write(|tx| {
                    for n in 1..=2 {
                        audit::add(tx, &record(n))?;
                    }
                    tx.conn.execute_batch("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted")?;
                    tx.conn.execute("UPDATE audit SET hash = NULL", [])?;
                    Ok(())
                })
                .await
                .unwrap();
            store.write(|tx| (3..=5).try_for_each(|n| audit::add(tx, &record(n)))).await.unwrap();
            let (whole, broken) = walk(&store).await;
            assert_eq!((whole.id, broken), (5, None));
            store.write(move |tx| Ok(tx.conn.execute_batch(sql)?)).await.unwrap();
            let (head, broken) = walk(&store).await;
            let old = sql.contains("id = 1");
            // A change of a row from before the chain shows at the first row that has a digest.
            assert_eq!(broken, if old && sql.starts_with("UPDATE") { Some(3) } else { named }, "{sql}");
            assert_eq!(head == whole, sql == "SELECT 1", "{sql}");
        }
    }

    #[test]
    fn a_line_holds_all_that_its_digest_covers() {
        let link = Link { id: 1, record: record(7), hash: None };
        let mut line = line(&Head::default(), &link);
        let hash = line.as_object_mut().unwrap().remove("hash").unwrap();
        let sum: String = Sha256::digest(line.to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, sum);
        assert!(line.to_string().starts_with(r#"{"action":"deploy","actor":{"#), "{line}");
    }
}
