//! SQL that tells a stored column from a staged one.

use golden::Result;
use golden::store::{Affinity, Codec, Column, canonical_text};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as Stored;

/// An SQL condition that holds where `stored` and `staged` are not the same value of the column.
pub fn differs(column: &Column, stored: &str, staged: &str) -> String {
    match (column.codec, column.affinity) {
        // White space and the order of keys make no difference.
        (Codec::Json, _) => format!("golden_json({stored}) IS NOT golden_json({staged})"),
        // 1 and 1.0 compare equal, but only here can a column hold either.
        (_, Affinity::None) => format!("({stored} IS NOT {staged} OR typeof({stored}) IS NOT typeof({staged}))"),
        // The column's own collation may ignore case.
        _ => format!("{stored} IS NOT {staged} COLLATE BINARY"),
    }
}

/// `golden_json(text)`: the canonical form of a JSON text; anything else as it is.
pub fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("golden_json", 1, flags, |context| {
        let stored: Stored = context.get(0)?;
        Ok(match Codec::Json.decode(Affinity::None, stored.clone()) {
            Some(value) => Stored::Text(canonical_text(&value)),
            None => stored,
        })
    })?;
    Ok(())
}
