//! How snapshots and halves of them go, so that at every moment each manifest is true of what is there.
//!
//! What is to go is noted in the journal. Then manifests and their lists are rewritten, or manifests removed
//! where nothing is left of a snapshot: that decides it. Only when all of that is on disk do files go, and
//! that is no more than finishing what an interrupted run had begun.

use std::collections::BTreeSet;
use std::fs;

use golden::Result;

use crate::backups::{LockedBackups, names_of, remove};
use crate::journal::{self, Intent};
use crate::manifest::{Half, Manifest};
use crate::stamp::Stamp;

/// What goes of a snapshot.
#[derive(Debug)]
pub struct Removal<'a> {
    /// The snapshot as it is.
    pub manifest: &'a Manifest,
    /// The halves that go; it has them.
    pub halves: BTreeSet<Half>,
}

/// Removes all of these.
pub fn carry_out(backups: &LockedBackups, removals: &[Removal<'_>]) -> Result<()> {
    let going = removals.iter().flat_map(Removal::going).collect();
    journal::begin(backups, &Intent::Prune { going }).map_err(|error| {
        error.guidance("where no space is left, make some: app_latest.db is a copy, which the next snapshot makes anew")
    })?;
    let decided = removals.iter().try_for_each(|removal| removal.decide(backups));
    // Also after an error, for what was decided before it.
    let finished = journal::recover(backups);
    decided.and(finished.map(drop))
}

/// Puts what was decided on disk, and brings the lists for `sha256sum -c` of snapshots that lost a half up to
/// their manifests.
pub fn settle(backups: &LockedBackups, going: &BTreeSet<String>) -> Result<()> {
    let stamps: BTreeSet<_> = going.iter().filter_map(|name| Stamp::of_name(name)).collect();
    backups.sync()?;
    let contents = backups.contents()?;
    let affected = contents.snapshots.iter().filter(|snapshot| stamps.contains(&snapshot.stamp()));
    affected.map(|snapshot| &snapshot.manifest).try_for_each(|manifest| write_list(backups, manifest))
}

impl Removal<'_> {
    /// Whether nothing stays of the snapshot.
    pub fn is_whole(&self) -> bool {
        self.remainder().is_none()
    }

    /// The manifest of what stays.
    fn remainder(&self) -> Option<Manifest> {
        let mut manifest = self.manifest.clone();
        for half in &self.halves {
            match half {
                Half::Db => manifest.database = None,
                Half::Faiss => manifest.indexes = None,
            }
        }
        manifest.pruned.extend(&self.halves);
        (manifest.has(Half::Db) || manifest.has(Half::Faiss)).then_some(manifest)
    }

    /// The names that no manifest will claim.
    fn going(&self) -> BTreeSet<String> {
        let stamp = self.manifest.stamp;
        let stays: BTreeSet<_> = self.remainder().iter().flat_map(names_of).collect();
        names_of(self.manifest).into_iter().filter(|name| !stays.contains(name) && *name != stamp.manifest()).collect()
    }

    fn decide(&self, backups: &LockedBackups) -> Result<()> {
        match self.remainder() {
            Some(manifest) => {
                backups.write(&manifest.stamp.manifest(), manifest.to_text()?.as_bytes())?;
                write_list(backups, &manifest)
            }
            None => remove(&backups.path(&self.manifest.stamp.manifest())),
        }
    }
}

fn write_list(backups: &LockedBackups, manifest: &Manifest) -> Result<()> {
    let (name, list) = (manifest.stamp.checksums(), manifest.checksums());
    if fs::read(backups.path(&name)).is_ok_and(|there| there == list.as_bytes()) {
        return Ok(());
    }
    backups.write(&name, list.as_bytes())
}
