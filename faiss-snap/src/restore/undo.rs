//! What restores replaced, kept beside the live data until the next restore there.

use std::fs;
use std::io;

use golden::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use super::plan::{aside, free_number};
use super::quiesce::has_wal;
use super::{InUse, Move, Phase, Restore, RestoreKind, beside};
use crate::backups::{Backups, LockedBackups, remove};
use crate::manifest::Half;
use crate::source::Places;

const NAME: &str = ".faiss-snap-undo.json";

/// A restore that can be undone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Undo {
    /// What was restored.
    pub from: String,
    /// Where the old state is, by half.
    pub moves: Vec<Move>,
}

/// Keeps a restore's undo copies, and lets go of those that earlier ones left for the same places.
pub fn keep(backups: &LockedBackups, restore: &Restore) -> Result<()> {
    let is_same_place = |undo: &Undo| undo.moves.iter().any(|old| restore.moves.iter().any(|new| new.live == old.live));
    let (superseded, mut kept): (Vec<_>, Vec<_>) = read(backups)?.into_iter().partition(is_same_place);
    let is_kept = |one: &Move| restore.moves.iter().any(|new| new.aside == one.aside);
    for old in superseded.iter().flat_map(|undo| &undo.moves).filter(|one| !is_kept(one)) {
        remove(&old.aside)?;
        for file in beside(&old.aside).iter().filter(|_| old.half == Half::Db) {
            remove(file)?;
        }
    }
    kept.push(Undo { from: restore.from.clone(), moves: restore.moves.clone() });
    let text = serde_json::to_vec_pretty(&kept).map_err(io::Error::from)?;
    backups.write(NAME, &text)
}

/// The last restore to these places.
pub fn record_of(backups: &Backups, places: &Places) -> Result<Undo> {
    let named: Vec<_> = [&places.database, &places.indexes].into_iter().flatten().collect();
    let absolute: Vec<_> = named.iter().filter_map(|place| super::plan::resolved(place).ok()).collect();
    let is_there = |undo: &Undo| undo.moves.iter().any(|one| absolute.contains(&one.live));
    read(backups)?.into_iter().rev().find(is_there).ok_or_else(|| {
        Error::environment("no restore is known that could be undone")
            .guidance("name the same --backups and --data as at the restore")
    })
}

impl Undo {
    /// The restore that puts the old state back. It can itself be undone.
    pub fn restore(&self, in_use: InUse) -> Restore {
        let number = free_number(self.moves.iter().map(|one| one.live.as_path()));
        let moves = self.moves.iter().map(|one| Move {
            half: one.half,
            live: one.live.clone(),
            staged: Some(one.aside.clone()).filter(|aside| fs::symlink_metadata(aside).is_ok()),
            aside: aside(&one.live, number),
            was_wal: one.half == Half::Db && has_wal(&one.live),
        });
        Restore {
            kind: RestoreKind::Undo,
            phase: Phase::Swapping,
            from: format!("what was there before {}", self.from),
            moves: moves.collect(),
            in_use,
        }
    }
}

fn read(backups: &Backups) -> Result<Vec<Undo>> {
    let path = backups.path(NAME);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| {
            Error::data(format!("{} is damaged: {error}", path.display()))
                .guidance("it says where the undo copies are; look at its text, then remove it")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).context(|| format!("cannot read {}", path.display())),
    }
}

/// Whether a file in the folder of backups is the record of undo copies.
pub fn is_record(name: &str) -> bool {
    name == NAME
}
