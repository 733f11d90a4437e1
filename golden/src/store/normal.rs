//! A document's records as a database would give them back: encoded for its columns, and in normal
//! form under its codecs. This is what makes a document and a database comparable.

use std::collections::BTreeSet;

use rusqlite::types::Value as Stored;
use serde_json::Value;

use super::schema::{Column, Findings, Schema, Table};
use crate::document::{AnalysisForm, Digest, Fields, Place, RecordKind, derived_id, id_text, order};
use crate::{Error, Result};

/// A record encoded for its table.
pub struct NormalRow {
    /// The columns of its [`Table`], NULL where the record has none.
    pub columns: Vec<Stored>,
    /// Which of them the record has.
    pub present: Vec<bool>,
    /// Its id as text; none where the database will assign it.
    pub id: Option<String>,
    /// Sorts siblings in normal form's order.
    pub order: Vec<u8>,
    /// Fields that no column takes.
    pub unknown: Vec<String>,
}

/// A chunk, encoded.
pub struct NormalChunk {
    /// Its row.
    pub row: NormalRow,
    /// Its digest in normal form; none where that is the form it was written in.
    pub digest: Option<Digest>,
    /// What it is with its position for `chunk_index`, where it came without one.
    positioned: Option<Positioned>,
}

/// What changes in a chunk that takes its position for `chunk_index`.
struct Positioned {
    column: usize,
    index: Stored,
    order: Vec<u8>,
    digest: Digest,
}

impl NormalChunk {
    /// The chunk with a `chunk_index`: its position, if it came without one. An absent index means NULL in
    /// a record that carries its digest, and where `metadata.columns` lists it; the position elsewhere.
    pub fn with_index(mut self) -> Self {
        let Some(positioned) = self.positioned.take() else { return self };
        self.row.columns[positioned.column] = positioned.index;
        self.row.present[positioned.column] = true;
        self.row.order = positioned.order;
        self.digest = Some(positioned.digest);
        self
    }
}

/// An analysis with its findings and artifacts, encoded.
pub struct NormalAnalysis {
    /// Its row.
    pub row: NormalRow,
    /// Its findings, where those have a table, in normal form's order.
    pub findings: Vec<NormalRow>,
    /// Its artifacts, in normal form's order.
    pub artifacts: Vec<NormalRow>,
    /// Gives its digest in normal form once those of its chunks are known.
    pub form: AnalysisForm,
    /// Fields that stand for whole tables which the database lacks.
    pub unknown_kinds: Vec<RecordKind>,
}

/// Encodes the records of a document for a database.
pub struct Normaliser<'s> {
    schema: &'s Schema,
    /// Fields to leave out, by kind.
    dropped: BTreeSet<(RecordKind, String)>,
}

impl<'s> Normaliser<'s> {
    /// A normaliser for `schema` that leaves the fields of `dropped` out.
    pub fn new(schema: &'s Schema, dropped: BTreeSet<(RecordKind, String)>) -> Self {
        Self { schema, dropped }
    }

    fn drops(&self, kind: RecordKind, field: &str) -> bool {
        !self.dropped.is_empty() && self.dropped.contains(&(kind, field.to_owned()))
    }

    /// Encodes a chunk.
    ///
    /// # Errors
    /// A value that its column would alter.
    pub fn chunk(&self, place: &Place, mut fields: Fields) -> Result<NormalChunk> {
        let table = &self.schema.chunks;
        let (_, name) = place.child.clone().unwrap_or((RecordKind::Chunk, place.analysis.clone()));
        let mut is_as_written = true;
        let lacks_index = !fields.contains_key("chunk_index") && !self.drops(RecordKind::Chunk, "chunk_index");
        if lacks_id(&fields) && !table.assigns_ids {
            let Some(analysis) = &place.analysis.id else {
                return Err(Error::data("it has no `id`, and its analysis's `id` comes after it").guidance(
                    "put the analysis's `id` before its `chunks`, or let golden-verify --seal write normal form",
                ));
            };
            fields.insert("id".into(), Value::from(derived_id(analysis, RecordKind::Chunk, name.position)));
            is_as_written = false;
        }
        let (row, respelt) = self.row(table, fields)?;
        let digest = respelt.or_else(|| (!is_as_written).then(|| decoded(table, &row)));
        let digest = digest.map(|fields| Digest::of_value(&Value::Object(fields)));
        let index = table.columns.iter().position(|column| column.field == "chunk_index");
        let positioned = match index.filter(|_| lacks_index) {
            Some(column) => Some(positioned(table, &row, column, name.position)?),
            None => None,
        };
        Ok(NormalChunk { row, digest, positioned })
    }

    /// Encodes an analysis with its findings and artifacts.
    ///
    /// # Errors
    /// A value that its column would alter.
    pub fn analysis(&self, mut fields: Fields) -> Result<NormalAnalysis> {
        let analysis_id = fields.get("id").and_then(id_text).unwrap_or_default();
        let mut unknown_kinds = Vec::new();
        let mut children = |kind: RecordKind, records: Vec<Value>| -> Result<(Vec<NormalRow>, Vec<Value>)> {
            match self.schema.table(kind) {
                Some(table) => self.children(table, &analysis_id, records),
                None if records.is_empty() || self.dropped.contains(&(kind, String::new())) => Ok(Default::default()),
                None => {
                    unknown_kinds.push(kind);
                    Ok(Default::default())
                }
            }
        };
        let (findings, finding_values) = if self.schema.findings == Findings::Column {
            Default::default()
        } else {
            children(RecordKind::Finding, array(fields.remove("findings")))?
        };
        let artifact_records = match fields.remove("artifact") {
            Some(Value::Null) | None => array(fields.remove("artifacts")),
            Some(one) => vec![one],
        };
        let (artifacts, mut artifact_values) = children(RecordKind::Artifact, artifact_records)?;
        let (row, respelt) = self.row(&self.schema.analyses, fields)?;
        let mut normal = respelt.unwrap_or_else(|| decoded(&self.schema.analyses, &row));
        if !finding_values.is_empty() {
            normal.insert("findings".into(), Value::Array(finding_values));
        }
        match artifact_values.len() {
            0 => {}
            1 => drop(normal.insert("artifact".into(), artifact_values.remove(0))),
            _ => drop(normal.insert("artifacts".into(), Value::Array(artifact_values))),
        }
        Ok(NormalAnalysis { row, findings, artifacts, form: AnalysisForm::new(&normal), unknown_kinds })
    }

    /// Encodes findings or artifacts, sorted into normal form's order.
    fn children(&self, table: &Table, analysis_id: &str, records: Vec<Value>) -> Result<(Vec<NormalRow>, Vec<Value>)> {
        let mut rows = Vec::new();
        for (position, record) in (0..).zip(records) {
            let Value::Object(mut fields) = record else {
                return Err(Error::data(format!("{} {position} is no object", table.kind)));
            };
            if lacks_id(&fields) && !table.assigns_ids {
                fields.insert("id".into(), Value::from(derived_id(analysis_id, table.kind, position)));
            }
            let (row, respelt) =
                self.row(table, fields).map_err(|error| error.context(format!("{} {position}", table.kind)))?;
            let normal = respelt.unwrap_or_else(|| decoded(table, &row));
            rows.push((row, Value::Object(normal)));
        }
        rows.sort_by(|(a, _), (b, _)| a.order.cmp(&b.order));
        Ok(rows.into_iter().unzip())
    }

    /// Encodes one record. The second result is its normal form where that differs from how it was
    /// written: a respelt UUID or timestamp, a NULL or a dropped field left out.
    fn row(&self, table: &Table, fields: Fields) -> Result<(NormalRow, Option<Fields>)> {
        let mut row = NormalRow {
            columns: vec![Stored::Null; table.columns.len()],
            present: vec![false; table.columns.len()],
            id: None,
            order: Vec::new(),
            unknown: Vec::new(),
        };
        let mut is_as_written = true;
        for (field, value) in fields {
            if self.drops(table.kind, &field) {
                is_as_written = false;
                continue;
            }
            let Some(index) = table.columns.iter().position(|column| column.field == field) else {
                row.unknown.push(field);
                continue;
            };
            let column = &table.columns[index];
            row.present[index] = true;
            row.columns[index] = match value {
                // Most of a document is text in text columns, which is what it is.
                Value::String(text) if column.keeps(&text) => Stored::Text(text),
                Value::Null => {
                    is_as_written = false;
                    Stored::Null
                }
                value => {
                    let stored = column.encode(&value)?;
                    is_as_written &= column.decode(stored.clone()).as_ref() == Some(&value);
                    stored
                }
            };
        }
        let value_at = |index: usize| table.columns[index].decode(row.columns[index].clone());
        row.id =
            table.columns.iter().position(|column| column.field == "id").and_then(value_at).as_ref().and_then(id_text);
        row.order = order_key(table, &row.columns);
        let respelt = (!is_as_written).then(|| decoded(table, &row));
        Ok((row, respelt))
    }
}

/// What a chunk is with its position for `chunk_index`.
fn positioned(table: &Table, row: &NormalRow, column: usize, position: u64) -> Result<Positioned> {
    let mut columns = row.columns.clone();
    columns[column] = table.columns[column].encode(&Value::from(position))?;
    Ok(Positioned {
        column,
        index: columns[column].clone(),
        order: order_key(table, &columns),
        digest: Digest::of_value(&Value::Object(table.fields(columns))),
    })
}

/// Sorts a row among its siblings.
fn order_key(table: &Table, columns: &[Stored]) -> Vec<u8> {
    let mut key = Vec::new();
    for &index in &table.order {
        order::push_key(table.columns[index].decode(columns[index].clone()).as_ref(), &mut key);
    }
    key
}

/// Whether a record came without an id, which null says as well.
fn lacks_id(fields: &Fields) -> bool {
    fields.get("id").is_none_or(Value::is_null)
}

/// A row's fields as the database gives them back.
fn decoded(table: &Table, row: &NormalRow) -> Fields {
    table.fields(row.columns.clone())
}

fn array(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(records)) => records,
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![one],
    }
}

impl Schema {
    /// The schema with only those columns for which `keep` answers true.
    pub fn restricted(&self, keep: impl Fn(RecordKind, &Column) -> bool) -> Self {
        let mut schema = self.clone();
        let findings = match &mut schema.findings {
            Findings::Table(table) => Some(table),
            Findings::Column | Findings::Absent => None,
        };
        for table in [&mut schema.analyses, &mut schema.chunks].into_iter().chain(findings).chain(&mut schema.artifacts)
        {
            let order: Vec<String> = table.order.iter().map(|&index| table.columns[index].field.clone()).collect();
            let kind = table.kind;
            table.columns.retain(|column| keep(kind, column));
            let position = |field: &String| table.columns.iter().position(|column| column.field == *field);
            table.order = order.iter().filter_map(position).collect();
        }
        schema
    }
}
