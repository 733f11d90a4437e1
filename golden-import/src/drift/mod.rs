//! What new vectors change, where they take the place of old ones: how far each turned, and whether a search still
//! finds the same neighbours. In bounded memory, and the same for the same vectors in whatever order they come.

mod comparison;
mod replaced;
#[cfg(test)]
mod tests;

use std::fmt;

use golden::store::Schema;
use golden::{Error, Result};
use serde::Serialize;

use self::comparison::Comparison;
pub use self::replaced::replaced;
use crate::origins::Origin;
use crate::references::id_text;
use crate::target::Session;

/// What new vectors change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Chunks whose vector is replaced by another, or by one of another model.
    pub chunks: u64,
    /// What made the old vectors.
    pub before: Vec<Origin>,
    /// The model of the new ones.
    pub after: String,
    /// How far the vectors turned; none where no old one has the new dimension.
    pub cosine: Option<Cosine>,
    /// Whether the neighbours are still the same; none where there are too few.
    pub neighbours: Option<Neighbours>,
}

/// The cosines between old vectors and new ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cosine {
    /// The smallest.
    pub min: f64,
    /// One in a hundred is smaller.
    pub p1: f64,
    /// One in twenty is smaller.
    pub p5: f64,
    /// Half are smaller.
    pub median: f64,
    /// Their mean.
    pub mean: f64,
}

/// How many of the nearest neighbours are still the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Neighbours {
    /// The share of the ten nearest in the old vectors that are among the ten nearest in the new, on average.
    pub recall_at_10: f64,
    /// 1 less that.
    pub drift: f64,
    /// Chunks whose neighbours were looked for.
    pub queries: usize,
    /// Chunks they were looked for among.
    pub among: usize,
}

/// Compares old and new vectors. The query gives, for each chunk, its id, the model and the dimension of the old
/// vector as far as they are noted, the old vector, the model of the new one, and the new one.
pub fn measure(target: &mut dyn Session, schema: &Schema, query: &str) -> Result<Option<Drift>> {
    let Some(column) = &schema.vectors else { return Ok(None) };
    let id = schema.chunks.id()?;
    let mut comparison = Comparison::default();
    target.each(query, &mut |mut row| {
        if !row.is_empty() {
            let name = id_text(id, row.remove(0));
            comparison.add_row(column.encoding, &name, row);
        }
        Ok(())
    })?;
    Ok(comparison.finish())
}

/// Refuses more drift than is allowed. Says what a person should know where that cannot be told.
pub fn refuse(drift: Option<&Drift>, most: Option<f64>) -> Result<Option<String>> {
    let (Some(drift), Some(most)) = (drift, most) else { return Ok(None) };
    match drift.neighbours {
        None => Ok(Some(format!("--max-drift: {} vectors are too few to tell their neighbours apart", drift.chunks))),
        Some(found) if found.drift > most => Err(Error::data(format!(
            "the new vectors find other neighbours: drift {:.3} (1 - recall@10 of {} chunks among {}), and --max-drift \
             allows {most}; nothing was changed",
            found.drift, found.queries, found.among
        ))
        .guidance("choose a model that is closer, or allow more")),
        Some(_) => Ok(None),
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before: Vec<_> = self.before.iter().map(Origin::to_string).collect();
        writeln!(f, "vectors replaced by those of {}: {} ({})", self.after, self.chunks, before.join(", "))?;
        match self.cosine {
            Some(Cosine { min, p1, p5, median, mean }) => writeln!(
                f,
                "  cosine of old and new: mean {mean:.3}, median {median:.3}, 5 % below {p5:.3}, 1 % below {p1:.3}, min {min:.3}"
            )?,
            None => writeln!(f, "  cosine of old and new: none, the dimensions differ")?,
        }
        match self.neighbours {
            Some(Neighbours { recall_at_10, drift, queries, among }) => writeln!(
                f,
                "  nearest neighbours: recall@10 {recall_at_10:.3}, drift {drift:.3} ({queries} chunks among {among})"
            ),
            None => writeln!(f, "  nearest neighbours: too few vectors to tell"),
        }
    }
}
