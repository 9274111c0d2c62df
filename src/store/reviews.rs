//! What people have said about the plan of a run, and the gates that they have opened for it. Rows are added, never changed.

use super::error::unreadable;
use super::row::{json, millis, name, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::{Overridable, Override, Review, Reviews, RunId, Said};
use rusqlite::{Row, params};

/// Keeps what was said; false when the same (`source`) was kept before.
///
/// # Errors
/// Those of the store.
pub fn add(tx: &Tx<'_>, run: &RunId, review: &Review, source: &str) -> Result<bool, StoreError> {
    let sql = "INSERT INTO reviews (run, digest, actor, teams, said, reason, source, at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    let (said, reason) = match &review.said {
        Said::Approved => ("approved", None),
        Said::Rejected { reason } => ("rejected", Some(reason)),
    };
    let row =
        params![run.as_str(), review.digest, to_json(&review.by)?, to_json(&review.teams)?, said, reason, source, review.at.0];
    Ok(tx.conn.prepare_cached(sql)?.execute(row)? > 0)
}

/// Opens a gate; the same twice is kept once.
///
/// # Errors
/// Those of the store.
pub fn open_gate(tx: &Tx<'_>, run: &RunId, new: &Override) -> Result<(), StoreError> {
    let sql = "INSERT INTO overrides (run, digest, gate, actor, role, reason, at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let (gate, by) = (new.gate.as_str(), to_json(&new.by)?);
    let row = params![run.as_str(), new.digest, gate, by, new.role, new.reason, new.at.0];
    tx.conn.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Of one run, in the order in which it was said.
///
/// # Errors
/// Those of the store; `StoreError::Sql` for a row that cannot be understood.
pub fn of(rx: &Rx<'_>, run: &RunId) -> Result<Reviews, StoreError> {
    let mut said = rx.conn.prepare_cached("SELECT * FROM reviews WHERE run = ?1 ORDER BY id")?;
    let said = said.query_and_then([run.as_str()], review)?.collect::<Result<_, _>>()?;
    let mut opened = rx.conn.prepare_cached("SELECT * FROM overrides WHERE run = ?1 ORDER BY id")?;
    let overrides = opened.query_and_then([run.as_str()], opened_by)?.collect::<Result<_, _>>()?;
    Ok(Reviews { said, overrides })
}

/// What was kept of one saying, and for which run.
///
/// # Errors
/// Those of the store.
pub fn by_source(rx: &Rx<'_>, source: &str) -> Result<Option<(RunId, Review)>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT * FROM reviews WHERE source = ?1")?;
    let found = statement.query_and_then([source], |row| Ok::<_, StoreError>((name(row, "run")?, review(row)?)))?.next();
    found.transpose()
}

fn review(row: &Row<'_>) -> Result<Review, StoreError> {
    let word: String = row.get("said")?;
    let said = match (word.as_str(), row.get::<_, Option<String>>("reason")?) {
        ("approved", None) => Said::Approved,
        ("rejected", Some(reason)) => Said::Rejected { reason },
        (other, _) => return Err(unreadable("review", other)),
    };
    Ok(Review { by: json(row, "actor")?, at: millis(row, "at")?, digest: row.get("digest")?, teams: json(row, "teams")?, said })
}

fn opened_by(row: &Row<'_>) -> Result<Override, StoreError> {
    let gate: String = row.get("gate")?;
    Ok(Override {
        gate: Overridable::parse(&gate).ok_or_else(|| unreadable("overridden gate", &gate))?,
        by: json(row, "actor")?,
        role: row.get("role")?,
        reason: row.get("reason")?,
        at: millis(row, "at")?,
        digest: row.get("digest")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actor, Millis};
    use crate::store::testing::run;
    use crate::store::{Store, runs};

    fn said(said: Said, at: i64) -> Review {
        Review { by: Actor::operator(), at: Millis(at), digest: "sha256:1".into(), teams: vec!["sre".into()], said }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_said_is_kept_once_and_in_order_and_read_for_its_run_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let opened = Override {
            gate: Overridable::Window,
            by: Actor::operator(),
            role: "operator".into(),
            reason: "fire".into(),
            at: Millis(3),
            digest: "sha256:1".into(),
        };
        let no = said(Said::Rejected { reason: "no".into() }, 2);
        let (yes, gate) = (said(Said::Approved, 1), opened.clone());
        let (first, second) = (yes.clone(), no.clone());
        store
            .write(move |tx| {
                for id in ["r1", "r2"] {
                    runs::insert(tx, &run(id), &serde_json::Value::Null)?;
                }
                let run = run("r1").id;
                assert!(add(tx, &run, &first, "a")? && !add(tx, &run, &second, "a")? && add(tx, &run, &second, "b")?);
                open_gate(tx, &run, &gate)?;
                open_gate(tx, &run, &Override { at: Millis(9), ..gate })
            })
            .await
            .unwrap();
        let found = store.read(|rx| Ok((of(rx, &run("r1").id)?, of(rx, &run("r2").id)?))).await.unwrap();
        assert_eq!(found, (Reviews { said: vec![yes, no], overrides: vec![opened] }, Reviews::default()));
        let edited = "UPDATE reviews SET teams = 'sre' WHERE source = 'a'";
        store.write(move |tx| Ok(tx.conn.execute(edited, [])?)).await.unwrap();
        let read = store.read(|rx| of(rx, &run("r1").id)).await;
        assert!(matches!(read, Err(StoreError::Sql(_))), "a row that cannot be understood is no missing row: {read:?}");
    }
}
