//! Reads the dataset in normal form's order, in one read transaction: rows are fetched once each, and
//! leave this thread as they are stored. What they mean is worked out elsewhere, on all cores.

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement};

use super::order::{located, order_analyses, order_children, order_table, register_sort_key};
use crate::Result;
use crate::document::RecordKind;
use crate::store::batch::{BATCH_BYTES, Batch, Raw};
use crate::store::dataset::{Counts, Selection};
use crate::store::quote;
use crate::store::schema::{Schema, Table};

/// A dataset in an open database, read inside a transaction.
pub(crate) struct Rows<'c> {
    pub(super) connection: &'c mut Connection,
    pub(super) schema: &'c Schema,
}

impl<'c> Rows<'c> {
    /// Works out which records are selected and their order, and counts them. The connection must be in a
    /// transaction.
    pub(crate) fn select(
        connection: &'c mut Connection,
        schema: &'c Schema,
        selection: &Selection,
    ) -> Result<(Self, Counts)> {
        register_sort_key(connection, schema)?;
        let analyses = order_analyses(connection, schema, selection)?;
        let mut counts = Counts { analyses, ..Counts::default() };
        for table in schema.tables().filter(|table| table.parent.is_some()) {
            counts.set(table.kind, order_children(connection, schema, table, analyses)?);
        }
        Ok((Self { connection, schema }, counts))
    }

    /// Hands out every row in batches: each analysis with its findings and artifacts, then its chunks.
    /// Stops when `emit` answers false.
    pub(super) fn read(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> Result<()> {
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
            push(batch, self.table, row)?;
        }
        self.advance()
    }
}

/// Appends a row to a batch; its first column is not the table's.
fn push(batch: &mut Batch, table: &Table, row: &rusqlite::Row<'_>) -> Result<()> {
    batch.begin(table.kind);
    for index in 0..table.columns.len() {
        batch.push(match row.get_ref(index + 1)? {
            ValueRef::Null => Raw::Null,
            ValueRef::Integer(integer) => Raw::Integer(integer),
            ValueRef::Real(double) => Raw::Real(double),
            ValueRef::Text(text) => Raw::Text(text),
            ValueRef::Blob(blob) => Raw::Blob(blob),
        });
    }
    Ok(())
}
