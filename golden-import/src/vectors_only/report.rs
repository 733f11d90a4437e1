//! What `--vectors` did, or would do.

use std::fmt;

use golden::document::RecordKind;
use serde::Serialize;

use crate::drift::Drift;
use crate::embedder::Maker;

/// What was replaced, or would be.
#[derive(Serialize)]
pub struct Report {
    /// Nothing was changed; the rest says what would be.
    pub dry_run: bool,
    /// The model of the vectors.
    pub model: Option<String>,
    /// Numbers in each.
    pub dimension: Option<u64>,
    /// Chunks that a vector was given for.
    pub chunks: u64,
    /// Those that had another vector, or none.
    pub written: u64,
    /// Those that had the same.
    pub unchanged: u64,
    /// Chunks that were given without having a text.
    pub blank_chunks: u64,
    /// Chunks in the database that have no vector now.
    pub chunks_without_vector: Option<u64>,
    /// What the new vectors change.
    pub drift: Option<Drift>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.dry_run { "would write" } else { "wrote" };
        let chunks = RecordKind::Chunk.counted(self.written);
        write!(f, "{verb} the vectors of {chunks}, {} unchanged", self.unchanged)?;
        match &self.maker() {
            Some(maker) => writeln!(f, ", model {maker}")?,
            None => writeln!(f)?,
        }
        if let Some(drift) = &self.drift {
            write!(f, "{drift}")?;
        }
        if self.blank_chunks > 0 {
            writeln!(f, "blank, so without a vector: {}", RecordKind::Chunk.counted(self.blank_chunks))?;
        }
        if let Some(missing) = self.chunks_without_vector.filter(|missing| *missing > 0) {
            writeln!(f, "without a vector now: {}", RecordKind::Chunk.counted(missing))?;
        }
        Ok(())
    }
}

impl Report {
    fn maker(&self) -> Option<Maker> {
        Some(Maker { model: self.model.clone()?, dimension: self.dimension })
    }
}
