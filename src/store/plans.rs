//! Plans that wait for somebody to have them done.
//!
//! Invariants: a plan never changes; it is done at most once, because its use is a row under its digest.

use super::row::{json, millis, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::{Actor, EnvName, Millis, RepoId, RunId};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;
use std::time::Duration;

/// How long plans that nobody has had done are remembered after their time.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub digest: String,
    pub repo: RepoId,
    pub environment: EnvName,
    pub body: Value,
    pub expires_at: Millis,
    /// It was done.
    pub used: bool,
}

/// What is asked to be kept.
pub struct NewPlan {
    pub digest: String,
    pub actor: Actor,
    pub repo: RepoId,
    pub environment: EnvName,
    pub body: Value,
    pub created_at: Millis,
    pub expires_at: Millis,
}

/// # Errors
/// Those of the store.
pub fn add(tx: &Tx<'_>, new: &NewPlan) -> Result<(), StoreError> {
    let remembered = i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX);
    tx.conn
        .prepare_cached("DELETE FROM plans WHERE expires_at < ?1 AND digest NOT IN (SELECT digest FROM plan_uses)")?
        .execute([new.created_at.0.saturating_sub(remembered)])?;
    let sql = "INSERT INTO plans (digest, actor_kind, actor_id, repo_id, environment, body, created_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.conn.prepare_cached(sql)?.execute(params![
        new.digest,
        to_json(&new.actor.kind)?,
        new.actor.id.0.cast_signed(),
        new.repo.0.cast_signed(),
        new.environment.as_str(),
        to_json(&new.body)?,
        new.created_at.0,
        new.expires_at.0,
    ])?;
    Ok(())
}

/// The plan of this actor; another's is as if it were not there.
///
/// # Errors
/// Those of the store.
pub fn of(rx: &Rx<'_>, actor: &Actor, digest: &str) -> Result<Option<Kept>, StoreError> {
    let sql = "SELECT *, EXISTS (SELECT 1 FROM plan_uses WHERE digest = plans.digest) AS used FROM plans
               WHERE digest = ?1 AND actor_kind = ?2 AND actor_id = ?3";
    let mut statement = rx.conn.prepare_cached(sql)?;
    let values = params![digest, to_json(&actor.kind)?, actor.id.0.cast_signed()];
    statement.query_and_then(values, read)?.next().transpose()
}

/// Notes that the plan is done by this run; false when it was done before.
///
/// # Errors
/// Those of the store.
pub fn consume(tx: &Tx<'_>, digest: &str, run: &RunId, now: Millis) -> Result<bool, StoreError> {
    let sql = "INSERT INTO plan_uses (digest, run, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    Ok(tx.conn.prepare_cached(sql)?.execute(params![digest, run.as_str(), now.0])? > 0)
}

/// The run that has done it.
///
/// # Errors
/// Those of the store.
pub fn done_by(rx: &Rx<'_>, digest: &str) -> Result<Option<String>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT run FROM plan_uses WHERE digest = ?1")?;
    Ok(statement.query_row([digest], |row| row.get(0)).optional()?)
}

/// What the plan stood for that became this run.
///
/// # Errors
/// Those of the store.
pub fn of_run(rx: &Rx<'_>, run: &RunId) -> Result<Option<Value>, StoreError> {
    let sql = "SELECT plans.body FROM plan_uses JOIN plans ON plans.digest = plan_uses.digest WHERE plan_uses.run = ?1";
    rx.conn.prepare_cached(sql)?.query_and_then([run.as_str()], |row| json(row, "body"))?.next().transpose()
}

fn read(row: &Row<'_>) -> Result<Kept, StoreError> {
    let repo: i64 = row.get("repo_id")?;
    Ok(Kept {
        digest: row.get("digest")?,
        repo: RepoId(repo.cast_unsigned()),
        environment: super::row::name(row, "environment")?,
        body: json(row, "body")?,
        expires_at: millis(row, "expires_at")?,
        used: row.get("used")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;
    use crate::store::Store;
    use serde_json::json;

    #[tokio::test]
    async fn a_plan_is_its_actors_and_done_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (mine, other) = (Actor::operator(), Actor { id: UserId(7), ..Actor::operator() });
        let new = |digest: &str, at: i64| NewPlan {
            digest: digest.to_owned(),
            actor: Actor::operator(),
            repo: RepoId(7),
            environment: EnvName::parse("staging").unwrap(),
            body: json!({"a": 1}),
            created_at: Millis(at),
            expires_at: Millis(at + 9),
        };
        let (one, twice) = (new("one", 1), new("one", 2));
        store.write(move |tx| add(tx, &one)).await.unwrap();
        assert!(store.write(move |tx| add(tx, &twice)).await.is_err(), "a digest is given once");
        let of = |actor: &Actor, digest: &'static str| {
            let actor = actor.clone();
            store.read(move |rx| of(rx, &actor, digest))
        };
        let kept = of(&mine, "one").await.unwrap().unwrap();
        assert_eq!((kept.expires_at, kept.used, kept.body.clone()), (Millis(10), false, json!({"a": 1})));
        assert_eq!((of(&other, "one").await.unwrap(), of(&mine, "two").await.unwrap()), (None, None));
        let run = RunId::parse("r1").unwrap();
        let both = store.write(move |tx| Ok((consume(tx, "one", &run, Millis(3))?, consume(tx, "one", &run, Millis(4))?)));
        assert_eq!(both.await.unwrap(), (true, false));
        assert!(of(&mine, "one").await.unwrap().unwrap().used);
        assert_eq!(store.read(|rx| done_by(rx, "one")).await.unwrap().as_deref(), Some("r1"));
        let (old, late) = (new("old", 1), new("late", 8 * 24 * 3_600_000));
        store.write(move |tx| add(tx, &old)).await.unwrap();
        store.write(move |tx| add(tx, &late)).await.unwrap();
        assert_eq!(of(&mine, "old").await.unwrap(), None, "what nobody wanted is forgotten");
        assert!(of(&mine, "one").await.unwrap().is_some());
    }
}
