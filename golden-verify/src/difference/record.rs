//! A record that differs, read from both documents and put into words.

use std::fs::File;
use std::sync::Arc;

use golden::Result;
use golden::document::{Fields, RecordKind};

use super::fields::{Change, Nested, nested};
use super::grouped::{Differing, Fate};
use super::index::Indexed;
use super::summary::Summary;
use super::{json, text};

/// How changes are put into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines for a person.
    Text,
    /// A line of JSON a record.
    Json,
    /// Not at all: it is enough to know of them.
    Counted,
}

/// A change of a record.
pub struct Record<'r> {
    pub kind: RecordKind,
    pub id: Option<&'r str>,
    /// Among its siblings.
    pub position: u64,
    /// The id of its analysis, or its own if it is one.
    pub analysis: &'r str,
    /// The analysis to which a chunk belonged before.
    pub moved_from: Option<&'r str>,
    pub change: &'r Change,
}

/// What is said of a record.
#[derive(Default)]
pub struct Words {
    /// Names the analysis, for what follows; of use only if something does.
    pub heading: Option<String>,
    pub body: Vec<u8>,
    pub summary: Summary,
}

/// Reads records from the two documents.
pub struct Reader {
    pub old: Arc<File>,
    pub new: Arc<File>,
    pub form: Form,
}

impl Reader {
    /// Reads what differs, and puts it into words.
    pub fn describe(&self, differing: &Differing) -> Result<Words> {
        match differing.kind {
            RecordKind::Analysis => self.analysis(differing),
            _ => self.chunk(differing),
        }
    }

    fn fields(&self, differing: &Differing) -> Result<[Option<Fields>; 2]> {
        let read = |file: &File, indexed: &Option<Indexed>| {
            indexed.as_ref().map(|indexed| indexed.extent.read(file)).transpose()
        };
        Ok([read(&self.old, &differing.old)?, read(&self.new, &differing.new)?])
    }

    fn chunk(&self, differing: &Differing) -> Result<Words> {
        // The chunks of an analysis that came or went are told by their number, unless they stayed.
        let is_told = differing.analysis == Fate::Kept || differing.old.is_some() && differing.new.is_some();
        let [old, new] = if is_told || self.form == Form::Json {
            self.fields(differing)?
        } else {
            [&differing.old, &differing.new].map(|side| side.as_ref().map(|_| Fields::new()))
        };
        let change = Change::between(RecordKind::Chunk, old, new);
        let moved_from = differing.moved_from();
        let mut words = Words::default();
        if change.is_none() && moved_from.is_none() {
            return Ok(words);
        }
        let place = differing.new.as_ref().or(differing.old.as_ref());
        let record = Record {
            kind: RecordKind::Chunk,
            id: differing.id.as_deref(),
            position: place.map_or(0, |indexed| indexed.position),
            analysis: differing.analysis_id(),
            moved_from,
            change: &change,
        };
        if is_told || self.form == Form::Json {
            self.write(&record, &mut words.body);
        }
        words.summary.count(RecordKind::Chunk, &change);
        Ok(words)
    }

    fn analysis(&self, differing: &Differing) -> Result<Words> {
        let mut words = Words::default();
        let is_only_named = matches!((&differing.old, &differing.new), (Some(old), Some(new)) if old.own == new.own);
        if is_only_named && self.form != Form::Text {
            return Ok(words);
        }
        let [mut old, mut new] = self.fields(differing)?;
        let nested = nested(&mut old, &mut new);
        let id = differing.id.as_deref().unwrap_or_default();
        let named = new.as_ref().or(old.as_ref()).cloned().filter(|_| self.form == Form::Text).unwrap_or_default();
        let change = Change::between(RecordKind::Analysis, old, new);
        let differs = !change.is_none();
        if differs {
            words.summary.count(RecordKind::Analysis, &change);
        }
        nested.iter().for_each(|nested| words.summary.count(nested.kind, &nested.change));
        match self.form {
            Form::Counted => {}
            Form::Json => {
                let position = 0;
                let (kind, moved_from) = (RecordKind::Analysis, None);
                if differs {
                    let record = Record { kind, id: Some(id), position, analysis: id, moved_from, change: &change };
                    self.write(&record, &mut words.body);
                }
                self.write_nested(id, &nested, &mut words.body);
            }
            Form::Text => {
                let mut line = String::new();
                let mark = if differs { text::mark(&change) } else { ' ' };
                let count = |kind| nested.iter().filter(|nested| nested.kind == kind).count() as u64;
                let whole = differing.old.as_ref().xor(differing.new.as_ref());
                let records = whole.map(|whole| {
                    let nested = [RecordKind::Finding, RecordKind::Artifact].map(|kind| (kind, count(kind)));
                    [(RecordKind::Chunk, whole.chunks), nested[0], nested[1]]
                });
                text::analysis(mark, id, &named, records.as_ref().map_or(&[], |records| records), &mut line);
                if let Change::Changed(fields) = &change {
                    fields.iter().for_each(|field| text::field(field, 4, &mut line));
                }
                let mut nested_lines = Vec::new();
                if records.is_none() {
                    self.write_nested(id, &nested, &mut nested_lines);
                }
                words.body = match differs {
                    true => {
                        words.heading = Some(String::new());
                        [line.into_bytes(), nested_lines].concat()
                    }
                    false => {
                        words.heading = Some(line);
                        nested_lines
                    }
                };
            }
        }
        Ok(words)
    }

    fn write_nested(&self, analysis: &str, nested: &[Nested], out: &mut Vec<u8>) {
        for Nested { kind, name, change } in nested {
            let (id, position) = (name.id.as_deref(), name.position);
            self.write(&Record { kind: *kind, id, position, analysis, moved_from: None, change }, out);
        }
    }

    fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        match self.form {
            Form::Counted => {}
            Form::Json => {
                json::write(record, out);
                out.push(b'\n');
            }
            Form::Text => {
                let mut line = String::new();
                text::child(record, &mut line);
                out.extend_from_slice(line.as_bytes());
            }
        }
    }
}
