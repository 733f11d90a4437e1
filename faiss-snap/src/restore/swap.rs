//! The swap. Every step looks at what is there, so that it can be taken again from any point on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use golden::{Context, Error, Result};

use super::quiesce::{give_wal_back, has_wal, quiesce};
use super::{InUse, Move, Phase, Restore, RestoreKind, announce, beside, folder_of, undo};
use crate::backups::{LockedBackups, sync_folder};
use crate::journal;
use crate::manifest::Half;

/// Takes what was staged into place: from here on it is completed, whatever happens, but for what turns out
/// to be in the way before anything was moved, such as another process that has the database open.
pub fn swap(backups: &LockedBackups, restore: Restore) -> Result<Restore> {
    let restore = Restore { phase: Phase::Swapping, ..restore };
    announce(backups, &restore)?;
    match complete(backups, &restore) {
        Ok(()) => Ok(restore),
        Err(error) if restore.moves.iter().all(|one| !exists(&one.aside)) => {
            call_off(backups, &restore)?;
            Err(error)
        }
        Err(error) => match error.next_step() {
            Some(_) => Err(error),
            None => Err(error.guidance("what is left to do is done by `faiss-snap restore --recover`")),
        },
    }
}

/// Nothing was moved: what was copied for this goes, what was an undo copy stays.
fn call_off(backups: &LockedBackups, restore: &Restore) -> Result<()> {
    for one in restore.moves.iter().filter(|one| one.was_wal && !has_wal(&one.live)) {
        // Whoever has it open now will find it as before, or does not need it.
        let _ = give_wal_back(&one.live);
    }
    match restore.kind {
        RestoreKind::Copy => announce(backups, &Restore { phase: Phase::Staging, ..restore.clone() }),
        RestoreKind::Undo => journal::end(backups),
    }
}

/// Completes a swap that was announced.
pub fn complete(backups: &LockedBackups, restore: &Restore) -> Result<()> {
    for one in &restore.moves {
        match one.half {
            Half::Db => database(one, restore.in_use)?,
            Half::Faiss => indexes(one)?,
        }
        sync_folder(folder_of(&one.live)?)?;
    }
    undo::keep(backups, restore)?;
    journal::end(backups)
}

fn database(one: &Move, in_use: InUse) -> Result<()> {
    let Move { live, staged, aside, .. } = one;
    let is_done = match staged {
        Some(staged) => !exists(staged),
        None => !exists(live),
    };
    if !is_done {
        ensure_is_the_old(live, aside)?;
        let quiesced = if exists(live) { Some(quiesce(live, in_use)?) } else { None };
        match staged {
            Some(staged) => {
                if exists(live) && !exists(aside) && fs::hard_link(live, aside).is_err() {
                    rename(live, aside)?;
                }
                // A log or journal that stays would be replayed onto the new file.
                take_along(live, aside)?;
                take_along(staged, live)?;
                rename(staged, live)?;
            }
            None => {
                take_along(live, aside)?;
                rename(live, aside)?;
            }
        }
        drop(quiesced);
    }
    if one.was_wal && exists(aside) {
        // A damaged one has no use for it.
        let _ = give_wal_back(aside);
    }
    Ok(())
}

/// Moves what lies beside a database to beside another.
fn take_along(from: &Path, to: &Path) -> Result<()> {
    for (from, to) in beside(from).iter().zip(beside(to)) {
        if exists(from) {
            rename(from, &to)?;
        }
    }
    Ok(())
}

/// Between an interrupted swap and now, somebody may have made a new database where one was missing.
fn ensure_is_the_old(live: &Path, aside: &Path) -> Result<()> {
    let id = |path: &Path| fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    if exists(aside) && exists(live) && id(live) != id(aside) {
        return Err(in_the_way(live, aside));
    }
    Ok(())
}

fn indexes(one: &Move) -> Result<()> {
    let Move { live, staged, aside, .. } = one;
    let Some(staged) = staged else {
        return if exists(live) { set_aside(live, aside) } else { Ok(()) };
    };
    if !exists(staged) {
        return Ok(());
    }
    if exists(live) {
        set_aside(live, aside)?;
    }
    rename(staged, live)
}

fn set_aside(live: &Path, aside: &Path) -> Result<()> {
    if exists(aside) { Err(in_the_way(live, aside)) } else { rename(live, aside) }
}

fn in_the_way(live: &Path, aside: &Path) -> Error {
    Error::environment(format!("{} was made anew while a restore was interrupted", live.display())).guidance(format!(
        "what was there before is {}; move the new one away, then run faiss-snap restore --recover",
        aside.display()
    ))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
