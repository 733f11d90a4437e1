//! Indexes that take the places of others, all of them or none: a journal announces it, as with a restore.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use golden::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use super::Job;
use crate::backups::{LockedBackups, remove, sync_folder};
use crate::journal::{self, Intent};
use crate::relative_path::RelativePath;
use crate::restore::Phase;

/// The folder, among the indexes, in which new ones are made.
pub const WORK: &str = ".faiss-snap.rebuild.tmp";

/// A rebuild that was begun, as it stands in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replacement {
    phase: Phase,
    /// The folder of indexes.
    folder: PathBuf,
    /// What takes a place there, in this order.
    files: Vec<RelativePath>,
}

impl Replacement {
    /// Announces that indexes will be made for a folder. What an earlier run left there goes.
    pub fn begin(backups: &LockedBackups, folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize().context(|| format!("cannot read the folder {}", folder.display()))?;
        let replacement = Self { phase: Phase::Staging, folder, files: Vec::new() };
        replacement.announce(backups)?;
        remove(&replacement.work())?;
        Ok(replacement)
    }

    /// Where they are made.
    pub fn work(&self) -> PathBuf {
        self.folder.join(WORK)
    }

    /// Gives everything that was made its place: from the first rename on it is completed, whatever happens.
    pub fn swap(mut self, backups: &LockedBackups, names: Vec<String>, jobs: &[Job]) -> Result<()> {
        self.files = names.iter().filter_map(|name| RelativePath::new(name)).collect();
        // The indexes last: whoever comes between sees sidecars that are not of the old index.
        self.files.sort_by_key(|file| (jobs.iter().any(|job| job.path == *file), file.clone()));
        self.files.iter().try_for_each(|file| self.ensure_replaceable(file))?;
        self.phase = Phase::Swapping;
        self.announce(backups)?;
        let completed = self.complete(backups);
        let is_untouched = || self.files.iter().all(|file| fs::symlink_metadata(self.made(file)).is_ok());
        match completed {
            Err(error) if is_untouched() => {
                Self { phase: Phase::Staging, ..self.clone() }.announce(backups)?;
                Err(error)
            }
            Err(error) => Err(error.guidance("what is left to do is done by `faiss-snap restore --recover`")),
            Ok(()) => Ok(()),
        }
    }

    /// Completes or undoes an interrupted one, and says which.
    pub fn recover(&self, backups: &LockedBackups) -> Result<String> {
        let folder = self.folder.display();
        match self.phase {
            Phase::Staging => {
                remove(&self.work())?;
                journal::end(backups)?;
                Ok(format!("undid an interrupted rebuild in {folder}: nothing had been replaced"))
            }
            Phase::Swapping => {
                let cannot = || format!("a rebuild in {folder} was interrupted and cannot be completed");
                self.complete(backups).context(cannot)?;
                Ok(format!("completed an interrupted rebuild in {folder}"))
            }
        }
    }

    /// Every step looks at what is there, so that it can be taken again from any point on.
    fn complete(&self, backups: &LockedBackups) -> Result<()> {
        for file in &self.files {
            let (made, place) = (self.made(file), self.place(file));
            if fs::symlink_metadata(&made).is_ok() {
                fs::rename(&made, &place).context(|| format!("cannot rename to {}", place.display()))?;
                if let Some(folder) = place.parent() {
                    sync_folder(folder)?;
                }
            }
        }
        remove(&self.work())?;
        journal::end(backups)
    }

    fn made(&self, file: &RelativePath) -> PathBuf {
        file.inside(&self.work())
    }

    /// A link is followed, so that the file it points at is what changes.
    fn place(&self, file: &RelativePath) -> PathBuf {
        let place = file.inside(&self.folder);
        place.canonicalize().unwrap_or(place)
    }

    /// A rename replaces no folder, and reaches no other file system.
    fn ensure_replaceable(&self, file: &RelativePath) -> Result<()> {
        let place = self.place(file);
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        if place.is_dir() || place.parent().and_then(device) != device(&self.folder) {
            let message = format!("{} is a folder or on another file system: it cannot be replaced", place.display());
            return Err(Error::environment(message).guidance("move it away; nothing was replaced"));
        }
        Ok(())
    }

    fn announce(&self, backups: &LockedBackups) -> Result<()> {
        journal::begin(backups, &Intent::Rebuild(self.clone())).context(|| "cannot write the journal")
    }
}
