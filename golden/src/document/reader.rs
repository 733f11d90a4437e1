//! Reads a document as a stream: one thread finds the pieces, all cores parse them and take their
//! digests, and the caller gets records in the document's order, in bounded memory.

use std::io::Read;
use std::thread;

use serde_json::Value;

use super::canonical::{Digest, DigestArray, write_members};
use super::extent::Extent;
use super::model::{Fields, Place, RecordKind, id_text};
use super::parse;
use super::scan::Position;
use super::seal::AnalysisForm;
use super::walk::{Batch, Members, Piece, Walker, error_at, not_golden};
use super::writer::{Seals, document_digest};
use crate::parallel::{Budget, ordered_map};
use crate::{Error, Result};

/// How many bytes of the document are parsed at once, or one record if that is larger: values take
/// many times the memory of their text where they are small.
pub(super) const BYTES_AT_ONCE: usize = 16 << 20;

/// A batch of so many bytes holds a record far larger than any ordinary one.
const LARGE: usize = 2 << 20;

/// How much a reader takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest record in bytes, as it stands in the document: a chunk, or an analysis without its
    /// chunks.
    pub max_record: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_record: 16 << 20 }
    }
}

/// What a reader comes across, in order: the chunks of an analysis, then the analysis; at last the end.
pub enum Event<T = Fields> {
    /// A chunk of the analysis that follows.
    Chunk(Chunk<T>),
    /// An analysis, after its chunks.
    Analysis(Analysis<T>),
    /// The document is complete.
    End(End),
}

/// A chunk as it stands in the document.
pub struct Chunk<T = Fields> {
    /// Which chunk. Its analysis's id is known here if it stands before the chunks.
    pub place: Place,
    /// Its fields without `sha256`, or what was made of them.
    pub fields: T,
    /// Its `sha256`.
    pub sealed: Option<Value>,
    /// The digest of its fields.
    pub digest: Digest,
    /// Where it stands in the input.
    pub extent: Extent,
}

/// An analysis as it stands in the document, without its chunks.
pub struct Analysis<T = Fields> {
    /// Which analysis.
    pub place: Place,
    /// Its fields without `chunks` and `sha256`, or what was made of them.
    pub fields: T,
    /// Its `sha256`.
    pub sealed: Option<Value>,
    /// The digest of its fields and chunks.
    pub digest: Digest,
    /// What its digest would be if every chunk were what its own `sha256` says: differs from `digest`
    /// only where a chunk is damaged, and tells whether anything beside the chunks is.
    pub digest_by_claims: Digest,
    /// How many chunks it has; None where `chunks` is missing.
    pub chunks: Option<u64>,
    /// Where it stands in the input.
    pub extent: Extent,
}

/// What is known when the document has ended.
pub struct End {
    /// The top level without `analyses` and `checksums`.
    pub top_level: Fields,
    /// `checksums`.
    pub checksums: Option<Value>,
    /// The digests of what was read.
    pub seals: Seals,
    /// What the content digest would be if every analysis were what its own `sha256` says.
    pub content_by_claims: Digest,
    /// How many analyses there were.
    pub analyses: u64,
    /// How many chunks there were.
    pub chunks: u64,
}

/// Whether a record carries its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It does, right or wrong.
    Carried,
    /// It does not.
    Absent,
}

impl Seal {
    fn of(digest: &Option<Value>) -> Self {
        if digest.is_some() { Self::Carried } else { Self::Absent }
    }
}

/// Reads a document and hands its records to `consume`.
pub fn read<R: Read + Send>(input: R, limits: Limits, consume: impl FnMut(Event) -> Result<()>) -> Result<()> {
    read_with(input, limits, |_, _, _, fields| fields, consume)
}

/// Reads a document like [`read`], and lets `work` make something of each record's fields on the
/// threads that parse, knowing whether it carries its digest. `consume` gets what it made, on the calling thread and
/// in order.
pub fn read_with<R: Read + Send, T: Send>(
    input: R,
    limits: Limits,
    work: impl Fn(RecordKind, &Place, Seal, Fields) -> T + Sync,
    mut consume: impl FnMut(Event<T>) -> Result<()>,
) -> Result<()> {
    let mut assembly = Assembly::default();
    let budget = Budget::new(BYTES_AT_ONCE);
    ordered_map(
        |emit| Walker::new(input, limits.max_record, &mut |batch| emit((budget.take(batch.len()), batch))).walk(),
        |(share, batch)| (share, parse_apart(batch, &work)),
        |(_share, (parsed, result))| {
            for piece in parsed {
                consume(assembly.add(piece)?)?;
            }
            result
        },
    )
}

/// A piece whose text has been understood.
enum Parsed<T> {
    Chunk(Chunk<T>),
    Analysis { place: Place, fields: T, sealed: Option<Value>, form: AnalysisForm, chunks: Option<u64>, extent: Extent },
    End { top_level: Fields, checksums: Option<Value>, analyses: Option<u64> },
}

/// Parses a large batch on a thread of its own. An allocator keeps what a thread has freed for that
/// thread: on the workers, one large record after the other would leave its memory to each of them.
fn parse_apart<T: Send>(
    batch: Batch,
    work: &(impl Fn(RecordKind, &Place, Seal, Fields) -> T + Sync),
) -> (Vec<Parsed<T>>, Result<()>) {
    if batch.len() < LARGE {
        return parse_batch(batch, work);
    }
    let parsed = thread::scope(|scope| scope.spawn(|| parse_batch(batch, work)).join());
    parsed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Parses pieces up to the first that is faulty.
fn parse_batch<T>(batch: Batch, work: &impl Fn(RecordKind, &Place, Seal, Fields) -> T) -> (Vec<Parsed<T>>, Result<()>) {
    let mut parsed = Vec::with_capacity(batch.pieces.len());
    let mut canonical = Vec::new();
    for piece in batch.pieces {
        let piece = match piece {
            Piece::Chunk { place, text, at } => parse_chunk(place, &batch.text[text], at, &mut canonical, work),
            Piece::Analysis { place, members, chunks, extent } => parse_analysis(place, &members, chunks, extent, work),
            Piece::End { members, analyses } => parse_end(&members, analyses),
        };
        match piece {
            Ok(piece) => parsed.push(piece),
            Err(error) => return (parsed, Err(error)),
        }
    }
    (parsed, Ok(()))
}

fn parse_chunk<T>(
    mut place: Place,
    text: &[u8],
    at: Position,
    canonical: &mut Vec<u8>,
    work: &impl Fn(RecordKind, &Place, Seal, Fields) -> T,
) -> Result<Parsed<T>> {
    let mut fields = Fields::new();
    let parsed = parse::object(text, at, &mut fields);
    if let Some((_, name)) = &mut place.child {
        name.id = fields.get("id").and_then(id_text);
    }
    parsed.map_err(|fault| error_at(Some(&place), fault.at, fault.message))?;
    let sealed = fields.remove("sha256");
    canonical.clear();
    write_members(&fields, canonical);
    let digest = Digest::of(canonical);
    let fields = work(RecordKind::Chunk, &place, Seal::of(&sealed), fields);
    let extent = Extent::of_chunk(at.byte, text.len());
    Ok(Parsed::Chunk(Chunk { place, fields, sealed, digest, extent }))
}

fn parse_analysis<T>(
    place: Place,
    members: &Members,
    chunks: Option<u64>,
    extent: Extent,
    work: &impl Fn(RecordKind, &Place, Seal, Fields) -> T,
) -> Result<Parsed<T>> {
    let mut fields = members.parse().map_err(|fault| error_at(Some(&place), fault.at, fault.message))?;
    if has_value(&fields, "artifact") && has_value(&fields, "artifacts") {
        return Err(Error::data(format!("{place}: it has both `artifact` and `artifacts`")));
    }
    let sealed = fields.remove("sha256");
    let form = AnalysisForm::new(&fields);
    let fields = work(RecordKind::Analysis, &place, Seal::of(&sealed), fields);
    Ok(Parsed::Analysis { place, fields, sealed, form, chunks, extent })
}

fn parse_end<T>(members: &Members, analyses: Option<u64>) -> Result<Parsed<T>> {
    let mut top_level = members.parse().map_err(|fault| error_at(None, fault.at, fault.message))?;
    let checksums = top_level.remove("checksums");
    Ok(Parsed::End { top_level, checksums, analyses })
}

fn has_value(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !value.is_null())
}

/// Puts digests together in the document's order.
#[derive(Default)]
struct Assembly {
    chunk_digests: Vec<Digest>,
    /// Of the chunks whose `sha256` is another digest than theirs: the index and what it says.
    chunk_claims: Vec<(usize, Digest)>,
    content: DigestArray,
    content_by_claims: DigestArray,
    chunks: u64,
}

impl Assembly {
    fn add<T>(&mut self, parsed: Parsed<T>) -> Result<Event<T>> {
        match parsed {
            Parsed::Chunk(chunk) => {
                self.chunks += 1;
                let claim = claim(&chunk.sealed, chunk.digest);
                if claim != chunk.digest {
                    self.chunk_claims.push((self.chunk_digests.len(), claim));
                }
                self.chunk_digests.push(chunk.digest);
                Ok(Event::Chunk(chunk))
            }
            Parsed::Analysis { place, fields, sealed, form, chunks, extent } => {
                let digest = form.digest(&self.chunk_digests);
                let mut digest_by_claims = digest;
                if !self.chunk_claims.is_empty() {
                    for (index, claim) in self.chunk_claims.drain(..) {
                        self.chunk_digests[index] = claim;
                    }
                    digest_by_claims = form.digest(&self.chunk_digests);
                }
                self.chunk_digests.clear();
                self.content.push(&digest);
                self.content_by_claims.push(&claim(&sealed, digest));
                Ok(Event::Analysis(Analysis { place, fields, sealed, digest, digest_by_claims, chunks, extent }))
            }
            Parsed::End { top_level, checksums, analyses } => {
                let analyses = require_top_level(&top_level, analyses)?;
                let content = self.content.digest();
                Ok(Event::End(End {
                    seals: Seals { content, document: document_digest(top_level.clone(), &content) },
                    content_by_claims: self.content_by_claims.digest(),
                    top_level,
                    checksums,
                    analyses,
                    chunks: self.chunks,
                }))
            }
        }
    }
}

/// The digest that a record says it has; its true one if it says none.
fn claim(sealed: &Option<Value>, digest: Digest) -> Digest {
    match sealed {
        Some(sealed) if !digest.is_written(sealed) => sealed.as_str().and_then(Digest::parse).unwrap_or(digest),
        _ => digest,
    }
}

/// Fails unless all that a document must have is there; gives the number of analyses.
fn require_top_level(top_level: &Fields, analyses: Option<u64>) -> Result<u64> {
    let mut missing: Vec<_> =
        ["version", "created_at", "metadata"].into_iter().filter(|&key| !top_level.contains_key(key)).collect();
    if analyses.is_none() {
        missing.push("analyses");
    }
    match (missing.is_empty(), analyses) {
        (true, Some(count)) => Ok(count),
        _ => {
            let missing: Vec<_> = missing.iter().map(|key| format!("`{key}`")).collect();
            Err(not_golden(&format!("it has no {} at its top level", missing.join(", no "))))
        }
    }
}
