//! Brings the tables up to date, one numbered file at a time, each in its own transaction with the number it leads to.

use super::StoreError;
use crate::domain::Refusal;
use rusqlite::{Connection, TransactionBehavior};

/// In order; the place in the list is the version. A file that was released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_ledger.sql"),
    include_str!("migrations/0003_keys.sql"),
    include_str!("migrations/0004_mirrors.sql"),
    include_str!("migrations/0005_lives.sql"),
    include_str!("migrations/0006_reviews.sql"),
    include_str!("migrations/0007_shares.sql"),
    include_str!("migrations/0008_acts.sql"),
    include_str!("migrations/0009_heads.sql"),
    include_str!("migrations/0010_replies.sql"),
    include_str!("migrations/0011_events.sql"),
    include_str!("migrations/0012_plans.sql"),
    include_str!("migrations/0013_chain.sql"),
    include_str!("migrations/0014_looks.sql"),
    include_str!("migrations/0015_pulls.sql"),
    include_str!("migrations/0016_reviews_source.sql"),
    include_str!("migrations/0017_outbox.sql"),
    include_str!("migrations/0018_plan_uses.sql"),
    include_str!("migrations/0019_elsewhere.sql"),
];

/// # Errors
/// `store_newer` when a later version of Lockkeeper wrote the file.
pub(super) fn up(connection: &mut Connection) -> Result<(), Refusal> {
    run(connection, MIGRATIONS)
}

fn run(connection: &mut Connection, migrations: &[&str]) -> Result<(), Refusal> {
    let found = version(connection).map_err(|why| why.refusal())?;
    let Some(rest) = usize::try_from(found).ok().and_then(|done| migrations.get(done..)) else {
        let text = format!("The store was written by a later version of Lockkeeper (tables {found}).");
        return Err(Refusal::operator("store_newer", text, "Start that version again, or restore the backup made before it."));
    };
    for (version, sql) in (found + 1..).zip(rest) {
        apply(connection, version, sql).map_err(|why| why.refusal())?;
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

fn apply(connection: &mut Connection, version: i64, sql: &str) -> Result<(), StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(sql)?;
    tx.pragma_update(None, "user_version", version)?;
    Ok(tx.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn from_nothing_and_again() {
        let mut connection = Connection::open_in_memory().unwrap();
        up(&mut connection).unwrap();
        assert_eq!(version(&connection).unwrap(), i64::try_from(MIGRATIONS.len()).unwrap());
        let before = tables(&connection);
        assert!(
            ["audit", "facts", "inbox", "known_tags", "locks", "repos", "runs", "signals", "steps", "timers"]
                .iter()
                .all(|table| before.iter().any(|found| found == table))
        );
        up(&mut connection).unwrap();
        assert_eq!(tables(&connection), before);
    }

    #[test]
    fn each_file_runs_once_and_a_broken_one_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, &["CREATE TABLE a (x)"]).unwrap();
        run(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap();
        assert_eq!(version(&connection).unwrap(), 2);
        let broken = ["CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE c (x); CREATE TABLE a (x);"];
        assert!(run(&mut connection, &broken).is_err());
        assert_eq!((version(&connection).unwrap(), tables(&connection)), (2, vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_file_of_a_later_version_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 999).unwrap();
        assert_eq!(up(&mut connection).unwrap_err().code, "store_newer");
    }
}
