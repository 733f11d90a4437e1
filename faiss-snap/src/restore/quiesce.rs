//! The live database, brought to rest: everything committed is in the one file, and nobody writes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use golden::cli::begins_with;
use golden::store::sqlite::open_for_writing;
use golden::{Error, Kind, Result};
use rusqlite::Connection;

use super::InUse;

/// How long a writer may take to finish.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database that nobody else writes to until this is dropped, or one that could not be opened.
pub struct Quiesced {
    _connection: Option<Connection>,
}

/// Moves what stands in a write-ahead log or a hot journal into the database, takes the log away, and
/// keeps others out. A damaged database is left as it is, with what lies beside it.
pub fn quiesce(database: &Path, in_use: InUse) -> Result<Quiesced> {
    if !is_sqlite(database) {
        // Opened, it would lose a log that may hold all that is left of it.
        return Ok(Quiesced { _connection: None });
    }
    match checkpointed(database) {
        Ok(connection) => Ok(Quiesced { _connection: Some(connection) }),
        Err(error) if error.kind() == Kind::Locked && in_use == InUse::Refuse => {
            Err(Error::locked(format!("{} is in use by another process", database.display()))
                .guidance("stop the application, then try again; --force restores all the same"))
        }
        Err(_) => Ok(Quiesced { _connection: None }),
    }
}

fn checkpointed(database: &Path) -> Result<Connection> {
    let connection = open_for_writing(database, PATIENCE)?;
    // Without a log there is nothing that closing the connection would remove by name: by then the name is
    // the new database's. The change of mode needs the database to itself, and checkpoints.
    let mode: String = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if mode != "delete" {
        return Err(Error::locked("the write-ahead log is in use"));
    }
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    Ok(connection)
}

/// Whether a file begins as SQLite's do. An empty one is a database without tables.
fn is_sqlite(database: &Path) -> bool {
    let starts = File::open(database).and_then(|file| begins_with(&file, b"SQLite format 3\0"));
    starts.unwrap_or(true) || database.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

/// Lets a database that nobody uses keep a write-ahead log again.
pub fn give_wal_back(database: &Path) -> Result<()> {
    let connection = open_for_writing(database, PATIENCE)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    Ok(())
}

/// Whether a database's header says that it keeps a write-ahead log.
pub fn has_wal(database: &Path) -> bool {
    let mut versions = [0; 2];
    File::open(database).and_then(|file| file.read_exact_at(&mut versions, 18)).is_ok() && versions == [2, 2]
}
