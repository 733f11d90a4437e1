//! Names and texts in SQL, as both databases write them.

/// A name as an SQL identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal. SQLite ends a statement at U+0000, which PostgreSQL's texts cannot hold anyway.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
