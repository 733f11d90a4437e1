//! Reads the dataset in normal form's order, in one read transaction: rows are fetched once each, and
//! leave this thread as they are stored. What they mean is worked out elsewhere, on all cores.

use std::path::Path;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, Statement};
use serde_json::Value;

use super::order::{located, order_analyses, order_children, order_table, register_sort_key};
use super::{open_for_reading, quote, schema};
use crate::document::{Fields, RecordKind, id_text};
use crate::store::mapping::Mapping;
use crate::store::schema::{Column, Schema, Table};
use crate::{Context, Error, Result};

/// Which analyses are read.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// Every row.
    All,
    /// Those whose filter column holds one of these values.
    Filter(Vec<Value>),
    /// Those whose id is in a table of the connection: (SQL name of the table, its column).
    Ids(String, String),
}

/// How many records a dataset has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Selected analyses.
    pub analyses: u64,
    /// Their chunks.
    pub chunks: u64,
    /// Their findings, where those have a table.
    pub findings: u64,
    /// Their artifacts.
    pub artifacts: u64,
}

/// A dataset in an open database, read inside a transaction.
pub struct Dataset<'c> {
    pub(super) connection: &'c mut Connection,
    /// The tables it is read from.
    pub schema: &'c Schema,
    /// How many records it has.
    pub counts: Counts,
}

impl Schema {
    /// Opens a database for reading and learns its schema, with one read transaction begun: everything
    /// read through the connection is one consistent state.
    pub fn open(path: &Path, mapping: &Mapping) -> Result<(Connection, Self)> {
        let connection = open_for_reading(path)?;
        connection.execute_batch("BEGIN")?;
        let schema = schema(&connection, mapping).context(|| path.display().to_string())?;
        Ok((connection, schema))
    }
}

impl<'c> Dataset<'c> {
    /// Works out which records are selected and their order. The connection must be in a transaction.
    pub fn select(connection: &'c mut Connection, schema: &'c Schema, selection: &Selection) -> Result<Self> {
        register_sort_key(connection, schema)?;
        let selected = order_analyses(connection, schema, selection)?;
        let mut counts = Counts { analyses: selected, ..Counts::default() };
        for table in schema.tables().filter(|table| table.parent.is_some()) {
            let count = order_children(connection, schema, table, selected)?;
            match table.kind {
                RecordKind::Analysis => {}
                RecordKind::Chunk => counts.chunks = count,
                RecordKind::Finding => counts.findings = count,
                RecordKind::Artifact => counts.artifacts = count,
            }
        }
        Ok(Self { connection, schema, counts })
    }

    /// Hands out every row in batches: each analysis with its findings and artifacts, then its chunks.
    /// Stops when `emit` answers false.
    pub(super) fn batches(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> Result<()> {
        let mut statements = Vec::new();
        for table in self.schema.tables() {
            statements.push((table, self.connection.prepare(&ordered_rows(table))?));
        }
        let mut cursors = Vec::new();
        for (table, statement) in &mut statements {
            cursors.push(Cursor::open(table, statement)?);
        }
        // Chunks may be many: they come last, and their batch may end between any two.
        cursors.sort_by_key(|cursor| cursor.table.kind == RecordKind::Chunk);
        let mut batch = Batch::default();
        let Some((analyses, children)) = cursors.split_first_mut() else { return Ok(()) };
        while let Some(sequence) = analyses.next {
            analyses.take(&mut batch)?;
            for cursor in children.iter_mut() {
                while cursor.next == Some(sequence) {
                    cursor.take(&mut batch)?;
                    let is_full = cursor.table.kind == RecordKind::Chunk && batch.len() >= BATCH_BYTES;
                    if is_full && !emit(std::mem::take(&mut batch)) {
                        return Ok(());
                    }
                }
            }
            if batch.len() >= BATCH_BYTES && !emit(std::mem::take(&mut batch)) {
                return Ok(());
            }
        }
        emit(batch);
        Ok(())
    }
}

/// The statement that fetches a table's selected rows in order: first the sequence number of their
/// analysis, then the columns that travel.
fn ordered_rows(table: &Table) -> String {
    let columns: Vec<_> = table.columns.iter().map(|column| format!(", t.{}", quote(&column.name))).collect();
    format!(
        "SELECT {}{} FROM {} o CROSS JOIN main.{} t ON {} ORDER BY o.sequence",
        if table.parent.is_some() { "o.parent" } else { "o.sequence" },
        columns.concat(),
        order_table(table.kind),
        quote(&table.name),
        located(table),
    )
}

/// Rows of one table in order.
struct Cursor<'s> {
    table: &'s Table,
    rows: rusqlite::Rows<'s>,
    /// The analysis that the current row belongs to; none after the last.
    next: Option<i64>,
}

impl<'s> Cursor<'s> {
    fn open(table: &'s Table, statement: &'s mut Statement<'_>) -> Result<Self> {
        let mut cursor = Self { table, rows: statement.query([])?, next: None };
        cursor.advance()?;
        Ok(cursor)
    }

    fn advance(&mut self) -> Result<()> {
        self.next = self.rows.next()?.map(|row| row.get(0)).transpose()?;
        Ok(())
    }

    /// Puts the current row into the batch and goes on to the next.
    fn take(&mut self, batch: &mut Batch) -> Result<()> {
        if let Some(row) = self.rows.get() {
            batch.push(self.table, row)?;
        }
        self.advance()
    }
}

/// How many bytes of rows travel together between threads.
const BATCH_BYTES: usize = 256 * 1024;

/// Rows as they are stored. Their text lies in one piece, so that what one thread reads and another
/// uses costs neither an allocation a value.
#[derive(Default)]
pub(super) struct Batch {
    kinds: Vec<RecordKind>,
    values: Vec<Raw>,
    /// Texts and blobs, in the order of `values`.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Raw {
    Null,
    Integer(i64),
    Real(f64),
    /// So many bytes, not yet known to be UTF-8.
    Text(usize),
    Blob(usize),
}

impl Batch {
    fn len(&self) -> usize {
        self.bytes.len() + self.values.len() * size_of::<Raw>()
    }

    /// Appends the columns of a row after the first.
    fn push(&mut self, table: &Table, row: &rusqlite::Row<'_>) -> Result<()> {
        if self.kinds.is_empty() {
            self.bytes.reserve(BATCH_BYTES);
        }
        self.kinds.push(table.kind);
        for index in 0..table.columns.len() {
            self.values.push(match row.get_ref(index + 1)? {
                ValueRef::Null => Raw::Null,
                ValueRef::Integer(integer) => Raw::Integer(integer),
                ValueRef::Real(double) => Raw::Real(double),
                ValueRef::Text(text) => {
                    self.bytes.extend_from_slice(text);
                    Raw::Text(text.len())
                }
                ValueRef::Blob(blob) => {
                    self.bytes.extend_from_slice(blob);
                    Raw::Blob(blob.len())
                }
            });
        }
        Ok(())
    }

    /// Its rows.
    pub(super) fn rows<'b>(&'b self, schema: &'b Schema) -> BatchRows<'b> {
        BatchRows { schema, kinds: &self.kinds, values: &self.values, bytes: &self.bytes }
    }
}

/// The rows of a batch that are still to come.
pub(super) struct BatchRows<'b> {
    schema: &'b Schema,
    kinds: &'b [RecordKind],
    values: &'b [Raw],
    bytes: &'b [u8],
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
        let (values, rest) = self.values.split_at(table.columns.len());
        self.values = rest;
        let mut fields = Vec::with_capacity(table.columns.len());
        let mut not_utf8 = None;
        for (column, raw) in table.columns.iter().zip(values) {
            let stored = match *raw {
                Raw::Null => continue,
                Raw::Integer(integer) => Stored::Integer(integer),
                Raw::Real(double) => Stored::Real(double),
                Raw::Blob(length) => Stored::Blob(self.bytes(length).to_vec()),
                Raw::Text(length) => match std::str::from_utf8(self.bytes(length)) {
                    Ok(text) => Stored::Text(text.to_owned()),
                    Err(_) => {
                        not_utf8 = Some(column);
                        continue;
                    }
                },
            };
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
