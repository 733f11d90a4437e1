//! Advisory locks that die with their process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::{Context, Error, Result};

/// A lock on a file, held until it is dropped.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock on `path`, which is created (mode 0600) where it is missing. Fails at once, with
    /// exit code 4, when another process holds it; `what` says who that would be.
    pub fn take(path: &Path, what: &str) -> Result<Self> {
        let cannot_lock = || format!("cannot lock {}", path.display());
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .context(cannot_lock)?;
            match file.try_lock() {
                // The holder may have removed the file between our opening and its letting go.
                Ok(()) if is_at(&file, path) => return Ok(Self { _file: file }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::locked(format!("{what} is at work ({} is locked)", path.display()))
                        .guidance("wait until it has finished, then try again"));
                }
                Err(TryLockError::Error(error)) => return Err(error).context(cannot_lock),
            }
        }
    }
}

/// Whether `path` still names the file that was opened.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(opened), Ok(named)) => (opened.dev(), opened.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}
