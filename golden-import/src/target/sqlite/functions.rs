//! SQL functions that SQLite lacks.

use golden::Result;
use golden::document::Digest;
use golden::store::{Affinity, Codec, canonical_text};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as Stored;

/// `golden_json(text)`: the canonical form of a JSON text; anything else as it is. `golden_sha256(text)`: its
/// digest in hexadecimal digits.
pub fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("golden_json", 1, flags, |context| {
        let stored: Stored = context.get(0)?;
        Ok(match Codec::Json.decode(Affinity::None, stored.clone()) {
            Some(value) => Stored::Text(canonical_text(&value)),
            None => stored,
        })
    })?;
    connection.create_scalar_function("golden_sha256", 1, flags, |context| {
        Ok(match context.get(0)? {
            Stored::Text(text) => Stored::Text(Digest::of(text.as_bytes()).to_string()),
            _ => Stored::Null,
        })
    })?;
    Ok(())
}
