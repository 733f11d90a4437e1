//! Where a rehearsal takes place: in a folder of its own that goes with it, away from the live data.

use std::path::{Path, PathBuf};

use golden::{Context, Error, Result};
use tempfile::TempDir;

use crate::source::Places;

/// A folder that only its owner can look into, and that is gone when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes it inside a folder, which must not be where live data is.
    pub fn make(inside: &Path, live: &Places) -> Result<Self> {
        let real = inside.canonicalize().context(|| format!("cannot use {} for a drill", inside.display()))?;
        let canonical = |path: &Path| path.canonicalize().ok();
        let is_data = live.database.as_deref().and_then(folder_of).and_then(canonical).is_some_and(|data| data == real);
        let indexes = live.indexes.as_deref().and_then(canonical);
        if is_data || indexes.is_some_and(|indexes| real.starts_with(indexes)) {
            return Err(Error::usage(format!("{} holds live data: a drill keeps away from it", inside.display()))
                .guidance("name another folder with --scratch"));
        }
        let folder = tempfile::Builder::new().prefix("faiss-snap-drill-").tempdir_in(&real);
        Ok(Self { folder: folder.context(|| format!("cannot make a folder in {}", inside.display()))? })
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

/// The folder a file is in: this one, for a mere name.
fn folder_of(file: &Path) -> Option<&Path> {
    file.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}
