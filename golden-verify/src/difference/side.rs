//! One of the two documents: verified, and in normal form.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use golden::cli::{Kept, Progress, Reporter, open_kept};
use golden::document::verify::{Checksums, Counts};
use golden::document::{Fields, Layout, Limits, RecordKind, Writer};
use golden::section::Section;
use golden::settings::Settings;
use golden::{Context, Error, Result};
use serde_json::Value;

use super::index::{self, Index, Reading};
use crate::compare::columns;
use crate::report::Outcome;
use crate::review::{Criteria, Review};
use crate::seal::Staged;
use crate::source::Source;

/// One side of the comparison: a document that was verified, or what a database holds.
pub struct Side {
    pub name: String,
    /// What it holds, as far as it could be read.
    pub counts: Counts,
    /// How its verification ended. A database that could be read has none.
    pub outcome: Option<Outcome>,
    /// Its top level in normal form. A database has none.
    pub top_level: Option<Fields>,
    /// None if it cannot be compared: it could not be read, or its records are faulty.
    pub index: Option<Index>,
}

impl Side {
    /// Reads a document.
    pub fn of_document(path: &Path, criteria: &Criteria, reporter: &Reporter) -> Self {
        let kept = match open_kept(path) {
            Ok(kept) => kept,
            Err(error) => return Self::unread(path.display().to_string(), error),
        };
        let name = kept.name.clone();
        match read(kept, criteria, reporter) {
            Ok(Document { review, normal }) => {
                let counts = review.verification.counts;
                let (top_level, index) = normal.unzip();
                Self { outcome: Some(Outcome::of(name.clone(), Ok(review))), name, counts, top_level, index }
            }
            Err(error) => Self::unread(name, error),
        }
    }

    /// Whether it could be read, so that its counts are known.
    pub fn is_read(&self) -> bool {
        self.outcome.as_ref().is_none_or(|outcome| outcome.result.is_ok())
    }

    /// Of something that could not be read.
    pub fn unread(name: String, error: Error) -> Self {
        let outcome = Some(Outcome::of(name.clone(), Err(error)));
        Self { name, counts: Counts::default(), outcome, top_level: None, index: None }
    }
}

/// A document that was read to its end.
struct Document {
    review: Review,
    /// Its top level and records in normal form, if they can be brought into it.
    normal: Option<(Fields, Index)>,
}

fn read(mut document: Kept, criteria: &Criteria, reporter: &Reporter) -> Result<Document> {
    let progress = Progress::start(reporter, "verifying", "analyses", None);
    let Source { reader, origin } = Source::new(document.reader(), criteria.limits())?;
    let mut reading = index::read(reader, criteria, |units| progress.advance(units))?;
    drop(progress);
    reading.review = origin.review(reading.review);
    if is_normal(&reading) {
        let Reading { review, records, top_level, .. } = reading;
        return Ok(Document { review, normal: Some((top_level, Index { file: document.into_file(), records })) });
    }
    let review = reading.review;
    let Source { reader, origin } = Source::new(document.reader(), criteria.limits())?;
    let mut staged = Staged::read(reader, criteria.limits(), |_| ())?;
    origin.complete(&mut staged.verification);
    // What is wrong with its records stands in the review.
    if staged.refuse_faults().is_err() {
        return Ok(Document { review, normal: None });
    }
    let top_level = staged.top_level.clone();
    let index = normal(|file| {
        let writer = Writer::new(file, Layout::Compact, top_level.clone())?;
        Ok(staged.write(writer, Layout::Compact)?.0)
    })?;
    Ok(Document { review, normal: Some((top_level, index)) })
}

/// Whether a document is in normal form for certain: its digests match, and it lists its columns, as only
/// what was exported does.
fn is_normal(Reading { review, top_level, ids_come_first, .. }: &Reading) -> bool {
    let verification = &review.verification;
    let columns = top_level.get("metadata").and_then(Value::as_object).and_then(columns);
    let lists = |kind: RecordKind| columns.is_some_and(|columns| columns.contains_key(kind.plural()));
    let needed = [RecordKind::Analysis, RecordKind::Chunk];
    let artifacts_are_listed = verification.counts.artifacts == 0 || lists(RecordKind::Artifact);
    *ids_come_first
        && review.flat.is_none()
        && verification.sealed
        && verification.is_ok()
        && needed.into_iter().all(lists)
        && artifacts_are_listed
}

/// Has a document in normal form written to an unnamed file, and makes its index.
pub fn normal(write: impl FnOnce(BufWriter<File>) -> Result<BufWriter<File>>) -> Result<Index> {
    let cannot_write = || "cannot write to the folder for temporary files";
    let file = tempfile::tempfile().context(cannot_write)?;
    let file = write(BufWriter::with_capacity(256 << 10, file))?;
    let file = file.into_inner().map_err(|error| error.into_error()).context(cannot_write)?;
    let file = Arc::new(file);
    // Its records were held to the limits, and to the rules, when they were read or exported.
    let criteria = Criteria::new(Checksums::Optional, Limits { max_record: usize::MAX }, &Settings::default());
    let Reading { records, .. } = index::read(Section::all(Arc::clone(&file)), &criteria, |_| ())?;
    Ok(Index { file, records })
}
