//! A record on its way into the staging file, in the form in which its target wants it.

use golden::document::{Digest, RecordKind};
use golden::store::postgres::{Type, escape};
use golden::store::{Affinity, Column, NormalRow, Schema};
use rusqlite::types::Value as Stored;

use crate::target::Dialect;

/// How records are staged: column by column for SQLite, which reads the staging file itself, and as lines of COPY for
/// PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// For which of the two.
    pub dialect: Dialect,
    /// Whether the texts of chunks are to be embedded.
    pub embeds: bool,
}

impl Form {
    /// Whether records of a kind are staged column by column: also where texts are looked for among them.
    pub fn has_columns(self, kind: RecordKind) -> bool {
        self.dialect == Dialect::Sqlite || self.embeds && kind == RecordKind::Chunk
    }

    /// Whether records are staged as lines.
    pub fn has_lines(self) -> bool {
        self.dialect == Dialect::Postgres
    }
}

/// A record, encoded.
pub struct Record {
    /// Its kind.
    pub kind: RecordKind,
    /// What is known of it; the values only where they are staged column by column.
    pub row: NormalRow,
    /// By column: whether there is no value.
    pub null: Vec<bool>,
    /// The digest of its text, where a vector is to be made from it.
    pub text: Option<Digest>,
    /// Its id, the digest of its text and its columns, as COPY reads them; empty where it is staged otherwise.
    pub line: Vec<u8>,
    /// Whether the codecs read in the line what the document says.
    pub reads_back: bool,
}

impl Record {
    /// Encodes a record of a table that is there.
    pub fn new(kind: RecordKind, mut row: NormalRow, text: Option<Digest>, schema: &Schema, form: Form) -> Self {
        let null = row.columns.iter().map(|stored| *stored == Stored::Null).collect();
        let (mut line, mut reads_back) = (Vec::new(), true);
        if let Some(table) = schema.table(kind).filter(|_| form.has_lines()) {
            line.reserve(row.columns.iter().map(size).sum::<usize>() + 64);
            push(row.id.as_deref(), &mut line);
            line.push(b'\t');
            push(text.map(|text| format!("\\x{text}")).as_deref(), &mut line);
            for (column, stored) in table.columns.iter().zip(&row.columns) {
                line.push(b'\t');
                reads_back &= push_stored(column, stored, &mut line);
            }
            line.push(b'\n');
        }
        if !form.has_columns(kind) {
            row.columns = Vec::new();
        }
        Self { kind, row, null, text, line, reads_back }
    }
}

/// About as many bytes as a value takes in a line.
fn size(stored: &Stored) -> usize {
    match stored {
        Stored::Text(text) => text.len() + text.len() / 16 + 1,
        Stored::Blob(bytes) => 2 * bytes.len() + 4,
        _ => 16,
    }
}

/// Appends a value as the column's type spells it, and says whether the codecs will read the same there.
pub fn push_stored(column: &Column, stored: &Stored, line: &mut Vec<u8>) -> bool {
    match (column.affinity, stored) {
        // Most of a dataset, and spelled as it is.
        (affinity, Stored::Text(text)) if affinity.is_spelled() => {
            push(Some(text), line);
            true
        }
        (Affinity::Typed(Type::One(_)), Stored::Text(text)) => {
            push(Some(text), line);
            reads_back(column, text, stored)
        }
        (Affinity::Typed(column_type), stored) => {
            let spelled = column_type.spell(stored);
            push(spelled.as_deref(), line);
            spelled.is_none_or(|spelled| reads_back(column, &spelled, stored))
        }
        // No column of PostgreSQL is without a type.
        _ => false,
    }
}

fn reads_back(column: &Column, spelled: &str, stored: &Stored) -> bool {
    let read = column.read(spelled);
    read == *stored || column.decode(read) == column.decode(stored.clone())
}

/// Appends what COPY reads as a value; none is NULL.
pub fn push(spelled: Option<&str>, line: &mut Vec<u8>) {
    match spelled {
        Some(spelled) => escape(spelled, line),
        None => line.extend_from_slice(b"\\N"),
    }
}
