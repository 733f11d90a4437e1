//! Which other processes have a database open, as far as this one may see.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use golden::{Error, Result};

use super::{InUse, Move, beside};
use crate::manifest::Half;

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

/// The processes that have the database or what belongs to it open. Those of other users may stay unseen.
fn holders(database: &Path) -> Vec<String> {
    let files: Vec<_> = [database.to_owned()].iter().chain(&beside(database)).filter_map(|path| id(path)).collect();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id().to_string();
    let mut holders = Vec::new();
    for process in processes.flatten() {
        let Some(number) = process.file_name().to_str().filter(|name| **name != *own).map(str::to_owned) else {
            continue;
        };
        let Ok(open) = fs::read_dir(process.path().join("fd")) else { continue };
        if open.flatten().any(|descriptor| id(&descriptor.path()).is_some_and(|id| files.contains(&id))) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            holders.push(format!("process {number} ({})", golden::visible(name.trim())));
        }
    }
    holders.sort();
    holders
}

fn id(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().filter(Metadata::is_file).map(|metadata| (metadata.dev(), metadata.ino()))
}
