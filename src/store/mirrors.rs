//! Which of our deployments on pull requests say that they run in an environment, so that they can be taken back.
//!
//! Invariant: a deployment that says so has a row before it does, and until GitHub was told otherwise or its run is not
//! remembered any more: no way back reaches so far.

use super::row::id;
use super::{Rx, StoreError, Tx};
use crate::domain::{EnvPlace, Mirror, RunId};
use rusqlite::params;

/// Adds a row; one that is there stays as it is.
///
/// # Errors
/// Those of the store.
pub fn add(tx: &Tx<'_>, place: &EnvPlace, run: &RunId, mirror: &Mirror) -> Result<(), StoreError> {
    let sql = "INSERT INTO mirrors (deployment, repo_id, environment, pull, run) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO NOTHING";
    tx.conn.prepare_cached(sql)?.execute(params![
        mirror.deployment.cast_signed(),
        place.repo.0.cast_signed(),
        place.environment.as_str(),
        mirror.pull.cast_signed(),
        run.as_str(),
    ])?;
    Ok(())
}

/// Those of an environment, oldest first.
///
/// # Errors
/// Those of the store.
pub fn of(rx: &Rx<'_>, place: &EnvPlace) -> Result<Vec<Mirror>, StoreError> {
    let sql = "SELECT pull, deployment FROM mirrors WHERE repo_id = ?1 AND environment = ?2 ORDER BY deployment";
    let read = |row: &rusqlite::Row<'_>| Ok(Mirror { pull: id(row, "pull")?, deployment: id(row, "deployment")? });
    let mut statement = rx.conn.prepare_cached(sql)?;
    statement.query_and_then(params![place.repo.0.cast_signed(), place.environment.as_str()], read)?.collect()
}

/// # Errors
/// Those of the store.
pub fn forget(tx: &Tx<'_>, place: &EnvPlace, deployment: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM mirrors WHERE repo_id = ?1 AND environment = ?2 AND deployment = ?3";
    let values = params![place.repo.0.cast_signed(), place.environment.as_str(), deployment.cast_signed()];
    tx.conn.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// What is live may have been brought long ago, and can be taken back all the same.
const PRUNE: &str = "DELETE FROM mirrors WHERE run NOT IN (SELECT id FROM runs)
                     AND run NOT IN (SELECT run FROM ledger WHERE until IS NULL)";

/// Removes those whose run is not remembered; how many those were.
///
/// # Errors
/// Those of the store.
pub fn prune(tx: &Tx<'_>) -> Result<usize, StoreError> {
    Ok(tx.conn.prepare_cached(PRUNE)?.execute([])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EnvName, RepoId};
    use crate::store::{Store, runs, testing};

    #[tokio::test(flavor = "multi_thread")]
    async fn each_place_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let place = |repo, name: &str| EnvPlace { repo: RepoId(repo), environment: EnvName::parse(name).unwrap() };
        let mirror = |deployment| Mirror { pull: 10 + deployment, deployment };
        let run = |name: &str| RunId::parse(name).unwrap();
        let (here, there) = (place(1, "staging"), place(1, "production"));
        let all = [(&here, "a", 1), (&here, "b", 2), (&here, "b", 2), (&there, "a", 3), (&here, "b", 4)];
        let all = all.map(|(place, name, deployment)| (place.clone(), run(name), mirror(deployment)));
        store.write(move |tx| all.iter().try_for_each(|(place, run, mirror)| add(tx, place, run, mirror))).await.unwrap();
        let left = async |place: &EnvPlace| {
            let place = place.clone();
            store.read(move |rx| of(rx, &place)).await.unwrap().iter().map(|m| m.deployment).collect::<Vec<_>>()
        };
        assert_eq!((left(&here).await, left(&there).await), (vec![1, 2, 4], vec![3]));
        let (one, other) = (here.clone(), there.clone());
        store
            .write(move |tx| [(&one, 2), (&other, 4)].iter().try_for_each(|(place, id)| forget(tx, place, *id)))
            .await
            .unwrap();
        assert_eq!((left(&here).await, left(&there).await), (vec![1, 4], vec![3]));
        store.write(|tx| runs::insert(tx, &testing::run("a"), &serde_json::json!({}))).await.unwrap();
        assert_eq!(store.write(prune).await.unwrap(), 1);
        assert_eq!((left(&here).await, left(&there).await), (vec![1], vec![3]));
    }
}
