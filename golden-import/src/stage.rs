//! Reads the document, checks it, and stages what the database will hold.

use std::mem;

use golden::cli::Progress;
use golden::document::verify::{Checksums, Examined, Severity, Verification, Verifier, examine};
use golden::document::{Digest, End, Event, Fields, Place, RecordKind, read_with};
use golden::store::{NormalAnalysis, NormalChunk, NormalRow, Normaliser, Schema};
use golden::{Context, Error, Kind, Result};
use rusqlite::types::Value as Stored;
use serde_json::Value;

use crate::columns::{Requests, Seen};
use crate::document::Document;
use crate::staging::{Staging, spelled};
use crate::target::{Dialect, Target};

/// What was learnt while staging.
pub struct Staged {
    /// The columns and kinds of records that occurred.
    pub seen: Seen,
    verification: Verification,
}

impl Staged {
    /// What a person should know, given the content digest in the target's normal form.
    pub fn warnings(&self, content: Digest) -> Vec<String> {
        let warning = if !self.verification.sealed {
            "the document carries no digests: only its structure and counts were checked"
        } else if self.verification.seals.content != content {
            "the database spells some values in its own way (timestamps, ids), so its content digest is not the document's"
        } else {
            return Vec::new();
        };
        vec![warning.to_owned()]
    }
}

/// A record that was looked at and encoded on a worker thread.
struct Prepared {
    examined: Examined,
    encoded: Result<Encoded>,
}

enum Encoded {
    Chunk(Box<NormalChunk>),
    Analysis(Box<NormalAnalysis>),
}

impl AsRef<Examined> for Prepared {
    fn as_ref(&self) -> &Examined {
        &self.examined
    }
}

/// The digests of the chunks of the analysis that is being read.
#[derive(Default)]
struct ChunkDigests {
    digests: Vec<Digest>,
    last: Vec<u8>,
    is_unordered: bool,
}

impl ChunkDigests {
    fn push(&mut self, order: &[u8], digest: Digest) {
        self.is_unordered |= order < self.last.as_slice();
        self.last.clear();
        self.last.extend_from_slice(order);
        self.digests.push(digest);
    }

    /// Takes them, in normal form's order.
    fn take(&mut self, staging: &Staging) -> Result<Vec<Digest>> {
        let Self { digests, is_unordered, .. } = std::mem::take(self);
        if is_unordered { staging.chunk_digests(digests.len()) } else { Ok(digests) }
    }
}

/// Reads the document, checks it, and stages it. A document that does not verify is an error.
pub fn stage(
    target: &Target,
    requests: &Requests,
    document: &Document,
    staging: &mut Staging,
    progress: &Progress,
) -> Result<Staged> {
    let (schema, dialect) = (&target.schema, target.dialect());
    let normaliser = Normaliser::new(schema, requests.dropped.clone());
    let prepare = |kind: RecordKind, place: &Place, fields: Fields| {
        let examined = examine(kind, place, &fields);
        let encoded = match kind {
            RecordKind::Chunk => normaliser.chunk(place, fields).map(|mut chunk| {
                spell(schema, RecordKind::Chunk, &mut chunk.row);
                Encoded::Chunk(Box::new(chunk))
            }),
            _ => normaliser.analysis(fields).map(|mut analysis| {
                spell_analysis(schema, dialect, &mut analysis);
                Encoded::Analysis(Box::new(analysis))
            }),
        };
        Prepared { examined, encoded: encoded.map_err(|error| error.context(place)) }
    };
    let mut verifier = Verifier::new(Checksums::Optional);
    let mut seen = Seen::default();
    let mut refused: Option<Error> = None;
    let mut chunks = ChunkDigests::default();
    let mut position = 0;
    let lists_index = document.lists(RecordKind::Chunk, "chunk_index");
    let mut finished = None;
    read_with(document.reader()?, document.limits, prepare, |event| {
        let verification = verifier.observe(&event)?;
        match event {
            Event::Chunk(chunk) => {
                match chunk.fields.encoded {
                    Ok(Encoded::Chunk(normal)) => {
                        let is_normal = chunk.sealed.is_some() || lists_index;
                        let normal = if is_normal { *normal } else { normal.with_index() };
                        let digest = normal.digest.unwrap_or(chunk.digest);
                        seen.row(RecordKind::Chunk, &normal.row);
                        chunks.push(&normal.row.order, digest);
                        staging.chunk(normal, position, digest)?;
                    }
                    Ok(Encoded::Analysis(_)) => {}
                    Err(error) => drop(refused.get_or_insert(error)),
                }
                position += 1;
            }
            Event::Analysis(analysis) => {
                let digests = chunks.take(staging)?;
                position = 0;
                match analysis.fields.encoded {
                    Ok(Encoded::Analysis(normal)) => {
                        seen.analysis(&normal);
                        let digest = normal.form.digest(&digests);
                        staging.analysis(*normal, digest)?;
                        progress.advance(1);
                    }
                    Ok(Encoded::Chunk(_)) => {}
                    Err(error) => drop(refused.get_or_insert(error)),
                }
            }
            Event::End(end) => {
                refuse_other_document(&end, document)?;
                finished = verification;
            }
        }
        Ok(())
    })
    .context(|| document.name())?;
    staging.finish()?;
    let Some(verification) = finished else {
        return Err(Error::data(format!("{}: the document has no end", document.name())));
    };
    refuse_unverified(&verification, document.name())?;
    if let Some(error) = refused {
        return Err(error.context(document.name()));
    }
    Ok(Staged { seen, verification })
}

/// Spells a record's values as the target takes them.
fn spell(schema: &Schema, kind: RecordKind, row: &mut NormalRow) {
    let Some(table) = schema.table(kind) else { return };
    for (column, stored) in table.columns.iter().zip(&mut row.columns) {
        *stored = spelled(column.affinity, mem::replace(stored, Stored::Null));
    }
}

/// As [`spell`], for an analysis and what belongs to it. A server's rows are read back one by one where they lie,
/// so each has a digest of its own; a chunk has one anyway.
fn spell_analysis(schema: &Schema, dialect: Dialect, analysis: &mut NormalAnalysis) {
    let rows = [
        (RecordKind::Analysis, std::slice::from_mut(&mut analysis.row)),
        (RecordKind::Finding, analysis.findings.as_mut_slice()),
        (RecordKind::Artifact, analysis.artifacts.as_mut_slice()),
    ];
    for (kind, rows) in rows {
        let Some(table) = schema.table(kind) else { continue };
        for row in rows {
            if dialect == Dialect::Postgres {
                row.seal(table);
            }
            spell(schema, kind, row);
        }
    }
}

/// What is removed depends on the metadata, which was read first: the file may be another one by now.
fn refuse_other_document(end: &End, document: &Document) -> Result<()> {
    let same = |metadata: &Value| Digest::of_value(metadata) == Digest::of_value(&document.metadata.clone().into());
    match end.top_level.get("metadata") {
        Some(metadata) if metadata.is_object() && !same(metadata) => {
            Err(Error::environment("the file was replaced while it was being read").guidance("import it again"))
        }
        _ => Ok(()),
    }
}

/// A document with errors is not imported.
fn refuse_unverified(verification: &Verification, name: &str) -> Result<()> {
    if verification.is_ok() {
        return Ok(());
    }
    let errors = verification.issues.iter().filter(|issue| issue.severity == Severity::Error);
    let shown: Vec<String> = errors.take(5).map(ToString::to_string).collect();
    Err(Error::new(Kind::Data, format!("{name} does not verify: {}", shown.join("; "))).guidance(format!(
        "{} errors in all; golden-verify lists them, and nothing was changed",
        verification.issues.count(Severity::Error)
    )))
}
