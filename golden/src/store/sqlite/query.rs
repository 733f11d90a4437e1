//! Smaller questions about a dataset: its statuses, its orphans, the texts that want vectors.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::order::{located, order_table};
use super::read::Rows;
use super::vectors;
use crate::document::RecordKind;
use crate::store::batch::Batch;
use crate::store::dataset::{ChunkFilter, Reader, TextSink, VectorSink, no_place_for_vectors, no_text};
use crate::store::quote;
use crate::store::schema::Schema;
use crate::{Error, Result};

/// The values of the filter column and how many rows have each, most frequent first; empty where the
/// table is empty or has no such column.
pub fn statuses(connection: &Connection, schema: &Schema) -> Result<Vec<(String, u64)>> {
    let Some(column) = &schema.filter_column else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT coalesce({0}, 'NULL'), count(*) FROM {1} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
        quote(column),
        quote(&schema.analyses.name),
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        let status = match row.get_ref(0)? {
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Integer(integer) => integer.to_string(),
            other => format!("a {}", other.data_type()),
        };
        Ok((status, row.get(1)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Reader for Rows<'_> {
    fn batches(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> Result<()> {
        self.read(emit)
    }

    fn orphans(&mut self) -> Result<Vec<(RecordKind, u64)>> {
        let mut orphans = Vec::new();
        for table in self.schema.tables() {
            let Some(parent) = &table.parent else { continue };
            let sql = format!(
                "SELECT count(*) FROM main.{} t LEFT JOIN main.{} p ON p.{id} = t.{} WHERE p.{id} IS NULL",
                quote(&table.name),
                quote(&self.schema.analyses.name),
                quote(parent),
                id = quote(&self.schema.analyses.id()?.name),
            );
            orphans.push((table.kind, self.connection.query_row(&sql, [], |row| row.get(0))?));
        }
        Ok(orphans)
    }

    fn chunk_texts(&mut self, filter: ChunkFilter, each: &mut TextSink<'_>) -> Result<()> {
        let table = &self.schema.chunks;
        let id = table.id()?;
        let content = table.column("content").ok_or_else(|| no_text(table))?;
        let condition = match (filter, self.schema.has_vector_condition()?) {
            (ChunkFilter::All, _) => "1".to_owned(),
            (ChunkFilter::WithoutVector, Some(has_vector)) => format!("NOT ({has_vector})"),
            (ChunkFilter::WithoutVector, None) => return Err(no_place_for_vectors()),
        };
        let sql = format!(
            "SELECT t.{}, t.{} FROM {} AND ({condition}) ORDER BY o.sequence",
            quote(&id.name),
            quote(&content.name),
            self.ordered_chunks(),
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let chunk = id.decode(row.get(0)?).unwrap_or_default();
            match row.get_ref(1)? {
                ValueRef::Text(text) => match std::str::from_utf8(text) {
                    Ok(text) => each(chunk, text)?,
                    Err(_) => return Err(Error::data(format!("chunk {chunk}: its content is not UTF-8"))),
                },
                ValueRef::Null => {}
                _ => return Err(Error::data(format!("chunk {chunk}: its content is not text"))),
            }
        }
        Ok(())
    }

    fn chunk_vectors(&mut self, each: &mut VectorSink<'_>) -> Result<()> {
        vectors::read(self, each)
    }
}

impl Rows<'_> {
    /// The FROM clause of the selected chunks, aliased `t`, with their order, aliased `o`.
    pub(super) fn ordered_chunks(&self) -> String {
        format!(
            "{} o CROSS JOIN main.{} t ON {}",
            order_table(RecordKind::Chunk),
            quote(&self.schema.chunks.name),
            located(&self.schema.chunks),
        )
    }
}
