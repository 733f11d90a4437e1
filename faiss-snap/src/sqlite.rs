//! SQLite files that nobody writes to: a snapshot, or one that is being made.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use golden::store::quote;
use golden::{Context, Result};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::manifest::{Finding, Level};

/// How many faults of one file are spelt out.
const SHOWN: usize = 5;

/// Opens a file that does not change meanwhile. Nothing is made beside it, also where its header asks for
/// a write-ahead log.
pub fn open_unchanging(path: &Path) -> Result<Connection> {
    let cannot_read = || format!("cannot read {}", path.display());
    let absolute = std::path::absolute(path).context(cannot_read)?;
    let encoded = percent_encode(absolute.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(format!("file:{encoded}?immutable=1"), flags).context(cannot_read)?;
    connection.pragma_update(None, "cache_size", -8 * 1024).context(cannot_read)?;
    connection.pragma_update(None, "temp_store", "FILE").context(cannot_read)?;
    Ok(connection)
}

/// What SQLite's own checks say of a file, and the rows of its tables.
#[derive(Debug, Default)]
pub struct Inspection {
    /// What came out.
    pub findings: Vec<Finding>,
    /// Rows of each table; none where it cannot be read without its module.
    pub rows: BTreeMap<String, Option<u64>>,
}

/// Checks a file with all that SQLite has.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let connection = open_unchanging(path)?;
    let mut inspection = Inspection { findings: vec![integrity(&connection)], rows: BTreeMap::new() };
    if inspection.findings.iter().any(|finding| finding.level == Level::Error) {
        return Ok(inspection);
    }
    inspection.findings.push(foreign_keys(&connection));
    inspection.rows = rows(&connection)?;
    if inspection.rows.is_empty() {
        inspection.findings.push(Finding::new(Level::Warning, "rows", None, "the database has no tables"));
    }
    Ok(inspection)
}

/// `PRAGMA integrity_check`.
pub fn integrity(connection: &Connection) -> Finding {
    let finding = |level, message: &str| Finding::new(level, "integrity_check", None, message);
    match texts(connection, "PRAGMA integrity_check(100)") {
        Ok(lines) if lines == ["ok"] => finding(Level::Ok, "ok"),
        Ok(lines) => finding(Level::Error, &shown(&lines)),
        // A function or collation of the application's own, which nobody else has.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
            finding(Level::Warning, &format!("could not be finished: {error}"))
        }
        Err(error) => finding(Level::Error, &error.to_string()),
    }
}

fn foreign_keys(connection: &Connection) -> Finding {
    let finding = |level, message: &str| Finding::new(level, "foreign_key_check", None, message);
    let sql = "SELECT \"table\" || ': ' || count(*) || ' row(s) without their ' || \"parent\"
               FROM pragma_foreign_key_check GROUP BY \"table\", \"parent\"";
    match texts(connection, sql) {
        Ok(lines) if lines.is_empty() => finding(Level::Ok, "ok"),
        Ok(lines) => finding(Level::Warning, &shown(&lines)),
        Err(error) => finding(Level::Warning, &format!("could not be finished: {error}")),
    }
}

fn rows(connection: &Connection) -> Result<BTreeMap<String, Option<u64>>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut rows = BTreeMap::new();
    for name in texts(connection, sql)? {
        let count = connection.query_row(&format!("SELECT count(*) FROM main.{}", quote(&name)), [], |row| row.get(0));
        rows.insert(name, count.ok());
    }
    Ok(rows)
}

fn texts(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        texts.push(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned());
    }
    Ok(texts)
}

/// The first of the lines, and how many more there are.
fn shown(lines: &[String]) -> String {
    let first: Vec<_> = lines.iter().take(SHOWN).map(|line| golden::visible(line.trim())).collect();
    match lines.len().saturating_sub(SHOWN) {
        0 => first.join("; "),
        more => format!("{}; and {more} more", first.join("; ")),
    }
}
