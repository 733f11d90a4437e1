//! Reads a flat document once, and sets its records down by the analysis they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde_json::{Map, Value};

use super::record::{Record, name};
use super::{KINDS, kind_of};
use crate::document::canonical::Digest;
use crate::document::parse;
use crate::document::reader::Limits;
use crate::document::scan::Position;
use crate::document::walk::{Walker, error_at};
use crate::document::{Fields, RecordKind, id_text};
use crate::spill::Sorter;
use crate::{Error, Result};

/// How much memory a sorter may take.
pub(super) const MEMORY: usize = 6 << 20;

/// How many fields the records of a kind may have between them: more than any table has columns.
const MAX_FIELDS: usize = 1 << 16;

/// A flat document that was read.
pub(super) struct Collected {
    /// Everything but records. Of `data`, the arrays that are none of the three.
    pub top_level: Fields,
    /// By the analysis they belong to (see [`key`]), each analysis before its artifacts, and these before
    /// its chunks; otherwise in the order of the document.
    pub records: Sorter,
    /// The arrays that are there: how many records they hold, and the names of their fields.
    pub arrays: BTreeMap<RecordKind, Array>,
}

/// An array of records.
#[derive(Default)]
pub(super) struct Array {
    pub count: u64,
    pub columns: BTreeSet<String>,
}

/// How an entry of [`Collected::records`] begins.
const KEY: usize = 33;

/// The key of a record that belongs to this analysis. One that names none comes first.
fn key(analysis: Option<Digest>, kind: RecordKind) -> [u8; KEY] {
    let mut key = [0; KEY];
    if let Some(digest) = analysis {
        key[..KEY - 1].copy_from_slice(digest.bytes());
    }
    key[KEY - 1] = KINDS.iter().position(|other| *other == kind).unwrap_or_default() as u8;
    key
}

/// What [`key`] made: the analysis, and the kind of the record.
pub(super) fn parts(key: &[u8]) -> Option<(&[u8], RecordKind)> {
    let (kind, analysis) = key.split_last()?;
    Some((analysis, *KINDS.get(usize::from(*kind))?))
}

/// Whether a record with this key named its analysis.
pub(super) fn is_named(analysis: &[u8]) -> bool {
    analysis.iter().any(|&byte| byte != 0)
}

impl Collected {
    /// Reads a document to its end.
    pub fn read(input: impl Read, limits: Limits) -> Result<Self> {
        let mut nowhere = |_| true;
        let mut reading = Reading {
            walker: Walker::new(input, limits.max_record, &mut nowhere),
            size: 0,
            collected: Self { top_level: Map::new(), records: Sorter::new(MEMORY), arrays: BTreeMap::new() },
        };
        reading.document()?;
        let missing: Vec<_> = [RecordKind::Analysis, RecordKind::Chunk]
            .into_iter()
            .filter(|kind| !reading.collected.arrays.contains_key(kind))
            .map(|kind| format!("no `data.{}`", kind.plural()))
            .collect();
        match missing.is_empty() {
            true => Ok(reading.collected),
            false => Err(Error::data(format!(
                "this is not a golden document: it looks like a flat one, but has {}",
                missing.join(", ")
            ))),
        }
    }
}

struct Reading<'w, R> {
    walker: Walker<'w, R>,
    /// How many bytes the members of the top level have that are no records.
    size: usize,
    collected: Collected,
}

impl<R: Read> Reading<'_, R> {
    fn document(&mut self) -> Result<()> {
        self.walker.open_document()?;
        let mut keys = BTreeSet::new();
        while let Some(key) = self.walker.next_key(&mut keys)? {
            let value = match key.as_str() {
                "analyses" => {
                    return Err(error_at(
                        None,
                        self.walker.scanner.position(),
                        "it has both `analyses` and `data`: it cannot be told whether it is a flat document",
                    ));
                }
                "data" => match self.data()? {
                    rest if rest.is_empty() => continue,
                    rest => Value::Object(rest),
                },
                _ => self.member(&format!("the top-level member {key:?}"))?,
            };
            self.collected.top_level.insert(key, value);
        }
        self.walker.end_document()
    }

    /// Reads `data`; gives what is none of the three arrays.
    fn data(&mut self) -> Result<Fields> {
        self.walker.open(b'{', "`data` must be an object")?;
        let mut keys = BTreeSet::new();
        let mut rest = Map::new();
        while let Some(key) = self.walker.next_key(&mut keys)? {
            match kind_of(&key) {
                Some(kind) => self.records(kind)?,
                None => {
                    let value = self.member(&format!("`data.{key}`"))?;
                    rest.insert(key, value);
                }
            }
        }
        Ok(rest)
    }

    /// Reads a value that is no record.
    fn member(&mut self, what: &str) -> Result<Value> {
        let at = self.walker.capture(self.size, what)?;
        let text = self.walker.scanner.captured();
        self.size += text.len();
        parse::value(text, at).map_err(|fault| self.walker.fault(fault))
    }

    fn records(&mut self, kind: RecordKind) -> Result<()> {
        self.walker.open(b'[', &format!("`data.{}` must be an array", kind.plural()))?;
        let mut array = Array::default();
        while self.walker.next_item(array.count).map_err(|error| error.context(name(kind, array.count, None)))? {
            let (fields, at) = self.record(kind, array.count)?;
            let (analysis, record) = Record::new(kind, array.count, fields, &mut array.columns);
            if array.columns.len() > MAX_FIELDS {
                let what = format!("the {} have more than {MAX_FIELDS} fields between them", kind.plural());
                return Err(error_at(None, at, what));
            }
            self.collected.records.push(&key(analysis, kind), &record.encode()?)?;
            array.count += 1;
        }
        self.collected.arrays.insert(kind, array);
        Ok(())
    }

    fn record(&mut self, kind: RecordKind, position: u64) -> Result<(Fields, Position)> {
        let at = self
            .walker
            .capture(0, &format!("the {kind}"))
            .map_err(|error| error.context(name(kind, position, None)))?;
        let mut fields = Fields::new();
        match parse::object(self.walker.scanner.captured(), at, &mut fields) {
            Ok(()) => Ok((fields, at)),
            Err(fault) => {
                let id = fields.get("id").and_then(id_text);
                let what = name(kind, position, id.as_deref());
                Err(error_at(None, fault.at, fault.message).context(what))
            }
        }
    }
}
