//! The file that is imported into.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use golden::store::sqlite::{open_for_reading, open_for_writing};
use golden::{Context, Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::SqliteSession;
use crate::cli::Cli;
use crate::target::Purpose;

/// A SQLite file, there or yet to be made.
pub struct DatabaseFile {
    /// Where it is, links followed.
    pub path: PathBuf,
    /// Whether it was there before this import.
    pub exists: bool,
    patience: Duration,
}

impl DatabaseFile {
    /// The file at `path`.
    pub fn new(cli: &Cli, path: &Path) -> Result<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.to_str().is_none() {
            return Err(Error::usage(format!("the path {} is not UTF-8", path.display())));
        }
        let exists = path.exists() || !cli.init;
        Ok(Self { path, exists, patience: Duration::from_secs(cli.lock_timeout) })
    }

    /// Opens the database to learn what it is like. One that a crash left in the middle of a transaction is
    /// repaired on the way, as SQLite does for anybody who may write.
    pub fn learn(&self, cli: &Cli) -> Result<SqliteSession> {
        let purpose = if cli.dry_run { Purpose::Look } else { Purpose::Change };
        let connection = match self.exists {
            true => self.connect(purpose, cli.init)?,
            false => Connection::open_in_memory()?,
        };
        SqliteSession::new(connection, self.path.clone())
    }

    /// Opens the database; it is created if `--init` is to do so.
    pub fn open(&self, purpose: Purpose, ddl: &[String]) -> Result<SqliteSession> {
        let connection = match (self.exists, purpose) {
            (true, purpose) => self.connect(purpose, !ddl.is_empty())?,
            (false, Purpose::Look) => Connection::open_in_memory()?,
            (false, Purpose::Change) => Connection::open_with_flags(
                &self.path,
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )
            .context(|| format!("cannot create {}", self.path.display()))?,
        };
        SqliteSession::new(connection, self.path.clone())
    }

    fn connect(&self, purpose: Purpose, creates_tables: bool) -> Result<Connection> {
        let path = &self.path;
        if purpose == Purpose::Look && !creates_tables {
            return open_for_reading(path);
        }
        let connection = open_for_writing(path, self.patience)?;
        if purpose == Purpose::Look {
            // The write-ahead log is left as it is.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        } else if connection.is_readonly("main")? {
            return Err(Error::environment(format!("{} is write-protected", path.display()))
                .guidance("an import needs write permission for the file and for its folder"));
        }
        Ok(connection)
    }

    /// Removes the empty file that a failed `--init` made.
    pub fn remove_if_void(&self) {
        if !self.exists && fs::metadata(&self.path).is_ok_and(|found| found.len() == 0) {
            // If it stays, the next --init fills it.
            let _ = fs::remove_file(&self.path);
        }
    }
}
