//! Opening the file so that what is written stays: lock, permissions, durability, version, tables.

use super::{StoreError, migrate};
use crate::domain::Refusal;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// 3.51.3: the first version without the WAL-reset corruption (3.7.0 to 3.51.2).
const OLDEST_SQLITE: i32 = 3_051_003;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Opened {
    pub connection: Connection,
    /// Moves the log into the database beside the writer.
    pub mover: Connection,
    pub lock: File,
    pub path: PathBuf,
}

pub(super) fn open(dir: &Path) -> Result<Opened, Refusal> {
    check_version(rusqlite::version_number())?;
    let folder = |why: std::io::Error| {
        let text = format!("The folder {} cannot be used: {why}.", dir.display());
        Refusal::operator("store_folder", text, "Set DATA_DIR to a folder that Lockkeeper may write to.")
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(folder)?;
    let lock = exclusive(&dir.join("lockkeeper.lock"))?;
    let path = dir.join("lockkeeper.db");
    private(&path).map_err(folder)?;
    let mut connection = writable(&path).map_err(|why| why.refusal())?;
    durable(&connection)?;
    migrate::up(&mut connection)?;
    let mover = writable(&path).map_err(|why| why.refusal())?;
    durable(&mover)?;
    Ok(Opened { connection, mover, lock, path })
}

fn check_version(number: i32) -> Result<(), Refusal> {
    if number >= OLDEST_SQLITE {
        return Ok(());
    }
    let text = format!("SQLite {} can damage the store.", rusqlite::version());
    Err(Refusal::operator("store_unsafe", text, "Build Lockkeeper with SQLite 3.51.3 or later."))
}

/// Takes the lock that keeps a second process out. It is let go by the system when the process ends, however it ends.
fn exclusive(path: &Path) -> Result<File, Refusal> {
    let io = |why: std::io::Error| {
        let text = format!("The lock file {} cannot be used: {why}.", path.display());
        Refusal::operator("store_folder", text, "Set DATA_DIR to a folder that Lockkeeper may write to.")
    };
    let mut file = private(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(why)) => return Err(io(why)),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // The text is for people only; it may be empty while the other process starts.
            let _ = file.read_to_string(&mut pid);
            let who = if pid.trim().is_empty() { "another process".to_owned() } else { format!("process {}", pid.trim()) };
            let text = format!("The store in {} is in use by {who}.", path.parent().unwrap_or(path).display());
            return Err(Refusal::operator(
                "store_locked",
                text,
                "Stop the other Lockkeeper, or give this one another DATA_DIR.",
            ));
        }
    }
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id())).map_err(io)?;
    Ok(file)
}

/// Opens or creates a file that only its owner can read. SQLite gives its side files the permissions of the main file.
fn private(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn writable(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepared_once(&connection)?;
    Ok(connection)
}

/// A connection that can only read, for a thread of its own.
pub(super) fn readable(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepared_once(&connection)?;
    Ok(connection)
}

/// Every statement is prepared once, and keeps its plan. Otherwise SQLite plans anew whatever has a number of its own after LIMIT,
/// each time that it is asked.
fn prepared_once(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(256);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Sets what durability needs and reads it back: SQLite ignores a value that it does not know.
fn durable(connection: &Connection) -> Result<(), Refusal> {
    let set = || -> Result<(String, i64, i64), StoreError> {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        // The log is moved into the database by a thread of its own; the writer stops for it only when that falls behind.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;
             PRAGMA wal_autocheckpoint = 4000;",
        )?;
        let sync = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        let keys = connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0))?;
        Ok((mode, sync, keys))
    };
    let found = set().map_err(|why| why.refusal())?;
    if found == ("wal".to_owned(), 2, 1) {
        return Ok(());
    }
    let text = format!("The store cannot be made durable (journal {}, synchronous {}).", found.0, found.1);
    Err(Refusal::operator("store_unsafe", text, "Put DATA_DIR on a local disk; network file systems do not keep promises."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_opened_file_is_durable_private_and_new_enough() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("data/here");
        let opened = open(&home).unwrap();
        opened.connection.execute("INSERT INTO facts VALUES ('a', NULL, '1', 0)", []).unwrap();
        for file in ["lockkeeper.db", "lockkeeper.db-wal", "lockkeeper.db-shm", "lockkeeper.lock"] {
            assert_eq!(mode(&home.join(file)), 0o600, "{file}");
        }
        assert_eq!(mode(&home), 0o700);
        assert!(rusqlite::version_number() >= OLDEST_SQLITE);
        assert_eq!(check_version(3_051_002).unwrap_err().code, "store_unsafe");
    }

    #[test]
    fn a_file_that_was_open_to_others_is_closed_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lockkeeper.db");
        File::create(&path).unwrap().set_permissions(Permissions::from_mode(0o644)).unwrap();
        let _opened = open(dir.path()).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_statement_is_prepared_once() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(dir.path()).unwrap();
        for connection in [&opened.connection, &readable(&opened.path).unwrap()] {
            let mut statement = connection.prepare("SELECT id FROM audit ORDER BY id DESC LIMIT ?1").unwrap();
            for limit in [5, 5, 9] {
                assert!(statement.query([limit]).unwrap().next().unwrap().is_none());
            }
            assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn durability_that_is_refused_is_noticed() {
        // A database in memory has no write-ahead log, and says so only in its answer.
        let refusal = durable(&Connection::open_in_memory().unwrap()).unwrap_err();
        assert_eq!(refusal.code, "store_unsafe");
    }

    #[test]
    fn a_second_process_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path()).unwrap();
        let refusal = open(dir.path()).err().unwrap();
        assert_eq!(refusal.code, "store_locked");
        assert!(refusal.message.contains(&format!("process {}", std::process::id())), "{}", refusal.message);
        drop(first);
        assert!(open(dir.path()).is_ok());
    }

    #[test]
    fn what_is_no_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lockkeeper.db"), "not a database, but long enough to look like one".repeat(9)).unwrap();
        assert_eq!(open(dir.path()).err().unwrap().code, "store_corrupt");
        let file = dir.path().join("file");
        File::create(&file).unwrap();
        assert_eq!(open(&file).err().unwrap().code, "store_folder");
    }
}
