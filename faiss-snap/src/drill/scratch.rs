//! Where a rehearsal takes place: in a folder of its own that goes with it, away from the live data.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use golden::cli::Reporter;
use golden::{Context, Error, Result};
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::source::Places;

/// The folders of drills have names that begin so.
const PREFIX: &str = "faiss-snap-drill-";

/// A folder that only its owner can look into, and that is gone when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    /// Locked as long as this process lives, by which another drill tells whether it does; none where folders cannot be
    /// locked.
    _alive: Option<File>,
}

impl Scratch {
    /// Makes it inside a folder, which must not be where live data is, and takes away what killed drills left there.
    pub fn make(inside: &Path, live: &Places, reporter: &Reporter) -> Result<Self> {
        let real = inside.canonicalize().context(|| format!("cannot use {} for a drill", inside.display()))?;
        let canonical = |path: &Path| path.canonicalize().ok();
        let is_data = live.database.as_deref().and_then(folder_of).and_then(canonical).is_some_and(|data| data == real);
        let indexes = live.indexes.as_deref().and_then(canonical);
        if is_data || indexes.is_some_and(|indexes| real.starts_with(indexes)) {
            return Err(Error::usage(format!("{} holds live data: a drill keeps away from it", inside.display()))
                .guidance("name another folder with --scratch"));
        }
        clear(&real, reporter);
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&real);
            let folder = folder.context(|| format!("cannot make a folder in {}", inside.display()))?;
            match lock(folder.path()) {
                Ok(Some(alive)) => return Ok(Self { folder, _alive: Some(alive) }),
                // Before it was locked, another drill has taken it for a dead one's.
                Ok(None) => {}
                Err(_) => return Ok(Self { folder, _alive: None }),
            }
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A place in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Takes it away. What cannot be removed is named.
    pub fn remove(self) -> Result<()> {
        let path = self.folder.path().to_owned();
        self.folder.close().context(|| format!("cannot remove {}", path.display()))
    }
}

/// Removes the folders of drills that are no more.
fn clear(inside: &Path, reporter: &Reporter) {
    for entry in fs::read_dir(inside).into_iter().flatten().flatten() {
        let folder = entry.path();
        let is_ours = || {
            let metadata = fs::symlink_metadata(&folder);
            metadata.is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw())
        };
        if !(entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) && is_ours()) {
            continue;
        }
        // Held until it is removed: whoever is just making this very folder finds it taken.
        let Ok(Some(_lock)) = lock(&folder) else { continue };
        match fs::remove_dir_all(&folder) {
            Ok(()) => reporter.note(format_args!("removed {}, left by a drill that was killed", folder.display())),
            Err(error) => reporter.warn(format_args!("cannot remove {}: {error}", folder.display())),
        }
    }
}

/// Locks a folder until the result is dropped; none where another process has, or it is gone.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let attempt = || {
        let opened = File::open(folder)?;
        match opened.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => {
                let is_there = identity(opened.metadata()?) == identity(fs::symlink_metadata(folder)?);
                Ok(is_there.then_some(opened))
            }
        }
    };
    match attempt() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result,
    }
}

/// The folder a file is in: this one, for a mere name.
fn folder_of(file: &Path) -> Option<&Path> {
    file.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}
