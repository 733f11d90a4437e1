//! Writes the nested document of records that come analysis by analysis.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use super::collect::parts;
use super::record::{ChunkTraits, Fingerprint, Record, Traits};
use crate::document::canonical::{write_string, write_value};
use crate::document::reader::Limits;
use crate::document::verify::{Check, Issues};
use crate::document::{Fields, Place, RecordKind, RecordName};
use crate::spill::Sorter;
use crate::{Context, Error, Result};

/// The document that is being written.
pub(super) struct Writing<'a> {
    out: BufWriter<&'a File>,
    limits: Limits,
    issues: &'a mut Issues,
    open: Option<Open>,
}

/// The analysis that is being written.
struct Open {
    place: Place,
    /// How much of it is no chunk.
    size: usize,
    /// What stands before its next member or item.
    separator: &'static [u8],
    artifacts: u64,
    chunks: u64,
    totals: Totals,
}

/// How many chunks have which granularity and say which total.
type Totals = BTreeMap<(Fingerprint, Option<u64>), u64>;

impl<'a> Writing<'a> {
    pub fn new(out: &'a File, limits: Limits, issues: &'a mut Issues) -> Self {
        Self { out: BufWriter::with_capacity(256 << 10, out), limits, issues, open: None }
    }

    /// Writes everything. The keys of `records` begin with the position of their analysis.
    pub fn document(mut self, top_level: &Fields, records: Sorter) -> Result<()> {
        let mut text = vec![b'{'];
        for (name, value) in top_level {
            write_string(name, &mut text);
            text.push(b':');
            write_value(value, &mut text);
            text.push(b',');
        }
        text.extend_from_slice(b"\"analyses\":[");
        self.write(&[&text])?;
        for entry in records.finish()? {
            let (key, value) = entry?;
            let (_, kind) = parts(&key).ok_or_else(|| Error::environment("a temporary file is damaged"))?;
            let record = Record::decode(value)?;
            match (kind, self.open.take()) {
                (RecordKind::Analysis, before) => self.analysis(before, &record)?,
                (_, None) => return Err(Error::environment("a temporary file is damaged")),
                (RecordKind::Chunk, Some(open)) => self.chunk(open, &record)?,
                (_, Some(open)) => self.artifact(open, &record)?,
            }
        }
        if let Some(open) = self.open.take() {
            self.close(open)?;
        }
        self.write(&[b"]}\n"])?;
        self.out.flush().context(|| CANNOT_WRITE)
    }

    fn write(&mut self, texts: &[&[u8]]) -> Result<()> {
        texts.iter().try_for_each(|text| self.out.write_all(text)).context(|| CANNOT_WRITE)
    }

    fn analysis(&mut self, before: Option<Open>, record: &Record) -> Result<()> {
        if let Some(before) = before {
            self.close(before)?;
            self.write(&[b","])?;
        }
        let Traits { position, id, .. } = &record.traits;
        let place = Place { analysis: RecordName { position: *position, id: id.clone() }, child: None };
        self.fits(&place, record.text.len())?;
        let members = record.text.strip_suffix(b"}").unwrap_or_default();
        self.write(&[members])?;
        let separator: &[u8] = if members == b"{" { b"" } else { b"," };
        let size = record.text.len();
        self.open = Some(Open { place, size, separator, artifacts: 0, chunks: 0, totals: Totals::new() });
        Ok(())
    }

    fn artifact(&mut self, mut open: Open, record: &Record) -> Result<()> {
        open.size += record.text.len() + 1;
        self.fits(&open.place, open.size)?;
        let before = if open.artifacts == 0 { "\"artifacts\":[" } else { "" };
        self.write(&[open.separator, before.as_bytes(), &record.text])?;
        open.artifacts += 1;
        open.separator = b",";
        self.open = Some(open);
        Ok(())
    }

    fn chunk(&mut self, mut open: Open, record: &Record) -> Result<()> {
        let name = RecordName { position: open.chunks, id: record.traits.id.clone() };
        let place = Place { child: Some((RecordKind::Chunk, name)), ..open.place.clone() };
        let index = format!("\"chunk_index\":{}", open.chunks);
        self.fits(&place, record.text.len() + index.len() + 1)?;
        if open.chunks == 0 {
            self.begin_chunks(&mut open)?;
        }
        self.write(&[open.separator])?;
        open.separator = b",";
        if let Some(ChunkTraits { lacks_index, has_wrong_hash, granularity, total }) = record.traits.chunk {
            if has_wrong_hash {
                self.issues.error(Check::Hash, Some(&place), "its `hash` is not the SHA-256 of its text");
            }
            *open.totals.entry((granularity, total)).or_default() += 1;
            let members = record.text.strip_prefix(b"{").unwrap_or_default();
            match (lacks_index, members) {
                (true, b"}") => self.write(&[b"{", index.as_bytes(), b"}"])?,
                (true, members) => self.write(&[b"{", index.as_bytes(), b",", members])?,
                (false, _) => self.write(&[&record.text])?,
            }
        }
        open.chunks += 1;
        self.open = Some(open);
        Ok(())
    }

    fn begin_chunks(&mut self, open: &mut Open) -> Result<()> {
        let end_of_artifacts: &[u8] = if open.artifacts > 0 { b"]" } else { b"" };
        self.write(&[end_of_artifacts, open.separator, b"\"chunks\":["])?;
        open.separator = b"";
        Ok(())
    }

    fn close(&mut self, mut open: Open) -> Result<()> {
        if open.chunks == 0 {
            self.begin_chunks(&mut open)?;
        }
        self.check_totals(&open);
        self.write(&[b"]}"])
    }

    /// Holds `chunk_total` against the number of chunks there are: of the analysis, or of one granularity.
    fn check_totals(&mut self, open: &Open) {
        let mut of_granularity = BTreeMap::<Fingerprint, u64>::new();
        for ((granularity, _), count) in &open.totals {
            *of_granularity.entry(*granularity).or_default() += count;
        }
        for ((granularity, total), count) in &open.totals {
            let Some(total) = total else { continue };
            let same = of_granularity.get(granularity).copied().unwrap_or_default();
            if *total == open.chunks || *total == same {
                continue;
            }
            let there = match same == open.chunks {
                true => format!("it has {same}"),
                false => format!("it has {}, {same} of them of the same granularity", open.chunks),
            };
            let message = format!("{count} of its chunks say that `chunk_total` is {total}, but {there}");
            self.issues.warning(Check::ChunkTotal, Some(&open.place), message);
        }
    }

    /// Fails if a record is larger than the reader will take.
    fn fits(&self, place: &Place, size: usize) -> Result<()> {
        let limit = self.limits.max_record;
        if size <= limit {
            return Ok(());
        }
        Err(Error::data(format!(
            "{place}: in the nested form, which holds artifacts inside their analysis, it is larger than {limit} bytes"
        ))
        .guidance("if it is meant to be, raise the limit with --max-record"))
    }
}

/// What is said where the nested document cannot be written.
const CANNOT_WRITE: &str = "cannot write to the folder for temporary files";
