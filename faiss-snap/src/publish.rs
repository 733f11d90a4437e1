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

/// Makes `app_latest.db` a copy of a snapshot's database.
pub fn set_latest(backups: &LockedBackups, manifest: &Manifest) -> Result<()> {
    let Some(database) = &manifest.database else { return Ok(()) };
    let temporary = backups.temporary("latest");
    remove(&temporary)?;
    let (name, other) = match database.compression {
        Compression::None => (latest_name(Compression::None), latest_name(Compression::Gzip)),
        Compression::Gzip => (latest_name(Compression::Gzip), latest_name(Compression::None)),
    };
    let replaced = reflink_or_copy(&backups.path(&manifest.stamp.database(database.compression)), &temporary)
        .and_then(|()| fs::rename(&temporary, backups.path(name)).map_err(Error::from));
    if let Err(error) = replaced {
        let _ = remove(&temporary);
        return Err(error.context(format!("the snapshot {} was taken, but {name} is not of it", manifest.stamp)));
    }
    // The other form would be an older database under the name of the latest.
    remove(&backups.path(other))?;
    backups.sync()
}

fn write(path: &Path, text: &str) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = fs::File::create_new(path)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()
    };
    write().context(|| format!("cannot write {}", path.display()))
}
