//! What the vectors of a dataset were made from, and by which model: the table `golden_vectors` says it
//! of every vector that golden-import wrote.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, named_params};

use super::order::{located, order_table};
use super::quote;
use super::read::Rows;
use crate::Result;
use crate::document::{Digest, RecordKind};
use crate::store::EmbeddingPin;
use crate::store::dataset::DoubtfulVectors;

/// Counts the doubtful among the vectors of the selected chunks. None where there is nothing to hold
/// them against: no place for vectors, or neither a word on their origin nor a pinned model.
pub(super) fn doubtful(rows: &Rows<'_>, pin: &EmbeddingPin) -> Result<Option<DoubtfulVectors>> {
    let Some(has_vector) = rows.schema.has_vector_condition()? else { return Ok(None) };
    let chunks = format!(
        "{} o CROSS JOIN main.{} t ON {}",
        order_table(RecordKind::Chunk),
        quote(&rows.schema.chunks.name),
        located(&rows.schema.chunks),
    );
    let sql = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'golden_vectors'";
    if rows.connection.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        if *pin == EmbeddingPin::default() {
            return Ok(None);
        }
        let sql = format!("SELECT count(*) FROM {chunks} WHERE {has_vector}");
        let unknown = rows.connection.query_row(&sql, [], |row| row.get(0))?;
        return Ok(Some(DoubtfulVectors { unknown, ..DoubtfulVectors::default() }));
    }
    register_text_digest(rows.connection)?;
    let text = rows.schema.chunks.column("content").map_or("NULL".into(), |text| format!("t.{}", quote(&text.name)));
    // The `+` takes the column's affinity away: ids are compared as they are stored, and the key of
    // golden_vectors can be used.
    let sql = format!(
        "SELECT count(*) FILTER (WHERE v.text_sha256 <> golden_text_digest({text})),
                count(*) FILTER (WHERE v.chunk_id IS NULL),
                count(*) FILTER (WHERE v.model <> :model OR v.dimension <> :dimension)
         FROM {chunks} LEFT JOIN main.golden_vectors v ON v.chunk_id = +t.{id} WHERE {has_vector}",
        id = quote(&rows.schema.chunks.id()?.name),
    );
    let pinned = named_params! {":model": pin.model, ":dimension": pin.dimension};
    let count = |row: &rusqlite::Row<'_>| {
        Ok(DoubtfulVectors { stale: row.get(0)?, unknown: row.get(1)?, foreign: row.get(2)? })
    };
    Ok(Some(rows.connection.query_row(&sql, pinned, count)?))
}

/// `golden_text_digest(text)`: what `golden_vectors` notes of a text; NULL for what is no text.
fn register_text_digest(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    Ok(connection.create_scalar_function("golden_text_digest", 1, flags, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Text(text) => Some(Digest::of(text).to_string()),
            _ => None,
        })
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::store::sqlite::schema;
    use crate::store::{Dataset, Selection, VectorPlace};

    fn doubtful(sql: &str, mapping: &str) -> Option<DoubtfulVectors> {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE analyses(id TEXT PRIMARY KEY, status TEXT);
                 CREATE TABLE chunks(id TEXT PRIMARY KEY, analysis_id TEXT, content TEXT, embedding BLOB);
                 INSERT INTO analyses VALUES ('a', 'completed'), ('draft', 'draft');
                 INSERT INTO chunks VALUES ('fits', 'a', 'abc', x'00'), ('stale', 'a', 'abd', x'00'),
                     ('unknown', 'a', 'abc', x'00'), ('without', 'a', 'abd', NULL), ('other', 'draft', 'abd', x'00');",
            )
            .unwrap();
        connection.execute_batch(sql).unwrap();
        let mapping = Settings::parse(mapping).unwrap().mapping;
        let schema = schema(&connection, &mapping).unwrap();
        assert_eq!(schema.vectors.as_ref().unwrap().place, VectorPlace::ChunkColumn);
        let selection = Selection::Filter(mapping.analyses.filter.values);
        let mut dataset = Dataset::select(&mut connection, &schema, &selection).unwrap();
        dataset.doubtful_vectors(&mapping.embedding).unwrap()
    }

    const NOTED: &str = "
        CREATE TABLE golden_vectors(chunk_id PRIMARY KEY, model TEXT, dimension INTEGER, text_sha256 TEXT) WITHOUT ROWID;
        INSERT INTO golden_vectors SELECT id, 'm', 1, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
            FROM chunks WHERE id <> 'unknown';";

    #[test]
    fn vectors_are_held_against_what_was_noted_of_them() {
        let found = |stale, unknown, foreign| Some(DoubtfulVectors { stale, unknown, foreign });
        assert_eq!(doubtful("", ""), None);
        assert_eq!(doubtful("", "[embedding]\nmodel = 'm'"), found(0, 3, 0));
        assert_eq!(doubtful(NOTED, ""), found(1, 1, 0));
        assert_eq!(doubtful(NOTED, "[embedding]\nmodel = 'm'\ndimension = 1"), found(1, 1, 0));
        assert_eq!(doubtful(NOTED, "[embedding]\nmodel = 'n'"), found(1, 1, 2));
        assert_eq!(doubtful(NOTED, "[embedding]\ndimension = 2"), found(1, 1, 2));
    }
}
