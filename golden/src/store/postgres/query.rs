//! Smaller questions about a dataset: its statuses, its orphans, the texts that want vectors.

use ::postgres::Client;
use rusqlite::types::Value as Stored;

use super::by_place::{ANY_WAY, BY_PLACE, Fetcher};
use super::read::Rows;
use super::row::stored;
use super::sql::{count, number, rows, text};
use super::vectors;
use crate::document::RecordKind;
use crate::store::batch::Batch;
use crate::store::dataset::{ChunkFilter, Reader, TextSink, VectorSink, no_place_for_vectors, no_text};
use crate::store::quote;
use crate::store::schema::Schema;
use crate::{Error, Result};

/// How many texts are fetched at once, at most.
const FETCHED_ROWS: usize = 500;

/// And how many bytes of them.
const FETCHED_BYTES: u64 = 1 << 20;

/// The values of the filter column and how many rows have each, most frequent first; empty where the
/// table is empty or has no such column.
pub(crate) fn statuses(client: &mut Client, schema: &Schema) -> Result<Vec<(String, u64)>> {
    let Some(column) = &schema.filter_column else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT coalesce({}::text, 'NULL') COLLATE \"C\", count(*) FROM {} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
        quote(column),
        schema.analyses.relation,
    );
    rows(client, &sql)?.iter().map(|row| Ok((text(row, 0)?.to_owned(), number(row, 1)?))).collect()
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
                "SELECT count(*) FROM {} t WHERE NOT EXISTS (SELECT 1 FROM {} p WHERE p.{} = t.{})",
                table.relation,
                self.schema.analyses.relation,
                quote(&self.schema.analyses.id()?.name),
                quote(parent),
            );
            orphans.push((table.kind, count(self.client, &sql)?));
        }
        Ok(orphans)
    }

    fn chunk_texts(&mut self, filter: ChunkFilter, each: &mut TextSink<'_>) -> Result<()> {
        let table = &self.schema.chunks;
        let (id, content) = (table.id()?, table.column("content").ok_or_else(|| no_text(table))?);
        let condition = match (filter, self.schema.has_vector_condition()?) {
            (ChunkFilter::All, _) => "true".to_owned(),
            (ChunkFilter::WithoutVector, Some(has_vector)) => format!("NOT ({has_vector})"),
            (ChunkFilter::WithoutVector, None) => return Err(no_place_for_vectors()),
        };
        let mut chunks = self.orders()?.chunks;
        self.client.batch_execute(BY_PLACE)?;
        let fetcher = Fetcher::prepare(self.client, table, [id, content], &condition)?;
        loop {
            let (mut places, mut bytes) = (Vec::new(), 0);
            while places.len() < FETCHED_ROWS && bytes < FETCHED_BYTES {
                let Some((_, planned)) = chunks.take()? else { break };
                places.push(planned.place);
                bytes += planned.bytes;
            }
            if places.is_empty() {
                return Ok(self.client.batch_execute(ANY_WAY)?);
            }
            let mut fetched = fetcher.fetch(self.client, places.iter().copied())?;
            for place in places {
                let Some(row) = fetched.take(place)? else { continue };
                let chunk = stored(id, &row, 0).and_then(|stored| id.decode(stored)).unwrap_or_default();
                match stored(content, &row, 1) {
                    Some(Stored::Null) => {}
                    Some(Stored::Text(text)) => each(chunk, &text)?,
                    _ => return Err(Error::data(format!("chunk {chunk}: its content is not text"))),
                }
            }
        }
    }

    fn chunk_vectors(&mut self, each: &mut VectorSink<'_>) -> Result<()> {
        vectors::read(self, each)
    }
}
