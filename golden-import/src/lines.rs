//! The records of a document as lines of COPY: what a server is sent, and what it must give back.
//!
//! They lie beside the staging file, one file for each kind, in the order of the document. The files have no names:
//! nothing stays behind, whatever happens.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use golden::document::RecordKind;
use golden::section::Section;
use golden::store::postgres::unescape;
use golden::{Context, Error, Result};

use crate::columns::Covered;
use crate::record::Record;

/// How many bytes are read or written at once.
const BUFFER: usize = 128 << 10;

/// What stands in a line before the columns of its table: the number of its analysis, its position there, its id, and
/// the digest of its text.
const OWN: usize = 4;

/// The lines of a document.
pub struct Lines {
    files: BTreeMap<RecordKind, BufWriter<Arc<File>>>,
    /// How many there are of each kind.
    counts: BTreeMap<RecordKind, u64>,
    reads_back: bool,
}

impl Lines {
    /// No lines yet; they will lie in this folder.
    pub fn new(folder: &Path) -> Result<Self> {
        let file = |kind| Ok((kind, BufWriter::with_capacity(BUFFER, Arc::new(tempfile::tempfile_in(folder)?))));
        let files = RecordKind::ALL.into_iter().map(file).collect::<std::io::Result<_>>();
        let files = files.context(|| format!("cannot stage in {}", folder.display()))?;
        Ok(Self { files, counts: BTreeMap::new(), reads_back: true })
    }

    /// Appends a record, given the number of its analysis and its position there.
    pub fn push(&mut self, record: &Record, analysis: i64, position: i64) -> Result<()> {
        self.reads_back &= record.reads_back;
        let Some(file) = self.files.get_mut(&record.kind) else { return Ok(()) };
        *self.counts.entry(record.kind).or_default() += 1;
        write!(file, "{analysis}\t{position}\t")
            .and_then(|()| file.write_all(&record.line))
            .context(|| "cannot stage the document")
    }

    /// Ends writing.
    pub fn finish(&mut self) -> Result<()> {
        self.files.values_mut().try_for_each(|file| file.flush().context(|| "cannot stage the document"))
    }

    /// Whether the codecs of export read in every line what the document says.
    pub fn reads_back(&self) -> bool {
        self.reads_back
    }

    /// The lines of a kind, from the first on.
    pub fn read(&self, kind: RecordKind) -> Result<Reader> {
        let file = self.files.get(&kind).ok_or_else(|| Error::environment("nothing was staged"))?;
        let file = Section::all(Arc::clone(file.get_ref()));
        let left = self.counts.get(&kind).copied().unwrap_or(0);
        Ok(Reader { file: BufReader::with_capacity(BUFFER, file), left, line: Vec::new() })
    }

    /// The id of a record, by the number of its line.
    pub fn name(&self, kind: RecordKind, line: u64) -> Result<Option<String>> {
        let mut reader = self.read(kind)?;
        for _ in 1..line {
            reader.next()?;
        }
        let Some(escaped) = reader.next()?.and_then(|line| line.name()) else { return Ok(None) };
        let mut name = String::new();
        unescape(&String::from_utf8_lossy(escaped), &mut name);
        Ok(Some(name))
    }
}

/// Lines on their way back.
pub struct Reader {
    file: BufReader<Section>,
    /// How many lines there are still to be.
    left: u64,
    line: Vec<u8>,
}

impl Reader {
    /// The next line; none at the end.
    pub fn next(&mut self) -> Result<Option<Line<'_>>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.line.clear();
        self.file.read_until(b'\n', &mut self.line).context(|| "cannot read what was staged")?;
        let text = self.line.strip_suffix(b"\n").ok_or_else(|| {
            Error::environment("what was staged is no longer whole").guidance("is the disk full, or does it fail?")
        })?;
        let mut parts = text.splitn(OWN + 1, |byte| *byte == b'\t');
        let own = std::array::from_fn(|_| parts.next().unwrap_or_default());
        Ok(Some(Line { own, columns: parts.next().unwrap_or_default() }))
    }
}

/// A line. Its parts are escaped as COPY wants them.
pub struct Line<'l> {
    own: [&'l [u8]; OWN],
    /// The columns of the table, all of them.
    pub columns: &'l [u8],
}

impl<'l> Line<'l> {
    /// The number of its analysis.
    pub fn analysis(&self) -> &'l [u8] {
        self.own[0]
    }

    /// The line's own parts, in their order.
    pub fn own(&self) -> [&'l [u8]; OWN] {
        self.own
    }

    /// The record's id; none where the database will give it.
    fn name(&self) -> Option<&'l [u8]> {
        Some(self.own[2]).filter(|name| *name != b"\\N")
    }

    /// One of the columns.
    pub fn column(&self, index: usize) -> &'l [u8] {
        self.columns.split(|byte| *byte == b'\t').nth(index).unwrap_or_default()
    }

    /// Appends the columns that the document speaks of, with tabs in between.
    pub fn push_columns(&self, covered: &Covered, line: &mut Vec<u8>) {
        if covered.columns.len() == covered.table.columns.len() {
            return line.extend_from_slice(self.columns);
        }
        let mut wanted = covered.columns.iter().peekable();
        let mut is_first = true;
        for (index, column) in self.columns.split(|byte| *byte == b'\t').enumerate() {
            if wanted.next_if_eq(&&index).is_some() {
                if !std::mem::take(&mut is_first) {
                    line.push(b'\t');
                }
                line.extend_from_slice(column);
            }
        }
    }
}
