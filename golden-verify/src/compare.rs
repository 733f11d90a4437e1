//! `--db`: whether a database holds what a document says, inside the document's selection and columns.
//!
//! The document's records are put into the form in which the database would give them back, so that
//! digests can be compared. Both sides' digests are sorted by id and merged: memory stays bounded.

use std::collections::BTreeSet;
use std::io::Read;
use std::iter::Peekable;

use golden::cli::{Progress, Reporter};
use golden::document::verify::{Checksums, Counts, Examined, Verification, Verifier, examine};
use golden::document::{Digest, End, Event, Fields, Limits, Place, RecordKind, read_with};
use golden::spill::Sorter;
use golden::store::sqlite::{Dataset, Selection};
use golden::store::{Findings, Location, Mapping, NormalRow, Normaliser, Schema};
use golden::{Error, Result};
use serde::Serialize;
use serde_json::Value;

use crate::cli::Cli;

/// How much memory each side's digests may take.
const MEMORY: usize = 6 << 20;

/// How many differing records of each sort are named; all are counted.
const SHOWN: u64 = 20;

/// What differs between a document and a database.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// What the database has inside the document's selection.
    #[serde(rename = "counts")]
    pub database: Counts,
    /// In the document, not in the database.
    pub missing: Records,
    /// In the database, not in the document.
    pub extra: Records,
    /// In both, with different content.
    pub changed: Records,
    /// Fields of the document that the database has no column for.
    pub unknown_fields: Vec<String>,
    /// Values that the database would alter.
    pub unfit: Vec<String>,
    /// Chunks that semantic search cannot find; none where the database has no place for vectors.
    pub without_vector: Option<u64>,
}

/// Records that differ.
#[derive(Debug, Default, Serialize)]
pub struct Records {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub names: Vec<String>,
}

impl Records {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.count <= SHOWN {
            self.names.push(name());
        }
    }
}

impl Comparison {
    /// Whether the database holds the document's dataset.
    pub fn is_equal(&self) -> bool {
        let counts = [self.missing.count, self.extra.count, self.changed.count];
        counts == [0, 0, 0] && self.unknown_fields.is_empty() && self.unfit.is_empty()
    }
}

/// Reads and verifies a document, and compares it with the database.
pub fn compare(
    cli: &Cli,
    database: &str,
    input: impl Read + Send,
    reporter: &Reporter,
) -> Result<(Verification, Comparison)> {
    let mapping = Mapping::load(cli.schema.as_deref())?;
    let location = Location::find(Some(database))?;
    let (mut connection, schema) = Schema::open(&location.path, &mapping)?;

    let progress = Progress::start(reporter, "verifying", "analyses", None);
    let checksums = if cli.require_checksums { Checksums::Required } else { Checksums::Optional };
    let limits = Limits { max_record: cli.max_record };
    let mut document = Document::read(input, limits, checksums, &schema, |units| progress.advance(units))?;
    drop(progress);

    let schema = document.comparable(&schema);
    let mut comparison = Comparison {
        unknown_fields: std::mem::take(&mut document.unknown).into_iter().collect(),
        unfit: std::mem::take(&mut document.unfit),
        ..Comparison::default()
    };
    let mut dataset = Dataset::select(&mut connection, &schema, &document.selection(&mapping, &schema))?;
    comparison.database = Counts {
        analyses: dataset.counts.analyses,
        chunks: dataset.counts.chunks,
        findings: dataset.counts.findings,
        artifacts: dataset.counts.artifacts,
    };
    let progress = Progress::start(reporter, "comparing", "analyses", Some(dataset.counts.analyses));
    let mut digests = Sorter::new(MEMORY);
    dataset.digests(|analysis| {
        progress.advance(1);
        digests.push(&key(RecordKind::Analysis, &analysis.id), analysis.own.bytes())?;
        for (id, digest) in &analysis.chunks {
            digests.push(&key(RecordKind::Chunk, id), &chunk_value(digest, &analysis.id))?;
        }
        Ok(())
    })?;
    comparison.without_vector = dataset.count_without_vector()?;
    let absent_index = document.absent_index();
    let document_digests =
        document.digests.finish()?.map(|entry| entry.map(|(key, value)| (key, absent_index.choose(value))));
    comparison.merge(document_digests.peekable(), digests.finish()?.peekable())?;
    Ok((document.verification, comparison))
}

/// A document that was read, as digests of its records in the database's form.
struct Document {
    /// By kind and id: the digest, the one that holds if [`AbsentIndex::IsNull`], and for chunks the
    /// analysis's id.
    digests: Sorter,
    verification: Verification,
    metadata: Fields,
    /// The fields that occur, by kind.
    seen: BTreeSet<(RecordKind, String)>,
    unknown: BTreeSet<String>,
    unfit: Vec<String>,
}

impl Document {
    fn read(
        input: impl Read + Send,
        limits: Limits,
        checksums: Checksums,
        schema: &Schema,
        progress: impl Fn(u64),
    ) -> Result<Self> {
        let normaliser = Normaliser::new(schema, BTreeSet::new());
        let mut verifier = Verifier::new(checksums);
        let mut ended = None;
        let mut digests = Sorter::new(MEMORY);
        // A chunk's value names its analysis, whose id may come after its chunks.
        let mut chunks: Vec<(String, [Digest; 2])> = Vec::new();
        let mut seen = Seen::default();
        let work = |kind, place: &Place, fields: Fields| {
            let examined = examine(kind, place, &fields);
            Record { examined, normal: Normal::of(&normaliser, kind, place, fields) }
        };
        read_with(input, limits, work, |event| {
            let verification = verifier.observe(&event)?;
            match event {
                Event::Chunk(chunk) => match chunk.fields.normal {
                    Ok(normal) => {
                        seen.rows(schema, RecordKind::Chunk, &[normal.traits]);
                        let digest = normal.digest.unwrap_or(chunk.digest);
                        chunks.push((normal.id, [digest, normal.digest_without_index.unwrap_or(digest)]));
                    }
                    Err(error) => seen.unfit(&chunk.place, &error),
                },
                Event::Analysis(analysis) => {
                    progress(1);
                    match analysis.fields.normal {
                        Ok(normal) => {
                            seen.analysis(schema, &normal);
                            let own = normal.digest.unwrap_or(analysis.digest);
                            digests.push(&key(RecordKind::Analysis, &normal.id), &[*own.bytes(); 2].concat())?;
                            for (id, [digest, without_index]) in chunks.drain(..) {
                                let value =
                                    [digest.bytes(), chunk_value(&without_index, &normal.id).as_slice()].concat();
                                digests.push(&key(RecordKind::Chunk, &id), &value)?;
                            }
                        }
                        Err(error) => seen.unfit(&analysis.place, &error),
                    }
                    chunks.clear();
                }
                Event::End(End { mut top_level, .. }) => {
                    let metadata = match top_level.remove("metadata") {
                        Some(Value::Object(metadata)) => metadata,
                        _ => Fields::new(),
                    };
                    ended = verification.map(|verification| (verification, metadata));
                }
            }
            Ok(())
        })?;
        let (verification, metadata) = ended.ok_or_else(|| Error::data("the document has no end"))?;
        let Seen { fields: seen, unknown, unfit } = seen;
        Ok(Self { digests, verification, metadata, seen, unknown, unfit })
    }

    /// The schema as far as the document speaks of it.
    fn comparable(&self, schema: &Schema) -> Schema {
        let listed = self.metadata.get("columns").and_then(Value::as_object);
        let speaks_of = |kind: RecordKind, field: &str| match listed {
            Some(columns) => {
                let fields = columns.get(kind.plural()).and_then(Value::as_array);
                fields.is_some_and(|fields| fields.iter().any(|listed| listed == field))
            }
            None => self.seen.contains(&(kind, field.to_owned())),
        };
        let mut schema = schema.restricted(|kind, column| speaks_of(kind, &column.field));
        if schema.artifacts.as_ref().is_some_and(|table| table.columns.is_empty()) {
            schema.artifacts = None;
        }
        if matches!(&schema.findings, Findings::Table(table) if table.columns.is_empty()) {
            schema.findings = Findings::Absent;
        }
        schema
    }

    /// What a chunk without `chunk_index` means here.
    fn absent_index(&self) -> AbsentIndex {
        let columns = self.metadata.get("columns").and_then(|columns| columns.get(RecordKind::Chunk.plural()));
        if columns.is_some() { AbsentIndex::IsNull } else { AbsentIndex::IsPosition }
    }

    /// What the document was selected by; without a word on it, what the mapping selects.
    fn selection(&self, mapping: &Mapping, schema: &Schema) -> Selection {
        match self.metadata.get("selection") {
            _ if schema.filter_column.is_none() => Selection::All,
            Some(Value::Array(values)) => Selection::Filter(values.clone()),
            Some(_) => Selection::All,
            None => Selection::Filter(mapping.analyses.filter.values.clone()),
        }
    }
}

/// What a chunk without `chunk_index` means: in a document that lists its columns NULL, else the chunk's
/// position. The list may come after the chunks.
#[derive(Clone, Copy)]
enum AbsentIndex {
    IsPosition,
    IsNull,
}

impl AbsentIndex {
    /// Takes the digest that does not hold out of a value of [`Document::digests`].
    fn choose(self, mut value: Vec<u8>) -> Vec<u8> {
        let discarded = match self {
            Self::IsPosition => 32..64,
            Self::IsNull => 0..32,
        };
        value.drain(discarded);
        value
    }
}

struct Record {
    examined: Examined,
    normal: Result<Normal>,
}

impl AsRef<Examined> for Record {
    fn as_ref(&self) -> &Examined {
        &self.examined
    }
}

/// What is needed of a record in the database's form.
struct Normal {
    id: String,
    /// None where the document's own digest is the right one.
    digest: Option<Digest>,
    /// Of a chunk without `chunk_index`: the digest that holds if that means NULL.
    digest_without_index: Option<Digest>,
    traits: Traits,
    findings: Vec<Traits>,
    artifacts: Vec<Traits>,
    unknown_kinds: Vec<RecordKind>,
}

/// Which columns a record has, and which fields have no column.
struct Traits {
    present: Vec<bool>,
    unknown: Vec<String>,
}

impl From<NormalRow> for Traits {
    fn from(row: NormalRow) -> Self {
        Self { present: row.present, unknown: row.unknown }
    }
}

impl Normal {
    fn of(normaliser: &Normaliser<'_>, kind: RecordKind, place: &Place, fields: Fields) -> Result<Self> {
        if kind == RecordKind::Chunk {
            let digest_without_index = if fields.contains_key("chunk_index") {
                None
            } else {
                let mut fields = fields.clone();
                fields.insert("chunk_index".to_owned(), Value::Null);
                normaliser.chunk(place, fields)?.digest
            };
            let chunk = normaliser.chunk(place, fields)?;
            return Ok(Self {
                digest_without_index,
                id: chunk.row.id.clone().unwrap_or_default(),
                digest: chunk.digest,
                traits: chunk.row.into(),
                findings: Vec::new(),
                artifacts: Vec::new(),
                unknown_kinds: Vec::new(),
            });
        }
        let analysis = normaliser.analysis(fields)?;
        let traits = |rows: Vec<NormalRow>| rows.into_iter().map(Traits::from).collect();
        Ok(Self {
            id: analysis.row.id.clone().unwrap_or_default(),
            digest: Some(analysis.form.digest(&[])),
            digest_without_index: None,
            traits: analysis.row.into(),
            findings: traits(analysis.findings),
            artifacts: traits(analysis.artifacts),
            unknown_kinds: analysis.unknown_kinds,
        })
    }
}

/// What the document's records have that the database has, and what it has not.
#[derive(Default)]
struct Seen {
    fields: BTreeSet<(RecordKind, String)>,
    unknown: BTreeSet<String>,
    unfit: Vec<String>,
}

impl Seen {
    fn analysis(&mut self, schema: &Schema, normal: &Normal) {
        self.rows(schema, RecordKind::Analysis, std::slice::from_ref(&normal.traits));
        self.rows(schema, RecordKind::Finding, &normal.findings);
        self.rows(schema, RecordKind::Artifact, &normal.artifacts);
        self.unknown.extend(normal.unknown_kinds.iter().map(|kind| kind.plural().to_owned()));
    }

    fn rows(&mut self, schema: &Schema, kind: RecordKind, rows: &[Traits]) {
        let Some(table) = schema.table(kind) else { return };
        for row in rows {
            let present = table.columns.iter().zip(&row.present).filter(|(_, present)| **present);
            for (column, _) in present {
                if !self.fields.contains(&(kind, column.field.clone())) {
                    self.fields.insert((kind, column.field.clone()));
                }
            }
            self.unknown.extend(row.unknown.iter().map(|field| format!("{}.{field}", kind.plural())));
        }
    }

    fn unfit(&mut self, place: &Place, error: &Error) {
        if (self.unfit.len() as u64) < SHOWN {
            self.unfit.push(format!("{place}: {}", error.message()));
        }
    }
}

/// Sorts records by kind and id.
fn key(kind: RecordKind, id: &str) -> Vec<u8> {
    [&[kind as u8], id.as_bytes()].concat()
}

/// A chunk that moved to another analysis has changed, though its fields have not.
fn chunk_value(digest: &Digest, analysis_id: &str) -> Vec<u8> {
    [digest.bytes(), analysis_id.as_bytes()].concat()
}

/// What a key and its value say: `chunk c1 of analysis a1`.
fn name(key: &[u8], value: &[u8]) -> String {
    let id = String::from_utf8_lossy(&key[1..]);
    match key[0] == RecordKind::Chunk as u8 {
        true => format!("chunk {id} of analysis {}", String::from_utf8_lossy(&value[32..])),
        false => format!("analysis {id}"),
    }
}

/// A key and its value.
type Entry = (Vec<u8>, Vec<u8>);

impl Comparison {
    /// Walks both sides by id.
    fn merge(
        &mut self,
        mut document: Peekable<impl Iterator<Item = Result<Entry>>>,
        mut database: Peekable<impl Iterator<Item = Result<Entry>>>,
    ) -> Result<()> {
        loop {
            let order = match (key_ahead(&mut document), key_ahead(&mut database)) {
                (None, None) => return Ok(()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(ours), Some(theirs)) => ours.cmp(theirs),
            };
            let ours = if order.is_le() { document.next().transpose()? } else { None };
            let theirs = if order.is_ge() { database.next().transpose()? } else { None };
            match (ours, theirs) {
                (Some((_, ours)), Some((_, theirs))) if ours == theirs => {}
                (Some((key, value)), Some(_)) => self.changed.add(|| name(&key, &value)),
                (Some((key, value)), None) => self.missing.add(|| name(&key, &value)),
                (None, Some((key, value))) => self.extra.add(|| name(&key, &value)),
                (None, None) => return Ok(()),
            }
        }
    }
}

/// The next entry's key; an error that is next counts as the smallest, so that it comes out at once.
fn key_ahead(entries: &mut Peekable<impl Iterator<Item = Result<Entry>>>) -> Option<&[u8]> {
    entries.peek().map(|entry| entry.as_ref().map_or(&[][..], |(key, _)| key))
}
