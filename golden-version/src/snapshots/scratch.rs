//! A folder of temporary files, gone with the run; that of a run that was killed, with the next one.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use golden::cli::Lock;
use golden::{Context, Result};
use tempfile::TempDir;

const PREFIX: &str = "golden-version-";
const LOCK: &str = ".lock";

/// A folder that was made this lately may not have its lock yet.
const NEW: Duration = Duration::from_secs(60);

/// The folder.
pub struct Scratch {
    folder: TempDir,
    _lock: Lock,
    files: u64,
}

impl Scratch {
    /// Makes it, where `TMPDIR` says.
    pub fn make() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().context(|| "cannot make a temporary folder")?;
        let lock = Lock::take(&folder.path().join(LOCK), "another golden-version")?;
        remove_abandoned(folder.path());
        Ok(Self { folder, _lock: lock, files: 0 })
    }

    /// A name that no file in it has.
    pub fn next(&mut self) -> PathBuf {
        self.files += 1;
        self.folder.path().join(self.files.to_string())
    }
}

/// Removes the folders of runs that were killed: the lock dies with its process.
fn remove_abandoned(ours: &Path) {
    let Ok(user) = ours.metadata().map(|metadata| metadata.uid()) else { return };
    for entry in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        let path = entry.path();
        // Not what a link leads to.
        let Ok(metadata) = entry.metadata() else { continue };
        let is_one = entry.file_name().to_string_lossy().starts_with(PREFIX) && path != ours;
        let is_old = metadata.modified().is_ok_and(|made| made.elapsed().is_ok_and(|age| age > NEW));
        if is_one && is_old && metadata.is_dir() && metadata.uid() == user {
            let is_abandoned = File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
            if is_abandoned {
                // What cannot be removed is in nobody's way.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}
