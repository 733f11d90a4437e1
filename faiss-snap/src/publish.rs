//! How a finished snapshot gets its names: all of them, the manifest last, or none.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use golden::{Context, Error, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::backups::{LockedBackups, latest_name, remove, sync_folder};
use crate::capture::reflink_or_copy;
use crate::journal::{self, Intent};
use crate::manifest::Manifest;
use crate::stamp::{Compression, Stamp};

/// A snapshot in the making: a folder of its own among the backups, gone when this is dropped.
pub struct Unpublished<'b> {
    backups: &'b LockedBackups,
    stamp: Stamp,
    folder: PathBuf,
}

impl<'b> Unpublished<'b> {
    /// Makes the folder for a snapshot of that name.
    pub fn begin(backups: &'b LockedBackups, stamp: Stamp) -> Result<Self> {
        let folder = backups.temporary(&stamp.to_string());
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.context(|| format!("cannot write in {}", backups.folder().display()))?;
        Ok(Self { backups, stamp, folder })
    }

    /// A file of the snapshot.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Gives everything its name. After an error nothing of the snapshot is left.
    pub fn publish(self, manifest: &Manifest) -> Result<()> {
        let published = self.rename_all(manifest);
        if published.is_err() {
            // What cannot be undone now is undone by the next run.
            let _ = journal::recover(self.backups);
        }
        published
    }

    fn rename_all(&self, manifest: &Manifest) -> Result<()> {
        let stamp = self.stamp;
        write(&self.path(&stamp.checksums()), &manifest.checksums())?;
        write(&self.path(&stamp.manifest()), &manifest.to_text()?)?;
        sync_folder(&self.folder)?;
        journal::begin(self.backups, &Intent::Create { stamp })?;
        for name in stamp.names().iter().filter(|name| **name != stamp.manifest()) {
            self.rename(name)?;
        }
        self.backups.sync()?;
        self.rename(&stamp.manifest())?;
        self.backups.sync()?;
        journal::end(self.backups)
    }

    /// Gives a file its name, where there is one. Nothing is replaced.
    fn rename(&self, name: &str) -> Result<()> {
        let (from, to) = (self.path(name), self.backups.path(name));
        if fs::symlink_metadata(&from).is_err() {
            return Ok(());
        }
        let renamed = match renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE) {
            // A file system that cannot promise it; nobody else writes here.
            Err(rustix::io::Errno::INVAL) if fs::symlink_metadata(&to).is_err() => fs::rename(&from, &to),
            renamed => renamed.map_err(io::Error::from),
        };
        renamed.context(|| format!("cannot rename to {}", to.display()))
    }
}

impl Drop for Unpublished<'_> {
    fn drop(&mut self) {
        // Left behind, it is debris that the next run removes.
        let _ = remove(&self.folder);
    }
}

/// A copy of a snapshot's database that is to be `app_latest.db`.
pub struct Latest {
    temporary: PathBuf,
    compression: Compression,
    copied: Result<()>,
}

impl Latest {
    /// Copies a database that will not change.
    pub fn copy(backups: &LockedBackups, database: &Path, compression: Compression) -> Self {
        let temporary = backups.temporary("latest");
        let copied = remove(&temporary).and_then(|()| reflink_or_copy(database, &temporary));
        if copied.is_err() {
            // The snapshot may need the space.
            let _ = remove(&temporary);
        }
        Self { temporary, compression, copied }
    }

    /// Gives it its name, when the snapshot exists.
    pub fn publish(self, backups: &LockedBackups, stamp: Stamp) -> Result<()> {
        let (name, other) = match self.compression {
            Compression::None => (latest_name(Compression::None), latest_name(Compression::Gzip)),
            Compression::Gzip => (latest_name(Compression::Gzip), latest_name(Compression::None)),
        };
        let replaced = self.copied.and_then(|()| fs::rename(&self.temporary, backups.path(name)).map_err(Error::from));
        if let Err(error) = replaced {
            let _ = remove(&self.temporary);
            return Err(error.context(format!("the snapshot {stamp} was taken, but {name} is not of it")));
        }
        // The other form would be an older database under the name of the latest.
        remove(&backups.path(other))?;
        backups.sync()
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = fs::File::create_new(path)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()
    };
    write().context(|| format!("cannot write {}", path.display()))
}
