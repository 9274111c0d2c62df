//! From columns to values of ours, and back. A value that is not what it should be is an error, never a guess.

use super::StoreError;
use super::error::unreadable;
use crate::domain::{Millis, RepoRef};
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A text column that holds one of our checked names.
pub(super) fn name<T>(row: &Row<'_>, column: &str) -> Result<T, StoreError>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    T::try_from(row.get::<_, String>(column)?).map_err(|why| unreadable(column, why))
}

pub(super) fn maybe_name<T>(row: &Row<'_>, column: &str) -> Result<Option<T>, StoreError>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    let text: Option<String> = row.get(column)?;
    text.map(|text| T::try_from(text).map_err(|why| unreadable(column, why))).transpose()
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T, StoreError> {
    let text = row.get_ref(column)?.as_str().map_err(|why| unreadable(column, why))?;
    serde_json::from_str(text).map_err(|why| unreadable(column, why))
}

pub(super) fn maybe_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>, StoreError> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => json(row, column).map(Some),
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::Sql(format!("a value cannot be written as JSON: {why}")))
}

/// GitHub's numbers are far below 2^63; the bits are kept either way.
pub(super) fn id(row: &Row<'_>, column: &str) -> Result<u64, StoreError> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

pub(super) fn millis(row: &Row<'_>, column: &str) -> Result<Millis, StoreError> {
    Ok(Millis(row.get(column)?))
}

pub(super) fn maybe_millis(row: &Row<'_>, column: &str) -> Result<Option<Millis>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Millis))
}

/// From the columns `repo_id`, `repo_name` and `installation`.
pub(super) fn repo(row: &Row<'_>) -> Result<RepoRef, StoreError> {
    Ok(RepoRef {
        id: crate::domain::RepoId(id(row, "repo_id")?),
        name: name(row, "repo_name")?,
        installation: crate::domain::InstallationId(id(row, "installation")?),
    })
}
