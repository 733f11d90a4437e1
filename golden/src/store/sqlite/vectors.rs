//! The vectors of a dataset, and what the table `golden_vectors` notes of each.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::read::Rows;
use crate::Result;
use crate::document::Digest;
use crate::store::dataset::{ChunkVector, VectorNote, VectorSink, no_place_for_vectors};
use crate::store::quote;
use crate::store::schema::VectorPlace;

/// Hands out the selected chunks, in order, each with its vector if it has one.
pub(super) fn read(rows: &Rows<'_>, each: &mut VectorSink<'_>) -> Result<()> {
    let chunks = &rows.schema.chunks;
    let vectors = rows.schema.vectors.as_ref().ok_or_else(no_place_for_vectors)?;
    let (id, column) = (chunks.id()?, quote(&vectors.name));
    let key = format!("t.{}", quote(&id.name));
    let text = chunks.column("content").map_or("NULL".into(), |text| format!("t.{}", quote(&text.name)));
    let (vector, stored) = match &vectors.place {
        VectorPlace::ChunkColumn => (format!("t.{column}"), String::new()),
        VectorPlace::Table { relation, chunk, .. } => {
            (format!("v.{column}"), format!(" LEFT JOIN {relation} v ON v.{} = {key}", quote(chunk)))
        }
    };
    // The `+` takes the column's affinity away: ids are compared as they are stored, and the key of
    // golden_vectors can be used.
    let (note, noted) = match has_notes(rows.connection)? {
        true => (
            "n.model, n.dimension, n.text_sha256",
            format!(" LEFT JOIN {} n ON n.chunk_id = +{key}", rows.schema.vector_notes),
        ),
        false => ("NULL, NULL, NULL", String::new()),
    };
    let from = format!("{}{stored}{noted}", rows.ordered_chunks());
    let sql = format!("SELECT {key}, {text}, {vector}, {note} FROM {from} ORDER BY o.sequence");
    let mut statement = rows.connection.prepare(&sql)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let text = match row.get_ref(1)? {
            ValueRef::Text(text) => Some(text),
            _ => None,
        };
        each(ChunkVector {
            chunk: id.decode(row.get(0)?).unwrap_or_default(),
            text_sha256: text.map(|text| Digest::of(text).to_string()),
            is_blank: text.is_none_or(is_blank),
            vector: match row.get_ref(2)? {
                ValueRef::Null => None,
                _ => Some(row.get(2)?),
            },
            note: match (row.get_ref(3)?, row.get_ref(4)?, row.get_ref(5)?) {
                (ValueRef::Text(model), ValueRef::Integer(dimension), ValueRef::Text(text_sha256)) => {
                    Some(VectorNote {
                        model: String::from_utf8_lossy(model).into_owned(),
                        dimension: dimension.try_into().unwrap_or_default(),
                        text_sha256: String::from_utf8_lossy(text_sha256).into_owned(),
                    })
                }
                _ => None,
            },
        })?;
    }
    Ok(())
}

/// White space as golden-import knows it: such a text is not embedded.
fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, 9..=13 | b' '))
}

/// Whether the table `golden_vectors` is there.
pub(in crate::store) fn has_notes(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'golden_vectors')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}
