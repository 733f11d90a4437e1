//! An index of a document: of each record its digest and where it stands, by kind and id.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use golden::document::verify::Examined;
use golden::document::{AnalysisForm, Digest, Event, Extent, Fields, Place, RecordKind, RecordName, read_with};
use golden::spill::Sorter;
use golden::{Error, Result};

use crate::normal::chunk_key;
use crate::review::{Criteria, Looked, Review, Reviewer};

/// How much memory an index may take before it goes to disk.
const MEMORY: usize = 6 << 20;

/// A document that was read once, to be held against another.
pub struct Index {
    /// Where the records stand.
    pub file: Arc<File>,
    pub records: Sorter,
}

/// What reading a document once gives.
pub struct Reading {
    pub review: Review,
    pub records: Sorter,
    pub top_level: Fields,
    /// Whether each analysis names itself before its chunks. Where one does not, the index lacks them.
    pub ids_come_first: bool,
}

/// Reads and reviews a document, and makes an index of it.
pub fn read(input: impl Read + Send, criteria: &Criteria, progress: impl Fn(u64)) -> Result<Reading> {
    let mut reviewer = Reviewer::new(criteria);
    let mut records = Sorter::new(MEMORY);
    let mut ids_come_first = true;
    let mut end = None;
    let work = |kind, place: &Place, _, fields: Fields| {
        let looked = criteria.look(kind, place, &fields);
        match kind {
            RecordKind::Analysis => {
                Record { looked, own: Some(AnalysisForm::new(&fields).digest(&[])), order: Vec::new() }
            }
            _ => Record { looked, own: None, order: chunk_key(&fields) },
        }
    };
    read_with(input, criteria.limits(), work, |event| {
        let review = reviewer.observe(&event)?;
        match event {
            Event::Chunk(chunk) => match (&chunk.place.analysis.id, &chunk.place.child) {
                (Some(analysis), Some((_, name))) => records.push(
                    &chunk_record_key(analysis, name),
                    &Indexed {
                        own: chunk.digest,
                        whole: chunk.digest,
                        extent: chunk.extent,
                        chunks: 0,
                        position: name.position,
                        analysis: analysis.clone(),
                        order: chunk.fields.order,
                    }
                    .encode(),
                )?,
                _ => ids_come_first = false,
            },
            Event::Analysis(analysis) => {
                progress(1);
                let id = analysis.place.analysis.id.unwrap_or_default();
                let indexed = Indexed {
                    own: analysis.fields.own.unwrap_or(analysis.digest),
                    whole: analysis.digest,
                    extent: analysis.extent,
                    chunks: analysis.chunks.unwrap_or_default(),
                    position: analysis.place.analysis.position,
                    analysis: id.clone(),
                    order: Vec::new(),
                };
                records.push(&key(RecordKind::Analysis, &[BY_ID], &id), &indexed.encode())?;
            }
            Event::End(last) => end = review.map(|review| (review, last.top_level)),
        }
        Ok(())
    })?;
    let (review, top_level) = end.ok_or_else(|| Error::data("the document has no end"))?;
    Ok(Reading { review, records, top_level, ids_come_first })
}

/// What a record shows when it is read.
struct Record {
    looked: Looked,
    /// An analysis's digest without its chunks.
    own: Option<Digest>,
    /// What a chunk is sorted by in its analysis.
    order: Vec<u8>,
}

impl AsRef<Examined> for Record {
    fn as_ref(&self) -> &Examined {
        self.looked.as_ref()
    }
}

impl AsRef<Looked> for Record {
    fn as_ref(&self) -> &Looked {
        &self.looked
    }
}

/// Records are matched by their ids; those that have none, by their analysis and position.
const BY_ID: u8 = 0;
const BY_POSITION: u8 = 1;

fn chunk_record_key(analysis: &str, name: &RecordName) -> Vec<u8> {
    match &name.id {
        Some(id) => key(RecordKind::Chunk, &[BY_ID], id),
        None => {
            let position = [&[BY_POSITION], name.position.to_be_bytes().as_slice()].concat();
            key(RecordKind::Chunk, &position, analysis)
        }
    }
}

fn key(kind: RecordKind, how: &[u8], id: &str) -> Vec<u8> {
    [&[kind as u8], how, id.as_bytes()].concat()
}

/// The kind of the record under a key, and the id that matched it.
pub fn named(key: &[u8]) -> (RecordKind, Option<String>) {
    let kind = if key.first() == Some(&(RecordKind::Chunk as u8)) { RecordKind::Chunk } else { RecordKind::Analysis };
    match key {
        [_, BY_ID, id @ ..] => (kind, Some(String::from_utf8_lossy(id).into_owned())),
        _ => (kind, None),
    }
}

/// What an index keeps of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// The digest of its fields; an analysis's without its chunks.
    pub own: Digest,
    /// An analysis's digest with its chunks.
    pub whole: Digest,
    pub extent: Extent,
    /// How many chunks an analysis has.
    pub chunks: u64,
    /// Among its siblings.
    pub position: u64,
    /// The id of its analysis, or its own if it is one.
    pub analysis: String,
    /// What a chunk is sorted by in its analysis.
    pub order: Vec<u8>,
}

impl Indexed {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED + self.analysis.len() + self.order.len());
        bytes.extend_from_slice(self.own.bytes());
        bytes.extend_from_slice(self.whole.bytes());
        bytes.extend_from_slice(&self.extent.encode());
        for number in [self.chunks, self.position, self.analysis.len() as u64] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(self.analysis.as_bytes());
        bytes.extend_from_slice(&self.order);
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::take(bytes).ok_or_else(|| Error::environment("a temporary file is damaged"))
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        let (own, rest) = bytes.split_first_chunk()?;
        let (whole, rest) = rest.split_first_chunk()?;
        let (extent, rest) = rest.split_first_chunk()?;
        let (chunks, rest) = rest.split_first_chunk()?;
        let (position, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (analysis, order) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        Some(Self {
            own: Digest::from_bytes(*own),
            whole: Digest::from_bytes(*whole),
            extent: Extent::decode(*extent),
            chunks: u64::from_le_bytes(*chunks),
            position: u64::from_le_bytes(*position),
            analysis: String::from_utf8(analysis.to_vec()).ok()?,
            order: order.to_vec(),
        })
    }
}

/// How many bytes an encoded record has beside its texts.
const FIXED: usize = 32 + 32 + Extent::ENCODED + 3 * 8;
