//! `--init`: tables for a document, their types inferred over all its values.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use golden::document::{Event, Fields, Limits, RecordKind, column_of_field, read_with};
use golden::store::Mapping;
use golden::store::sqlite::quote;
use golden::{Error, Result};
use rusqlite::Connection;
use serde_json::Value;

/// The sorts of value a column was seen to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Integer,
    Real,
    Boolean,
    Text,
    Bytes,
    Json,
}

fn sort_of(value: &Value) -> Option<Sort> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(Sort::Boolean),
        Value::Number(number) => Some(if number.as_i64().is_some() { Sort::Integer } else { Sort::Real }),
        Value::String(_) => Some(Sort::Text),
        Value::Array(_) => Some(Sort::Json),
        Value::Object(members) => Some(match members.keys().next().map(String::as_str) {
            Some("$base64") if members.len() == 1 => Sort::Bytes,
            Some("$float") if members.len() == 1 => Sort::Real,
            Some("$text") if members.len() == 1 => Sort::Text,
            _ => Sort::Json,
        }),
    }
}

/// The type that holds all of them exactly; JSON holds anything but bytes.
fn declared(sorts: &BTreeSet<Sort>) -> &'static str {
    let sorts: Vec<Sort> = sorts.iter().copied().collect();
    match sorts.as_slice() {
        [] | [Sort::Text] => "TEXT",
        [Sort::Integer] => "INTEGER",
        [Sort::Real] | [Sort::Integer, Sort::Real] => "REAL",
        [Sort::Boolean] => "BOOLEAN",
        sorts if sorts.contains(&Sort::Bytes) => "BLOB",
        _ => "JSON",
    }
}

/// As many columns as SQLite gives a table, less those that no field stands for.
const MAX_COLUMNS: usize = 1990;

/// What a document's records look like.
#[derive(Default)]
pub struct Shape {
    fields: BTreeMap<RecordKind, BTreeMap<String, BTreeSet<Sort>>>,
    listed: Fields,
    dropped: BTreeSet<(RecordKind, String)>,
}

impl Shape {
    /// Reads a document for the shapes of its records. Fields of `dropped` get no column.
    pub fn of(
        input: impl Read + Send,
        limits: Limits,
        metadata: &Fields,
        dropped: &BTreeSet<(RecordKind, String)>,
    ) -> Result<Self> {
        let listed = metadata.get("columns").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut shape = Self { listed, dropped: dropped.clone(), ..Self::default() };
        let look = |kind: RecordKind, _: &_, fields: Fields| {
            let mut seen = Self::default();
            match kind {
                RecordKind::Analysis => seen.analysis(&fields),
                kind => seen.record(kind, &fields),
            }
            seen
        };
        read_with(input, limits, look, |event| match event {
            Event::Chunk(chunk) => shape.merge(chunk.fields),
            Event::Analysis(analysis) => shape.merge(analysis.fields),
            Event::End(_) => Ok(()),
        })?;
        Ok(shape)
    }

    fn analysis(&mut self, fields: &Fields) {
        for (kind, name) in
            [(RecordKind::Finding, "findings"), (RecordKind::Artifact, "artifact"), (RecordKind::Artifact, "artifacts")]
        {
            let records = match fields.get(name) {
                Some(Value::Array(records)) => records.iter().collect(),
                Some(one) => vec![one],
                None => Vec::new(),
            };
            for record in records.into_iter().filter_map(Value::as_object) {
                self.record(kind, record);
            }
        }
        let own = fields.iter().filter(|(name, _)| !["artifact", "artifacts"].contains(&name.as_str()));
        self.fields_of(RecordKind::Analysis, own);
    }

    fn record(&mut self, kind: RecordKind, fields: &Fields) {
        self.fields_of(kind, fields.iter());
    }

    fn fields_of<'f>(&mut self, kind: RecordKind, fields: impl Iterator<Item = (&'f String, &'f Value)>) {
        let columns = self.fields.entry(kind).or_default();
        for (name, value) in fields {
            columns.entry(name.clone()).or_default().extend(sort_of(value));
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        for (kind, columns) in other.fields {
            let mine = self.fields.entry(kind).or_default();
            for (name, sorts) in columns {
                mine.entry(name).or_default().extend(sorts);
            }
            if mine.len() > MAX_COLUMNS {
                return Err(Error::data(format!("the {} have more than {MAX_COLUMNS} fields", kind.plural()))
                    .guidance("--init makes a column of each, and SQLite has no more: create the tables yourself"));
            }
        }
        Ok(())
    }

    /// Whether findings are records of a table rather than a column of the analyses.
    fn has_findings_table(&self, analyses_exist: bool) -> bool {
        let is_table = self.listed.contains_key(RecordKind::Finding.plural());
        is_table || analyses_exist && self.fields.contains_key(&RecordKind::Finding)
    }

    /// The statements that create those of the mapping's tables which the database lacks.
    pub fn missing_tables(&self, database: &Connection, mapping: &Mapping) -> Result<Vec<String>> {
        let exists = |name: &str| -> Result<bool> {
            let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE";
            Ok(database.query_row(sql, [name], |row| row.get(0))?)
        };
        let analyses_exist = exists(mapping.table(RecordKind::Analysis))?;
        let mut statements = Vec::new();
        for kind in RecordKind::ALL {
            let is_wanted = match kind {
                RecordKind::Analysis | RecordKind::Chunk => true,
                RecordKind::Finding => self.has_findings_table(analyses_exist),
                RecordKind::Artifact => {
                    self.fields.contains_key(&kind) || self.listed.contains_key(RecordKind::Artifact.plural())
                }
            };
            if is_wanted && !exists(mapping.table(kind))? {
                statements.extend(self.create(kind, mapping));
            }
        }
        Ok(statements)
    }

    fn id_type(&self, kind: RecordKind) -> &'static str {
        let sorts = self.fields.get(&kind).and_then(|columns| columns.get("id"));
        if sorts == Some(&BTreeSet::from([Sort::Integer])) { "INTEGER" } else { "TEXT" }
    }

    fn create(&self, kind: RecordKind, mapping: &Mapping) -> Vec<String> {
        let mut columns: BTreeMap<String, BTreeSet<Sort>> = self.fields.get(&kind).cloned().unwrap_or_default();
        for field in self.listed.get(kind.plural()).and_then(Value::as_array).into_iter().flatten() {
            columns.entry(field.as_str().unwrap_or_default().to_owned()).or_default();
        }
        if kind == RecordKind::Analysis && self.has_findings_table(false) {
            columns.remove("findings");
        }
        if kind == RecordKind::Chunk {
            columns.entry("content".into()).or_default().insert(Sort::Text);
            columns.entry("chunk_index".into()).or_default().insert(Sort::Integer);
        }
        columns.remove("");
        // Nesting says what a record belongs to.
        columns.retain(|field, _| {
            let is_parent = mapping.parent(kind).is_some_and(|parent| parent.eq_ignore_ascii_case(field));
            !is_parent && !self.dropped.contains(&(kind, field.clone()))
        });
        let names = mapping.columns(kind).columns;
        let column_name =
            |field: &str| names.get(field).map_or_else(|| column_of_field(field), String::as_str).to_owned();
        columns.remove("id");
        let mut lines = vec![format!("{} {} NOT NULL PRIMARY KEY", quote(&column_name("id")), self.id_type(kind))];
        if let Some(parent) = mapping.parent(kind) {
            lines.push(format!(
                "{} {} NOT NULL REFERENCES {}({}) ON DELETE CASCADE",
                quote(parent),
                self.id_type(RecordKind::Analysis),
                quote(mapping.table(RecordKind::Analysis)),
                quote(mapping.columns(RecordKind::Analysis).columns.get("id").map_or("id", String::as_str)),
            ));
        }
        let documented = kind.documented_fields().iter().filter(|field| columns.contains_key(**field));
        let others = columns.keys().filter(|field| !kind.documented_fields().contains(&field.as_str()));
        for field in documented.map(|field| (*field).to_owned()).chain(others.cloned()) {
            let sorts = columns.get(&field).cloned().unwrap_or_default();
            let is_json_findings = kind == RecordKind::Analysis && field == "findings";
            let declared = if is_json_findings { "JSON" } else { declared(&sorts) };
            lines.push(format!("{} {declared}", quote(&column_name(&field))));
        }
        if kind == RecordKind::Chunk && mapping.vectors.table.is_none() {
            lines.push(format!("{} BLOB", quote(&mapping.vectors.column)));
        }
        let table = mapping.table(kind);
        let mut statements = vec![format!("CREATE TABLE {}(\n  {}\n)", quote(table), lines.join(",\n  "))];
        if let Some(parent) = mapping.parent(kind) {
            let index = quote(&format!("ix_{table}_{parent}"));
            statements.push(format!("CREATE INDEX {index} ON {}({})", quote(table), quote(parent)));
        }
        statements
    }
}
