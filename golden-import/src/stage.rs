//! Reads the document, checks it, and stages what the database will hold.

use golden::cli::Progress;
use golden::document::verify::{Checksums, Examined, Severity, Verification, Verifier, examine};
use golden::document::{AnalysisForm, Digest, End, Event, Fields, Place, RecordKind, Seal, read_with};
use golden::spill::Sorter;
use golden::store::{NormalAnalysis, Normaliser, Schema};
use golden::{Context, Error, Kind, Result};
use serde_json::Value;

use crate::columns::{Requests, Seen};
use crate::document::Document;
use crate::record::{Form, Record};
use crate::staging::Staging;
use crate::target::Target;

/// How much memory the digests of an analysis's chunks take until they are sorted outside of it.
const SORTED: usize = 4 << 20;

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
    Chunk {
        chunk: Box<Record>,
        /// In normal form; none where that is how it was written.
        digest: Option<Digest>,
    },
    Analysis {
        analysis: Box<Record>,
        children: Vec<Record>,
        form: AnalysisForm,
        unknown_kinds: Vec<RecordKind>,
    },
}

impl AsRef<Examined> for Prepared {
    fn as_ref(&self) -> &Examined {
        &self.examined
    }
}

/// The digests of the chunks of the analysis that is being read.
struct ChunkDigests {
    digests: Vec<Digest>,
    sorter: Sorter,
    last: Vec<u8>,
    is_unordered: bool,
}

impl Default for ChunkDigests {
    fn default() -> Self {
        Self { digests: Vec::new(), sorter: Sorter::new(SORTED), last: Vec::new(), is_unordered: false }
    }
}

impl ChunkDigests {
    fn push(&mut self, order: &[u8], digest: Digest) -> Result<()> {
        self.is_unordered |= order < self.last.as_slice();
        self.last.clear();
        self.last.extend_from_slice(order);
        self.digests.push(digest);
        self.sorter.push(&[order, digest.bytes()].concat(), &[])
    }

    /// Takes them, in normal form's order.
    fn take(&mut self) -> Result<Vec<Digest>> {
        let Self { mut digests, sorter, is_unordered, .. } = std::mem::take(self);
        if is_unordered {
            for (digest, sorted) in digests.iter_mut().zip(sorter.finish()?) {
                let (key, _) = sorted?;
                *digest = key.last_chunk().copied().map_or(*digest, Digest::from_bytes);
            }
        }
        Ok(digests)
    }
}

/// Reads the document, checks it, and stages it. A document that does not verify is an error.
pub fn stage(
    target: &Target,
    requests: &Requests,
    document: &Document,
    staging: &mut Staging,
    form: Form,
    progress: &Progress,
) -> Result<Staged> {
    let schema = &target.schema;
    let normaliser = Normaliser::new(schema, requests.dropped.clone());
    let lists_index = document.lists(RecordKind::Chunk, "chunk_index");
    let prepare = |kind: RecordKind, place: &Place, seal, fields: Fields| {
        let examined = examine(kind, place, &fields);
        let encoded = match kind {
            RecordKind::Chunk => {
                let text = if form.embeds { text_digest(&fields) } else { None };
                normaliser.chunk(place, fields).map(|chunk| {
                    let chunk = if seal == Seal::Carried || lists_index { chunk } else { chunk.with_index() };
                    let record = Record::new(kind, chunk.row, text, schema, form);
                    Encoded::Chunk { chunk: Box::new(record), digest: chunk.digest }
                })
            }
            _ => normaliser.analysis(fields).map(|analysis| encode_analysis(analysis, schema, form)),
        };
        Prepared { examined, encoded: encoded.map_err(|error| error.context(place)) }
    };
    let mut verifier = Verifier::new(Checksums::Optional);
    let mut seen = Seen::default();
    let mut refused: Option<Error> = None;
    let mut chunks = ChunkDigests::default();
    let mut position = 0;
    let mut finished = None;
    read_with(document.reader()?, document.limits, prepare, |event| {
        let verification = verifier.observe(&event)?;
        match event {
            Event::Chunk(chunk) => {
                match chunk.fields.encoded {
                    Ok(Encoded::Chunk { chunk: record, digest }) => {
                        let digest = digest.unwrap_or(chunk.digest);
                        seen.record(&record);
                        chunks.push(&record.row.order, digest)?;
                        staging.chunk(*record, position, digest)?;
                    }
                    Ok(Encoded::Analysis { .. }) => {}
                    Err(error) => drop(refused.get_or_insert(error)),
                }
                position += 1;
            }
            Event::Analysis(analysis) => {
                let digests = chunks.take()?;
                position = 0;
                match analysis.fields.encoded {
                    Ok(Encoded::Analysis { analysis, children, form, unknown_kinds }) => {
                        seen.unknown_kinds(&unknown_kinds);
                        std::iter::once(&*analysis).chain(&children).for_each(|record| seen.record(record));
                        staging.analysis(*analysis, children, form.digest(&digests))?;
                        progress.advance(1);
                    }
                    Ok(Encoded::Chunk { .. }) => {}
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

/// The digest of a chunk's text: what a vector is made from.
fn text_digest(fields: &Fields) -> Option<Digest> {
    fields.get("content").and_then(Value::as_str).map(|text| Digest::of(text.as_bytes()))
}

fn encode_analysis(analysis: NormalAnalysis, schema: &Schema, form: Form) -> Encoded {
    let record = |kind, row| Record::new(kind, row, None, schema, form);
    let findings = analysis.findings.into_iter().map(|row| record(RecordKind::Finding, row));
    let artifacts = analysis.artifacts.into_iter().map(|row| record(RecordKind::Artifact, row));
    Encoded::Analysis {
        children: findings.chain(artifacts).collect(),
        analysis: Box::new(record(RecordKind::Analysis, analysis.row)),
        form: analysis.form,
        unknown_kinds: analysis.unknown_kinds,
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
