//! Which heads of pull requests we have heard of, and when by GitHub's clock.
//!
//! Invariant: the time is that of the first delivery that told of the head; hearing of the same head again changes nothing.

use super::row::{millis, name};
use super::{Rx, StoreError, Tx};
use crate::domain::{Millis, RepoId, SeenHead, Sha};
use rusqlite::{OptionalExtension as _, Row, params};

/// So many of each pull request are kept: who commands has seen one of the last.
const KEPT: u32 = 20;

/// Notes the head that a delivery told of.
///
/// # Errors
/// Those of the store.
pub fn note(tx: &Tx<'_>, repo: RepoId, pull: u64, head: &Sha, at: Millis) -> Result<(), StoreError> {
    if of(tx, repo, pull)?.first().is_some_and(|newest| newest.sha == *head) {
        return Ok(());
    }
    let (repo, pull) = (repo.0.cast_signed(), pull.cast_signed());
    let sql = "INSERT INTO heads (repo_id, pull, sha, seen_at) VALUES (?1, ?2, ?3, ?4)";
    tx.conn.prepare_cached(sql)?.execute(params![repo, pull, head.as_str(), at.0])?;
    let sql = "DELETE FROM heads WHERE repo_id = ?1 AND pull = ?2 AND id NOT IN
               (SELECT id FROM heads WHERE repo_id = ?1 AND pull = ?2 ORDER BY id DESC LIMIT ?3)";
    tx.conn.prepare_cached(sql)?.execute(params![repo, pull, KEPT])?;
    Ok(())
}

/// Newest first.
///
/// # Errors
/// Those of the store.
pub fn of(rx: &Rx<'_>, repo: RepoId, pull: u64) -> Result<Vec<SeenHead>, StoreError> {
    let sql = "SELECT sha, seen_at FROM heads WHERE repo_id = ?1 AND pull = ?2 ORDER BY id DESC";
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then(params![repo.0.cast_signed(), pull.cast_signed()], read)?.collect()
}

/// The pull request of which a delivery has told this head: the first one, since a fork can have a commit only once it is known.
///
/// # Errors
/// Those of the store.
pub fn pull_of(rx: &Rx<'_>, repo: RepoId, head: &Sha) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT pull FROM heads WHERE repo_id = ?1 AND sha = ?2 ORDER BY id LIMIT 1";
    let mut statement = rx.conn.prepare_cached(sql)?;
    let pull = statement.query_row(params![repo.0.cast_signed(), head.as_str()], |row| row.get::<_, i64>(0)).optional()?;
    Ok(pull.map(i64::cast_unsigned))
}

/// Forgets what was heard before `before`. Whoever comments on it then is asked to name the commit, or GitHub knows.
///
/// # Errors
/// Those of the store.
pub fn prune(tx: &Tx<'_>, before: Millis) -> Result<usize, StoreError> {
    Ok(tx.conn.prepare_cached("DELETE FROM heads WHERE seen_at < ?1")?.execute(params![before.0])?)
}

fn read(row: &Row<'_>) -> Result<SeenHead, StoreError> {
    Ok(SeenHead { sha: name(row, "sha")?, at: millis(row, "seen_at")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_last_heads_are_kept_with_the_time_of_their_first_delivery() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let sha = |n: u32| Sha::parse(&format!("{n:040x}")).unwrap();
        store
            .write(move |tx| {
                for n in 0..30 {
                    note(tx, RepoId(7), 3, &sha(n), Millis(i64::from(n)))?;
                    note(tx, RepoId(7), 3, &sha(n), Millis(99))?;
                }
                note(tx, RepoId(7), 4, &sha(1), Millis(5))?;
                note(tx, RepoId(7), 5, &sha(29), Millis(99))?;
                // Back to one that was the head before.
                note(tx, RepoId(7), 3, &sha(28), Millis(40))
            })
            .await
            .unwrap();
        let seen = store.read(|rx| of(rx, RepoId(7), 3)).await.unwrap();
        let shown: Vec<(Sha, i64)> = seen.iter().take(3).map(|head| (head.sha.clone(), head.at.0)).collect();
        assert_eq!(shown, [(sha(28), 40), (sha(29), 29), (sha(28), 28)]);
        assert_eq!(seen.len(), 20);
        assert_eq!(store.read(|rx| of(rx, RepoId(8), 3)).await.unwrap(), []);
        let pull = async |repo, n| store.read(move |rx| pull_of(rx, RepoId(repo), &sha(n))).await.unwrap();
        assert_eq!((pull(7, 29).await, pull(7, 1).await, pull(7, 2).await, pull(8, 29).await), (Some(3), Some(4), None, None));
    }
}
