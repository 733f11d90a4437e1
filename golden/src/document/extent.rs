//! Where a record stands in a document, so that it can be read again without the others.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::scan::Position;
use super::{Fields, parse};
use crate::{Context, Error, Result};

/// The bytes of a record: a chunk's, or an analysis's without its chunks'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    whole: Range<u64>,
    /// What inside belongs to other records.
    without: Range<u64>,
}

impl Extent {
    /// How many bytes [`Extent::encode`] gives.
    pub const ENCODED: usize = 32;

    pub(super) fn of_chunk(start: u64, length: usize) -> Self {
        let end = start + length as u64;
        Self { whole: start..end, without: end..end }
    }

    /// Of an analysis that stands in `whole` and has its chunks in `chunks`, between their brackets.
    pub(super) fn of_analysis(whole: Range<u64>, chunks: Range<u64>) -> Self {
        Self { whole, without: chunks }
    }

    /// How many bytes are the record's own.
    pub fn size(&self) -> u64 {
        (self.whole.end - self.whole.start).saturating_sub(self.without.end - self.without.start)
    }

    /// Reads the record's fields again, without `chunks` and `sha256`, from the file in which it stands.
    pub fn read(&self, file: &File) -> Result<Fields> {
        let mut text = Vec::new();
        for part in [self.whole.start..self.without.start, self.without.end..self.whole.end] {
            let start = text.len();
            text.resize(start + usize::try_from(part.end - part.start).unwrap_or_default(), 0);
            file.read_exact_at(&mut text[start..], part.start).context(|| CHANGED)?;
        }
        let mut fields = Fields::new();
        parse::object(&text, Position::default(), &mut fields).map_err(|_| Error::environment(CHANGED))?;
        fields.remove("chunks");
        fields.remove("sha256");
        Ok(fields)
    }

    /// As bytes, for [`Extent::decode`].
    pub fn encode(&self) -> [u8; Self::ENCODED] {
        let mut bytes = [0; Self::ENCODED];
        let numbers = [self.whole.start, self.whole.end, self.without.start, self.without.end];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// From what [`Extent::encode`] gave.
    pub fn decode(bytes: [u8; Self::ENCODED]) -> Self {
        let mut numbers = bytes.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number));
        let mut next = || numbers.next().unwrap_or_default();
        Self { whole: next()..next(), without: next()..next() }
    }
}

/// What is said when a record is not found where it stood a moment ago.
const CHANGED: &str = "the document changed while it was being read";
