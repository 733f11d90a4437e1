//! What an import did, or would do.

use std::fmt;

use golden::document::RecordKind;
use serde::Serialize;

use crate::drift::Drift;

/// Counts of what changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Nothing was changed; the rest says what would be.
    pub dry_run: bool,
    /// Analyses that are new.
    pub added: u64,
    /// Analyses that existed and were made equal to the document's.
    pub updated: u64,
    /// Analyses that were equal already.
    pub unchanged: u64,
    /// Analyses that differ and were left as they are.
    pub skipped: u64,
    /// Analyses that were removed.
    pub removed: u64,
    /// Chunks that were written.
    pub chunks_written: u64,
    /// Chunks of the document that have no vector now; none where the database keeps no vectors.
    pub chunks_without_vector: Option<u64>,
    /// The model that made the vectors, where any were made.
    pub model: Option<String>,
    /// Numbers in each of its vectors.
    pub dimension: Option<u64>,
    /// Whether these are the first vectors that the database has.
    pub are_first_vectors: bool,
    /// Chunks of the document without a text, which get no vector.
    pub blank_chunks: u64,
    /// Texts that were embedded in this run.
    pub texts_embedded: u64,
    /// What the new vectors change, where they take the place of others.
    pub drift: Option<Drift>,
    /// The content digest of the document in the database's normal form.
    pub content_sha256: String,
    /// Where what was removed or updated can be found.
    pub undo: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, updated, unchanged, skipped, removed, .. } = self;
        let verb = if self.dry_run { "would import" } else { "imported" };
        write!(f, "{verb}: {} added, {updated} updated, {unchanged} unchanged", RecordKind::Analysis.counted(*added))?;
        if *skipped > 0 {
            write!(f, ", {skipped} skipped")?;
        }
        writeln!(f, ", {removed} removed")?;
        if let Some(model) = &self.model {
            writeln!(f, "texts embedded with {model}: {}", self.texts_embedded)?;
            if self.are_first_vectors {
                writeln!(
                    f,
                    "they are the first vectors of this database: pin their model in golden.toml to hold to it"
                )?;
            }
        }
        if let Some(drift) = &self.drift {
            write!(f, "{drift}")?;
        }
        if self.blank_chunks > 0 {
            writeln!(f, "blank, so without a vector: {}", RecordKind::Chunk.counted(self.blank_chunks))?;
        }
        if let Some(chunks) = self.chunks_without_vector.filter(|chunks| *chunks > 0) {
            writeln!(f, "without a vector now: {}", RecordKind::Chunk.counted(chunks))?;
        }
        writeln!(f, "content sha256 {}", self.content_sha256)?;
        if let Some(undo) = &self.undo {
            writeln!(f, "what was removed or updated is kept in {undo}")?;
        }
        Ok(())
    }
}
