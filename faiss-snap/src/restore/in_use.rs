//! Whether another process has the database open, as far as this one may see.

use std::path::Path;

use golden::{Error, Result};

use super::{InUse, Move, beside};
use crate::manifest::Half;
use crate::open_files;

/// Refuses to go on while another process has the database open.
pub fn ensure_free(moves: &[Move], in_use: InUse) -> Result<()> {
    if in_use == InUse::Ignore {
        return Ok(());
    }
    for one in moves.iter().filter(|one| one.half == Half::Db) {
        let holders = holders(&one.live);
        if !holders.is_empty() {
            return Err(Error::locked(format!("{} is open in {}", one.live.display(), holders.join(", "))).guidance(
                "stop the application and try again; --force restores all the same, and what it writes then is lost",
            ));
        }
    }
    Ok(())
}

/// The processes that have the database or what belongs to it open.
fn holders(database: &Path) -> Vec<String> {
    let paths = [database.to_owned()].into_iter().chain(beside(database));
    let files = paths.filter_map(|path| open_files::id(&path)).collect();
    let mut holders: Vec<_> = open_files::find(&files).into_iter().map(|open| open.process).collect();
    holders.sort();
    holders.dedup();
    holders
}
