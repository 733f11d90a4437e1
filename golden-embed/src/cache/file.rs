//! The cache's file: where it is, how it is made, and what becomes of a damaged one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use golden::Error;
use rusqlite::Connection;
use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase};

/// Marks a SQLite file as a cache of ours, of this form.
const APPLICATION: i32 = 0x676f_6c31;

/// How long another process's write is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The user's own cache: there is none where nobody says whose.
pub fn default_path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(caches.join("golden/embeddings.db"))
}

/// Opens the file, or makes it, for nobody else to read: a vector says much about its text.
pub fn open(path: &Path) -> rusqlite::Result<Connection> {
    if let Some(folder) = path.parent() {
        // What goes wrong here shows at the next step.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    }
    let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION {
        make(&connection)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // After a crash the last entries may be missing, and nothing else.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// Makes the tables in a file that has none.
fn make(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: u64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == APPLICATION {
        // Another process was faster.
        return transaction.commit();
    }
    if tables > 0 {
        return Err(rusqlite::Error::InvalidQuery);
    }
    connection.execute_batch(
        "CREATE TABLE models(id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
         CREATE TABLE entries(
             model INTEGER NOT NULL REFERENCES models(id), text BLOB NOT NULL, vector BLOB NOT NULL,
             long INTEGER NOT NULL, used INTEGER NOT NULL, checksum BLOB NOT NULL,
             PRIMARY KEY(model, text));",
    )?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()
}

/// Whether the file itself is damaged.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Renames a damaged file, with what SQLite keeps beside it.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let beside = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let aside = beside(path, &format!(".damaged-{now}"));
    for suffix in ["", "-wal", "-shm"] {
        match fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// What people are told who named a file that cannot be used.
pub fn describe(path: &Path, error: &rusqlite::Error) -> Error {
    let path = path.display();
    match error.sqlite_error_code() {
        _ if *error == rusqlite::Error::InvalidQuery => {
            Error::usage(format!("{path} is a database, but no cache of vectors")).guidance("choose another file")
        }
        Some(DatabaseBusy | DatabaseLocked) => Error::locked(format!("the cache {path}: {error}")),
        _ => Error::environment(format!("the cache {path}: {error}")),
    }
}
