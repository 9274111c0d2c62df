//! Runs: what each is about, how far it is as a whole, and how it ended.

use super::row::{Columns, InOrder, json, maybe_json, maybe_name, millis, name, repo, to_json};
use super::{Rx, StoreError, Tx};
use crate::domain::{Actor, DeliveryId, EnvName, Millis, RepoId, RepoRef, RunId, Sha, Tag};
use rusqlite::{Row, named_params, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many runs of one repository are looked through.
pub const RECENT: u32 = 1_000;

/// What a run is about; given at its start, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub repo: RepoRef,
    pub tag: Option<Tag>,
    pub sha: Option<Sha>,
    pub environment: Option<EnvName>,
    /// The delivery that caused it; nothing when the reconciler did.
    pub delivery: Option<DeliveryId>,
    pub actor: Actor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Active,
    Finished,
    /// Given up by us, not refused; a replay starts it again.
    Dead,
}

/// A run without its input, which can be large ([`input`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub workflow: String,
    /// The version of the workflow at the (last) start.
    pub flow_version: u32,
    /// The natural key: no second run has it.
    pub key: String,
    pub subject: Subject,
    /// The run that started this one.
    pub parent: Option<RunId>,
    pub state: RunState,
    /// How it was asked to stop, in the words of the kernel.
    pub cancel: Option<Value>,
    /// How it ended, in the words of the kernel.
    pub outcome: Option<Value>,
    /// How often it was started: 1, and one more for each replay.
    pub starts: u32,
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// Adds an active run.
///
/// # Errors
/// Those of the store; `Sql` when the key is taken (look with [`by_key`] first, in the same transaction).
pub fn insert(tx: &Tx<'_>, run: &Run, input: &Value) -> Result<(), StoreError> {
    let subject = &run.subject;
    tx.conn
        .prepare_cached(
            "INSERT INTO runs (id, workflow, flow_version, key, repo_id, repo_name, installation, tag, sha, environment,
             delivery, parent, actor, state, starts, created_at, updated_at, input)
             VALUES (:id, :workflow, :flow_version, :key, :repo_id, :repo_name, :installation, :tag, :sha, :environment,
             :delivery, :parent, :actor, 'active', :starts, :created, :updated, :input)",
        )?
        .execute(named_params! {
            ":id": run.id.as_str(), ":workflow": run.workflow, ":flow_version": run.flow_version, ":key": run.key,
            ":repo_id": subject.repo.id.0.cast_signed(), ":repo_name": subject.repo.name.as_str(),
            ":installation": subject.repo.installation.0.cast_signed(),
            ":tag": subject.tag.as_ref().map(Tag::as_str), ":sha": subject.sha.as_ref().map(Sha::as_str),
            ":environment": subject.environment.as_ref().map(EnvName::as_str),
            ":delivery": subject.delivery.as_ref().map(DeliveryId::as_str),
            ":parent": run.parent.as_ref().map(RunId::as_str), ":actor": to_json(&subject.actor)?,
            ":starts": run.starts, ":created": run.created_at.0, ":updated": run.updated_at.0, ":input": to_json(input)?,
        })?;
    Ok(())
}

/// # Errors
/// Those of the store.
pub fn get(rx: &Rx<'_>, id: &RunId) -> Result<Option<Run>, StoreError> {
    one(rx, "id = ?1", id.as_str())
}

/// # Errors
/// Those of the store.
pub fn by_key(rx: &Rx<'_>, key: &str) -> Result<Option<Run>, StoreError> {
    one(rx, "key = ?1", key)
}

/// The newest run whose key starts with `prefix`.
///
/// # Errors
/// Those of the store.
pub fn latest_by_prefix(rx: &Rx<'_>, prefix: &str) -> Result<Option<Run>, StoreError> {
    // The last character that UTF-8 has sorts after everything that continues the prefix.
    let sql = format!("{SELECT} WHERE key >= ?1 AND key < ?1 || char(0x10FFFF) ORDER BY created_at DESC, id DESC LIMIT 1");
    let mut statement = rx.conn.prepare_cached(&sql)?;
    statement.query_and_then([prefix], read)?.next().transpose()
}

/// # Errors
/// Those of the store.
pub fn active_by_sha(rx: &Rx<'_>, repo: RepoId, sha: &Sha) -> Result<Vec<Run>, StoreError> {
    many(rx, "repo_id = ?1 AND sha = ?2 AND state = 'active' ORDER BY created_at, id", (repo.0.cast_signed(), sha.as_str()))
}

/// Runs of a tag in any state, oldest first; also those of other commits that the tag has had.
///
/// # Errors
/// Those of the store.
pub fn by_tag(rx: &Rx<'_>, repo: RepoId, tag: &Tag) -> Result<Vec<Run>, StoreError> {
    many(rx, "repo_id = ?1 AND tag = ?2 ORDER BY created_at, id", (repo.0.cast_signed(), tag.as_str()))
}

/// # Errors
/// Those of the store.
pub fn by_delivery(rx: &Rx<'_>, delivery: &DeliveryId) -> Result<Vec<Run>, StoreError> {
    many(rx, "delivery = ?1 ORDER BY created_at, id", [delivery.as_str()])
}

/// # Errors
/// Those of the store.
pub fn children(rx: &Rx<'_>, parent: &RunId) -> Result<Vec<Run>, StoreError> {
    many(rx, "parent = ?1 ORDER BY created_at, id", [parent.as_str()])
}

/// # Errors
/// Those of the store.
pub fn input(rx: &Rx<'_>, id: &RunId) -> Result<Option<Value>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT input FROM runs WHERE id = ?1")?;
    statement.query_and_then([id.as_str()], |row| json(row, "input"))?.next().transpose()
}

/// Ids of all active runs, oldest first.
///
/// # Errors
/// Those of the store.
pub fn active(rx: &Rx<'_>) -> Result<Vec<RunId>, StoreError> {
    let mut statement = rx.conn.prepare_cached("SELECT id FROM runs WHERE state = 'active' ORDER BY created_at, id")?;
    statement.query_and_then([], |row| name(row, "id"))?.collect()
}

/// The active runs of a repository but those of one workflow, newest first. A repository with more of them than are looked through has other trouble.
///
/// # Errors
/// Those of the store.
pub fn active_of(rx: &Rx<'_>, repo: RepoId, but: &'static str) -> Result<Vec<Run>, StoreError> {
    // Left to itself, SQLite goes through all that ever were.
    let sql = format!(
        "{SELECT} INDEXED BY runs_active_sha WHERE repo_id = ?1 AND state = 'active' AND workflow <> ?2
         ORDER BY created_at DESC, id DESC LIMIT ?3"
    );
    let mut statement = rx.conn.prepare_cached(&sql)?;
    statement.query_and_then(params![repo.0.cast_signed(), but, RECENT], read)?.collect()
}

/// Of the newest so many of a workflow that are over, what `wanted` makes of the one that ended last of which it makes
/// anything.
///
/// # Errors
/// Those of the store.
pub fn last_ended<T>(
    rx: &Rx<'_>,
    (repo, workflow, limit): (RepoId, &str, u32),
    wanted: impl Fn(&Run) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let sql = format!(
        "SELECT * FROM ({SELECT} WHERE repo_id = ?1 AND workflow = ?2 AND state = 'finished'
         ORDER BY created_at DESC, id DESC LIMIT ?3) ORDER BY updated_at DESC, created_at DESC, id DESC"
    );
    let mut statement = rx.conn.prepare_cached(&sql)?;
    for run in statement.query_and_then(params![repo.0.cast_signed(), workflow, limit], read)? {
        if let Some(found) = wanted(&run?) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What to list; everything when nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub repo: Option<RepoId>,
    pub state: Option<RunState>,
    pub workflow: Option<String>,
    /// Not those of this workflow.
    pub but: Option<&'static str>,
    pub environment: Option<EnvName>,
    /// At most this many, 100 when nothing is said.
    pub limit: Option<u32>,
}

/// Newest first.
///
/// # Errors
/// Those of the store.
pub fn list(rx: &Rx<'_>, filter: &Filter) -> Result<Vec<Run>, StoreError> {
    many(
        rx,
        "(?1 IS NULL OR repo_id = ?1) AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR workflow = ?3)
         AND (?4 IS NULL OR environment = ?4) AND (?6 IS NULL OR workflow <> ?6) ORDER BY created_at DESC, id DESC LIMIT ?5",
        params![
            filter.repo.map(|id| id.0.cast_signed()),
            filter.state.map(RunState::as_str),
            filter.workflow,
            filter.environment.as_ref().map(EnvName::as_str),
            filter.limit.unwrap_or(100),
            filter.but,
        ],
    )
}

/// How many runs of a workflow somebody has had since then.
///
/// # Errors
/// Those of the store.
pub fn count_of(rx: &Rx<'_>, repo: RepoId, workflow: &str, actor: &Actor, since: Millis) -> Result<usize, StoreError> {
    let sql = "SELECT count(*) FROM runs WHERE repo_id = ?1 AND workflow = ?2 AND created_at > ?3
               AND json_extract(actor, '$.id') = ?4";
    let (repo, actor) = (repo.0.cast_signed(), actor.id.0.cast_signed());
    let mut statement = rx.conn.prepare_cached(sql)?;
    let count: u32 = statement.query_row(params![repo, workflow, since.0, actor], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Writes what can change of a run.
///
/// # Errors
/// Those of the store.
pub fn update(tx: &Tx<'_>, run: &Run) -> Result<(), StoreError> {
    let text = |value: &Option<Value>| value.as_ref().map(to_json).transpose();
    tx.conn
        .prepare_cached(
            "UPDATE runs SET state = ?2, cancel = ?3, outcome = ?4, starts = ?5, updated_at = ?6, flow_version = ?7 WHERE id = ?1",
        )?
        .execute(params![
            run.id.as_str(),
            run.state.as_str(),
            text(&run.cancel)?,
            text(&run.outcome)?,
            run.starts,
            run.updated_at.0,
            run.flow_version,
        ])?;
    Ok(())
}

/// Removes runs that ended before `before`, with their steps and signals; at most `limit`. Gives the number.
///
/// # Errors
/// Those of the store.
pub fn prune(tx: &Tx<'_>, before: Millis, limit: u32) -> Result<usize, StoreError> {
    let sql = "DELETE FROM runs WHERE id IN
               (SELECT id FROM runs WHERE state <> 'active' AND created_at < ?1 AND updated_at < ?1 LIMIT ?2)";
    Ok(tx.conn.prepare_cached(sql)?.execute(params![before.0, limit])?)
}

const SELECT: &str =
    "SELECT id, workflow, flow_version, key, repo_id, repo_name, installation, tag, sha, environment, delivery,
    actor, parent, state, cancel, outcome, starts, created_at, updated_at FROM runs";

fn one(rx: &Rx<'_>, condition: &str, value: &str) -> Result<Option<Run>, StoreError> {
    let mut statement = rx.conn.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    statement.query_and_then([value], read)?.next().transpose()
}

fn many(rx: &Rx<'_>, condition: &str, values: impl rusqlite::Params) -> Result<Vec<Run>, StoreError> {
    let mut statement = rx.conn.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    statement.query_and_then(values, read)?.collect()
}

/// From the columns of [`Subject`].
pub(super) fn subject(row: &impl Columns) -> Result<Subject, StoreError> {
    Ok(Subject {
        repo: repo(row)?,
        tag: maybe_name(row, "tag")?,
        sha: maybe_name(row, "sha")?,
        environment: maybe_name(row, "environment")?,
        delivery: maybe_name(row, "delivery")?,
        actor: json(row, "actor")?,
    })
}

fn read(row: &Row<'_>) -> Result<Run, StoreError> {
    let row = &InOrder::of(row);
    Ok(Run {
        id: name(row, "id")?,
        workflow: row.get("workflow")?,
        flow_version: row.get("flow_version")?,
        key: row.get("key")?,
        subject: subject(row)?,
        parent: maybe_name(row, "parent")?,
        state: RunState::parse(&row.get::<String>("state")?)?,
        cancel: maybe_json(row, "cancel")?,
        outcome: maybe_json(row, "outcome")?,
        starts: row.get("starts")?,
        created_at: millis(row, "created_at")?,
        updated_at: millis(row, "updated_at")?,
    })
}

impl RunState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Finished => "finished",
            Self::Dead => "dead",
        }
    }
    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "active" => Ok(Self::Active),
            "finished" => Ok(Self::Finished),
            "dead" => Ok(Self::Dead),
            other => Err(super::error::unreadable("state of a run", other)),
        }
    }
}
