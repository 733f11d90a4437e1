//! Opening a database: never creating one by accident, never altering one to read it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema;
use crate::store::mapping::Mapping;
use crate::store::schema::Schema;
use crate::{Context, Error, Result};

/// Pages kept in memory, in KiB: what must grow spills to a temporary file instead.
const CACHE_KIB: i64 = 8 * 1024;

/// Opens an existing database read-only.
pub fn open_for_reading(path: &Path) -> Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, Duration::from_secs(30))
}

/// Opens an existing database for reading and learns its schema, with a read transaction begun.
pub(crate) fn open(path: &Path, mapping: &Mapping) -> Result<(Connection, Schema)> {
    let connection = open_for_reading(path)?;
    connection.execute_batch("BEGIN")?;
    let schema = schema(&connection, mapping).context(|| path.display().to_string())?;
    Ok((connection, schema))
}

/// Opens an existing database; a lock is waited for as long as `patience`.
pub fn open_for_writing(path: &Path, patience: Duration) -> Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, patience)
}

fn connect(path: &Path, access: OpenFlags, patience: Duration) -> Result<Connection> {
    let name = path.display();
    let Ok(metadata) = path.metadata() else {
        return Err(Error::environment(format!("there is no database at {name}"))
            .guidance("name an existing one with --db or DATABASE_URL"));
    };
    if !metadata.is_file() {
        return Err(Error::environment(format!("{name} is not a file")).guidance("give the path of a SQLite file"));
    }
    let connection =
        Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(cannot_read(path))?;
    connection.busy_timeout(patience)?;
    // The first statement is the first to read the file.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(cannot_read(path))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "FILE")?;
    Ok(connection)
}

/// Says why a file cannot be read as a database, and what to do.
fn cannot_read(path: &Path) -> impl Fn(rusqlite::Error) -> Error + '_ {
    move |error| {
        let guidance = match error.sqlite_error_code() {
            // To roll the transaction back would be to alter the file.
            Some(ErrorCode::ReadOnly) => {
                return Error::environment(format!("{} was left in the middle of a transaction", path.display()))
                    .guidance("open it once with its own program or sqlite3, which repairs it, then try again");
            }
            Some(ErrorCode::NotADatabase) => "give the path of a SQLite file",
            Some(ErrorCode::DatabaseCorrupt) => {
                "restore it from a backup, or save what is left with `.recover` of sqlite3"
            }
            Some(ErrorCode::CannotOpen) => {
                "is it readable? In WAL mode its folder must be writable too, unless a program has it open"
            }
            _ => return Error::from(error).context(format!("cannot read {}", path.display())),
        };
        Error::from(error).context(format!("cannot read {}", path.display())).guidance(guidance)
    }
}
