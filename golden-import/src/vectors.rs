//! Vectors in the target: written where the document's texts were embedded, kept where a text did not
//! change, cleared where it did. `golden_vectors` says what made each and from which text.

use golden::document::RecordKind;
use golden::store::sqlite::quote;
use golden::store::{VectorColumn, VectorPlace};
use golden::{Error, Result};
use rusqlite::{Connection, OptionalExtension};

use crate::columns::Covered;
use crate::plan::Job;
use crate::rows::{removed_rows, staged_id, staged_rows};
use crate::staging::column_name;

/// Whether the staging file holds vectors for this import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// Unchanged texts keep theirs, others have none.
    Kept,
    /// Every text that is not blank has one in the staging file, or a current one in the target.
    Embedded,
}

impl Vectors {
    /// The vector column as far as it stands in the table of chunks.
    fn chunk_column<'j>(job: &'j Job<'_>) -> Option<&'j VectorColumn> {
        job.schema.vectors.as_ref().filter(|vectors| vectors.place == VectorPlace::ChunkColumn)
    }

    /// What a changed chunk's vector becomes.
    pub fn assignment(self, job: &Job<'_>, covered: &Covered) -> Result<Option<String>> {
        let (Some(column), Some(content)) = (Self::chunk_column(job), covered.position("content")) else {
            return Ok(None);
        };
        let (name, text) = (quote(&column.name), quote(&covered.table.columns[content].name));
        let kept = format!("CASE WHEN t.{text} IS s.{} COLLATE BINARY THEN t.{name} END", column_name(content));
        Ok(Some(match self {
            Self::Kept => format!("{name} = {kept}"),
            Self::Embedded => format!("{name} = coalesce({STAGED_VECTOR}, {kept})"),
        }))
    }

    /// The column and value of a new chunk's vector.
    pub fn insertion(self, job: &Job<'_>) -> Option<(String, String)> {
        let column = Self::chunk_column(job).filter(|_| self == Self::Embedded)?;
        Some((quote(&column.name), STAGED_VECTOR.to_owned()))
    }
}

const STAGED_VECTOR: &str = "(SELECT v.vector FROM staging.vectors v WHERE v.text = s.text)";

const LEDGER: &str = "main.golden_vectors";

fn has_ledger(target: &Connection) -> Result<bool> {
    let sql = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'golden_vectors'";
    Ok(target.query_row(sql, [], |_| Ok(())).optional()?.is_some())
}

/// Removes the vectors of chunks that go and, where they have a table of their own, those of chunks whose
/// text will change and those that chunks of the same id left behind. (A vector in the chunk's own row is
/// seen to when the row is updated.)
pub fn remove(target: &Connection, job: &Job<'_>) -> Result<()> {
    let mut stale = format!("SELECT id FROM {}", removed_rows(RecordKind::Chunk));
    if let Some(covered) = job.covered(RecordKind::Chunk) {
        let changes = match covered.position("content") {
            None => "0".to_owned(),
            Some(content) => format!(
                "t.{} IS NOT s.{} COLLATE BINARY",
                quote(&covered.table.columns[content].name),
                column_name(content)
            ),
        };
        stale += &format!(
            " UNION ALL SELECT {id} FROM {rows} LEFT JOIN main.{name} t ON t.{key} = {id} \
              WHERE t.{key} IS NULL OR {changes}",
            id = staged_id(job, covered)?,
            rows = staged_rows(RecordKind::Chunk),
            name = quote(&covered.table.name),
            key = quote(&covered.table.id()?.name),
        );
    }
    if let Some(VectorPlace::Table { name, chunk, .. }) = job.schema.vectors.as_ref().map(|vectors| &vectors.place) {
        target.execute(&format!("DELETE FROM main.{} WHERE {} IN ({stale})", quote(name), quote(chunk)), [])?;
    }
    if has_ledger(target)? {
        let chunks = &job.schema.chunks;
        let (name, key) = (quote(&chunks.name), quote(&chunks.id()?.name));
        target.execute(&format!("DELETE FROM {LEDGER} WHERE chunk_id IN ({stale})"), [])?;
        // The application may have removed chunks too, and knows nothing of this table.
        let is_there = format!("SELECT 1 FROM main.{name} t WHERE t.{key} = chunk_id");
        target.execute(&format!("DELETE FROM {LEDGER} WHERE NOT EXISTS ({is_there})"), [])?;
    }
    Ok(())
}

/// Writes the vectors that were embedded, and notes what made them.
pub fn apply(target: &Connection, job: &Job<'_>) -> Result<()> {
    if job.vectors == Vectors::Kept {
        return Ok(());
    }
    let (Some(column), Some(covered)) = (&job.schema.vectors, job.covered(RecordKind::Chunk)) else { return Ok(()) };
    let id = staged_id(job, covered)?;
    let staged = "staging.chunks s JOIN staging.vectors v ON v.text = s.text \
                  JOIN temp.golden_plan p ON p.seq = s.parent AND p.action <> 'skip'";
    let chunks = quote(&job.schema.chunks.name);
    let key = quote(&job.schema.chunks.id()?.name);
    let name = quote(&column.name);
    match &column.place {
        VectorPlace::ChunkColumn => {
            // Chunks that were not written, but whose vector another model made.
            target.execute(
                &format!(
                    "UPDATE main.{chunks} AS t SET {name} = v.vector FROM {staged}
                     WHERE t.{key} = {id} AND t.{name} IS NOT v.vector"
                ),
                [],
            )?;
        }
        VectorPlace::Table { name: table, chunk, .. } => {
            let (table, chunk) = (quote(table), quote(chunk));
            target.execute(
                &format!(
                    "UPDATE main.{table} AS t SET {name} = v.vector FROM {staged}
                     WHERE t.{chunk} = {id} AND t.{name} IS NOT v.vector"
                ),
                [],
            )?;
            target.execute(
                &format!(
                    "INSERT INTO main.{table}({chunk}, {name}) SELECT {id}, v.vector FROM {staged}
                     WHERE NOT EXISTS (SELECT 1 FROM main.{table} t WHERE t.{chunk} = {id})"
                ),
                [],
            )?;
        }
    }
    target.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {LEDGER}(
             chunk_id PRIMARY KEY, model TEXT NOT NULL, dimension INTEGER NOT NULL, text_sha256 TEXT NOT NULL
         ) WITHOUT ROWID;
         INSERT OR REPLACE INTO {LEDGER}
             SELECT {id}, v.model, v.dimension, lower(hex(v.text)) FROM {staged};",
    ))?;
    refuse_missing(target, job, &id)
}

/// Texts that were left to a vector of the target's which is gone: the application was at work meanwhile.
fn refuse_missing(target: &Connection, job: &Job<'_>, id: &str) -> Result<()> {
    let (Some(has_vector), Some(covered)) = (job.schema.has_vector_condition()?, job.covered(RecordKind::Chunk)) else {
        return Ok(());
    };
    let Some(content) = covered.position("content") else { return Ok(()) };
    let sql = format!(
        "SELECT count(*) FROM staging.chunks s JOIN temp.golden_plan p ON p.seq = s.parent AND p.action <> 'skip'
         CROSS JOIN main.{} t ON t.{} = {id} WHERE {} AND NOT ({has_vector})",
        quote(&job.schema.chunks.name),
        quote(&job.schema.chunks.id()?.name),
        is_text(&format!("s.{}", column_name(content))),
    );
    match target.query_row(&sql, [], |row| row.get::<_, u64>(0))? {
        0 => Ok(()),
        missing => Err(Error::locked(format!("{missing} chunks lost their vector while others were being embedded"))
            .guidance("the application was writing; import again with --resume")),
    }
}

/// An SQL condition that holds for text that is more than white space.
pub fn is_text(column: &str) -> String {
    format!("trim({column}, char(9, 10, 11, 12, 13, 32)) <> ''")
}

/// How many of the document's chunks have no vector now; none where the target keeps no vectors.
pub fn count_missing(target: &Connection, job: &Job<'_>) -> Result<Option<u64>> {
    let (Some(has_vector), Some(covered)) = (job.schema.has_vector_condition()?, job.covered(RecordKind::Chunk)) else {
        return Ok(None);
    };
    // Where no chunk at all has a vector and all the document's are there, none need be looked up.
    let chunks = quote(&job.schema.chunks.name);
    let some = format!(
        "SELECT EXISTS (SELECT 1 FROM main.{chunks} t WHERE {has_vector})
             OR EXISTS (SELECT 1 FROM temp.golden_plan WHERE action = 'skip')"
    );
    if !target.query_row(&some, [], |row| row.get::<_, bool>(0))? {
        return Ok(Some(job.chunks));
    }
    let sql = format!(
        "SELECT count(*) FROM staging.chunks s CROSS JOIN main.{chunks} t ON t.{} = {} WHERE NOT ({has_vector})",
        quote(&job.schema.chunks.id()?.name),
        staged_id(job, covered)?,
    );
    Ok(Some(target.query_row(&sql, [], |row| row.get(0))?))
}

/// How many of the document's chunks will have no vector, as far as the plan can say.
pub fn count_missing_after(target: &Connection, job: &Job<'_>) -> Result<Option<u64>> {
    let (Some(has_vector), Some(covered)) = (job.schema.has_vector_condition()?, job.covered(RecordKind::Chunk)) else {
        return Ok(None);
    };
    let (keeps, embeds) = match covered.position("content") {
        None => ("1".to_owned(), "0".to_owned()),
        Some(content) => {
            let (text, staged) = (quote(&covered.table.columns[content].name), format!("s.{}", column_name(content)));
            let embeds = if job.vectors == Vectors::Embedded { is_text(&staged) } else { "0".to_owned() };
            (format!("t.{text} IS {staged} COLLATE BINARY"), embeds)
        }
    };
    let sql = format!(
        "SELECT count(*) FROM staging.chunks s CROSS JOIN temp.golden_plan p ON p.seq = s.parent
         LEFT JOIN main.{chunks} t ON t.{key} = {id}
         WHERE CASE WHEN p.action = 'skip' THEN t.{key} IS NOT NULL AND NOT ({has_vector})
                    ELSE NOT (t.{key} IS NOT NULL AND ({has_vector}) AND {keeps}) AND NOT coalesce({embeds}, 0) END",
        chunks = quote(&job.schema.chunks.name),
        key = quote(&job.schema.chunks.id()?.name),
        id = staged_id(job, covered)?,
    );
    Ok(Some(target.query_row(&sql, [], |row| row.get(0))?))
}
