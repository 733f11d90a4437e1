//! Vectors in the target: written where the document's texts were embedded, kept where a text did not
//! change, cleared where it did. `golden_vectors` says what made each and from which text.

use golden::document::RecordKind;
use golden::store::{VectorColumn, VectorPlace, quote};
use golden::{Error, Result};

use crate::columns::Covered;
use crate::drift;
use crate::plan::Job;
use crate::rows::{removed_rows, staged_id, staged_rows};
use crate::staging::column_name;
use crate::target::Session;

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
        let staged = job.dialect.exact(&format!("s.{}", column_name(content)));
        let kept = format!("CASE WHEN t.{text} IS NOT DISTINCT FROM {staged} THEN t.{name} END");
        Ok(Some(match self {
            Self::Kept => format!("{name} = {kept}"),
            Self::Embedded => {
                let is_text = job.dialect.is_text(&format!("s.{}", column_name(content)));
                format!("{name} = coalesce({}, CASE WHEN {is_text} THEN {kept} END)", staged_vector(job))
            }
        }))
    }

    /// The column and value of a new chunk's vector.
    pub fn insertion(self, job: &Job<'_>) -> Option<(String, String)> {
        let column = Self::chunk_column(job).filter(|_| self == Self::Embedded)?;
        Some((quote(&column.name), staged_vector(job)))
    }
}

/// The vector that was made of a staged chunk's text.
fn staged_vector(job: &Job<'_>) -> String {
    format!("(SELECT v.vector FROM {} v WHERE v.text = s.text)", job.dialect.staged_table("vectors"))
}

/// Removes the vectors of chunks that go and, where they have a table of their own, those of chunks whose
/// text will change and those that chunks of the same id left behind. (A vector in the chunk's own row is
/// seen to when the row is updated.)
pub fn remove(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    if let Some(VectorPlace::Table { relation, chunk, .. }) = job.schema.vectors.as_ref().map(|vectors| &vectors.place)
    {
        let stale = stale(job, str::to_owned)?;
        target.execute(&format!("DELETE FROM {relation} WHERE {} IN ({stale})", quote(chunk)))?;
    }
    if target.has_notes(job.schema)? {
        let (notes, chunks) = (&job.schema.vector_notes, &job.schema.chunks);
        let stale = stale(job, |id| job.dialect.noted_id(id))?;
        target.execute(&format!("DELETE FROM {notes} WHERE chunk_id IN ({stale})"))?;
        // The application may have removed chunks too, and knows nothing of this table.
        let key = job.dialect.noted_id(&format!("t.{}", quote(&chunks.id()?.name)));
        let is_there = format!("SELECT 1 FROM {} t WHERE {key} = chunk_id", chunks.relation);
        target.execute(&format!("DELETE FROM {notes} WHERE NOT EXISTS ({is_there})"))?;
    }
    Ok(())
}

/// The query for the ids of chunks whose vectors go, each as `spelled`.
fn stale(job: &Job<'_>, spelled: impl Fn(&str) -> String) -> Result<String> {
    let mut stale = format!("SELECT {} FROM {} r", spelled("r.id"), removed_rows(RecordKind::Chunk));
    if let Some(covered) = job.covered(RecordKind::Chunk) {
        let changes = match covered.position("content") {
            None => "false".to_owned(),
            Some(content) => format!(
                "t.{} IS DISTINCT FROM {}",
                quote(&covered.table.columns[content].name),
                job.dialect.exact(&format!("s.{}", column_name(content))),
            ),
        };
        let id = staged_id(job, covered)?;
        stale += &format!(
            " UNION ALL SELECT {} FROM {rows} LEFT JOIN {name} t ON t.{key} = {id} WHERE t.{key} IS NULL OR {changes}",
            spelled(&id),
            rows = staged_rows(job, RecordKind::Chunk),
            name = covered.table.relation,
            key = quote(&covered.table.id()?.name),
        );
    }
    Ok(stale)
}

/// Writes the vectors that were embedded, and notes what made them.
pub fn apply(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    if job.vectors == Vectors::Kept {
        return Ok(());
    }
    let (Some(column), Some(covered)) = (&job.schema.vectors, job.covered(RecordKind::Chunk)) else { return Ok(()) };
    let id = staged_id(job, covered)?;
    let staged = format!(
        "{} s JOIN {} v ON v.text = s.text JOIN golden_plan p ON p.seq = s.parent AND p.action <> 'skip'",
        job.dialect.staged(RecordKind::Chunk),
        job.dialect.staged_table("vectors"),
    );
    let key = quote(&job.schema.chunks.id()?.name);
    let name = quote(&column.name);
    let differs = job.dialect.vector_differs(column.encoding, &format!("t.{name}"), "v.vector");
    match &column.place {
        VectorPlace::ChunkColumn => {
            // Chunks that were not written, but whose vector another model made.
            target.execute(&format!(
                "UPDATE {} AS t SET {name} = v.vector FROM {staged} WHERE t.{key} = {id} AND {differs}",
                job.schema.chunks.relation
            ))?;
        }
        VectorPlace::Table { relation, chunk, .. } => {
            let chunk = quote(chunk);
            target.execute(&format!(
                "UPDATE {relation} AS t SET {name} = v.vector FROM {staged} WHERE t.{chunk} = {id} AND {differs}"
            ))?;
            target.execute(&format!(
                "INSERT INTO {relation}({chunk}, {name}) SELECT {id}, v.vector FROM {staged}
                 WHERE NOT EXISTS (SELECT 1 FROM {relation} t WHERE t.{chunk} = {id})"
            ))?;
        }
    }
    let notes = &job.schema.vector_notes;
    target.batch(&job.dialect.create_notes(notes))?;
    target.execute(&format!(
        "INSERT INTO {notes} AS g (chunk_id, model, dimension, text_sha256)
             SELECT {}, v.model, v.dimension, {} FROM {staged} WHERE true
         ON CONFLICT (chunk_id) DO UPDATE
             SET model = excluded.model, dimension = excluded.dimension, text_sha256 = excluded.text_sha256
             WHERE g.model <> excluded.model OR g.dimension <> excluded.dimension
                   OR g.text_sha256 <> excluded.text_sha256",
        job.dialect.noted_id(&id),
        job.dialect.hex("v.text"),
    ))?;
    clear_blank(target, job, covered, &id)?;
    refuse_missing(target, job, &id)
}

/// The query for vectors that take the place of others of the same text.
pub fn replaced(target: &mut dyn Session, job: &Job<'_>) -> Result<Option<String>> {
    let (Some(column), Some(covered)) = (&job.schema.vectors, job.covered(RecordKind::Chunk)) else { return Ok(None) };
    let Some(content) = covered.position("content").filter(|_| job.vectors == Vectors::Embedded) else {
        return Ok(None);
    };
    let (chunks, dialect) = (&job.schema.chunks, job.dialect);
    let from = format!(
        "{staged} s {join} golden_plan p ON p.seq = s.parent AND p.action <> 'skip'
         {join} {vectors} v ON v.text = s.text {join} {relation} t ON t.{key} = {id}",
        staged = dialect.staged(RecordKind::Chunk),
        vectors = dialect.staged_table("vectors"),
        join = dialect.join(),
        relation = chunks.relation,
        key = quote(&chunks.id()?.name),
        id = staged_id(job, covered)?,
    );
    let has_this_text = format!(
        "t.{} IS NOT DISTINCT FROM {}",
        quote(&covered.table.columns[content].name),
        dialect.exact(&format!("s.{}", column_name(content))),
    );
    Ok(Some(drift::replaced(target, job.schema, column, &from, "v", &has_this_text)?))
}

/// Takes the vectors of chunks away that have no text, whoever made them.
fn clear_blank(target: &mut dyn Session, job: &Job<'_>, covered: &Covered, id: &str) -> Result<()> {
    let (Some(column), Some(content)) = (&job.schema.vectors, covered.position("content")) else { return Ok(()) };
    let blank = format!(
        "{} s JOIN golden_plan p ON p.seq = s.parent AND p.action <> 'skip'
         WHERE NOT coalesce({}, false)",
        job.dialect.staged(RecordKind::Chunk),
        job.dialect.is_text(&format!("s.{}", column_name(content))),
    );
    let name = quote(&column.name);
    match &column.place {
        VectorPlace::ChunkColumn => target.execute(&format!(
            "UPDATE {} AS t SET {name} = NULL FROM {blank} AND t.{} = {id} AND t.{name} IS NOT NULL",
            job.schema.chunks.relation,
            quote(&job.schema.chunks.id()?.name),
        ))?,
        VectorPlace::Table { relation, chunk, .. } => {
            target.execute(&format!("DELETE FROM {relation} WHERE {} IN (SELECT {id} FROM {blank})", quote(chunk)))?
        }
    };
    let noted = job.dialect.noted_id(id);
    target
        .execute(&format!("DELETE FROM {} WHERE chunk_id IN (SELECT {noted} FROM {blank})", job.schema.vector_notes))?;
    Ok(())
}

/// Texts that were left to a vector of the target's which is gone: the application was at work meanwhile.
fn refuse_missing(target: &mut dyn Session, job: &Job<'_>, id: &str) -> Result<()> {
    let (Some(has_vector), Some(covered)) = (job.schema.has_vector_condition()?, job.covered(RecordKind::Chunk)) else {
        return Ok(());
    };
    let Some(content) = covered.position("content") else { return Ok(()) };
    let missing = target.number(&format!(
        "SELECT count(*) FROM {} s JOIN golden_plan p ON p.seq = s.parent AND p.action <> 'skip'
         {} {} t ON t.{} = {id} WHERE {} AND NOT ({has_vector})",
        job.dialect.staged(RecordKind::Chunk),
        job.dialect.join(),
        job.schema.chunks.relation,
        quote(&job.schema.chunks.id()?.name),
        job.dialect.is_text(&format!("s.{}", column_name(content))),
    ))?;
    match missing {
        0 => Ok(()),
        missing => Err(Error::locked(format!("{missing} chunks lost their vector while others were being embedded"))
            .guidance("the application was writing; import again with --resume")),
    }
}

/// How many of the document's chunks have no vector now; none where the target keeps no vectors.
pub fn count_missing(target: &mut dyn Session, job: &Job<'_>) -> Result<Option<u64>> {
    let (Some(has_vector), Some(covered)) = (job.schema.has_vector_condition()?, job.covered(RecordKind::Chunk)) else {
        return Ok(None);
    };
    // Where no chunk at all has a vector and all the document's are there, none need be looked up.
    let chunks = &job.schema.chunks.relation;
    let some = format!(
        "SELECT EXISTS (SELECT 1 FROM {chunks} t WHERE {has_vector})
             OR EXISTS (SELECT 1 FROM golden_plan WHERE action = 'skip')"
    );
    if !target.holds(&some)? {
        return Ok(Some(job.chunks));
    }
    let missing = target.number(&format!(
        "SELECT count(*) FROM {} s {} {chunks} t ON t.{} = {} WHERE NOT ({has_vector})",
        job.dialect.staged(RecordKind::Chunk),
        job.dialect.join(),
        quote(&job.schema.chunks.id()?.name),
        staged_id(job, covered)?,
    ))?;
    Ok(Some(missing))
}

/// How many of the document's chunks will have no vector, as far as the plan can say.
pub fn count_missing_after(target: &mut dyn Session, job: &Job<'_>) -> Result<Option<u64>> {
    let (Some(has_vector), Some(covered)) = (job.schema.has_vector_condition()?, job.covered(RecordKind::Chunk)) else {
        return Ok(None);
    };
    let has_one_then = match (covered.position("content"), job.vectors) {
        (None, _) => format!("(t.{key} IS NOT NULL AND ({has_vector}))", key = quote(&job.schema.chunks.id()?.name)),
        (Some(content), Vectors::Embedded) => job.dialect.is_text(&format!("s.{}", column_name(content))),
        (Some(content), Vectors::Kept) => format!(
            "(t.{key} IS NOT NULL AND ({has_vector}) AND t.{text} IS NOT DISTINCT FROM {staged})",
            key = quote(&job.schema.chunks.id()?.name),
            text = quote(&covered.table.columns[content].name),
            staged = job.dialect.exact(&format!("s.{}", column_name(content))),
        ),
    };
    let missing = target.number(&format!(
        "SELECT count(*) FROM {staged} s {join} golden_plan p ON p.seq = s.parent
         LEFT JOIN {chunks} t ON t.{key} = {id}
         WHERE CASE WHEN p.action = 'skip' THEN t.{key} IS NOT NULL AND NOT ({has_vector})
                    ELSE NOT coalesce({has_one_then}, false) END",
        staged = job.dialect.staged(RecordKind::Chunk),
        join = job.dialect.join(),
        chunks = job.schema.chunks.relation,
        key = quote(&job.schema.chunks.id()?.name),
        id = staged_id(job, covered)?,
    ))?;
    Ok(Some(missing))
}
