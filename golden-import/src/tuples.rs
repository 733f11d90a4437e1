//! The records of a document as COPY will send them: what a server gets, and what it must give back.
//!
//! They lie beside the staging file, one file for each kind, in the order of the document. The files have no names:
//! nothing stays behind, whatever happens.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use golden::document::RecordKind;
use golden::section::Section;
use golden::store::postgres::{CopyFormat, Values};
use golden::{Context, Error, Result};

use crate::columns::Covered;
use crate::record::Record;

/// How many bytes are read or written at once.
const BUFFER: usize = 128 << 10;

/// What stands before the values of a record: how many bytes they take, the number of its analysis, its position
/// there.
const HEAD: usize = 24;

const CANNOT_STAGE: &str = "cannot stage the document";

/// The records of a document.
pub struct Tuples {
    format: CopyFormat,
    files: BTreeMap<RecordKind, BufWriter<Arc<File>>>,
    /// How many there are of each kind.
    counts: BTreeMap<RecordKind, u64>,
    reads_back: bool,
}

impl Tuples {
    /// No records yet; they will lie in this folder.
    pub fn new(folder: &Path, format: CopyFormat) -> Result<Self> {
        let file = |kind| Ok((kind, BufWriter::with_capacity(BUFFER, Arc::new(tempfile::tempfile_in(folder)?))));
        let files = RecordKind::ALL.into_iter().map(file).collect::<std::io::Result<_>>();
        let files = files.context(|| format!("cannot stage in {}", folder.display()))?;
        Ok(Self { format, files, counts: BTreeMap::new(), reads_back: true })
    }

    /// Appends a record, given the number of its analysis and its position there.
    pub fn push(&mut self, record: &Record, analysis: i64, position: i64) -> Result<()> {
        self.reads_back &= record.reads_back;
        let Some(file) = self.files.get_mut(&record.kind) else { return Ok(()) };
        *self.counts.entry(record.kind).or_default() += 1;
        let mut head = [0; HEAD];
        let numbers = [i64::try_from(record.values.len()).unwrap_or(i64::MAX), analysis, position];
        for (place, number) in head.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        file.write_all(&head).and_then(|()| file.write_all(&record.values)).context(|| CANNOT_STAGE)
    }

    /// Ends writing.
    pub fn finish(&mut self) -> Result<()> {
        self.files.values_mut().try_for_each(|file| file.flush().context(|| CANNOT_STAGE))
    }

    /// How COPY is to send them.
    pub fn format(&self) -> CopyFormat {
        self.format
    }

    /// Whether the codecs of export read in every record what the document says.
    pub fn reads_back(&self) -> bool {
        self.reads_back
    }

    /// The records of a kind, from the first on.
    pub fn read(&self, kind: RecordKind) -> Result<Reader> {
        let file = self.files.get(&kind).ok_or_else(|| Error::environment("nothing was staged"))?;
        let file = Section::all(Arc::clone(file.get_ref()));
        let left = self.counts.get(&kind).copied().unwrap_or(0);
        Ok(Reader { file: BufReader::with_capacity(BUFFER, file), left, values: Vec::new() })
    }

    /// The id of a record, by its number among those of its kind.
    pub fn name(&self, kind: RecordKind, number: u64) -> Result<Option<String>> {
        let mut reader = self.read(kind)?;
        for _ in 1..number {
            reader.next()?;
        }
        let name = reader.next()?.and_then(|tuple| tuple.own.first());
        Ok(name.map(|name| String::from_utf8_lossy(name).into_owned()))
    }
}

/// Records on their way back.
pub struct Reader {
    file: BufReader<Section>,
    /// How many there are still to be.
    left: u64,
    values: Vec<u8>,
}

impl Reader {
    /// The next record; none at the end.
    pub fn next(&mut self) -> Result<Option<Tuple<'_>>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut head = [[0; 8]; HEAD / 8];
        let read = self.file.read_exact(head.as_flattened_mut()).and_then(|()| {
            let length = u64::from_be_bytes(head[0]);
            self.values.clear();
            let read = (&mut self.file).take(length).read_to_end(&mut self.values)?;
            if read as u64 == length { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
        });
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Error::environment("what was staged is no longer whole").guidance("is the disk full, or does it fail?")
            }
            _ => Error::from(error).context("cannot read what was staged"),
        })?;
        let [_, analysis, position] = head.map(i64::from_be_bytes);
        let (own, columns) = split_own(&self.values);
        Ok(Some(Tuple { analysis, position, own, columns }))
    }
}

/// The id and the digest of the text stand before the columns.
fn split_own(values: &[u8]) -> (Values<'_>, Values<'_>) {
    let mut columns = Values(values);
    columns.split_first();
    columns.split_first();
    (Values(&values[..values.len() - columns.0.len()]), columns)
}

/// A record.
pub struct Tuple<'t> {
    /// The number of its analysis.
    pub analysis: i64,
    /// Its position there.
    pub position: i64,
    /// Its id as text, none where the database will give it; and the digest of its text.
    pub own: Values<'t>,
    /// The columns of its table, all of them.
    columns: Values<'t>,
}

impl<'t> Tuple<'t> {
    /// One of the columns.
    pub fn column(&self, index: usize) -> Option<&'t [u8]> {
        let mut columns = self.columns;
        columns.nth(index).flatten()
    }

    /// Appends the columns that the document speaks of.
    pub fn push_columns(&self, covered: &Covered, format: CopyFormat, row: &mut Vec<u8>) {
        if covered.columns.len() == covered.table.columns.len() {
            return format.push_values(self.columns, row);
        }
        let mut columns = self.columns;
        let mut wanted = covered.columns.iter().peekable();
        for index in 0..covered.table.columns.len() {
            let column = columns.split_first();
            if wanted.next_if_eq(&&index).is_some() {
                format.push_values(column, row);
            }
        }
    }
}
