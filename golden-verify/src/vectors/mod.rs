//! Whether a database's vectors are fit for a search: there, of one model and dimension, finite and not
//! zero, and each made from the text that now stands beside it.
//!
//! One pass over the chunks. What is expected of all vectors may only be known at the end, so chunks are
//! gathered by what their vectors have in common; a few are named, all are counted.

mod alone;
mod finding;
mod groups;

use std::collections::BTreeMap;

use golden::Result;
use golden::document::verify::Severity;
use golden::document::{RecordKind, id_text};
use golden::store::{ChunkVector, Dataset, EmbeddingPin, Schema, VectorColumn};
use serde::Serialize;

pub use self::alone::run;
pub use self::finding::{Check, Finding};
use self::groups::Groups;
use crate::compare::Records;

/// How far from 1 a vector's length may be that was scaled to 1: sixteen-bit floats are no closer.
const TOLERANCE: f64 = 0.01;

/// What was found out about a database's vectors.
#[derive(Debug, Serialize)]
pub struct Vectors {
    /// Vectors of selected chunks.
    pub vectors: u64,
    /// Chunks that have a text and no vector.
    pub without: u64,
    /// Chunks that have neither.
    pub blank: u64,
    /// Vectors that were made from another text than their chunk has now.
    pub stale: u64,
    /// Vectors of which nothing says what made them.
    pub unknown_origin: u64,
    /// How many vectors each model made.
    pub by_model: BTreeMap<String, u64>,
    /// How many vectors have so many numbers.
    pub by_dimension: BTreeMap<u64, u64>,
    /// What is wrong, or worth a look: the worst first.
    pub findings: Vec<Finding>,
}

impl Vectors {
    /// Looks at the vectors of a dataset; none where the database has no place for any.
    pub fn of(dataset: &mut Dataset<'_>, pin: &EmbeddingPin) -> Result<Option<Self>> {
        let schema = dataset.schema;
        let Some(column) = &schema.vectors else { return Ok(None) };
        let mut tally = Tally::new(schema, column, pin);
        dataset.chunk_vectors(|chunk| {
            tally.add(&chunk);
            Ok(())
        })?;
        Ok(Some(tally.finish()))
    }

    /// Whether nothing is wrong.
    pub fn are_fit(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// `3 vectors of 384 numbers (all-MiniLM-L6-v2@0123456789ab: 2, of unknown origin: 1)`
    pub fn summary(&self) -> String {
        let mut makers: Vec<_> = self.by_model.iter().map(|(model, count)| format!("{model}: {count}")).collect();
        if self.unknown_origin > 0 {
            makers.push(format!("of unknown origin: {}", self.unknown_origin));
        }
        let numbers = match self.by_dimension.keys().collect::<Vec<_>>()[..] {
            [dimension] => format!(" of {dimension} numbers"),
            _ => String::new(),
        };
        match self.vectors {
            0 => format!("no vectors, {}", RecordKind::Chunk.counted(self.without + self.blank)),
            1 => format!("1 vector{numbers} ({})", makers.join(", ")),
            count => format!("{count} vectors{numbers} ({})", makers.join(", ")),
        }
    }
}

/// What is gathered on the way.
struct Tally<'d> {
    schema: &'d Schema,
    column: &'d VectorColumn,
    pin: &'d EmbeddingPin,
    vectors: u64,
    blank: u64,
    /// Vectors of length 1.
    unit: u64,
    models: Groups<String>,
    dimensions: Groups<u64>,
    chunks: BTreeMap<Check, Records>,
}

impl<'d> Tally<'d> {
    fn new(schema: &'d Schema, column: &'d VectorColumn, pin: &'d EmbeddingPin) -> Self {
        let (models, dimensions) = (Groups::default(), Groups::default());
        Self { schema, column, pin, vectors: 0, blank: 0, unit: 0, models, dimensions, chunks: BTreeMap::new() }
    }

    fn note(&mut self, check: Check, chunk: &ChunkVector) {
        self.chunks.entry(check).or_default().add(|| name(chunk));
    }

    fn add(&mut self, chunk: &ChunkVector) {
        let Some(stored) = &chunk.vector else {
            match chunk.is_blank {
                true => self.blank += 1,
                false => self.note(Check::Missing, chunk),
            }
            return;
        };
        self.vectors += 1;
        let vector = self.column.encoding.decode(stored);
        match &vector {
            None => self.note(Check::Unreadable, chunk),
            Some(vector) => self.add_numbers(vector, chunk),
        }
        let Some(note) = &chunk.note else {
            return self.note(Check::UnknownOrigin, chunk);
        };
        self.models.add(&note.model, || name(chunk));
        if vector.is_some_and(|vector| vector.len() as u64 != note.dimension) {
            self.note(Check::Misnoted, chunk);
        }
        let knows_texts = self.schema.chunks.column("content").is_some();
        if knows_texts && chunk.text_sha256.as_ref() != Some(&note.text_sha256) {
            self.note(Check::Stale, chunk);
        }
    }

    fn add_numbers(&mut self, vector: &[f32], chunk: &ChunkVector) {
        self.dimensions.add(&(vector.len() as u64), || name(chunk));
        let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() {
            self.note(Check::NotFinite, chunk);
        } else if length == 0.0 {
            self.note(Check::Zero, chunk);
        } else if (length - 1.0).abs() <= TOLERANCE {
            self.unit += 1;
        } else {
            self.note(Check::Length, chunk);
        }
    }

    fn finish(mut self) -> Vectors {
        let count = |chunks: &BTreeMap<Check, Records>, check| chunks.get(&check).map_or(0, |found| found.count);
        let (without, stale, unknown_origin) = (
            count(&self.chunks, Check::Missing),
            count(&self.chunks, Check::Stale),
            count(&self.chunks, Check::UnknownOrigin),
        );
        // Models that do not scale their vectors make them of any length.
        if count(&self.chunks, Check::Length) >= self.unit {
            self.chunks.remove(&Check::Length);
        }
        let model = self.pin.model.clone().or_else(|| self.models.most_frequent());
        let dimension = self.pin.dimension.map(u64::from).or(self.column.dimension);
        let dimension = dimension.or_else(|| self.dimensions.most_frequent());
        let by_model = self.models.counts();
        let by_dimension = self.dimensions.counts();
        for (check, others) in [
            (Check::OtherModel, model.as_ref().map(|model| self.models.others(model))),
            (Check::Dimension, dimension.map(|dimension| self.dimensions.others(&dimension))),
        ] {
            self.chunks.extend(others.filter(|others| others.count > 0).map(|others| (check, others)));
        }
        let expected = finding::Expected { encoding: self.column.encoding, dimension, model, pin: self.pin };
        let found = self.chunks.into_iter().map(|(check, chunks)| Finding::new(check, chunks, &expected));
        let mut findings: Vec<_> = found.collect();
        findings.sort_by_key(|finding| finding.severity);
        let (vectors, blank) = (self.vectors, self.blank);
        Vectors { vectors, without, blank, stale, unknown_origin, by_model, by_dimension, findings }
    }
}

/// How a chunk is named: by its id.
fn name(chunk: &ChunkVector) -> String {
    id_text(&chunk.chunk).unwrap_or_else(|| chunk.chunk.to_string())
}
