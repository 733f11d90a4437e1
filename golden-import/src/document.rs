//! The document to import: what its metadata says is known before its records are read.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use golden::cli::open_input;
use golden::document::flat::{Form, recognise};
use golden::document::{Event, Fields, HEAD_BYTES, Limits, RecordKind, head_metadata, read};
use golden::{Context, Error, Result};
use serde_json::Value;

use crate::cli::Cli;

/// A document that can be read as often as an import needs it.
pub struct Document {
    source: Source,
    name: String,
    /// The largest record.
    pub limits: Limits,
    /// Its `metadata`.
    pub metadata: Fields,
}

enum Source {
    /// A file that can be opened again.
    File(PathBuf),
    /// A pipe that had to be kept, in a file without a name.
    Kept(File),
    /// A pipe, read once.
    Pipe(RefCell<Option<Box<dyn Read + Send>>>),
}

impl Document {
    /// Opens the document and learns its metadata. A pipe is kept in a temporary file only where it must
    /// be read twice: for `--init`, or because the metadata comes after the analyses (`jq -S` sorts so).
    pub fn open(cli: &Cli) -> Result<Self> {
        let input = open_input(&cli.file)?;
        let name = input.name;
        let limits = Limits { max_record: cli.max_record };
        let (form, mut reader) = recognise(input.reader, limits).context(|| format!("cannot read {name}"))?;
        if form == Form::Flat {
            return Err(Error::data(format!("{name} is a flat document, and only nested ones can be imported"))
                .guidance("golden-verify --seal --output golden.json makes a nested document of it: import that"));
        }
        let mut head = Vec::new();
        reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head).context(|| format!("cannot read {name}"))?;
        let metadata = head_metadata(&head);
        let is_file = cli.file != Path::new("-") && fs::metadata(&cli.file).is_ok_and(|found| found.is_file());
        let mut document = Self { source: Source::File(cli.file.clone()), name, limits, metadata: Fields::new() };
        if is_file {
            document.metadata = match metadata {
                Some(metadata) => metadata,
                None => read_metadata(document.reader()?, limits).context(|| document.name())?,
            };
            return Ok(document);
        }
        let pipe = Cursor::new(head).chain(reader);
        match metadata {
            Some(metadata) if !cli.init => {
                document.source = Source::Pipe(RefCell::new(Some(Box::new(pipe))));
                document.metadata = metadata;
            }
            _ => {
                let kept = tempfile::tempfile().context(|| "cannot make a temporary file")?;
                let keeping = Keeping { pipe, kept: kept.try_clone()? };
                document.metadata = read_metadata(keeping, limits).context(|| document.name())?;
                document.source = Source::Kept(kept);
            }
        }
        Ok(document)
    }

    /// The document from its beginning.
    pub fn reader(&self) -> Result<Box<dyn Read + Send>> {
        match &self.source {
            Source::File(path) => Ok(open_input(path)?.reader),
            Source::Kept(file) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                Ok(Box::new(file))
            }
            Source::Pipe(pipe) => {
                pipe.borrow_mut().take().ok_or_else(|| Error::environment(format!("{} was read already", self.name)))
            }
        }
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `metadata.columns` lists a field.
    pub fn lists(&self, kind: RecordKind, field: &str) -> bool {
        let columns = self.metadata.get("columns").and_then(|columns| columns.get(kind.plural()));
        columns.and_then(Value::as_array).is_some_and(|listed| listed.iter().any(|name| name == field))
    }
}

/// Reads a whole document for its metadata.
fn read_metadata(input: impl Read + Send, limits: Limits) -> Result<Fields> {
    let mut metadata = Fields::new();
    read(input, limits, |event| {
        if let Event::End(mut end) = event
            && let Some(Value::Object(found)) = end.top_level.remove("metadata")
        {
            metadata = found;
        }
        Ok(())
    })?;
    Ok(metadata)
}

/// A pipe that writes what passes through it into a file. A document that is no good ends the reading,
/// and with it the writing.
struct Keeping<R> {
    pipe: R,
    kept: File,
}

impl<R: Read> Read for Keeping<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.pipe.read(buffer)?;
        self.kept.write_all(&buffer[..read])?;
        Ok(read)
    }
}
