//! Putting a snapshot back: staged beside the live data and verified there, then swapped by renames that
//! a journal announces. Whatever interrupts it, the next run completes the swap or clears the staging:
//! the pair of database and indexes is then the old or the new one.

pub mod in_use;
mod plan;
mod quiesce;
mod rebuilt;
mod stage;
mod swap;
mod undo;

pub use plan::{Origin, Plan, Wanted};
pub use rebuilt::Rebuilding;
pub use stage::{Owner, Staged, stage};
pub use swap::swap;
pub use undo::{is_record, record_of};

use std::path::{Path, PathBuf};

use self::swap::complete;
use golden::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use crate::backups::{LockedBackups, remove};
use crate::journal::{self, Intent};
use crate::manifest::Half;

/// A restore that was begun, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Whether what takes the place was made for that.
    pub kind: RestoreKind,
    /// How far it had come.
    pub phase: Phase,
    /// What is restored, for people.
    pub from: String,
    /// What happens to each half.
    pub moves: Vec<Move>,
    /// Whether other processes that have the database open are to be ignored.
    pub in_use: InUse,
}

/// Where the new state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestoreKind {
    /// It was copied out of a backup; without it nothing is lost.
    Copy,
    /// It is the undo copy itself.
    Undo,
}

/// How far a restore has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The live data is untouched; what was staged can go.
    Staging,
    /// What was staged is complete, and is about to take its place.
    Swapping,
}

/// What to do about another process that has the database open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InUse {
    /// Restore nothing.
    Refuse,
    /// Restore all the same: it goes on with the old file until it opens the new one.
    Ignore,
}

/// One half: the live goes aside, the staged takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Which.
    pub half: Half,
    /// Where the application looks for it.
    pub live: PathBuf,
    /// What takes its place; none where there is to be nothing.
    pub staged: Option<PathBuf>,
    /// Where the old one goes, for `--undo`.
    pub aside: PathBuf,
    /// Whether the old database keeps a write-ahead log: its undo copy shall again.
    pub was_wal: bool,
}

/// Completes or undoes an interrupted restore, and says which.
pub fn recover(backups: &LockedBackups, restore: &Restore) -> Result<String> {
    match restore.phase {
        Phase::Staging if restore.kind == RestoreKind::Copy => {
            for staged in restore.moves.iter().filter_map(|one| one.staged.as_deref()) {
                remove(staged)?;
                for file in beside(staged) {
                    remove(&file)?;
                }
            }
            journal::end(backups)?;
            Ok(format!("undid an interrupted restore of {}: nothing had been replaced", restore.from))
        }
        Phase::Staging | Phase::Swapping => {
            complete(backups, restore).map_err(|error| {
                error.context(format!("a restore of {} was interrupted and cannot be completed", restore.from))
            })?;
            Ok(format!("completed an interrupted restore of {}", restore.from))
        }
    }
}

/// What SQLite may keep beside a database.
pub fn beside(database: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|end| {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

/// The folder a path is in.
fn folder_of(path: &Path) -> Result<&Path> {
    path.parent().ok_or_else(|| Error::usage(format!("{} is in no folder", path.display())))
}

/// Announces a phase in the journal.
pub fn announce(backups: &LockedBackups, restore: &Restore) -> Result<()> {
    journal::begin(backups, &Intent::Restore(restore.clone())).context(|| "cannot write the journal")
}
