//! One module a command.

pub mod create;
pub mod list;

use golden::Result;
use golden::cli::Reporter;

use crate::backups::{Backups, LockedBackups};
use crate::journal;

/// Keeps other writers out, and finishes what an interrupted one had begun.
fn locked(backups: &Backups, reporter: &Reporter) -> Result<LockedBackups> {
    let locked = backups.lock()?;
    journal::recover(&locked)?.iter().for_each(|done| reporter.note(done));
    Ok(locked)
}
