//! What can go wrong with the store, by what it means for the caller.

use crate::domain::Refusal;
use rusqlite::ErrorCode;

/// Why a read or write did not happen. Nothing of it is stored then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space left, on the disk or in the file.
    #[error("no space left for the store")]
    Full,
    /// Another program holds the file.
    #[error("the store is held by another program")]
    Busy,
    /// The store is closing or closed.
    #[error("the store is closed")]
    Closed,
    /// The file is not what it should be.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    #[error("the store cannot be read or written: {0}")]
    Io(String),
    /// A stored value cannot be understood, or a statement is wrong: a bug, or a file that somebody edited.
    #[error("the store refused: {0}")]
    Sql(String),
    /// The work itself panicked; only its own changes were undone.
    #[error("work on the store panicked")]
    Panicked,
    /// The caller's own reason to undo.
    #[error("{0}")]
    Refused(Refusal),
}

impl StoreError {
    /// The same request may pass later without anybody changing anything in the program.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Full | Self::Busy | Self::Closed | Self::Io(_))
    }

    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Full => Refusal::operator(
                "store_full",
                "There is no space left for Lockkeeper's store.",
                "Make room on the disk that holds DATA_DIR; work goes on by itself.",
            ),
            Self::Busy => Refusal::operator(
                "store_busy",
                "Another program keeps Lockkeeper's store locked.",
                "Close what has the file in DATA_DIR open, such as a backup or a sqlite3 shell.",
            ),
            Self::Closed => Refusal::world("store_closed", "Lockkeeper is shutting down.", "Try again in a moment."),
            Self::Corrupt(why) => Refusal::operator(
                "store_corrupt",
                format!("Lockkeeper's store is damaged: {why}."),
                "Stop Lockkeeper, keep a copy of DATA_DIR, and restore the last backup.",
            ),
            Self::Io(why) => Refusal::operator(
                "store_io",
                format!("Lockkeeper's store cannot be read or written: {why}."),
                "Check the disk that holds DATA_DIR and its permissions.",
            ),
            Self::Sql(why) => Refusal::us("store_statement", format!("The store refused a statement: {why}.")),
            Self::Panicked => Refusal::us("store_panicked", "A change of the store ended in a bug."),
            Self::Refused(refusal) => refusal.clone(),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::Io(text)
            }
            _ => Self::Sql(text),
        }
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A stored value that this program cannot read.
pub(super) fn unreadable(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Sql(format!("stored {what} cannot be read: {why}"))
}
