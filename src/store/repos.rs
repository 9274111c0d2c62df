//! Repositories under our care, and the tags that the reconciler has seen in them.
//!
//! Invariant: what is in `known_tags` is never started by the reconciler again; tags that were there when a repository was
//! first looked at are its baseline and are never released by it at all.

use super::row::{InOrder, id, name, repo};
use super::{Rx, StoreError, Tx};
use crate::domain::{InstallationId, Millis, RepoId, RepoName, RepoRef, Sha, Tag};
use rusqlite::{Row, params};

/// Notes a repository, with its present name and installation; it is active again if it was not.
///
/// # Errors
/// Those of the store.
pub fn seen(tx: &Tx<'_>, repo: &RepoRef, now: Millis) -> Result<(), StoreError> {
    let sql = "INSERT INTO repos (id, name, installation, first_seen, suspended) VALUES (?1, ?2, ?3, ?4, 0)
               ON CONFLICT (id) DO UPDATE SET name = ?2, installation = ?3, suspended = 0";
    let (repo_id, installation) = (repo.id.0.cast_signed(), repo.installation.0.cast_signed());
    tx.conn.prepare_cached(sql)?.execute(params![repo_id, repo.name.as_str(), installation, now.0])?;
    Ok(())
}

/// Notes that we have nothing to do with a repository any more.
///
/// # Errors
/// Those of the store.
pub fn suspend(tx: &Tx<'_>, repo: RepoId) -> Result<(), StoreError> {
    tx.conn.prepare_cached("UPDATE repos SET suspended = 1 WHERE id = ?1")?.execute([repo.0.cast_signed()])?;
    Ok(())
}

/// Every active repository of an installation, or of all.
///
/// # Errors
/// Those of the store.
pub fn active(rx: &Rx<'_>, installation: Option<InstallationId>) -> Result<Vec<RepoRef>, StoreError> {
    let sql = "SELECT id AS repo_id, name AS repo_name, installation FROM repos
               WHERE suspended = 0 AND (?1 IS NULL OR installation = ?1) ORDER BY id";
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then([installation.map(|i| i.0.cast_signed())], read)?.collect()
}

/// The active repository of this name, upper and lower case alike.
///
/// # Errors
/// Those of the store.
pub fn named(rx: &Rx<'_>, repo_name: &RepoName) -> Result<Option<RepoRef>, StoreError> {
    // A name can be given to another repository after the first was deleted: the younger one has it now.
    let sql = "SELECT id AS repo_id, name AS repo_name, installation FROM repos
               WHERE suspended = 0 AND name = ?1 COLLATE NOCASE ORDER BY id DESC LIMIT 1";
    rx.conn.prepare_cached(sql)?.query_and_then([repo_name.as_str()], read)?.next().transpose()
}

/// The active repository with this id.
///
/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, repo_id: RepoId) -> Result<Option<RepoRef>, StoreError> {
    let sql = "SELECT id AS repo_id, name AS repo_name, installation FROM repos WHERE suspended = 0 AND id = ?1";
    rx.conn.prepare_cached(sql)?.query_and_then([repo_id.0.cast_signed()], read)?.next().transpose()
}

/// The tags that were noted; nothing if the repository was never looked at.
///
/// # Errors
/// Those of the store.
pub fn tags(rx: &Rx<'_>, repo: RepoId) -> Result<Option<Vec<Tag>>, StoreError> {
    let mut looked = rx.conn.prepare_cached("SELECT count(*) AS n FROM facts WHERE key = ?1")?;
    if looked.query_and_then([baseline_key(repo)], |row| id(row, "n"))?.next().transpose()? != Some(1) {
        return Ok(None);
    }
    let mut statement = rx.conn.prepare_cached("SELECT tag FROM known_tags WHERE repo_id = ?1")?;
    let all = statement.query_and_then([repo.0.cast_signed()], |row| name(row, "tag"))?;
    all.collect::<Result<Vec<_>, _>>().map(Some)
}

/// Notes a tag; `baseline` if it was there at the first look.
///
/// # Errors
/// Those of the store.
pub fn note_tag(tx: &Tx<'_>, repo: RepoId, tag: &Tag, object: &Sha, baseline: bool, now: Millis) -> Result<(), StoreError> {
    let sql = "INSERT INTO known_tags (repo_id, tag, object, baseline, seen_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (repo_id, tag) DO NOTHING";
    let values = params![repo.0.cast_signed(), tag.as_str(), object.as_str(), baseline, now.0];
    tx.conn.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Notes that the repository's tags were looked at for the first time.
///
/// # Errors
/// Those of the store.
pub fn baselined(tx: &Tx<'_>, repo: RepoId, now: Millis) -> Result<(), StoreError> {
    let sql = "INSERT INTO facts (key, value, at) VALUES (?1, 'true', ?2) ON CONFLICT (key) DO NOTHING";
    tx.conn.prepare_cached(sql)?.execute(params![baseline_key(repo), now.0])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<RepoRef, StoreError> {
    repo(&InOrder::of(row))
}

fn baseline_key(repo: RepoId) -> String {
    format!("baseline:{repo}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_baseline_is_told_from_never_having_looked() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let repo = RepoRef { id: RepoId(7), name: RepoName::parse("a/b").unwrap(), installation: InstallationId(3) };
        let (one, tag) = (repo.clone(), Tag::parse("v1.0.0").unwrap());
        assert_eq!(store.read(|rx| tags(rx, RepoId(7))).await.unwrap(), None);
        store
            .write(move |tx| {
                seen(tx, &one, Millis(1))?;
                baselined(tx, one.id, Millis(1))
            })
            .await
            .unwrap();
        assert_eq!(store.read(|rx| tags(rx, RepoId(7))).await.unwrap(), Some(Vec::new()));
        let (again, object) = (tag.clone(), Sha::parse(&"a".repeat(40)).unwrap());
        store.write(move |tx| note_tag(tx, RepoId(7), &again, &object, false, Millis(2))).await.unwrap();
        assert_eq!(store.read(|rx| tags(rx, RepoId(7))).await.unwrap(), Some(vec![tag]));
        assert_eq!(store.read(|rx| active(rx, Some(InstallationId(3)))).await.unwrap(), vec![repo]);
        let by = |text: &str| {
            let name = RepoName::parse(text).unwrap();
            store.read(move |rx| Ok(named(rx, &name)?.map(|r| r.id)))
        };
        assert_eq!((by("A/b").await.unwrap(), by("a/c").await.unwrap()), (Some(RepoId(7)), None));
        store.write(|tx| suspend(tx, RepoId(7))).await.unwrap();
        assert_eq!(by("a/b").await.unwrap(), None);
        assert_eq!(store.read(|rx| active(rx, None)).await.unwrap(), Vec::new());
    }
}
