//! `--db`: whether a database holds what a document says, inside the document's selection and columns.
//!
//! The document's records are put into the form in which the database would give them back, so that
//! digests can be compared. Both sides' digests are sorted by id and merged: memory stays bounded.

mod document;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read;

use golden::Result;
use golden::cli::{Progress, Reporter};
use golden::document::verify::Counts;
use golden::document::{Digest, RecordKind};
use golden::spill::Sorter;
use golden::store::{Database, Dataset, Location, Mapping};
use serde::Serialize;

use self::document::Document;
pub use self::document::{columns, inside, lists, selection};
use crate::merge::{Entry, Pair, merge};
use crate::review::{Criteria, Review};
use crate::vectors::Vectors;

/// How much memory each side's digests may take.
const MEMORY: usize = 6 << 20;

/// How many differing records of each sort are named; all are counted.
const SHOWN: u64 = 20;

/// What differs between a document and a database.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// What the database has inside the document's selection.
    #[serde(rename = "counts")]
    pub database: Counts,
    /// In the document, not in the database.
    pub missing: Records,
    /// In the database, not in the document.
    pub extra: Records,
    /// In both, with different content.
    pub changed: Records,
    /// Fields of the document that the database has no column for.
    pub unknown_fields: Vec<String>,
    /// Values that the database would alter.
    pub unfit: Vec<String>,
    /// Records without `id`, by kind, in tables that give ids of their own: they are counted, for there is
    /// nothing to tell which row is which.
    pub only_counted: BTreeMap<&'static str, OnlyCounted>,
    /// The database's vectors; none where it has no place for any.
    pub vectors: Option<Vectors>,
}

/// Records that something is said of.
#[derive(Debug, Default, Serialize)]
pub struct Records {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub names: Vec<String>,
}

impl Records {
    /// Adds one, which is named if few were before.
    pub fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.count <= SHOWN {
            self.names.push(name());
        }
    }

    /// Adds others.
    pub fn extend(&mut self, others: &Self) {
        let room = (SHOWN as usize).saturating_sub(self.names.len());
        self.names.extend(others.names.iter().take(room).cloned());
        self.count += others.count;
    }
}

/// How many records of a kind there are on either side.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OnlyCounted {
    pub document: u64,
    pub database: u64,
}

impl Comparison {
    /// Whether the database holds the document's dataset, as far as that can be told.
    pub fn is_equal(&self) -> bool {
        let differing = [&self.missing, &self.extra, &self.changed].iter().any(|records| records.count > 0);
        let counts_differ = self.only_counted.values().any(|counted| counted.document != counted.database);
        !differing && !counts_differ && self.unknown_fields.is_empty() && self.unfit.is_empty()
    }
}

/// Reads and verifies a document, and compares it with the database.
pub fn compare(
    criteria: &Criteria,
    database: &str,
    mapping: &Mapping,
    input: impl Read + Send,
    reporter: &Reporter,
) -> Result<(Review, Comparison)> {
    let location = Location::find(Some(database))?;
    for warning in location.warnings() {
        reporter.warn(warning);
    }
    let (mut database, schema) = Database::open(&location, mapping)?;

    let progress = Progress::start(reporter, "verifying", "analyses", None);
    let document = Document::read(input, criteria, &schema, |units| progress.advance(units))?;
    drop(progress);

    let schema = document.comparable(&schema);
    let mut dataset = Dataset::select(&mut database, &schema, &document.selection(mapping, &schema))?;
    let counts = Counts {
        analyses: dataset.counts.analyses,
        chunks: dataset.counts.chunks,
        findings: dataset.counts.findings,
        artifacts: dataset.counts.artifacts,
    };
    let progress = Progress::start(reporter, "comparing", "analyses", Some(counts.analyses));
    let chunks_are_compared = !document.without_ids.contains(&RecordKind::Chunk);
    let mut digests = Sorter::new(MEMORY);
    dataset.digests(|analysis| {
        progress.advance(1);
        digests.push(&key(RecordKind::Analysis, &analysis.id), analysis.own.bytes())?;
        for (id, digest) in analysis.chunks.iter().filter(|_| chunks_are_compared) {
            digests.push(&key(RecordKind::Chunk, id), &chunk_value(digest, &analysis.id))?;
        }
        Ok(())
    })?;
    let mut comparison = Comparison {
        database: counts,
        only_counted: document.only_counted(&counts),
        vectors: Vectors::of(&mut dataset, &mapping.embedding)?,
        ..Comparison::default()
    };
    let review = document.finish(&mut comparison, digests.finish()?)?;
    Ok((review, comparison))
}

/// Sorts records by kind and id.
fn key(kind: RecordKind, id: &str) -> Vec<u8> {
    [&[kind as u8], id.as_bytes()].concat()
}

/// A chunk that moved to another analysis has changed, though its fields have not.
fn chunk_value(digest: &Digest, analysis_id: &str) -> Vec<u8> {
    [digest.bytes(), analysis_id.as_bytes()].concat()
}

/// What a key and its value say: `chunk c1 of analysis a1`.
fn name(key: &[u8], value: &[u8]) -> String {
    let id = String::from_utf8_lossy(&key[1..]);
    match key[0] == RecordKind::Chunk as u8 {
        true => format!("chunk {id} of analysis {}", String::from_utf8_lossy(&value[32..])),
        false => format!("analysis {id}"),
    }
}

impl Comparison {
    /// Holds both sides against each other, by id. A record of the document with an empty value is only
    /// looked for.
    fn add(
        &mut self,
        document: impl Iterator<Item = Result<Entry>>,
        database: impl Iterator<Item = Result<Entry>>,
    ) -> Result<()> {
        merge(document, database, |Pair { key, ours, theirs }| {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) if ours == theirs || ours.is_empty() => {}
                (Some(ours), Some(_)) => self.changed.add(|| name(&key, &ours)),
                (Some(ours), None) => self.missing.add(|| name(&key, &ours)),
                (None, theirs) => self.extra.add(|| name(&key, &theirs.unwrap_or_default())),
            }
            Ok(())
        })
    }
}
