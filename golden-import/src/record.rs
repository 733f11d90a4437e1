//! A record on its way into the staging file, in the form in which its target wants it.

use golden::document::{Digest, RecordKind};
use golden::store::postgres::{CopyFormat, Scalar, Type, Values, push_raw};
use golden::store::{Affinity, Column, NormalRow, Schema};
use rusqlite::types::Value as Stored;

/// Bytes as the tool's own columns hold them.
const BYTES: Type = Type::One(Scalar::Bytea);

/// How records are staged: column by column for SQLite, which reads the staging file itself, and as COPY sends them
/// for PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How COPY sends them, where it does.
    pub copy: Option<CopyFormat>,
    /// Whether the texts of chunks are to be embedded.
    pub embeds: bool,
}

impl Form {
    /// Whether records of a kind are staged column by column: also where texts are looked for among them.
    pub fn has_columns(self, kind: RecordKind) -> bool {
        self.copy.is_none() || self.embeds && kind == RecordKind::Chunk
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
    /// Its id, the digest of its text and its columns, as COPY sends them; empty where it is staged otherwise.
    pub values: Vec<u8>,
    /// Whether the codecs read in them what the document says.
    pub reads_back: bool,
}

impl Record {
    /// Encodes a record of a table that is there.
    pub fn new(kind: RecordKind, mut row: NormalRow, text: Option<Digest>, schema: &Schema, form: Form) -> Self {
        let null = row.columns.iter().map(|stored| *stored == Stored::Null).collect();
        let (mut values, mut reads_back) = (Vec::new(), true);
        if let (Some(table), Some(format)) = (schema.table(kind), form.copy) {
            values.reserve(row.columns.iter().map(size).sum::<usize>() + 128);
            push_raw(row.id.as_deref().map(str::as_bytes), &mut values);
            let digest = text.map_or(Stored::Null, |text| Stored::Blob(text.bytes().into()));
            format.push_value(BYTES, &digest, &mut values);
            for (column, stored) in table.columns.iter().zip(&row.columns) {
                reads_back &= push_stored(format, column, stored, &mut values);
            }
        }
        if !form.has_columns(kind) {
            row.columns = Vec::new();
        }
        Self { kind, row, null, text, values, reads_back }
    }
}

/// About as many bytes as a value takes at most.
fn size(stored: &Stored) -> usize {
    match stored {
        Stored::Text(text) => text.len() + 4,
        Stored::Blob(bytes) => 2 * bytes.len() + 6,
        _ => 16,
    }
}

/// Appends a value as COPY sends it, and says whether the codecs will read the same there.
pub fn push_stored(format: CopyFormat, column: &Column, stored: &Stored, values: &mut Vec<u8>) -> bool {
    // No column of PostgreSQL is without a type.
    let Affinity::Typed(column_type) = column.affinity else { return false };
    let start = values.len();
    format.push_value(column_type, stored, values);
    // Most of a dataset, and sent as it is.
    if matches!((column_type, stored), (Type::One(Scalar::Text(_) | Scalar::Json), Stored::Text(_))) {
        return true;
    }
    Values(&values[start..]).first().is_none_or(|value| {
        let read = format.read(column, value);
        read.is_some_and(|read| read == *stored || column.decode(read) == column.decode(stored.clone()))
    })
}
