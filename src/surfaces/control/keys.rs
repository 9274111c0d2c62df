//! Keys: how they are written, made, listed, ended, and recognised.
//!
//! Invariants: a key is told once, when it is made; kept and compared is its digest; whatever is wrong with a key, the answer
//! to a stranger is the same.

use super::desk::Desk;
use crate::actions::access::Caller;
use crate::actions::lock::span;
use crate::domain::{Actor, EnvName, Grant, Key, KeyId, KeyName, Millis, Refusal, RepoName, RepoRef, Scope, hex};
use crate::engine::known;
use crate::store::audit::{self, Record};
use crate::store::keys::{self, KeyDigest, NewKey};
use crate::store::{StoreError, Tx, repos};
use crate::surfaces::now;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// What a key begins with, so that scanners for secrets know it.
const PREFIX: &str = "lk_";

/// A key to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyAsk {
    pub name: KeyName,
    pub scopes: BTreeSet<Scope>,
    pub repo: RepoName,
    pub environments: BTreeSet<EnvName>,
    /// How long it is good, as `90d`.
    pub expires: String,
}

/// A key as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRow {
    pub id: KeyId,
    /// The key itself: only when it was just made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    pub name: KeyName,
    pub scopes: BTreeSet<Scope>,
    pub repository: RepoName,
    pub environments: BTreeSet<EnvName>,
    /// `good`, `expired` or `revoked`.
    pub state: String,
    pub created_at: String,
    pub expires_at: String,
}

impl Desk {
    /// # Errors
    /// `environment_missing`, `time_invalid`, `repo_unknown`, `unknown_environment`, or those of the store.
    pub async fn create_key(&self, ask: KeyAsk) -> Result<KeyRow, Refusal> {
        let needs = ask.scopes.iter().find(|scope| scope.needs_environment());
        if let Some(scope) = needs.filter(|_| ask.environments.is_empty()) {
            let text = format!("A key with the scope `{}` needs the environments that it is for.", scope.as_str());
            return Err(Refusal::user("environment_missing", text, "Name each of them with --environment."));
        }
        let lasts = span(&ask.expires).map_err(|why| {
            Refusal::user("time_invalid", format!("The key's time cannot be read: {why}."), "Write it like 12h or 90d.")
        })?;
        let (id, key) = fresh()?;
        let (digest, now) = (digest(&key), now());
        let repo = self.repo_with(ask.repo, ask.environments.clone()).await?;
        let grant = Grant { scopes: ask.scopes, repo: repo.id, environments: ask.environments };
        let (created_at, expires_at) = (now, now.plus(lasts));
        let new = NewKey { id, name: ask.name, digest, repository: repo.name, grant, created_at, expires_at };
        let made = self.store.write(move |tx| {
            let made = keys::add(tx, &new)?;
            note(tx, "key_create", &made, now)?;
            Ok(made)
        });
        let made = made.await.map_err(|why| why.refusal())?;
        Ok(KeyRow { key: Some(key), ..row(made, now) })
    }

    async fn repo_with(&self, name: RepoName, environments: BTreeSet<EnvName>) -> Result<RepoRef, Refusal> {
        self.read(move |rx| {
            let repo = repos::named(rx, &name)?.ok_or_else(|| known::not_known(&name))?;
            for environment in &environments {
                known::exists(rx, &repo, environment)??;
            }
            Ok(repo)
        })
        .await
    }

    /// Newest first, also those that have ended.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keys(&self) -> Result<Vec<KeyRow>, Refusal> {
        let now = now();
        Ok(self.read(keys::all).await?.into_iter().map(|key| row(key, now)).collect())
    }

    /// # Errors
    /// `key_unknown`, or those of the store.
    pub async fn revoke_key(&self, id: &str) -> Result<KeyRow, Refusal> {
        let unknown =
            || Refusal::user("key_unknown", "There is no key with this id.", "List them with `lockkeeper keys list`.");
        let (id, now) = (KeyId::parse(id).ok_or_else(unknown)?, now());
        let ended = self.store.write(move |tx| {
            keys::get(tx, &id)?.ok_or_else(unknown)?;
            keys::revoke(tx, &id, now)?;
            let (key, _) = keys::get(tx, &id)?.ok_or_else(unknown)?;
            note(tx, "key_revoke", &key, now)?;
            Ok(key)
        });
        Ok(row(ended.await.map_err(|why| why.refusal())?, now))
    }

    /// Who comes with this key; nothing for what is no key, or one that has ended.
    pub(in crate::surfaces) async fn holder(&self, given: &str) -> Result<Option<Caller>, Refusal> {
        let Some(id) = id_of(given) else { return Ok(None) };
        let (given, now) = (digest(given), now());
        let found = self.read(move |rx| keys::get(rx, &id)).await?;
        let same = |kept: &KeyDigest| aws_lc_rs::constant_time::verify_slices_are_equal(kept, &given).is_ok();
        Ok(found.filter(|(key, kept)| same(kept) && key.is_good(now)).map(|(key, _)| Caller::key(&key)))
    }
}

/// A new id, and the key that holds it.
fn fresh() -> Result<(KeyId, String), Refusal> {
    let id = format!("k{}", hex(&rand::random::<[u8; 6]>()));
    let key = format!("{PREFIX}{id}_{}", hex(&rand::random::<[u8; 32]>()));
    let id = KeyId::parse(&id).ok_or_else(|| Refusal::us("key_id", "The id of a key could not be made."))?;
    Ok((id, key))
}

fn id_of(key: &str) -> Option<KeyId> {
    let (id, secret) = key.strip_prefix(PREFIX)?.split_once('_')?;
    KeyId::parse(id).filter(|_| secret.len() == 64)
}

fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key.as_bytes()).into()
}

fn row(key: Key, now: Millis) -> KeyRow {
    let state = match key.revoked_at {
        Some(_) => "revoked",
        None if !key.is_good(now) => "expired",
        None => "good",
    };
    KeyRow {
        id: key.id,
        key: None,
        name: key.name,
        scopes: key.grant.scopes,
        repository: key.repository,
        environments: key.grant.environments,
        state: state.to_owned(),
        created_at: key.created_at.rfc3339(),
        expires_at: key.expires_at.rfc3339(),
    }
}

fn note(tx: &Tx<'_>, action: &str, key: &Key, at: Millis) -> Result<(), StoreError> {
    let record = Record {
        at,
        actor: Actor::operator(),
        door: "control".to_owned(),
        action: action.to_owned(),
        run: None,
        repo: Some(key.grant.repo),
        decision: "accepted".to_owned(),
        // What a key may do is plain data; it is always JSON.
        detail: serde_json::to_value(key).unwrap_or_default(),
    };
    audit::add(tx, &record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_itself_and_nothing_else_is_one() {
        let (id, key) = fresh().unwrap();
        assert_eq!(id_of(&key), Some(id));
        assert_ne!(fresh().unwrap().1, key);
        for bad in ["", "lk_", "lk_k1_", "k1_00", &key[3..], &key[..key.len() - 1], &format!("{key}0"), "lk_ü_00"] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
    }
}
