//! Keys of agents and scripts.
//!
//! Invariant: what is stored cannot be used as a key: only its digest is here, and it never leaves this module but to be
//! compared.

use super::row::{id, json, maybe_millis, millis, name, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::{Grant, Key, KeyId, KeyName, Millis, RepoId, RepoName};
use rusqlite::{Row, params};

/// SHA-256 of a key.
pub type KeyDigest = [u8; 32];

/// What is asked to be kept.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub id: KeyId,
    pub name: KeyName,
    pub digest: KeyDigest,
    pub repository: RepoName,
    pub grant: Grant,
    pub created_at: Millis,
    pub expires_at: Millis,
}

/// # Errors
/// Those of the store.
pub fn add(tx: &Tx<'_>, new: &NewKey) -> Result<Key, StoreError> {
    let sql = "INSERT INTO keys (id, name, digest, repo_id, repo_name, scopes, environments, created_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    tx.conn.prepare_cached(sql)?.execute(params![
        new.id.as_str(),
        new.name.as_str(),
        new.digest,
        new.grant.repo.0.cast_signed(),
        new.repository.as_str(),
        to_json(&new.grant.scopes)?,
        to_json(&new.grant.environments)?,
        new.created_at.0,
        new.expires_at.0,
    ])?;
    get(tx, &new.id)?.map(|(key, _)| key).ok_or_else(|| StoreError::Sql("a key was added and is not there".to_owned()))
}

/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, id: &KeyId) -> Result<Option<(Key, KeyDigest)>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM keys WHERE id = ?1")?;
    let found = statement.query_and_then([id.as_str()], |row| -> Result<_, StoreError> {
        let digest = row.get::<_, KeyDigest>("digest")?;
        Ok((read(row)?, digest))
    });
    found?.next().transpose()
}

/// All of them, newest first.
///
/// # Errors
/// Those of the store.
pub fn all(rx: &Rx<'_>) -> Result<Vec<Key>, StoreError> {
    rx.conn.prepare_cached("SELECT * FROM keys ORDER BY number DESC")?.query_and_then([], read)?.collect()
}

/// Whether the key of this number is good.
///
/// # Errors
/// Those of the store.
pub fn is_good(rx: &Rx<'_>, number: u64, now: Millis) -> Result<bool, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM keys WHERE number = ?1")?;
    let found = statement.query_and_then([number.cast_signed()], read)?.next().transpose()?;
    Ok(found.is_some_and(|key| key.is_good(now)))
}

/// Ends a key; one that has ended stays as it was.
///
/// # Errors
/// Those of the store.
pub fn revoke(tx: &Tx<'_>, id: &KeyId, now: Millis) -> Result<(), StoreError> {
    let sql = "UPDATE keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
    tx.conn.prepare_cached(sql)?.execute(params![id.as_str(), now.0])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Key, StoreError> {
    Ok(Key {
        number: id(row, "number")?,
        id: name::<KeyId>(row, "id")?,
        name: name::<KeyName>(row, "name")?,
        repository: name(row, "repo_name")?,
        grant: Grant {
            scopes: json(row, "scopes")?,
            repo: RepoId(id(row, "repo_id")?),
            environments: json(row, "environments")?,
        },
        created_at: millis(row, "created_at")?,
        expires_at: millis(row, "expires_at")?,
        revoked_at: maybe_millis(row, "revoked_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EnvName, Scope};
    use crate::store::Store;

    #[tokio::test]
    async fn a_key_is_found_by_its_id_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let grant = Grant {
            scopes: [Scope::Deploy, Scope::Read].into(),
            repo: RepoId(7),
            environments: [EnvName::parse("staging").unwrap()].into(),
        };
        let new = |id: &str| NewKey {
            id: KeyId::parse(id).unwrap(),
            name: KeyName::parse("ci").unwrap(),
            digest: [9; 32],
            repository: RepoName::parse("a/b").unwrap(),
            grant: grant.clone(),
            created_at: Millis(1),
            expires_at: Millis(9),
        };
        let (one, two) = (new("k1"), new("k2"));
        let twice = one.clone();
        let made = store.write(move |tx| Ok((add(tx, &one)?, add(tx, &two)?))).await.unwrap();
        assert_eq!((made.0.number, made.1.number, made.0.grant.clone()), (1, 2, grant));
        assert!(store.write(move |tx| add(tx, &twice)).await.is_err(), "an id is given once");
        let of = |id: &str| {
            let id = KeyId::parse(id).unwrap();
            store.read(move |rx| get(rx, &id))
        };
        assert_eq!(of("k1").await.unwrap(), Some((made.0.clone(), [9; 32])));
        assert!(made.0.is_good(Millis(8)) && !made.0.is_good(Millis(9)));
        let id = made.0.id.clone();
        store
            .write(move |tx| {
                revoke(tx, &id, Millis(3))?;
                revoke(tx, &id, Millis(4))
            })
            .await
            .unwrap();
        let ended = of("k1").await.unwrap().unwrap().0;
        assert_eq!((ended.revoked_at, ended.is_good(Millis(5))), (Some(Millis(3)), false));
        assert_eq!(store.read(all).await.unwrap().iter().map(|k| k.number).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(of("k3").await.unwrap(), None);
    }
}
