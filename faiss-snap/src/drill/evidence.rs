//! What is left of a rehearsal: one JSON document that says what was done and what came out.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use golden::{Context, Result};
use serde::Serialize;

use super::{Protocol, Retrieval, Verdict};
use crate::stamp::Stamp;

/// Where it stands in the folder of backups.
pub const FOLDER: &str = "drills";

/// The document.
#[derive(Debug, Serialize)]
pub struct Evidence {
    /// The version of the document's form.
    pub format: u32,
    /// The program, and its version.
    pub tool: String,
    /// When the rehearsal was begun.
    pub started_at: DateTime<Utc>,
    /// When it was finished.
    pub finished_at: DateTime<Utc>,
    /// How it came out.
    pub outcome: Verdict,
    /// The snapshot, where one was found.
    pub snapshot: Option<Stamp>,
    /// The document, where one was given.
    pub document: Option<PathBuf>,
    /// What was checked.
    pub checks: Protocol,
    /// What searches found.
    pub retrieval: Vec<Retrieval>,
}

impl Evidence {
    /// Writes it, complete or not at all, beside that of earlier rehearsals.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let cannot_write = || format!("cannot write to {}", folder.display());
        fs::create_dir_all(folder).context(cannot_write)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).context(cannot_write)?;
        serde_json::to_writer_pretty(&mut file, self).map_err(io::Error::from).context(cannot_write)?;
        file.write_all(b"\n").and_then(|()| file.as_file().sync_all()).context(cannot_write)?;
        let mut stamp = Stamp::at(self.finished_at);
        loop {
            let path = folder.join(format!("drill_{stamp}.json"));
            match file.persist_noclobber(&path) {
                Ok(_) => return Ok(path),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    (file, stamp) = (error.file, stamp.next());
                }
                Err(error) => return Err(error.error).context(cannot_write),
            }
        }
    }
}
