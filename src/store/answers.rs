//! What was answered to requests with a key of the caller's own: whoever repeats one gets the same answer, and nothing is done
//! twice.
//!
//! Invariant: an answer is kept in the transaction that does what it tells of.

use super::row::{json, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::{Actor, Millis};
use rusqlite::params;
use serde_json::Value;
use std::time::Duration;

/// How long answers are remembered.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// By which a request is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub actor: Actor,
    /// The action's name: each has keys of its own.
    pub action: String,
    pub key: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Digest of what was asked.
    pub asked: String,
    pub answer: Value,
}

/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, known: &Known) -> Result<Option<Answered>, StoreError> {
    let sql = "SELECT asked, answer FROM answers WHERE actor_kind = ?1 AND actor_id = ?2 AND action = ?3 AND key = ?4";
    let mut statement = rx.conn.prepare_cached(sql)?;
    let values = params![to_json(&known.actor.kind)?, known.actor.id.0.cast_signed(), known.action, known.key];
    let read = |row: &rusqlite::Row<'_>| -> Result<Answered, StoreError> {
        Ok(Answered { asked: row.get("asked")?, answer: json(row, "answer")? })
    };
    statement.query_and_then(values, read)?.next().transpose()
}

/// Keeps an answer; false when there is one already, and then nothing was written.
///
/// # Errors
/// Those of the store.
pub fn keep(tx: &Tx<'_>, known: &Known, answered: &Answered, now: Millis) -> Result<bool, StoreError> {
    let remembered = i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX);
    tx.conn.prepare_cached("DELETE FROM answers WHERE at < ?1")?.execute([now.0.saturating_sub(remembered)])?;
    let sql = "INSERT INTO answers (actor_kind, actor_id, action, key, asked, answer, at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let written = tx.conn.prepare_cached(sql)?.execute(params![
        to_json(&known.actor.kind)?,
        known.actor.id.0.cast_signed(),
        known.action,
        known.key,
        answered.asked,
        to_json(&answered.answer)?,
        now.0,
    ])?;
    Ok(written > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;
    use crate::store::Store;
    use serde_json::json;

    #[tokio::test]
    async fn an_answer_is_its_actors_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let known = |id: u64, action: &str| Known {
            actor: Actor { id: UserId(id), ..Actor::operator() },
            action: action.to_owned(),
            key: "k".to_owned(),
        };
        let answered = |n: u64| Answered { asked: format!("d{n}"), answer: json!(n) };
        let put = |known: Known, n: u64, at: i64| store.write(move |tx| keep(tx, &known, &answered(n), Millis(at)));
        assert!(put(known(1, "lock"), 1, 5).await.unwrap());
        assert!(!put(known(1, "lock"), 2, 6).await.unwrap());
        assert!(put(known(1, "unlock"), 3, 6).await.unwrap() && put(known(2, "lock"), 4, 6).await.unwrap());
        let of = |known: Known| store.read(move |rx| get(rx, &known));
        assert_eq!(of(known(1, "lock")).await.unwrap(), Some(answered(1)));
        assert_eq!(of(known(3, "lock")).await.unwrap(), None);
        put(known(9, "lock"), 9, 31 * 24 * 3_600_000).await.unwrap();
        assert_eq!(of(known(1, "lock")).await.unwrap(), None, "after a month it is forgotten");
    }
}
