//! Flat documents, the form "2.0": records in arrays side by side under `data`, each naming its analysis.
//! They are recognised by their shape and made into an ordinary document without digests, which everything
//! else reads as it reads any other. `docs/flat.md` says what becomes of what.

mod collect;
mod join;
mod record;
mod write;

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};

use serde_json::Value;

use self::collect::Collected;
use super::RecordKind;
use super::reader::Limits;
use super::verify::Issues;
use super::walk::Walker;
use crate::{Context, Result};

/// The form of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Chunks and artifacts inside their analyses: what [`super::read`] reads.
    Nested,
    /// All records side by side: what [`nest`] makes a nested document of.
    Flat,
}

/// What a flat document said of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Flat {
    /// Its `version`, whatever that is.
    pub version: Option<String>,
}

impl fmt::Display for Flat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "flat document, version {version}"),
            None => f.write_str("flat document without version"),
        }
    }
}

/// The nested document that was made of a flat one.
pub struct Nested {
    /// The document, in a file without a name that stands at its beginning.
    pub document: File,
    /// What it was made of.
    pub flat: Flat,
    /// What only the flat form can have wrong.
    pub issues: Issues,
}

/// What stands before a name of the flat document that means something else in the nested one.
const ESCAPE: &str = "$flat:";

/// The arrays of `data` whose items are records.
const KINDS: [RecordKind; 3] = [RecordKind::Analysis, RecordKind::Artifact, RecordKind::Chunk];

/// The kind whose records an array of `data` holds.
fn kind_of(array: &str) -> Option<RecordKind> {
    KINDS.into_iter().find(|kind| kind.plural() == array)
}

/// The name that a member has in the nested document, where those of `reserved` have a meaning.
fn escaped(name: String, reserved: &[&str]) -> String {
    if reserved.contains(&name.as_str()) || name.starts_with(ESCAPE) { format!("{ESCAPE}{name}") } else { name }
}

/// Tells the form of a document from what stands before its records, and gives it back from its beginning.
/// What is no document at all counts as nested: reading it says what is wrong.
///
/// # Errors
/// Input that cannot be read.
pub fn recognise(input: Box<dyn Read + Send>, limits: Limits) -> Result<(Form, Box<dyn Read + Send>)> {
    let mut recorder = Recorder { input, read: Vec::new(), is_broken: false };
    let form = match form_of(&mut recorder, limits) {
        Err(error) if recorder.is_broken => return Err(error),
        Err(_) => Form::Nested,
        Ok(form) => form,
    };
    Ok((form, Box::new(Cursor::new(recorder.read).chain(recorder.input))))
}

fn form_of(input: &mut Recorder, limits: Limits) -> Result<Form> {
    let mut nowhere = |_| true;
    let mut walker = Walker::new(input, limits.max_record, &mut nowhere);
    walker.open_document()?;
    let (mut keys, mut size) = Default::default();
    while let Some(key) = walker.next_key(&mut keys)? {
        match (key.as_str(), walker.scanner.peek()?) {
            ("analyses", _) => return Ok(Form::Nested),
            ("data", Some(b'{')) => {
                walker.scanner.step();
                let mut keys = Default::default();
                while let Some(key) = walker.next_key(&mut keys)? {
                    if kind_of(&key).is_some() && walker.scanner.peek()? == Some(b'[') {
                        return Ok(Form::Flat);
                    }
                    pass(&mut walker, &mut size)?;
                }
            }
            _ => pass(&mut walker, &mut size)?,
        }
    }
    Ok(Form::Nested)
}

/// Steps over a value; all of them together are no larger than what the reader would take.
fn pass<R: Read>(walker: &mut Walker<'_, R>, size: &mut usize) -> Result<()> {
    walker.capture(*size, "the top level")?;
    *size += walker.scanner.captured().len();
    Ok(())
}

/// Keeps what is read, so that it can be read again.
struct Recorder {
    input: Box<dyn Read + Send>,
    read: Vec<u8>,
    is_broken: bool,
}

impl Read for Recorder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer).inspect_err(|error| {
            self.is_broken |= error.kind() != io::ErrorKind::Interrupted;
        })?;
        self.read.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

/// Makes a nested document of a flat one, without digests. Its records are in normal form as far as that can
/// be known, and it lists its columns.
///
/// # Errors
/// What cannot be read, or is not as a flat document is.
pub fn nest(input: impl Read, limits: Limits) -> Result<Nested> {
    let collected = Collected::read(input, limits)?;
    let version = collected.top_level.get("version").map(|version| match version {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let mut document = tempfile::tempfile().context(|| "cannot make a temporary file")?;
    let issues = collected.nest(&document, limits)?;
    document.rewind()?;
    Ok(Nested { document, flat: Flat { version }, issues })
}
