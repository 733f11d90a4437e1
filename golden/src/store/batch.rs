//! Rows on their way from the thread that reads them to those that work out what they mean.

use std::str::Utf8Error;

use ::postgres::Row;
use rusqlite::types::Value as Stored;
use serde_json::Value;

use super::postgres;
use super::schema::{Column, Schema, Table};
use crate::document::{Fields, RecordKind, id_text};
use crate::store::quote;
use crate::{Error, Result};

/// How many bytes of rows travel together between threads.
pub(super) const BATCH_BYTES: usize = 256 * 1024;

/// Rows as the database handed them over: value by value from SQLite, in one piece each from PostgreSQL.
#[derive(Default)]
pub(super) struct Batch {
    kinds: Vec<RecordKind>,
    /// The values of SQLite's rows.
    values: Vec<Kept>,
    /// Texts and blobs, in the order of `values`: what one thread reads and another uses costs neither an
    /// allocation a value.
    bytes: Vec<u8>,
    /// PostgreSQL's rows, and how many bytes they have.
    sent: Vec<Row>,
    sent_bytes: usize,
}

/// A value as SQLite handed it over.
#[derive(Clone, Copy)]
pub(super) enum Raw<'r> {
    Null,
    Integer(i64),
    Real(f64),
    /// Not yet known to be UTF-8.
    Text(&'r [u8]),
    Blob(&'r [u8]),
}

/// A value of a batch; of a text or a blob its length.
#[derive(Clone, Copy)]
enum Kept {
    Null,
    Integer(i64),
    Real(f64),
    Text(usize),
    Blob(usize),
}

impl Batch {
    /// How much memory it takes, roughly.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.values.len() * size_of::<Kept>() + self.sent_bytes
    }

    /// Appends a row whose columns are first those of its table.
    pub(super) fn push_sent(&mut self, kind: RecordKind, row: Row) {
        self.kinds.push(kind);
        self.sent_bytes += row.raw_size_bytes();
        self.sent.push(row);
    }

    /// Begins a row; its columns follow, in their table's order.
    pub(super) fn begin(&mut self, kind: RecordKind) {
        self.kinds.push(kind);
    }

    /// Appends a column of the row.
    pub(super) fn push(&mut self, raw: Raw<'_>) {
        let mut keep = |bytes: &[u8]| {
            self.bytes.extend_from_slice(bytes);
            bytes.len()
        };
        let kept = match raw {
            Raw::Null => Kept::Null,
            Raw::Integer(integer) => Kept::Integer(integer),
            Raw::Real(double) => Kept::Real(double),
            Raw::Text(text) => Kept::Text(keep(text)),
            Raw::Blob(blob) => Kept::Blob(keep(blob)),
        };
        self.values.push(kept);
    }

    /// Its rows.
    pub(super) fn rows<'b>(&'b self, schema: &'b Schema) -> BatchRows<'b> {
        BatchRows { schema, kinds: &self.kinds, values: &self.values, bytes: &self.bytes, sent: self.sent.iter() }
    }
}

/// The rows of a batch that are still to come.
pub(super) struct BatchRows<'b> {
    schema: &'b Schema,
    kinds: &'b [RecordKind],
    values: &'b [Kept],
    bytes: &'b [u8],
    sent: std::slice::Iter<'b, Row>,
}

impl<'b> BatchRows<'b> {
    /// The kind of the next row.
    pub(super) fn kind(&self) -> Option<RecordKind> {
        self.kinds.first().copied()
    }

    /// The fields of the next row, which must be of this kind, and its id.
    pub(super) fn take(&mut self, kind: RecordKind) -> Result<Option<(Fields, String)>> {
        if self.kind() != Some(kind) {
            return Ok(None);
        }
        let Some(table) = self.schema.table(kind) else { return Ok(None) };
        self.kinds = &self.kinds[1..];
        let sent = self.sent.next();
        let mut fields = Vec::with_capacity(table.columns.len());
        let mut not_utf8 = None;
        for (index, column) in table.columns.iter().enumerate() {
            let stored = match sent {
                Some(row) => postgres::stored(column, row, index),
                None => self.kept().ok(),
            };
            let stored = stored.unwrap_or_else(|| {
                not_utf8 = Some(column);
                Stored::Null
            });
            fields.extend(column.decode(stored).map(|value| (column.field.clone(), value)));
        }
        let fields = Fields::from_iter(fields);
        let id = match fields.get("id") {
            Some(id) => id_text(id).ok_or_else(|| not_an_id(table, id))?,
            // Ids that the database gives are left out of some comparisons.
            None if table.column("id").is_none() => String::new(),
            None => return Err(not_utf8.map_or_else(|| no_id(table), |column| not_text(table, column, "without id"))),
        };
        match not_utf8 {
            None => Ok(Some((fields, id))),
            Some(column) => Err(not_text(table, column, &id)),
        }
    }

    /// The next value of SQLite's.
    fn kept(&mut self) -> std::result::Result<Stored, Utf8Error> {
        let Some((kept, rest)) = self.values.split_first() else { return Ok(Stored::Null) };
        self.values = rest;
        Ok(match *kept {
            Kept::Null => Stored::Null,
            Kept::Integer(integer) => Stored::Integer(integer),
            Kept::Real(double) => Stored::Real(double),
            Kept::Blob(length) => Stored::Blob(self.bytes(length).to_vec()),
            Kept::Text(length) => Stored::Text(std::str::from_utf8(self.bytes(length))?.to_owned()),
        })
    }

    fn bytes(&mut self, length: usize) -> &'b [u8] {
        let (bytes, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        bytes
    }
}

fn not_text(table: &Table, column: &Column, id: &str) -> Error {
    Error::data(format!("table `{}`, row {id}: column `{}` holds text that is not UTF-8", table.name, column.name))
        .guidance("JSON cannot carry it; correct the row, or store it as a BLOB")
}

fn no_id(table: &Table) -> Error {
    let id = table.id().map_or("id", |id| id.name.as_str());
    Error::data(format!("table `{}` has a row whose `{id}` is NULL", table.name)).guidance(format!(
        "find it with SELECT * FROM {} WHERE {} IS NULL, and give it an id",
        quote(&table.name),
        quote(id)
    ))
}

fn not_an_id(table: &Table, id: &Value) -> Error {
    Error::data(format!("table `{}` has a row whose id is neither text nor an integer: {id}", table.name)).guidance(
        "correct the row; or where the column holds UUIDs in a form of its own, \
         say so in golden.toml: types = { id = \"uuid-bytes\" }",
    )
}
