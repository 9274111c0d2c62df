//! Small facts by key: the ETag of an answer with the answer, how far a sweep has come.

use super::row::{json, millis, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::Millis;
use rusqlite::params;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// As GitHub sent it, quotes and all.
    pub etag: Option<String>,
    pub value: Value,
    pub at: Millis,
}

/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, key: &str) -> Result<Option<Fact>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT etag, value, at FROM facts WHERE key = ?1")?;
    let found = statement.query_and_then([key], |row| -> Result<Fact, StoreError> {
        Ok(Fact { etag: row.get("etag")?, value: json(row, "value")?, at: millis(row, "at")? })
    });
    found?.next().transpose()
}

/// Adds a fact or replaces the one of this key.
///
/// # Errors
/// Those of the store.
pub fn put(tx: &Tx<'_>, key: &str, fact: &Fact) -> Result<(), StoreError> {
    let sql = "INSERT INTO facts (key, etag, value, at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (key) DO UPDATE SET etag = ?2, value = ?3, at = ?4";
    tx.conn.prepare_cached(sql)?.execute(params![key, fact.etag, to_json(&fact.value)?, fact.at.0])?;
    Ok(())
}

/// Forgets facts older than `before` whose key starts with `prefix`; gives the number.
///
/// # Errors
/// Those of the store.
pub fn prune(tx: &Tx<'_>, prefix: &str, before: Millis) -> Result<usize, StoreError> {
    let sql = "DELETE FROM facts WHERE key >= ?1 AND key < ?1 || char(0x10FFFF) AND at < ?2";
    Ok(tx.conn.prepare_cached(sql)?.execute(params![prefix, before.0])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use serde_json::json;

    #[tokio::test(flavor = "multi_thread")]
    async fn facts_are_replaced_and_pruned_by_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let fact = |n: i64| Fact { etag: Some(format!("W/\"{n}\"")), value: json!([n]), at: Millis(n) };
        let all = [("etag:a", fact(1)), ("etag:b", fact(2)), ("etag:b", fact(9)), ("cursor", fact(1))];
        store.write(move |tx| all.iter().try_for_each(|(key, fact)| put(tx, key, fact))).await.unwrap();
        assert_eq!(store.read(|rx| get(rx, "etag:b")).await.unwrap(), Some(fact(9)));
        assert_eq!(store.write(|tx| prune(tx, "etag:", Millis(5))).await, Ok(1));
        assert_eq!(store.read(|rx| get(rx, "etag:a")).await.unwrap(), None);
        assert_eq!(store.read(|rx| get(rx, "cursor")).await.unwrap(), Some(fact(1)));
    }
}
