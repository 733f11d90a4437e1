//! One module a command.

pub mod create;
pub mod drill;
pub mod list;
pub mod prune;
pub mod rebuild;
pub mod restore;
pub mod search;
pub mod verify;

use golden::cli::Reporter;
use golden::{Kind, Result};

use crate::backups::{Backups, LockedBackups};
use crate::journal;

/// Keeps other writers out, and finishes what an interrupted one had begun.
fn locked(backups: &Backups, reporter: &Reporter) -> Result<LockedBackups> {
    let locked = backups.lock()?;
    journal::recover(&locked)?.iter().for_each(|done| reporter.note(done));
    Ok(locked)
}

/// What only reads finishes an interrupted run too where it may, and else goes on.
fn settled(folder: &std::path::Path, reporter: &Reporter) -> Result<Backups> {
    let backups = Backups::new(folder);
    let is_pending = journal::read(&backups).is_ok_and(|pending| pending.is_some());
    if is_pending && let Err(error) = locked(&backups, reporter) {
        match error.kind() {
            // Somebody is at work; what is there is not interrupted.
            Kind::Locked => {}
            _ => reporter.warn(error.message()),
        }
    }
    Ok(backups)
}
