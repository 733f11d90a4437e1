//! Files that hold all rows of a version, in the order of their keys.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use golden::cli::{Compress, Existing, Output, open_input};
use golden::{Context, Result};
use golden_version::{Row, RowForm};
use sha2::{Digest, Sha256};

/// How the names of these files end.
pub const EXTENSION: &str = "jsonl.gz";

/// A file of rows, as it is being written: it appears when it is complete.
pub struct Writer<'f> {
    form: &'f RowForm,
    output: Output,
    path: &'f Path,
    rows: u64,
    line: Vec<u8>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many rows.
    pub rows: u64,
    /// How large the file is.
    pub bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

impl<'f> Writer<'f> {
    /// Begins a file, in a folder that exists. What stands there is replaced.
    pub fn create(path: &'f Path, form: &'f RowForm) -> Result<Self> {
        let output = Output::create(path, Compress::Gzip, Existing::Replace)?;
        Ok(Self { form, output, path, rows: 0, line: Vec::new() })
    }

    /// Adds a row.
    pub fn write(&mut self, row: &Row) -> Result<()> {
        self.form.write_json(row, &mut self.line);
        self.line.push(b'\n');
        self.output.write_all(&self.line)?;
        self.rows += 1;
        Ok(())
    }

    /// Completes it: on disk, and under its name.
    pub fn finish(self) -> Result<Written> {
        self.output.finish()?;
        let (bytes, sha256) = measure(self.path)?;
        Ok(Written { rows: self.rows, bytes, sha256 })
    }
}

/// The rows of a file, their values in the places of the form's columns.
pub fn read(path: &Path, form: Arc<RowForm>) -> Result<Box<dyn Iterator<Item = Result<Row>>>> {
    let input = open_input(path)?;
    let lines = BufReader::new(input.reader).lines();
    Ok(Box::new(lines.map(move |line| form.read(&line.context(|| &input.name)?).context(|| &input.name))))
}

/// A file's size and the SHA-256 of its bytes.
pub fn measure(path: &Path) -> Result<(u64, String)> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut file = File::open(path).context(cannot_read)?;
    let mut sha = Sha256::new();
    let (mut bytes, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        let read = file.read(&mut buffer).context(cannot_read)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        sha.update(part);
        bytes += read as u64;
    }
    Ok((bytes, sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}
