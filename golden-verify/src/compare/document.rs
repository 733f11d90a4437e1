//! The document's side of a comparison: digests of its records as the database would give them back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use golden::document::verify::{Counts, Examined};
use golden::document::{Digest, End, Event, Fields, Place, RecordKind, read_with};
use golden::spill::{Sorted, Sorter};
use golden::store::{Findings, Mapping, NormalRow, Normaliser, Schema, Selection};
use golden::{Error, Result};
use serde_json::Value;

use super::{Comparison, MEMORY, OnlyCounted, SHOWN, chunk_value, key};
use crate::review::{Criteria, Looked, Review, Reviewer};

/// A document that was read, as digests of its records in the database's form.
pub struct Document {
    /// By kind and id. An analysis's value is its own digest, or nothing if it cannot be compared; a
    /// chunk's is two digests and the analysis's id. The second digest holds where an absent `chunk_index`
    /// means the position: what `metadata` says of that may come after the chunks.
    digests: Sorter,
    review: Review,
    metadata: Fields,
    seen: Seen,
    /// The kinds of which a record has no id, in tables that give ids of their own.
    pub without_ids: BTreeSet<RecordKind>,
}

impl Document {
    pub fn read(input: impl Read + Send, criteria: &Criteria, schema: &Schema, progress: impl Fn(u64)) -> Result<Self> {
        let normaliser = Normaliser::new(schema, BTreeSet::new());
        let mut reviewer = Reviewer::new(criteria);
        let mut ended = None;
        let mut digests = Sorter::new(MEMORY);
        // A chunk's value names its analysis, whose id may come after its chunks.
        let mut chunks: Vec<(String, [Digest; 2])> = Vec::new();
        let mut seen = Seen::default();
        let mut without_ids = BTreeSet::new();
        let work = |kind, place: &Place, _, fields: Fields| {
            let looked = criteria.look(kind, place, &fields);
            Record { looked, normal: Normal::of(&normaliser, kind, place, fields) }
        };
        read_with(input, criteria.limits(), work, |event| {
            let review = reviewer.observe(&event)?;
            match event {
                Event::Chunk(chunk) => match chunk.fields.normal {
                    Ok(normal) => {
                        seen.rows(schema, RecordKind::Chunk, std::slice::from_ref(&normal.traits));
                        let digest = normal.digest.unwrap_or(chunk.digest);
                        let mut positioned = digest;
                        // A record that carries its digest is in normal form: what is absent is NULL.
                        if chunk.sealed.is_none()
                            && let Some(digest) = normal.positioned
                        {
                            seen.fields.insert((RecordKind::Chunk, "chunk_index".to_owned()));
                            positioned = digest;
                        }
                        match normal.id {
                            Some(id) => chunks.push((id, [digest, positioned])),
                            None => drop(without_ids.insert(RecordKind::Chunk)),
                        }
                    }
                    Err(error) => seen.unfit(&chunk.place, &error),
                },
                Event::Analysis(analysis) => {
                    progress(1);
                    match analysis.fields.normal {
                        Ok(normal) => {
                            seen.analysis(schema, &normal);
                            let id = normal.id.unwrap_or_default();
                            let own = normal.digest.unwrap_or(analysis.digest);
                            let is_comparable = normal.without_ids.is_empty();
                            let value = if is_comparable { own.bytes().as_slice() } else { &[] };
                            digests.push(&key(RecordKind::Analysis, &id), value)?;
                            without_ids.extend(normal.without_ids);
                            for (chunk, [digest, positioned]) in chunks.drain(..) {
                                let value = [digest.bytes(), chunk_value(&positioned, &id).as_slice()].concat();
                                digests.push(&key(RecordKind::Chunk, &chunk), &value)?;
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
                    ended = review.map(|review| (review, metadata));
                }
            }
            Ok(())
        })?;
        let (review, metadata) = ended.ok_or_else(|| Error::data("the document has no end"))?;
        Ok(Self { digests, review, metadata, seen, without_ids })
    }

    /// The schema as far as the document speaks of it. Ids stay: they tell which record is which.
    pub fn comparable(&self, schema: &Schema) -> Schema {
        let speaks_of = |kind: RecordKind, field: &str| match columns(&self.metadata) {
            Some(columns) => lists(columns, kind, field),
            None => self.seen.fields.contains(&(kind, field.to_owned())),
        };
        inside(schema, speaks_of)
    }

    /// What the document was selected by.
    pub fn selection(&self, mapping: &Mapping, schema: &Schema) -> Selection {
        selection(&self.metadata, mapping, schema)
    }

    /// The kinds that can only be counted, with their numbers here and in the database.
    pub fn only_counted(&self, database: &Counts) -> BTreeMap<&'static str, OnlyCounted> {
        let count = |counts: &Counts, kind: RecordKind| match kind {
            RecordKind::Analysis => counts.analyses,
            RecordKind::Chunk => counts.chunks,
            RecordKind::Finding => counts.findings,
            RecordKind::Artifact => counts.artifacts,
        };
        let counted = |&kind: &RecordKind| {
            let [document, database] = [&self.review.verification.counts, database].map(|counts| count(counts, kind));
            (kind.plural(), OnlyCounted { document, database })
        };
        self.without_ids.iter().map(counted).collect()
    }

    /// Holds the records against the database's, and gives the review.
    pub fn finish(self, comparison: &mut Comparison, database: Sorted) -> Result<Review> {
        let lists_chunks =
            columns(&self.metadata).is_some_and(|columns| columns.contains_key(RecordKind::Chunk.plural()));
        let superseded = if lists_chunks { 32..64 } else { 0..32 };
        let leaves_out_chunks = self.without_ids.contains(&RecordKind::Chunk);
        let is_chunk = |key: &[u8]| key.first() == Some(&(RecordKind::Chunk as u8));
        let ours = self.digests.finish()?.map(|entry| {
            entry.map(|(key, mut value)| {
                if is_chunk(&key) {
                    value.drain(superseded.clone());
                }
                (key, value)
            })
        });
        let ours = ours.filter(|entry| !(leaves_out_chunks && entry.as_ref().is_ok_and(|(key, _)| is_chunk(key))));
        comparison.unknown_fields = self.seen.unknown.into_iter().collect();
        comparison.unfit = self.seen.unfit;
        comparison.add(ours, database)?;
        Ok(self.review)
    }
}

/// The columns that a document lists, if it does.
pub fn columns(metadata: &Fields) -> Option<&Fields> {
    metadata.get("columns").and_then(Value::as_object)
}

/// Whether they list a kind's field.
pub fn lists(columns: &Fields, kind: RecordKind, field: &str) -> bool {
    let fields = columns.get(kind.plural()).and_then(Value::as_array);
    fields.is_some_and(|fields| fields.iter().any(|listed| listed == field))
}

/// What a document was selected by; without a word on it, what the mapping selects.
pub fn selection(metadata: &Fields, mapping: &Mapping, schema: &Schema) -> Selection {
    match metadata.get("selection") {
        _ if schema.filter_column.is_none() => Selection::All,
        Some(Value::Array(values)) => Selection::Filter(values.clone()),
        Some(_) => Selection::All,
        None => Selection::Filter(mapping.analyses.filter.values.clone()),
    }
}

/// The part of a schema that a document speaks of. Ids stay: they tell which record is which.
pub fn inside(schema: &Schema, speaks_of: impl Fn(RecordKind, &str) -> bool) -> Schema {
    let speaks_of_any = |kind: RecordKind| {
        schema.table(kind).is_some_and(|table| table.columns.iter().any(|column| speaks_of(kind, &column.field)))
    };
    let mut inside = schema.restricted(|kind, column| column.field == "id" || speaks_of(kind, &column.field));
    if !speaks_of_any(RecordKind::Artifact) {
        inside.artifacts = None;
    }
    if matches!(inside.findings, Findings::Table(_)) && !speaks_of_any(RecordKind::Finding) {
        inside.findings = Findings::Absent;
    }
    inside
}

struct Record {
    looked: Looked,
    normal: Result<Normal>,
}

impl AsRef<Examined> for Record {
    fn as_ref(&self) -> &Examined {
        self.looked.as_ref()
    }
}

impl AsRef<Looked> for Record {
    fn as_ref(&self) -> &Looked {
        &self.looked
    }
}

/// What is needed of a record in the database's form.
struct Normal {
    /// None where the database gives ids of its own.
    id: Option<String>,
    /// None where the document's own digest is the right one.
    digest: Option<Digest>,
    /// Of a chunk without `chunk_index`: its digest with its position for it.
    positioned: Option<Digest>,
    traits: Traits,
    findings: Vec<Traits>,
    artifacts: Vec<Traits>,
    unknown_kinds: Vec<RecordKind>,
    /// The kinds of which this analysis has records without id.
    without_ids: Vec<RecordKind>,
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
            let lacks_index = !fields.contains_key("chunk_index");
            let mut chunk = normaliser.chunk(place, fields)?;
            let digest = chunk.digest;
            let traits = Traits { present: chunk.row.present.clone(), unknown: std::mem::take(&mut chunk.row.unknown) };
            let id = chunk.row.id.take();
            return Ok(Self {
                id,
                digest,
                positioned: if lacks_index { chunk.with_index().digest } else { None },
                traits,
                findings: Vec::new(),
                artifacts: Vec::new(),
                unknown_kinds: Vec::new(),
                without_ids: Vec::new(),
            });
        }
        let analysis = normaliser.analysis(fields)?;
        let traits = |rows: Vec<NormalRow>| rows.into_iter().map(Traits::from).collect();
        let lacks_ids = |rows: &[NormalRow]| rows.iter().any(|row| row.id.is_none());
        let children = [(RecordKind::Finding, &analysis.findings), (RecordKind::Artifact, &analysis.artifacts)];
        let without_ids = children.iter().filter(|(_, rows)| lacks_ids(rows)).map(|(kind, _)| *kind).collect();
        Ok(Self {
            id: analysis.row.id.clone(),
            digest: Some(analysis.form.digest(&[])),
            positioned: None,
            traits: analysis.row.into(),
            findings: traits(analysis.findings),
            artifacts: traits(analysis.artifacts),
            unknown_kinds: analysis.unknown_kinds,
            without_ids,
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
