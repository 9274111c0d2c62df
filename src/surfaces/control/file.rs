//! `control.json` in the data folder: where a running server listens for its operator, and the token for it.
//!
//! Invariants: only the server's own user can read it; it appears whole or not at all; a server removes it only if it is its
//! own. A server that was killed leaves it behind, so whoever reads it must be ready to find nobody there.

use crate::domain::Refusal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NAME: &str = "control.json";

#[derive(Clone, Serialize, Deserialize)]
pub struct ControlFile {
    pub address: SocketAddr,
    /// Bearer token, 256 random bits in hexadecimal.
    pub token: String,
}

impl fmt::Debug for ControlFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlFile({})", self.address)
    }
}

/// The file of this process; removed when dropped.
#[derive(Debug)]
pub struct Announced {
    path: PathBuf,
    file: ControlFile,
}

impl ControlFile {
    pub fn new(address: SocketAddr) -> Self {
        let bytes: [u8; 32] = rand::random();
        Self { address, token: bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    /// # Errors
    /// `control_file` when the folder cannot be written.
    pub fn announce(self, data_dir: &Path) -> Result<Announced, Refusal> {
        let path = data_dir.join(NAME);
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o600)).tempfile_in(data_dir)?;
            serde_json::to_writer(&mut file, &self)?;
            file.flush()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| {
            let message = format!("The file {} cannot be written: {error}.", path.display());
            Refusal::operator("control_file", message, "Let Lockkeeper write to its data folder.")
        })?;
        Ok(Announced { path, file: self })
    }

    /// Nothing if there is no readable file.
    pub fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(data_dir.join(NAME)).ok()?).ok()
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if ControlFile::read(folder).is_some_and(|file| file.token == self.file.token) {
            // Nothing depends on its absence: readers expect stale files.
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_private_whole_and_removed_only_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:9".parse().unwrap();
        let first = ControlFile::new(address).announce(folder.path()).unwrap();
        let mode = std::fs::metadata(folder.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = ControlFile::new(address).announce(folder.path()).unwrap();
        drop(first);
        let read = ControlFile::read(folder.path()).expect("the second server's file was removed by the first");
        assert_eq!(read.token, second.file.token);
        assert!(!format!("{read:?}").contains(&read.token));
        drop(second);
        assert!(ControlFile::read(folder.path()).is_none());
    }
}
