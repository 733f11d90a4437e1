//! Files of versions in a folder of this machine.

use std::fs;
use std::path::Path;

use golden::cli::Lock;
use golden::{Context, Result};

use super::Condition;
use crate::durable;
use crate::table_file;
use crate::version::StoredFile;

/// Sees to it that a file can be written, by nobody else while the lock is held.
pub fn prepare(path: &Path) -> Result<Option<Lock>> {
    let Some(folder) = path.parent() else { return Ok(None) };
    durable::make_folder(folder).context(|| format!("cannot make the folder {}", folder.display()))?;
    // Whoever has it is alone: what others left there is nobody's.
    let lock = Lock::take(&folder.join(".lock"), "another golden-version")?;
    remove_debris(folder);
    Ok(Some(lock))
}

/// Whether a file is still what it was.
pub fn look(path: &Path, file: &StoredFile) -> Condition {
    let Ok(metadata) = path.metadata() else { return Condition::Missing };
    if file.bytes.is_some_and(|bytes| bytes != metadata.len()) {
        return Condition::Altered;
    }
    match table_file::measure(path) {
        Ok(now) => Condition::of(file, &now),
        Err(_) => Condition::Missing,
    }
}

/// Removes what interrupted runs left.
fn remove_debris(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".golden-") && name.ends_with(".tmp") {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}
