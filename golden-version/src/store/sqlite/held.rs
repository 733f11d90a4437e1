//! Files beside the database that say, by their locks, which jobs are at work: the locks go with the process, on every
//! machine that has the database.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use golden::cli::Lock;
use golden::{Context, Kind, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in file names as it is.
const UNENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-');

/// The jobs that this process is at.
pub struct HeldJobs {
    /// What the files are called before the job's id: `app.db.job-`.
    prefix: PathBuf,
    locks: HashMap<String, Lock>,
}

impl HeldJobs {
    /// Of a database; whatever links lead to it.
    pub fn beside(database: &Path) -> Self {
        let mut prefix = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
        prefix.push(".job-");
        Self { prefix: prefix.into(), locks: HashMap::new() }
    }

    /// Locks the file of a job; false where another process has.
    pub fn hold(&mut self, id: &str) -> Result<bool> {
        match Lock::take(&self.path(id), "another golden-version") {
            Ok(lock) => {
                self.locks.insert(id.to_owned(), lock);
                Ok(true)
            }
            Err(error) if error.kind() == Kind::Locked => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the file while it is locked: whoever comes then makes another.
    pub fn release(&mut self, id: &str) -> Result<()> {
        let Some(lock) = self.locks.remove(id) else { return Ok(()) };
        let path = self.path(id);
        let removed = fs::remove_file(&path).context(|| format!("cannot remove {}", path.display()));
        drop(lock);
        removed
    }

    fn path(&self, id: &str) -> PathBuf {
        let mut path = self.prefix.as_os_str().to_owned();
        path.push(utf8_percent_encode(id, &UNENCODED).to_string());
        path.into()
    }
}
