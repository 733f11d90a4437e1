//! The vectors of a dataset, and what the table `golden_vectors` notes of each.

use ::postgres::{Client, SimpleQueryRow};
use rusqlite::types::Value as Stored;

use super::read::Rows;
use super::sql::{rows, text, truth};
use crate::Result;
use crate::store::dataset::{ChunkVector, VectorNote, VectorSink, no_place_for_vectors};
use crate::store::schema::{Column, Schema, VectorPlace};
use crate::store::{literal, quote};

/// How many vectors are fetched at once.
const FETCHED: usize = 64;

/// Hands out the selected chunks, each with its vector if it has one, in whichever order the server likes. Texts
/// stay there.
pub(super) fn read(dataset: &mut Rows<'_>, each: &mut VectorSink<'_>) -> Result<()> {
    let (analyses, chunks) = (&dataset.schema.analyses, &dataset.schema.chunks);
    let vectors = dataset.schema.vectors.as_ref().ok_or_else(no_place_for_vectors)?;
    let (id, column) = (chunks.id()?, quote(&vectors.name));
    let key = format!("t.{}", quote(&id.name));
    let text = chunks.column("content").map_or("NULL".into(), |text| format!("t.{}::text", quote(&text.name)));
    let (vector, stored) = match &vectors.place {
        VectorPlace::ChunkColumn => (format!("t.{column}"), String::new()),
        VectorPlace::Table { relation, chunk, .. } => {
            (format!("v.{column}"), format!(" LEFT JOIN {relation} v ON v.{} = {key}", quote(chunk)))
        }
    };
    let (note, noted) = match has_notes(dataset.client, dataset.schema)? {
        true => (
            "n.model, n.dimension, n.text_sha256",
            format!(" LEFT JOIN {} n ON n.chunk_id = {key}::text", dataset.schema.vector_notes),
        ),
        false => ("NULL, NULL, NULL", String::new()),
    };
    dataset.client.batch_execute(&format!(
        "DECLARE golden_chunk_vectors NO SCROLL CURSOR FOR
         SELECT {key}, encode(sha256(convert_to({text}, 'UTF8')), 'hex'),
                coalesce(btrim({text}, E'\\t\\n\\x0b\\f\\r ') = '', true), {vector}, {note}
         FROM {} t JOIN {} p ON p.{} = t.{}{stored}{noted} WHERE {}",
        chunks.relation,
        analyses.relation,
        quote(&analyses.id()?.name),
        quote(chunks.parent.as_deref().unwrap_or_default()),
        dataset.condition,
    ))?;
    loop {
        let found = rows(dataset.client, &format!("FETCH {FETCHED} FROM golden_chunk_vectors"))?;
        for row in &found {
            each(chunk_vector(row, id)?)?;
        }
        if found.len() < FETCHED {
            break;
        }
    }
    dataset.client.batch_execute("CLOSE golden_chunk_vectors")?;
    Ok(())
}

fn chunk_vector(row: &SimpleQueryRow, id: &Column) -> Result<ChunkVector> {
    let note = match row.try_get(4)? {
        None => None,
        Some(model) => Some(VectorNote {
            model: model.to_owned(),
            dimension: text(row, 5)?.parse().unwrap_or_default(),
            text_sha256: text(row, 6)?.to_owned(),
        }),
    };
    Ok(ChunkVector {
        chunk: row.try_get(0)?.and_then(|spelled| id.decode(id.read(spelled))).unwrap_or_default(),
        text_sha256: row.try_get(1)?.map(str::to_owned),
        is_blank: truth(row, 2)?,
        vector: row.try_get(3)?.map(|spelled| Stored::Text(spelled.to_owned())),
        note,
    })
}

/// Whether the table `golden_vectors` is there.
pub(in crate::store) fn has_notes(client: &mut Client, schema: &Schema) -> Result<bool> {
    let found = rows(client, &format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", literal(&schema.vector_notes)))?;
    found.first().map_or(Ok(false), |row| truth(row, 0))
}
