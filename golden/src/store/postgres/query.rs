//! Smaller questions about a dataset: its statuses, its orphans, the texts that want vectors.

use std::collections::HashMap;

use ::postgres::Client;

use super::keys::{Place, count_chunks};
use super::read::{Rows, at_places};
use super::sql::{count, literal, number, quote, rows, text};
use crate::document::RecordKind;
use crate::store::EmbeddingPin;
use crate::store::batch::Batch;
use crate::store::dataset::{ChunkFilter, DoubtfulVectors, Reader, TextSink, no_place_for_vectors, no_text};
use crate::store::schema::{Schema, VectorPlace};
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

/// An SQL condition that holds for chunks (aliased `t`) that have a vector; none where the database has no
/// place for vectors.
fn has_vector(schema: &Schema) -> Result<Option<String>> {
    let Some(vectors) = &schema.vectors else { return Ok(None) };
    let column = quote(&vectors.name);
    Ok(Some(match &vectors.place {
        VectorPlace::ChunkColumn => format!("t.{column} IS NOT NULL"),
        VectorPlace::Table { relation, chunk, .. } => format!(
            "EXISTS (SELECT 1 FROM {relation} v WHERE v.{} = t.{} AND v.{column} IS NOT NULL)",
            quote(chunk),
            quote(&schema.chunks.id()?.name),
        ),
    }))
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

    fn count_without_vector(&mut self) -> Result<Option<u64>> {
        let Some(has_vector) = has_vector(self.schema)? else { return Ok(None) };
        count_chunks(self.client, self.schema, &self.condition, &format!("NOT ({has_vector})")).map(Some)
    }

    fn chunk_texts(&mut self, filter: ChunkFilter, each: &mut TextSink<'_>) -> Result<()> {
        let table = &self.schema.chunks;
        let (id, content) = (table.id()?, table.column("content").ok_or_else(|| no_text(table))?);
        let condition = match (filter, has_vector(self.schema)?) {
            (ChunkFilter::All, _) => "true".to_owned(),
            (ChunkFilter::WithoutVector, Some(has_vector)) => format!("NOT ({has_vector})"),
            (ChunkFilter::WithoutVector, None) => return Err(no_place_for_vectors()),
        };
        let columns = format!("t.tableoid, t.ctid, t.{}, t.{}", quote(&id.name), quote(&content.name));
        let mut chunks = self.orders()?.chunks;
        loop {
            let (mut places, mut bytes) = (Vec::new(), 0);
            while places.len() < FETCHED_ROWS && bytes < FETCHED_BYTES {
                let Some((_, planned)) = chunks.take()? else { break };
                places.push(planned.place);
                bytes += planned.bytes;
            }
            let Some(at) = at_places(places.iter().copied()) else { return Ok(()) };
            let sql = format!("SELECT {columns} FROM {} t WHERE {at} AND {condition}", table.relation);
            let mut found = HashMap::new();
            for row in rows(self.client, &sql)? {
                found.insert(Place::read(&row, 0)?, row);
            }
            for row in places.iter().filter_map(|place| found.remove(place)) {
                let chunk = row.try_get(2)?.and_then(|spelled| id.decode(id.read(spelled))).unwrap_or_default();
                let Some(spelled) = row.try_get(3)? else { continue };
                match content.read(spelled) {
                    rusqlite::types::Value::Text(text) => each(chunk, &text)?,
                    _ => return Err(Error::data(format!("chunk {chunk}: its content is not text"))),
                }
            }
        }
    }

    fn doubtful_vectors(&mut self, pin: &EmbeddingPin) -> Result<Option<DoubtfulVectors>> {
        let Some(has_vector) = has_vector(self.schema)? else { return Ok(None) };
        let notes = &self.schema.vector_notes;
        let is_there = rows(self.client, &format!("SELECT to_regclass({}) IS NOT NULL", literal(notes)))?;
        if !is_there.first().is_some_and(|row| text(row, 0).is_ok_and(|answer| answer == "t")) {
            if *pin == EmbeddingPin::default() {
                return Ok(None);
            }
            let unknown = count_chunks(self.client, self.schema, &self.condition, &has_vector)?;
            return Ok(Some(DoubtfulVectors { unknown, ..DoubtfulVectors::default() }));
        }
        let chunks = &self.schema.chunks;
        let text_digest = chunks.column("content").map_or("NULL".into(), |text| {
            format!("encode(sha256(convert_to(t.{}::text, 'UTF8')), 'hex')", quote(&text.name))
        });
        let model = pin.model.as_deref().map_or("NULL".to_owned(), literal);
        let dimension = pin.dimension.map_or("NULL".to_owned(), |dimension| dimension.to_string());
        let analyses = &self.schema.analyses;
        let sql = format!(
            "SELECT count(*) FILTER (WHERE v.text_sha256 <> {text_digest}),
                    count(*) FILTER (WHERE v.chunk_id IS NULL),
                    count(*) FILTER (WHERE v.model <> {model} OR v.dimension <> {dimension})
             FROM {} t JOIN {} p ON p.{} = t.{} LEFT JOIN {notes} v ON v.chunk_id = t.{}::text
             WHERE {} AND {has_vector}",
            chunks.relation,
            analyses.relation,
            quote(&analyses.id()?.name),
            quote(chunks.parent.as_deref().unwrap_or_default()),
            quote(&chunks.id()?.name),
            self.condition,
        );
        let counted = rows(self.client, &sql)?;
        let Some(row) = counted.first() else { return Ok(None) };
        Ok(Some(DoubtfulVectors { stale: number(row, 0)?, unknown: number(row, 1)?, foreign: number(row, 2)? }))
    }
}
