//! Sorting more than fits into memory: sorted runs in a temporary file, merged at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use crate::section::Section;
use crate::{Context, Error, Result};

/// How much memory reading back may take, over all runs.
const MERGE_MEMORY: usize = 4 << 20;

/// Takes entries in any order and gives them back by key. Entries of equal keys come in the order in
/// which they were added.
pub struct Sorter {
    budget: usize,
    batch: Batch,
    /// Made when it is first needed; it has no name, so nothing stays behind.
    file: Option<File>,
    runs: Vec<Range<u64>>,
}

/// Entries in memory.
#[derive(Default)]
struct Batch {
    /// Keys and values, one after the other.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    key_len: u32,
    value_len: u32,
}

impl Batch {
    fn len(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    fn sort(&mut self) {
        let Self { bytes, entries } = self;
        entries.sort_by(|a, b| key_of(bytes, a).cmp(key_of(bytes, b)));
    }
}

fn key_of<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    &bytes[entry.start..][..entry.key_len as usize]
}

fn value_of<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    &bytes[entry.start + entry.key_len as usize..][..entry.value_len as usize]
}

impl Sorter {
    /// A sorter that keeps about `budget` bytes in memory.
    pub fn new(budget: usize) -> Self {
        Self { budget, batch: Batch::default(), file: None, runs: Vec::new() }
    }

    /// Adds an entry.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let too_long = |_| Error::data("a record of more than 4 GiB cannot be sorted");
        let key_len = key.len().try_into().map_err(too_long)?;
        let value_len = value.len().try_into().map_err(too_long)?;
        self.batch.entries.push(Entry { start: self.batch.bytes.len(), key_len, value_len });
        self.batch.bytes.extend_from_slice(key);
        self.batch.bytes.extend_from_slice(value);
        if self.batch.len() > self.budget {
            self.spill().context(|| "cannot write to the folder for temporary files")?;
        }
        Ok(())
    }

    /// Writes what is in memory as a run of its own.
    fn spill(&mut self) -> io::Result<()> {
        self.batch.sort();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        let start = self.runs.last().map_or(0, |run| run.end);
        let mut end = start;
        let mut out = BufWriter::new(file);
        let bytes = &self.batch.bytes;
        for entry in &self.batch.entries {
            out.write_all(&entry.key_len.to_le_bytes())?;
            out.write_all(&entry.value_len.to_le_bytes())?;
            out.write_all(key_of(bytes, entry))?;
            out.write_all(value_of(bytes, entry))?;
            end += 8 + u64::from(entry.key_len) + u64::from(entry.value_len);
        }
        out.flush()?;
        drop(out);
        self.runs.push(start..end);
        self.batch.entries.clear();
        self.batch.bytes.clear();
        Ok(())
    }

    /// Ends adding.
    pub fn finish(mut self) -> Result<Sorted> {
        self.batch.sort();
        let mut sorted = Sorted { sources: Vec::new(), heads: BinaryHeap::new() };
        if let Some(file) = self.file.map(Arc::new) {
            let read_size = (MERGE_MEMORY / self.runs.len().max(1)).clamp(4 << 10, 256 << 10);
            for rest in self.runs {
                let run = Section::new(Arc::clone(&file), rest);
                sorted.sources.push(Source::Run(BufReader::with_capacity(read_size, run)));
            }
        }
        // Last, because what it holds was added last.
        sorted.sources.push(Source::Memory { bytes: self.batch.bytes, entries: self.batch.entries.into_iter() });
        for index in 0..sorted.sources.len() {
            sorted.advance(index)?;
        }
        Ok(sorted)
    }
}

/// Sorted entries: an iterator of keys and values.
pub struct Sorted {
    sources: Vec<Source>,
    /// The first entry that each source still has.
    heads: BinaryHeap<Reverse<Head>>,
}

/// Key, source, value: in this order they compare as the merge needs it.
type Head = (Vec<u8>, usize, Vec<u8>);

enum Source {
    Run(BufReader<Section>),
    Memory { bytes: Vec<u8>, entries: std::vec::IntoIter<Entry> },
}

impl Source {
    fn next(&mut self) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        match self {
            Self::Memory { bytes, entries } => {
                Ok(entries.next().map(|entry| (key_of(bytes, &entry).to_vec(), value_of(bytes, &entry).to_vec())))
            }
            Self::Run(reader) => {
                if reader.buffer().is_empty() && reader.get_ref().is_empty() {
                    return Ok(None);
                }
                let mut lengths = [[0; 4]; 2];
                reader.read_exact(&mut lengths[0])?;
                reader.read_exact(&mut lengths[1])?;
                let [mut key, mut value] = lengths.map(|length| vec![0; u32::from_le_bytes(length) as usize]);
                reader.read_exact(&mut key)?;
                reader.read_exact(&mut value)?;
                Ok(Some((key, value)))
            }
        }
    }
}

impl Sorted {
    fn advance(&mut self, index: usize) -> Result<()> {
        let next = self.sources[index].next().context(|| "cannot read back a temporary file")?;
        if let Some((key, value)) = next {
            self.heads.push(Reverse((key, index, value)));
        }
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, index, value)) = self.heads.pop()?;
        Some(self.advance(index).map(|()| (key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_like_a_stable_sort_in_memory(
            entries in prop::collection::vec((prop::collection::vec(0..4_u8, 0..3), any::<Vec<u8>>()), 0..200),
            budget in 0..4000_usize,
        ) {
            let mut sorter = Sorter::new(budget);
            for (key, value) in &entries {
                sorter.push(key, value).unwrap();
            }
            let sorted: Vec<_> = sorter.finish().unwrap().collect::<Result<_>>().unwrap();
            let mut expected = entries;
            expected.sort_by(|(a, _), (b, _)| a.cmp(b));
            prop_assert_eq!(sorted, expected);
        }
    }
}
