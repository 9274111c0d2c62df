//! Deliveries: stored before GitHub gets its answer, worked on in the order of arrival within a repository, remembered
//! afterwards so that the same delivery is never taken twice.
//!
//! A claim is not stored: one process works on the inbox, and after a crash what is pending is pending.

use super::row::{id, maybe_millis, millis, name};
use super::{Rx, StoreError, Tx};
use crate::domain::{DeliveryId, InstallationId, Millis, RepoId, RunId};
use rusqlite::{OptionalExtension, Row, named_params, params};
use serde::{Deserialize, Serialize};

/// A delivery as the door received it. The payload is kept byte by byte.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub event: String,
    pub action: Option<String>,
    pub repo: Option<(RepoId, String)>,
    pub installation: Option<InstallationId>,
    pub received_at: Millis,
    /// `Pending`; `Done` or `Ignored` for what is only remembered.
    pub status: DeliveryStatus,
    /// Why nothing is to be done; empty otherwise.
    pub note: String,
    pub payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    Pending,
    Done,
    Ignored,
    /// Given up; a replay takes it up again.
    Dead,
}

/// Whether this delivery is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    Accepted,
    /// It was received before; nothing was stored.
    Duplicate,
}

/// A delivery without its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The order of arrival.
    pub seq: u64,
    pub id: DeliveryId,
    pub event: String,
    pub action: Option<String>,
    pub repo_id: Option<RepoId>,
    pub repo_name: Option<String>,
    pub installation: Option<InstallationId>,
    pub received_at: Millis,
    pub status: DeliveryStatus,
    pub attempts: u32,
    /// When it is due again after a failure.
    pub next_at: Millis,
    pub note: String,
    pub settled_at: Option<Millis>,
    /// Of the payload, in bytes.
    pub size: u64,
}

impl Delivery {
    /// What order is kept in: the repository, or one lane for all events that have none.
    pub fn lane(&self) -> Lane {
        Lane(self.repo_id.map_or(0, |id| id.0))
    }
}

/// Deliveries of one lane are worked on one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(u64);

/// Stores a delivery unless it is known.
///
/// # Errors
/// Those of the store.
pub fn receive(tx: &Tx<'_>, new: &NewDelivery) -> Result<Receipt, StoreError> {
    let settled = (new.status != DeliveryStatus::Pending).then_some(new.received_at.0);
    let repo_id = new.repo.as_ref().map(|(id, _)| id.0.cast_signed());
    let stored = tx
        .conn
        .prepare_cached(
            "INSERT INTO inbox (id, lane, event, action, repo_id, repo_name, installation, received_at, status, note,
             settled_at, size, payload)
             VALUES (:id, :lane, :event, :action, :repo_id, :repo_name, :installation, :at, :status, :note, :settled, :size,
             :payload) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(named_params! {
            ":id": new.id.as_str(), ":lane": repo_id.unwrap_or(0), ":event": new.event, ":action": new.action,
            ":repo_id": repo_id, ":repo_name": new.repo.as_ref().map(|(_, name)| name),
            ":installation": new.installation.map(|id| id.0.cast_signed()), ":at": new.received_at.0,
            ":status": new.status.as_str(), ":note": new.note, ":settled": settled,
            ":size": i64::try_from(new.payload.len()).unwrap_or(i64::MAX), ":payload": new.payload,
        })?;
    Ok(if stored == 1 { Receipt::Accepted } else { Receipt::Duplicate })
}

/// The lanes that have something pending, and the oldest of each. Jumps from lane to lane in the index, so that a long queue
/// in one costs nothing.
const HEADS: &str = "WITH RECURSIVE lanes (lane) AS (
    SELECT min(lane) FROM inbox WHERE status = 'pending'
    UNION ALL
    SELECT (SELECT min(lane) FROM inbox WHERE status = 'pending' AND lane > lanes.lane) FROM lanes
    WHERE lanes.lane IS NOT NULL)";
const FROM_HEADS: &str = "FROM lanes CROSS JOIN inbox
    ON seq = (SELECT min(seq) FROM inbox WHERE status = 'pending' AND lane = lanes.lane)";

/// The oldest pending delivery of each lane, if it is due and its lane is not in `busy`; oldest first, at most `limit`. A
/// delivery that waits for its next attempt holds back the later ones of its lane, and only those.
///
/// # Errors
/// Those of the store.
pub fn next(rx: &Rx<'_>, now: Millis, busy: &[Lane], limit: usize) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!("{HEADS} SELECT {COLUMNS} {FROM_HEADS} WHERE next_at <= ?1 ORDER BY seq");
    let mut statement = rx.conn.prepare_cached(&sql)?;
    let free = |delivery: &Result<Delivery, StoreError>| delivery.as_ref().map_or(true, |d| !busy.contains(&d.lane()));
    statement.query_and_then([now.0], read)?.filter(free).take(limit).collect()
}

/// When the earliest delivery that holds back its lane until another attempt is due; nothing when none does.
///
/// # Errors
/// Those of the store.
pub fn next_due(rx: &Rx<'_>, now: Millis) -> Result<Option<Millis>, StoreError> {
    let sql = format!("{HEADS} SELECT min(next_at) {FROM_HEADS} WHERE next_at > ?1");
    let mut statement = rx.conn.prepare_cached(&sql)?;
    Ok(statement.query_row([now.0], |row| row.get::<_, Option<i64>>(0))?.map(Millis))
}

/// # Errors
/// Those of the store.
pub fn payload(rx: &Rx<'_>, id: &DeliveryId) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT payload FROM inbox WHERE id = ?1")?;
    Ok(statement.query_row([id.as_str()], |row| row.get(0)).optional()?)
}

/// The delivery is dealt with: `Done` or `Ignored`, with a word on what came of it and the runs that it started or woke.
/// Call it in the transaction that starts them.
///
/// # Errors
/// Those of the store.
pub fn settle(
    tx: &Tx<'_>,
    id: &DeliveryId,
    status: DeliveryStatus,
    note: &str,
    runs: &[RunId],
    now: Millis,
) -> Result<(), StoreError> {
    tx.conn.prepare_cached("UPDATE inbox SET status = ?2, note = ?3, settled_at = ?4 WHERE id = ?1")?.execute(params![
        id.as_str(),
        status.as_str(),
        note,
        now.0
    ])?;
    let mut link = tx.conn.prepare_cached("INSERT INTO inbox_runs (delivery, run) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for run in runs {
        link.execute([id.as_str(), run.as_str()])?;
    }
    Ok(())
}

/// Dealing with the delivery failed; it is due again at `next_at`.
///
/// # Errors
/// Those of the store.
pub fn fail(tx: &Tx<'_>, id: &DeliveryId, note: &str, next_at: Millis) -> Result<(), StoreError> {
    let mut statement =
        tx.conn.prepare_cached("UPDATE inbox SET attempts = attempts + 1, note = ?2, next_at = ?3 WHERE id = ?1")?;
    statement.execute(params![id.as_str(), note, next_at.0])?;
    Ok(())
}

/// Whatever waits for another attempt is due at once; for a start, when the clock may have been another one.
///
/// # Errors
/// Those of the store.
pub fn resume(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.conn.prepare_cached("UPDATE inbox SET next_at = 0 WHERE status = 'pending' AND next_at > 0")?.execute([])?;
    Ok(())
}

/// Gives the delivery up: it is kept, shown, and can be replayed.
///
/// # Errors
/// Those of the store.
pub fn bury(tx: &Tx<'_>, id: &DeliveryId, note: &str, now: Millis) -> Result<(), StoreError> {
    settle(tx, id, DeliveryStatus::Dead, note, &[], now)
}

/// Takes the delivery up again from the start; false when it is not known.
///
/// # Errors
/// Those of the store.
pub fn replay(tx: &Tx<'_>, id: &DeliveryId) -> Result<bool, StoreError> {
    let sql = "UPDATE inbox SET status = 'pending', attempts = 0, next_at = 0, settled_at = NULL WHERE id = ?1";
    Ok(tx.conn.prepare_cached(sql)?.execute([id.as_str()])? > 0)
}

/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE id = ?1");
    rx.conn.prepare_cached(&sql)?.query_and_then([id.as_str()], read)?.next().transpose()
}

/// The runs that a delivery started or woke.
///
/// # Errors
/// Those of the store.
pub fn runs(rx: &Rx<'_>, id: &DeliveryId) -> Result<Vec<RunId>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT run FROM inbox_runs WHERE delivery = ?1 ORDER BY run")?;
    statement.query_and_then([id.as_str()], |row| name(row, "run"))?.collect()
}

/// Newest first; of one status, or of all.
///
/// # Errors
/// Those of the store.
pub fn list(rx: &Rx<'_>, status: Option<DeliveryStatus>, limit: u32) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE ?1 IS NULL OR status = ?1 ORDER BY seq DESC LIMIT ?2");
    let mut statement = rx.conn.prepare_cached(&sql)?;
    statement.query_and_then(params![status.map(DeliveryStatus::as_str), limit], read)?.collect()
}

/// How full the inbox is, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Depth {
    pub pending: u64,
    pub dead: u64,
    /// When the oldest pending delivery came.
    pub oldest: Option<Millis>,
}

/// # Errors
/// Those of the store.
pub fn depth(rx: &Rx<'_>) -> Result<Depth, StoreError> {
    let sql = "SELECT (SELECT count(*) FROM inbox WHERE status = 'pending') AS pending,
               (SELECT count(*) FROM inbox WHERE status = 'dead') AS dead,
               (SELECT received_at FROM inbox WHERE seq = (SELECT min(seq) FROM inbox WHERE status = 'pending')) AS oldest";
    let mut statement = rx.conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(Depth::default()) };
    Ok(Depth { pending: id(row, "pending")?, dead: id(row, "dead")?, oldest: maybe_millis(row, "oldest")? })
}

/// Forgets deliveries that were settled before `before` (dead ones are kept), at most `limit`, and gives the number. GitHub
/// can redeliver for three days: keep them longer than that, or a redelivery looks new.
///
/// # Errors
/// Those of the store.
pub fn prune(tx: &Tx<'_>, before: Millis, limit: u32) -> Result<usize, StoreError> {
    // The index of what is settled serves only a question that says so.
    let old = "SELECT id FROM inbox WHERE status <> 'pending' AND status IN ('done', 'ignored') AND settled_at < ?1
               ORDER BY settled_at LIMIT ?2";
    let links = format!("DELETE FROM inbox_runs WHERE delivery IN ({old})");
    tx.conn.prepare_cached(&links)?.execute(params![before.0, limit])?;
    let rows = format!("DELETE FROM inbox WHERE id IN ({old})");
    Ok(tx.conn.prepare_cached(&rows)?.execute(params![before.0, limit])?)
}

const COLUMNS: &str = "seq, id, event, action, repo_id, repo_name, installation, received_at, status, attempts, next_at, note,
    settled_at, size";

fn read(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let number =
        |column: &str| -> Result<Option<u64>, StoreError> { Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned)) };
    Ok(Delivery {
        seq: id(row, "seq")?,
        id: name(row, "id")?,
        event: row.get("event")?,
        action: row.get("action")?,
        repo_id: number("repo_id")?.map(RepoId),
        repo_name: row.get("repo_name")?,
        installation: number("installation")?.map(InstallationId),
        received_at: millis(row, "received_at")?,
        status: DeliveryStatus::parse(&row.get::<_, String>("status")?)?,
        attempts: row.get("attempts")?,
        next_at: millis(row, "next_at")?,
        note: row.get("note")?,
        settled_at: maybe_millis(row, "settled_at")?,
        size: id(row, "size")?,
    })
}

impl DeliveryStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Dead => "dead",
        }
    }
    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "pending" => Ok(Self::Pending),
            "done" => Ok(Self::Done),
            "ignored" => Ok(Self::Ignored),
            "dead" => Ok(Self::Dead),
            other => Err(super::error::unreadable("status of a delivery", other)),
        }
    }
}
