//! The records of a document, set down on the way from its order to normal form's.

use std::fmt;
use std::io::{Read, Write};
use std::iter::Peekable;
use std::sync::Arc;

use golden::document::verify::{Checksums, Examined, Issue, Severity, Verification, Verifier, examine};
use golden::document::{
    Digest, Event, Fields, Layout, Limits, RenderedAnalysis, RenderedChunk, Seals, Writer, canonical, id_text,
    read_with,
};
use golden::parallel::{Budget, ordered_map};
use golden::spill::Sorter;
use golden::{Error, Result};

use crate::normal::{Columns, analysis_key, chunk_key};

/// How much memory each of the sorters may take.
const MEMORY: usize = 6 << 20;

/// A document that was read, its records set down in the document's order.
pub struct Staged {
    /// By position.
    analyses: Sorter,
    /// By the analysis's position and their own, and whether they carry their digest.
    chunks: Sorter,
    pub top_level: Fields,
    pub verification: Verification,
}

impl Staged {
    pub fn read(input: impl Read + Send, limits: Limits, progress: impl Fn(u64)) -> Result<Self> {
        let mut verifier = Verifier::new(Checksums::Optional);
        let [mut analyses, mut chunks] = [Sorter::new(MEMORY), Sorter::new(MEMORY)];
        let mut end = None;
        let work = |kind, place: &_, _, fields: Fields| {
            let examined = examine(kind, place, &fields);
            let mut text = Vec::new();
            canonical::write_members(&fields, &mut text);
            Record { examined, text }
        };
        read_with(input, limits, work, |event| {
            let verification = verifier.observe(&event)?;
            match event {
                Event::Chunk(chunk) => {
                    let position = chunk.place.child.map_or(0, |(_, name)| name.position);
                    let positions = [chunk.place.analysis.position.to_be_bytes(), position.to_be_bytes()].concat();
                    let form = if chunk.sealed.is_some() { SEALED } else { UNSEALED };
                    chunks.push(&[positions.as_slice(), &[form]].concat(), &chunk.fields.text)
                }
                Event::Analysis(analysis) => {
                    progress(1);
                    analyses.push(&analysis.place.analysis.position.to_be_bytes(), &analysis.fields.text)
                }
                Event::End(last) => {
                    end = verification.map(|verification| (last.top_level, verification));
                    Ok(())
                }
            }
        })?;
        let (top_level, verification) = end.ok_or_else(|| Error::data("the document has no end"))?;
        Ok(Self { analyses, chunks, top_level, verification })
    }

    /// Fails if anything but totals and digests is wrong: those are made anew, but a fault of the
    /// records would be sealed in.
    pub fn refuse_faults(&self) -> Result<()> {
        let is_fault = |issue: &&Issue| issue.severity == Severity::Error && !issue.check.is_of_seals();
        let faults: Vec<_> = self.verification.issues.iter().filter(is_fault).map(Issue::to_string).collect();
        match faults.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::data(one)),
            [first, rest @ ..] => Err(Error::data(format!("{first}; and {} more", rest.len()))
                .guidance("golden-verify without --seal lists them")),
        }
    }

    /// Writes the records in normal form and order.
    pub fn write<W: Write>(self, mut writer: Writer<W>, layout: Layout) -> Result<(W, Seals)> {
        let columns = Columns::of(&self.top_level);
        let mut in_order = Sorter::new(MEMORY);
        let budget = Budget::new(BYTES_AT_ONCE);
        let [analyses, chunks] = [self.analyses.finish()?, self.chunks.finish()?];
        ordered_map(
            |emit| {
                let emit = &mut |batch, bytes| emit((budget.take(bytes), batch));
                Batches { columns: &columns, chunks: chunks.peekable(), batch: Vec::new(), bytes: 0, emit }
                    .all(analyses)
            },
            |(share, batch)| {
                (share, batch.into_iter().map(|staged| staged.normal(&columns, layout)).collect::<Vec<_>>())
            },
            |(_share, batch)| {
                batch.into_iter().try_for_each(|record| {
                    let (key, value) = record?;
                    in_order.push(&key, &value)
                })
            },
        )?;
        let mut analysis_key = Vec::new();
        for entry in in_order.finish()? {
            let (key, mut value) = entry?;
            let is_chunk = !analysis_key.is_empty() && key.len() > analysis_key.len() && key.starts_with(&analysis_key);
            if is_chunk {
                let text = value.split_off(32);
                let digest = value.try_into().map_err(|_| damaged("a digest is cut off"))?;
                writer.chunk(&RenderedChunk::again(text, Digest::from_bytes(digest)))?;
                continue;
            }
            let analysis = fields(&value)?;
            if key == analysis_key {
                let id = analysis.get("id").and_then(id_text).unwrap_or_default();
                return Err(Error::data(format!("two analyses have the id {id}, spelt differently")));
            }
            writer.analysis(RenderedAnalysis::new(&analysis, layout))?;
            analysis_key = key;
        }
        writer.finish()
    }
}

/// A record on its way from the document's order to normal form's.
enum InOrder {
    Analysis { key: Vec<u8>, fields: Fields },
    Chunk { analysis: Arc<Analysis>, position: u64, form: u8, text: Vec<u8> },
}

/// What a chunk needs to know of its analysis.
struct Analysis {
    key: Vec<u8>,
    id: String,
}

impl InOrder {
    /// Its key and what is kept of it: a chunk's digest and text as it will stand in the document, or an
    /// analysis's fields.
    fn normal(self, columns: &Columns, layout: Layout) -> Result<Entry> {
        match self {
            Self::Analysis { key, fields } => Ok((key, compact(&fields))),
            Self::Chunk { analysis, position, form, text } => {
                let mut chunk = fields(&text)?;
                columns.chunk(&analysis.id, position, &mut chunk);
                if form == UNSEALED {
                    columns.fill_index(position, &mut chunk);
                }
                let key = [analysis.key.as_slice(), &[CHUNK], &chunk_key(&chunk)].concat();
                let rendered = RenderedChunk::new(&chunk, layout);
                Ok((key, [rendered.digest.bytes(), rendered.text()].concat()))
            }
        }
    }
}

/// A key and its value.
type Entry = (Vec<u8>, Vec<u8>);

/// Hands out what was staged, each analysis before its chunks, many records at a time.
struct Batches<'a, C: Iterator<Item = Result<Entry>>> {
    columns: &'a Columns,
    chunks: Peekable<C>,
    batch: Vec<InOrder>,
    bytes: usize,
    emit: &'a mut dyn FnMut(Vec<InOrder>, usize) -> bool,
}

impl<C: Iterator<Item = Result<Entry>>> Batches<'_, C> {
    /// Stops early when nobody wants more.
    fn all(mut self, analyses: impl Iterator<Item = Result<Entry>>) -> Result<()> {
        for entry in analyses {
            let (staged_key, text) = entry?;
            let mut fields = fields(&text)?;
            self.columns.analysis(&mut fields);
            let id = fields.get("id").and_then(id_text).unwrap_or_default();
            // An id occurs once, so the key is the analysis's own, and its chunks' keys begin with it.
            let analysis = Arc::new(Analysis { key: analysis_key(&fields), id });
            if !self.push(InOrder::Analysis { key: analysis.key.clone(), fields }, text.len()) {
                return Ok(());
            }
            let is_of_this = |entry: &Result<Entry>| match entry {
                Ok((key, _)) => key.starts_with(&staged_key),
                Err(_) => true,
            };
            for position in 0.. {
                let Some(entry) = self.chunks.next_if(is_of_this) else { break };
                let (key, text) = entry?;
                let bytes = text.len();
                let form = key.last().copied().unwrap_or(UNSEALED);
                let chunk = InOrder::Chunk { analysis: Arc::clone(&analysis), position, form, text };
                if !self.push(chunk, bytes) {
                    return Ok(());
                }
            }
        }
        (self.emit)(self.batch, self.bytes);
        Ok(())
    }

    fn push(&mut self, record: InOrder, bytes: usize) -> bool {
        self.batch.push(record);
        self.bytes += bytes;
        if self.bytes < BATCH_SIZE {
            return true;
        }
        (self.emit)(std::mem::take(&mut self.batch), std::mem::take(&mut self.bytes))
    }
}

/// How many bytes of records travel between threads together.
const BATCH_SIZE: usize = 256 << 10;

/// How many bytes of records are rendered at once, or one record if that is larger.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Stands between an analysis's key and a chunk's.
const CHUNK: u8 = 1;

/// Ends the key of a chunk that was read with its digest, or without.
const SEALED: u8 = 1;
const UNSEALED: u8 = 0;

struct Record {
    examined: Examined,
    text: Vec<u8>,
}

impl AsRef<Examined> for Record {
    fn as_ref(&self) -> &Examined {
        &self.examined
    }
}

fn compact(fields: &Fields) -> Vec<u8> {
    let mut text = Vec::new();
    canonical::write_members(fields, &mut text);
    text
}

/// The fields that [`compact`] wrote.
fn fields(text: &[u8]) -> Result<Fields> {
    serde_json::from_slice(text).map_err(damaged)
}

fn damaged(why: impl fmt::Display) -> Error {
    Error::environment(format!("a temporary file is damaged: {why}"))
}
