//! Checks a document while it is read: structure, counts, digests, ids.
//!
//! [`examine`] looks at a record by itself, on any thread; the [`Verifier`] takes the results in the
//! document's order and holds the records against each other and against what the document says.

mod issue;
mod record;
#[cfg(test)]
mod tests;
mod unique;

use std::io::Read;

use serde_json::Value;

pub use self::issue::{Check, Group, Issue, Issues, Severity};
use self::issue::{Excusable, Excuse};
use self::record::is_date;
pub use self::record::{Examined, examine, excerpt};
use self::unique::Fingerprints;
use super::canonical::Digest;
use super::reader::{Analysis, Chunk, End, Event, Limits, read_with};
use super::{Fields, Place, RecordKind, Seals};
use crate::{Error, Result};

/// Whether a document must carry digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Checksums {
    /// It may be without.
    #[default]
    Optional,
    /// Without is an error.
    Required,
}

/// How many records of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Analyses.
    pub analyses: u64,
    /// Chunks.
    pub chunks: u64,
    /// Findings, where they are records.
    pub findings: u64,
    /// Artifacts.
    pub artifacts: u64,
}

/// What is known of a document after it was read to its end.
#[derive(Debug)]
pub struct Verification {
    /// What it holds.
    pub counts: Counts,
    /// Whether it carries digests. If not, only its structure and counts could be verified.
    pub sealed: bool,
    /// The digests of what was read.
    pub seals: Seals,
    /// What is wrong with it, or worth a look.
    pub issues: Issues,
}

impl Verification {
    /// Whether the document has no errors; warnings are allowed.
    pub fn is_ok(&self) -> bool {
        self.issues.count(Severity::Error) == 0
    }
}

/// Reads a document and verifies it; `progress` hears of every analysis.
pub fn verify(
    input: impl Read + Send,
    limits: Limits,
    checksums: Checksums,
    mut progress: impl FnMut(u64),
) -> Result<Verification> {
    let mut verifier = Verifier::new(checksums);
    let mut verification = None;
    let examine = |kind, place: &Place, _, fields: Fields| examine(kind, place, &fields);
    read_with(input, limits, examine, |event| {
        if matches!(event, Event::Analysis(_)) {
            progress(1);
        }
        verification = verifier.observe(&event)?;
        Ok(())
    })?;
    verification.ok_or_else(|| Error::data("the document has no end"))
}

/// Takes what a reader comes across, and says at the end what is wrong with it.
pub struct Verifier {
    checksums: Checksums,
    issues: Excusable,
    counts: Counts,
    ids: [Fingerprints; 4],
    urls: Fingerprints,
    /// The `chunk_index` of each chunk of the analysis that is being read.
    chunk_indexes: Vec<Option<i64>>,
    /// Whether chunks came before the id of their analysis.
    chunks_came_first: bool,
    sealed: Tally,
    unsealed: Tally,
}

/// A number of records, and the first few.
#[derive(Default)]
struct Tally {
    count: u64,
    first: Option<Place>,
}

impl Tally {
    fn add(&mut self, place: &Place) {
        self.count += 1;
        self.first.get_or_insert_with(|| place.clone());
    }
}

impl Verifier {
    /// A verifier at the start of a document.
    pub fn new(checksums: Checksums) -> Self {
        Self {
            checksums,
            issues: Excusable::default(),
            counts: Counts::default(),
            ids: RecordKind::ALL.map(|_| Fingerprints::new()),
            urls: Fingerprints::new(),
            chunk_indexes: Vec::new(),
            chunks_came_first: false,
            sealed: Tally::default(),
            unsealed: Tally::default(),
        }
    }

    /// Takes the next event, its record examined. At the document's end it gives the verification, and
    /// is ready for another document.
    pub fn observe<T: AsRef<Examined>>(&mut self, event: &Event<T>) -> Result<Option<Verification>> {
        match event {
            Event::Chunk(chunk) => self.chunk(chunk)?,
            Event::Analysis(analysis) => self.analysis(analysis)?,
            Event::End(end) => {
                let finished = std::mem::replace(self, Self::new(self.checksums));
                return finished.end(end).map(Some);
            }
        }
        Ok(None)
    }

    fn chunk<T: AsRef<Examined>>(&mut self, chunk: &Chunk<T>) -> Result<()> {
        let examined = chunk.fields.as_ref();
        self.counts.chunks += 1;
        self.chunk_indexes.push(examined.chunk_index);
        self.chunks_came_first |= chunk.place.analysis.id.is_none();
        self.seal(&chunk.place, chunk.sealed.as_ref(), &chunk.digest);
        self.record(RecordKind::Chunk, &chunk.place, examined)
    }

    fn analysis<T: AsRef<Examined>>(&mut self, analysis: &Analysis<T>) -> Result<()> {
        let (place, examined) = (&analysis.place, analysis.fields.as_ref());
        self.counts.analyses += 1;
        self.counts.findings += examined.findings;
        self.counts.artifacts += examined.artifacts;
        match analysis.chunks {
            None => self.issues.error(Check::Required, Some(place), "`chunks` is missing"),
            Some(0) => self.issues.warning(Check::Empty, Some(place), "it has no chunks"),
            Some(_) => self.chunk_indexes(place),
        }
        self.chunk_indexes.clear();
        if std::mem::take(&mut self.chunks_came_first) {
            self.issues.name_analysis(&place.analysis);
        }
        self.seal(place, analysis.sealed.as_ref(), &analysis.digest_by_claims);
        for (kind, name, fingerprint) in &examined.children {
            let place = Place { child: Some((*kind, name.clone())), ..place.clone() };
            self.ids[*kind as usize].add(fingerprint, &place)?;
        }
        if let Some(url) = &examined.url {
            self.urls.add(url, place)?;
        }
        self.record(RecordKind::Analysis, place, examined)
    }

    fn record(&mut self, kind: RecordKind, place: &Place, examined: &Examined) -> Result<()> {
        for (issue, excuse) in &examined.issues {
            self.issues.push(issue.clone(), *excuse);
        }
        match &examined.id {
            Some(id) => self.ids[kind as usize].add(id, place),
            None => Ok(()),
        }
    }

    /// Holds a record's `sha256` against its digest.
    fn seal(&mut self, place: &Place, sealed: Option<&Value>, digest: &Digest) {
        let Some(sealed) = sealed else { return self.unsealed.add(place) };
        self.sealed.add(place);
        if digest.is_written(sealed) {
            return;
        }
        match sealed.as_str().and_then(Digest::parse) {
            Some(_) => {
                self.issues.error(Check::RecordDigest, Some(place), "its content does not match its sha256");
            }
            None => self.issues.error(Check::Seal, Some(place), not_a_digest("sha256", sealed)),
        }
    }

    /// Looks for gaps and repetitions among the chunks of an analysis.
    fn chunk_indexes(&mut self, place: &Place) {
        let mut indexes: Vec<i64> = self.chunk_indexes.iter().copied().flatten().collect();
        if !indexes.is_empty() && indexes.len() < self.chunk_indexes.len() {
            let without = self.chunk_indexes.len() - indexes.len();
            let message =
                format!("{without} of its {} chunks have no integer as `chunk_index`", self.chunk_indexes.len());
            self.issues.warning(Check::ChunkIndex, Some(place), message);
        }
        indexes.sort_unstable();
        for pair in indexes.windows(2) {
            let message = match pair[1].wrapping_sub(pair[0]) {
                1 => continue,
                0 => format!("two of its chunks have `chunk_index` {}", pair[0]),
                _ => format!("`chunk_index` goes from {} to {}", pair[0], pair[1]),
            };
            self.issues.warning(Check::ChunkIndex, Some(place), message);
        }
    }

    fn end(mut self, end: &End) -> Result<Verification> {
        let metadata = end.top_level.get("metadata").and_then(Value::as_object);
        self.top_level(&end.top_level, metadata);
        self.totals(metadata);
        let is_sealed = self.checksums(end);
        self.repetitions(metadata)?;
        let issues = self.issues.settle(metadata);
        Ok(Verification { counts: self.counts, sealed: is_sealed, seals: end.seals, issues })
    }

    fn top_level(&mut self, top_level: &Fields, metadata: Option<&Fields>) {
        match top_level.get("created_at") {
            Some(Value::String(text)) if is_date(text) => {}
            Some(other) => {
                let message = format!("`created_at` is {}, not a date and time as RFC 3339 writes it", excerpt(other));
                self.issues.error(Check::Date, None, message);
            }
            None => {}
        }
        if metadata.is_none() {
            self.issues.error(Check::Type, None, "`metadata` is not an object");
        }
    }

    fn totals(&mut self, metadata: Option<&Fields>) {
        let Counts { analyses, chunks, artifacts, .. } = self.counts;
        for (name, count) in [("total_analyses", analyses), ("total_chunks", chunks), ("total_artifacts", artifacts)] {
            let Some(metadata) = metadata else { return };
            match metadata.get(name) {
                Some(total) if total.as_u64() == Some(count) => {}
                Some(total) if total.is_u64() => {
                    let message = format!("`metadata.{name}` is {total}, but there are {count}");
                    self.issues.error(Check::Count, None, message);
                }
                Some(other) => {
                    let message = format!("`metadata.{name}` is {}, not a count", excerpt(other));
                    self.issues.error(Check::Count, None, message);
                }
                None => self.issues.error(Check::Count, None, format!("`metadata.{name}` is missing")),
            }
        }
    }

    /// Checks that digests are there completely or not at all, and those of the whole; gives which.
    fn checksums(&mut self, end: &End) -> bool {
        let Some(checksums) = &end.checksums else {
            if let Some(place) = &self.sealed.first {
                let message = format!(
                    "{} records have a sha256 but the document has no `checksums`: the first is {place}",
                    self.sealed.count
                );
                self.issues.error(Check::Seal, None, message);
            }
            let lookalike = end.top_level.iter().find(|(_, value)| {
                value.as_object().is_some_and(|members| {
                    members.keys().filter(|key| CHECKSUM_MEMBERS.contains(&key.as_str())).count() > 2
                })
            });
            if let Some((name, _)) = lookalike {
                self.issues.error(Check::Seal, None, format!("`{name}` looks like `checksums`, misspelt"));
            }
            if self.checksums == Checksums::Required {
                self.issues.error(Check::Unsealed, None, "the document carries no digests, and they are required");
            }
            return false;
        };
        if let Some(place) = &self.unsealed.first {
            let message = format!(
                "the document has `checksums` but {} records have no sha256: the first is {place}",
                self.unsealed.count
            );
            self.issues.error(Check::Seal, None, message);
        }
        let Some(members) = checksums.as_object() else {
            self.issues.error(Check::Seal, None, "`checksums` is not an object");
            return true;
        };
        for name in members.keys().filter(|name| !CHECKSUM_MEMBERS.contains(&name.as_str())) {
            self.issues.error(Check::Seal, None, format!("`checksums` has a member {name:?} that it should not have"));
        }
        self.constant(members, "algorithm", "sha256");
        self.constant(members, "canonical_form", "RFC 8785");
        if let Some(content) = self.stated(members, "content") {
            if content != end.content_by_claims {
                let message = "analyses are missing, added or in another order: they do not match `checksums.content`";
                self.issues.error(Check::ContentDigest, None, message);
            }
            if let Some(document) = self.stated(members, "document")
                && document != super::writer::document_digest(end.top_level.clone(), &content)
            {
                let message = "version, created_at, metadata or another top-level member does not match \
                               `checksums.document`";
                self.issues.error(Check::DocumentDigest, None, message);
            }
        }
        true
    }

    fn constant(&mut self, checksums: &Fields, name: &str, expected: &str) {
        match checksums.get(name) {
            Some(value) if value == expected => {}
            Some(other) => {
                let message = format!("`checksums.{name}` is {}, and only {expected:?} is known", excerpt(other));
                self.issues.error(Check::Seal, None, message);
            }
            None => self.issues.error(Check::Seal, None, format!("`checksums.{name}` is missing")),
        }
    }

    /// A digest that `checksums` states.
    fn stated(&mut self, checksums: &Fields, name: &str) -> Option<Digest> {
        let Some(value) = checksums.get(name) else {
            self.issues.error(Check::Seal, None, format!("`checksums.{name}` is missing"));
            return None;
        };
        let digest = value.as_str().and_then(Digest::parse);
        if digest.is_none() {
            self.issues.error(Check::Seal, None, not_a_digest(&format!("checksums.{name}"), value));
        }
        digest
    }

    fn repetitions(&mut self, metadata: Option<&Fields>) -> Result<()> {
        // Findings may be a JSON column, whose members are the application's business.
        let columns = metadata.and_then(|metadata| metadata.get("columns"));
        let findings_are_a_table = columns.is_some_and(|columns| columns.get("findings").is_some());
        let ids = std::mem::replace(&mut self.ids, RecordKind::ALL.map(|_| Fingerprints::new()));
        for (kind, fingerprints) in RecordKind::ALL.into_iter().zip(ids) {
            let severity = match kind {
                RecordKind::Finding if !findings_are_a_table => Severity::Warning,
                _ => Severity::Error,
            };
            fingerprints.repetitions(|found| {
                let message = format!("the same id as {}", found.first);
                let issue = Issue { check: Check::DuplicateId, severity, place: Some(found.again), message };
                self.issues.push(issue, Excuse::Never);
            })?;
        }
        std::mem::replace(&mut self.urls, Fingerprints::new()).repetitions(|found| {
            let message = format!("the same URL as {}", found.first);
            self.issues.warning(Check::RepeatedUrl, Some(&found.again), message);
        })
    }
}

/// All that `checksums` consists of.
const CHECKSUM_MEMBERS: [&str; 4] = ["algorithm", "canonical_form", "content", "document"];

fn not_a_digest(name: &str, value: &Value) -> String {
    format!("`{name}` is {}, not 64 lower-case hex digits", excerpt(value))
}
