//! What happened in a deployment, for those who follow it; rows are written by triggers on its steps, in the same transaction.

use super::row::{id, millis};
use super::{Rx, StoreError};
use crate::domain::{Millis, RunId};
use rusqlite::{Row, params};

/// A step that is new, or has a new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Grows; never given twice.
    pub seq: u64,
    pub step: String,
    pub state: String,
    pub at: Millis,
}

/// Those of a run after this number, oldest first.
///
/// # Errors
/// Those of the store.
pub fn after(rx: &Rx<'_>, run: &RunId, seq: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
    let sql = "SELECT seq, step, state, at FROM events WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    rx.conn.prepare_cached(sql)?.query_and_then(params![run.as_str(), seq, limit], read)?.collect()
}

fn read(row: &Row<'_>) -> Result<Event, StoreError> {
    Ok(Event { seq: id(row, "seq")?, step: row.get("step")?, state: row.get("state")?, at: millis(row, "at")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actor, InstallationId, RepoId, RepoName, RepoRef};
    use crate::store::runs::{self, Run, RunState, Subject};
    use crate::store::steps::{self, Change};
    use crate::store::{Store, Tx};
    use serde_json::json;

    fn run(id: &str, workflow: &str) -> Run {
        let repo = RepoRef { id: RepoId(7), name: RepoName::parse("a/b").unwrap(), installation: InstallationId(3) };
        let subject = Subject { repo, tag: None, sha: None, environment: None, delivery: None, actor: Actor::operator() };
        Run {
            id: RunId::parse(id).unwrap(),
            workflow: workflow.to_owned(),
            flow_version: 1,
            key: id.to_owned(),
            subject,
            parent: None,
            state: RunState::Active,
            cancel: None,
            outcome: None,
            starts: 1,
            created_at: Millis(1),
            updated_at: Millis(1),
        }
    }

    fn put(tx: &Tx<'_>, id: &str, name: &str, kind: &str, state: &str, at: i64) -> Result<(), StoreError> {
        let (run, body) = (RunId::parse(id).unwrap(), json!(null));
        let finished = state == "done";
        let change = Change { name, seq: 1, kind, state, body: &body, result: None, finished };
        steps::put(tx, &run, &change, Millis(at))
    }

    #[tokio::test]
    async fn news_are_numbered_in_the_order_in_which_they_happen() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store
            .write(|tx| {
                for (id, workflow) in [("d1", "deploy"), ("d2", "deploy"), ("r1", "release")] {
                    runs::insert(tx, &run(id, workflow), &json!({}))?;
                }
                put(tx, "d1", "first", "call", "pending", 2)?;
                put(tx, "d1", "second", "lock", "pending", 3)?;
                put(tx, "d2", "first", "call", "done", 4)?;
                put(tx, "d1", "second", "lock", "held", 5)?;
                put(tx, "d1", "second", "lock", "held", 6)?;
                put(tx, "d1", "first", "call", "done", 7)?;
                put(tx, "d1", "note", "record", "done", 8)?;
                put(tx, "d1", "bake/17/wait", "call", "done", 9)?;
                put(tx, "d1", "bake/18/wait", "call", "failed", 9)?;
                put(tx, "r1", "first", "call", "done", 9)
            })
            .await
            .unwrap();
        let of = |id: &'static str, seq: u64| store.read(move |rx| after(rx, &RunId::parse(id).unwrap(), seq, 99));
        let told = |events: Vec<Event>| events.into_iter().map(|e| format!("{} {}", e.step, e.state)).collect::<Vec<_>>();
        let all = of("d1", 0).await.unwrap();
        assert!(all.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        assert_eq!(told(all.clone()), ["second pending", "second held", "first done", "bake/18/wait failed"]);
        assert_eq!(told(of("d1", all[1].seq).await.unwrap()), ["first done", "bake/18/wait failed"]);
        assert_eq!(told(of("d2", 0).await.unwrap()), ["first done"]);
        assert_eq!((of("r1", 0).await.unwrap(), of("d1", u64::MAX).await.unwrap()), (Vec::new(), Vec::new()));
    }
}
