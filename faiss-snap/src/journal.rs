//! What a run is about to do, written down before it does it: the next run completes it or undoes it.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use golden::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use crate::backups::{Backups, LockedBackups, remove};
use crate::rebuild::Replacement;
use crate::removal;
use crate::restore::{self, Restore};
use crate::stamp::Stamp;

/// The journal's name in the folder of backups: one writer at a time has one journal.
pub const NAME: &str = ".faiss-snap-journal.json";

/// What was begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "lowercase")]
pub enum Intent {
    /// The files of a snapshot are about to get their names. Without a manifest they are debris.
    Create {
        /// The snapshot.
        stamp: Stamp,
    },
    /// Live data is about to be replaced.
    Restore(Restore),
    /// Live indexes are about to be replaced by such of today's vectors.
    Rebuild(Replacement),
    /// Snapshots, or halves of them, are about to be removed. A name that no manifest claims any more is
    /// debris; one that a manifest still claims was not yet decided upon, and stays.
    Prune {
        /// The names in the folder of backups that go, without those of manifests.
        going: BTreeSet<String>,
    },
}

/// What was begun and not finished.
pub fn read(backups: &Backups) -> Result<Option<Intent>> {
    let path = backups.path(NAME);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(|| format!("cannot read {}", path.display())),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Error::data(format!("{} is damaged: {error}", path.display()))
            .guidance("it says what an interrupted run was doing; look at its text, put that right, and remove it")
    })
}

/// Writes down what is about to be done; it is on disk when this returns.
pub fn begin(backups: &LockedBackups, intent: &Intent) -> Result<()> {
    let text = serde_json::to_vec_pretty(intent).map_err(io::Error::from)?;
    backups.write(NAME, &text)
}

/// It was done.
pub fn end(backups: &LockedBackups) -> Result<()> {
    remove(&backups.path(NAME))?;
    backups.sync()
}

/// Completes or undoes what an interrupted run was doing, and removes what it left behind. Answers what
/// there was to do, for a person.
pub fn recover(backups: &LockedBackups) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let pending = read(backups)?;
    if let Some(Intent::Prune { going }) = &pending {
        removal::settle(backups, going)?;
    }
    let cleaned = backups.clean()?;
    match pending {
        None => {}
        Some(Intent::Create { .. } | Intent::Prune { .. }) => end(backups)?,
        Some(Intent::Restore(pending)) => done.push(restore::recover(backups, &pending)?),
        Some(Intent::Rebuild(pending)) => done.push(pending.recover(backups)?),
    }
    if cleaned > 0 {
        done.push(format!("removed {cleaned} unfinished file(s) or folder(s) that an interrupted run had left"));
    }
    Ok(done)
}
