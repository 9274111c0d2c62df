//! From columns to values of ours, and back. A value that is not what it should be is an error, never a guess.

use super::StoreError;
use super::error::unreadable;
use crate::domain::{Millis, RepoRef};
use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;

/// Where columns are found by their names.
pub(super) trait Columns {
    fn index(&self, column: &str) -> rusqlite::Result<usize>;
    fn row(&self) -> &Row<'_>;
}

impl Columns for Row<'_> {
    fn index(&self, column: &str) -> rusqlite::Result<usize> {
        self.as_ref().column_index(column)
    }
    fn row(&self) -> &Row<'_> {
        self
    }
}

/// A row that is asked for its columns in the order of its statement: each is looked for first after the one before. Looking
/// through all of them for each is most of what a long list of wide rows costs.
pub(super) struct InOrder<'r, 's> {
    row: &'r Row<'s>,
    next: Cell<usize>,
}

impl<'r, 's> InOrder<'r, 's> {
    pub(super) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: Cell::new(0) }
    }

    pub(super) fn get<T: FromSql>(&self, column: &str) -> rusqlite::Result<T> {
        self.row.get(self.index(column)?)
    }
}

impl Columns for InOrder<'_, '_> {
    fn index(&self, column: &str) -> rusqlite::Result<usize> {
        let (all, next) = (self.row.as_ref(), self.next.get());
        let is_next = all.column_name(next).is_ok_and(|name| name == column);
        let found = if is_next { next } else { all.column_index(column)? };
        self.next.set(found + 1);
        Ok(found)
    }
    fn row(&self) -> &Row<'_> {
        self.row
    }
}

fn get<T: FromSql>(row: &impl Columns, column: &str) -> rusqlite::Result<T> {
    row.row().get(row.index(column)?)
}

fn get_ref<'r>(row: &'r impl Columns, column: &str) -> rusqlite::Result<ValueRef<'r>> {
    row.row().get_ref(row.index(column)?)
}

/// A text column that holds one of our checked names.
pub(super) fn name<T>(row: &impl Columns, column: &str) -> Result<T, StoreError>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    T::try_from(get::<String>(row, column)?).map_err(|why| unreadable(column, why))
}

pub(super) fn maybe_name<T>(row: &impl Columns, column: &str) -> Result<Option<T>, StoreError>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    let text: Option<String> = get(row, column)?;
    text.map(|text| T::try_from(text).map_err(|why| unreadable(column, why))).transpose()
}

pub(super) fn json<T: DeserializeOwned>(row: &impl Columns, column: &str) -> Result<T, StoreError> {
    parsed(get_ref(row, column)?, column)
}

fn parsed<T: DeserializeOwned>(value: ValueRef<'_>, column: &str) -> Result<T, StoreError> {
    let text = value.as_str().map_err(|why| unreadable(column, why))?;
    serde_json::from_str(text).map_err(|why| unreadable(column, why))
}

pub(super) fn maybe_json<T: DeserializeOwned>(row: &impl Columns, column: &str) -> Result<Option<T>, StoreError> {
    match get_ref(row, column)? {
        ValueRef::Null => Ok(None),
        value => parsed(value, column).map(Some),
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::Sql(format!("a value cannot be written as JSON: {why}")))
}

/// GitHub's numbers are far below 2^63; the bits are kept either way.
pub(super) fn id(row: &impl Columns, column: &str) -> Result<u64, StoreError> {
    Ok(get::<i64>(row, column)?.cast_unsigned())
}

pub(super) fn millis(row: &impl Columns, column: &str) -> Result<Millis, StoreError> {
    Ok(Millis(get(row, column)?))
}

pub(super) fn maybe_millis(row: &impl Columns, column: &str) -> Result<Option<Millis>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(Millis))
}

/// From the columns `repo_id`, `repo_name` and `installation`.
pub(super) fn repo(row: &impl Columns) -> Result<RepoRef, StoreError> {
    Ok(RepoRef {
        id: crate::domain::RepoId(id(row, "repo_id")?),
        name: name(row, "repo_name")?,
        installation: crate::domain::InstallationId(id(row, "installation")?),
    })
}
