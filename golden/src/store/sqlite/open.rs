//! Opening a database: never creating one by accident, never altering one to read it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::{Context, Error, Result};

/// Pages kept in memory, in KiB: what must grow spills to a temporary file instead.
const CACHE_KIB: i64 = 8 * 1024;

/// Opens an existing database read-only.
pub fn open_for_reading(path: &Path) -> Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Opens an existing database; a lock is waited for as long as `patience`.
pub fn open_for_writing(path: &Path, patience: Duration) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(patience)?;
    Ok(connection)
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection> {
    let name = path.display();
    if !path.exists() {
        return Err(Error::environment(format!("there is no database at {name}"))
            .guidance("name an existing one with --db or DATABASE_URL"));
    }
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .context(|| format!("cannot open {name}"))?;
    connection.busy_timeout(Duration::from_secs(30))?;
    // The first statement is the first to read the file.
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .context(|| format!("cannot read {name}"))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "FILE")?;
    Ok(connection)
}

/// A name as an SQL identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
