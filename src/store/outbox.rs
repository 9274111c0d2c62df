//! News, and who is still to be told of it.
//!
//! Invariants: news is written in the transaction in which it happens, once; a message stays here, under its id, until its
//! receiver has taken it or it is given up. So it is told at least once, and whoever looks at the id takes it once.

use super::row::{id, json, millis, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::{Millis, News};
use rusqlite::{Row, params};

/// One message that somebody is still to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: String,
    pub notifier: String,
    pub news: News,
    /// Those that have failed.
    pub attempts: u32,
    /// When it was written.
    pub since: Millis,
    pub next_at: Millis,
}

/// How much is left to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub messages: u64,
    pub oldest: Option<Millis>,
}

/// Keeps news of a run; false when the run has told it already, by this key.
///
/// # Errors
/// Those of the store.
pub fn tell(tx: &Tx<'_>, key: &str, news: &News) -> Result<bool, StoreError> {
    let sql = "INSERT INTO news (run, key, body) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    Ok(tx.conn.prepare_cached(sql)?.execute(params![news.run.as_str(), key, to_json(news)?])? > 0)
}

/// News that is not in the outbox yet, oldest first.
///
/// # Errors
/// Those of the store.
pub fn unshared(rx: &Rx<'_>, limit: u32) -> Result<Vec<(u64, News)>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT id, body FROM news WHERE shared = 0 ORDER BY id LIMIT ?1")?;
    statement.query_and_then([limit], |row| Ok((id(row, "id")?, json(row, "body")?)))?.collect()
}

/// Puts news into the outbox, once for each of these: an id for the message, and the notifier's name.
///
/// # Errors
/// Those of the store.
pub fn share(tx: &Tx<'_>, news: u64, with: &[(String, String)], now: Millis) -> Result<(), StoreError> {
    let sql = "INSERT INTO outbox (id, news, notifier, since, next_at) VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING";
    let mut statement = tx.conn.prepare_cached(sql)?;
    for (message, notifier) in with {
        statement.execute(params![message, news.cast_signed(), notifier, now.0])?;
    }
    tx.conn.prepare_cached("UPDATE news SET shared = 1 WHERE id = ?1")?.execute([news.cast_signed()])?;
    Ok(())
}

/// The message of a notifier that is due first.
///
/// # Errors
/// Those of the store.
pub fn next(rx: &Rx<'_>, notifier: &str) -> Result<Option<Message>, StoreError> {
    let sql = "SELECT outbox.*, news.body FROM outbox JOIN news ON news.id = outbox.news
               WHERE outbox.notifier = ?1 ORDER BY outbox.next_at, outbox.news LIMIT 1";
    rx.conn.prepare_cached(sql)?.query_and_then([notifier], read)?.next().transpose()
}

/// Drops what is for others than these, who are not there any more. Gives the number.
///
/// # Errors
/// Those of the store.
pub fn keep_only(tx: &Tx<'_>, notifiers: &[String]) -> Result<usize, StoreError> {
    let sql = "DELETE FROM outbox WHERE notifier NOT IN (SELECT value FROM json_each(?1))";
    Ok(tx.conn.prepare_cached(sql)?.execute([to_json(&notifiers)?])?)
}

/// Its receiver has taken it, or it is given up.
///
/// # Errors
/// Those of the store.
pub fn done(tx: &Tx<'_>, message: &str) -> Result<(), StoreError> {
    tx.conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([message])?;
    Ok(())
}

/// It was not taken.
///
/// # Errors
/// Those of the store.
pub fn again(tx: &Tx<'_>, message: &str, next_at: Millis) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute(params![message, next_at.0])?;
    Ok(())
}

/// The receiver wants nothing before that.
///
/// # Errors
/// Those of the store.
pub fn pause(tx: &Tx<'_>, notifier: &str, until: Millis) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET next_at = max(next_at, ?2) WHERE notifier = ?1";
    tx.conn.prepare_cached(sql)?.execute(params![notifier, until.0])?;
    Ok(())
}

/// # Errors
/// Those of the store.
pub fn left(rx: &Rx<'_>) -> Result<Left, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT count(*) AS messages, min(since) AS oldest FROM outbox")?;
    let read = |row: &Row<'_>| -> Result<Left, StoreError> {
        let oldest: Option<i64> = row.get("oldest")?;
        Ok(Left { messages: id(row, "messages")?, oldest: oldest.map(Millis) })
    };
    statement.query_and_then([], read)?.next().unwrap_or(Ok(Left::default()))
}

fn read(row: &Row<'_>) -> Result<Message, StoreError> {
    Ok(Message {
        id: row.get("id")?,
        notifier: row.get("notifier")?,
        news: json(row, "body")?,
        attempts: row.get("attempts")?,
        since: millis(row, "since")?,
        next_at: millis(row, "next_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actor, NewsKind};
    use crate::store::testing::run;
    use crate::store::{Store, runs};
    use serde_json::Value;

    fn news(id: &str) -> News {
        let run = run(id);
        News {
            kind: NewsKind::Deployed,
            at: Millis(1),
            run: run.id,
            repo: run.subject.repo.name,
            environment: None,
            tag: None,
            sha: None,
            version: None,
            url: None,
            by: Actor::schedule().login,
            state: None,
            problem: None,
            asks: None,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn news_is_told_once_and_a_message_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let told = store.write(|tx| {
            runs::insert(tx, &run("r1"), &Value::Null)?;
            Ok([tell(tx, "end", &news("r1"))?, tell(tx, "end", &news("r1"))?, tell(tx, "end:2", &news("r1"))?])
        });
        assert_eq!(told.await.unwrap(), [true, false, true]);
        let found = store.read(|rx| unshared(rx, 9)).await.unwrap();
        assert_eq!(found.len(), 2);
        let first = found[0].0;
        store
            .write(move |tx| {
                let with = |id: &str, to: &str| (id.to_owned(), to.to_owned());
                share(tx, first, &[with("m1", "ops"), with("m2", "chat")], Millis(5))?;
                // As after a crash that nobody remembers.
                share(tx, first, &[with("m3", "ops")], Millis(6))
            })
            .await
            .unwrap();
        assert_eq!(store.read(|rx| unshared(rx, 9)).await.unwrap().len(), 1);
        store.write(|tx| again(tx, "m1", Millis(9))).await.unwrap();
        let message = store.read(|rx| next(rx, "ops")).await.unwrap().unwrap();
        assert_eq!((message.id.as_str(), message.attempts, message.next_at), ("m1", 1, Millis(9)));
        assert_eq!(store.read(left).await.unwrap(), Left { messages: 2, oldest: Some(Millis(5)) });
        assert_eq!(store.write(|tx| keep_only(tx, &["ops".to_owned()])).await.unwrap(), 1);
        store.write(|tx| done(tx, "m1")).await.unwrap();
        assert_eq!(store.read(left).await.unwrap(), Left::default());
    }
}
