//! `--init`: tables for a document, their types inferred over all its values.

use std::collections::{BTreeMap, BTreeSet};

use golden::document::{Fields, Glance, RecordKind, Surveyor, column_of_field, read, survey, time};
use golden::store::{Mapping, is_uuid, quote};
use golden::{Error, Result};
use serde_json::Value;

use crate::document::Document;
use crate::target::{Dialect, Session};

/// The sorts of value a column was seen to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Integer,
    /// An integer that JSON would round: a string, as text may be too.
    BigInteger,
    Real,
    Boolean,
    Uuid,
    Timestamp,
    Text,
    Bytes,
    Json,
    /// JSON that only its text carries.
    JsonText,
}

fn sort_of(glance: Glance<'_>) -> Option<Sort> {
    match glance {
        Glance::Null => None,
        Glance::Boolean => Some(Sort::Boolean),
        Glance::Integer => Some(Sort::Integer),
        Glance::Real => Some(Sort::Real),
        Glance::Text(text) => Some(sort_of_text(text)),
        Glance::Object(Some(("$base64", _))) => Some(Sort::Bytes),
        Glance::Object(Some(("$float", _))) => Some(Sort::Real),
        Glance::Object(Some(("$text", _))) => Some(Sort::Text),
        Glance::Object(Some(("$json", text))) => {
            let is_integer = text.as_str().is_some_and(|text| text.parse::<i64>().is_ok());
            Some(if is_integer { Sort::Json } else { Sort::JsonText })
        }
        Glance::Array | Glance::Object(_) => Some(Sort::Json),
    }
}

/// What else a text may be: only what a column of that type would give back letter by letter.
fn sort_of_text(text: &str) -> Sort {
    let is_timestamp =
        |text: &str| !text.starts_with("0000") && time::normal_form(text).is_some_and(|form| form == text);
    match text.len() {
        16..=20 if text.parse::<i64>().is_ok_and(|integer| is_beyond_json(integer) && integer.to_string() == text) => {
            Sort::BigInteger
        }
        20 | 27 if is_timestamp(text) => Sort::Timestamp,
        36 if is_uuid(text) => Sort::Uuid,
        _ => Sort::Text,
    }
}

fn is_beyond_json(integer: i64) -> bool {
    integer.unsigned_abs() > 1 << 53
}

/// The type that holds all of them exactly; JSON holds anything but bytes.
fn declared(dialect: Dialect, sorts: &BTreeSet<Sort>) -> &'static str {
    use Sort::{BigInteger, Boolean, Bytes, Integer, JsonText, Real, Text, Timestamp, Uuid};
    let only = |some: &[Sort]| sorts.iter().all(|sort| some.contains(sort));
    let is_postgres = dialect == Dialect::Postgres;
    match sorts.iter().next() {
        None => "TEXT",
        Some(Uuid) if is_postgres && only(&[Uuid]) => "UUID",
        Some(Timestamp) if is_postgres && only(&[Timestamp]) => "TIMESTAMP WITH TIME ZONE",
        Some(_) if only(&[BigInteger, Uuid, Timestamp, Text]) => "TEXT",
        Some(_) if only(&[Integer, BigInteger]) => {
            if is_postgres {
                "BIGINT"
            } else {
                "INTEGER"
            }
        }
        Some(_) if only(&[Integer, Real]) => {
            if is_postgres {
                "DOUBLE PRECISION"
            } else {
                "REAL"
            }
        }
        Some(_) if only(&[Boolean]) => "BOOLEAN",
        Some(_) if sorts.contains(&Bytes) => {
            if is_postgres {
                "BYTEA"
            } else {
                "BLOB"
            }
        }
        Some(_) if is_postgres && sorts.contains(&JsonText) => "JSON",
        Some(_) => {
            if is_postgres {
                "JSONB"
            } else {
                "JSON"
            }
        }
    }
}

/// As many columns as the database gives a table, less those that no field stands for.
const fn max_columns(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Sqlite => 1990,
        Dialect::Postgres => 1590,
    }
}

/// The statements that create what a database lacks.
#[derive(Default)]
pub struct Ddl {
    /// Tables.
    pub tables: Vec<String>,
    /// What is made quicker once the rows are there: indexes and, where they can be added, keys.
    pub rest: Vec<String>,
}

/// What a document's records look like.
#[derive(Default)]
pub struct Shape {
    fields: BTreeMap<RecordKind, BTreeMap<String, BTreeSet<Sort>>>,
    listed: Fields,
    dropped: BTreeSet<(RecordKind, String)>,
}

impl Shape {
    /// Looks at a document for the shapes of its records. Fields of `dropped` get no column.
    pub fn of(document: &Document, dropped: &BTreeSet<(RecordKind, String)>) -> Result<Self> {
        let listed = document.metadata.get("columns").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut shape = Self { listed, dropped: dropped.clone(), ..Self::default() };
        let surveyed = survey(document.reader()?, document.limits, |seen: Self| shape.merge(seen));
        if surveyed.is_err() {
            // Whoever reads it all knows which record is wrong, and where.
            read(document.reader()?, document.limits, |_| Ok(()))?;
        }
        surveyed.map(|()| shape)
    }

    fn merge(&mut self, other: Self) {
        for (kind, columns) in other.fields {
            let mine = self.fields.entry(kind).or_default();
            for (name, sorts) in columns {
                mine.entry(name).or_default().extend(sorts);
            }
        }
    }

    /// Whether findings are records of a table rather than a column of the analyses.
    fn has_findings_table(&self, analyses_exist: bool) -> bool {
        let is_table = self.listed.contains_key(RecordKind::Finding.plural());
        is_table || analyses_exist && self.fields.contains_key(&RecordKind::Finding)
    }

    /// The statements that create those of the mapping's tables which the database lacks.
    pub fn missing_tables(&self, session: &mut dyn Session, mapping: &Mapping) -> Result<Ddl> {
        let analyses_exist = session.has_table(mapping.table(RecordKind::Analysis))?;
        let mut ddl = Ddl::default();
        for kind in RecordKind::ALL {
            let is_wanted = match kind {
                RecordKind::Analysis | RecordKind::Chunk => true,
                RecordKind::Finding => self.has_findings_table(analyses_exist),
                RecordKind::Artifact => {
                    self.fields.contains_key(&kind) || self.listed.contains_key(RecordKind::Artifact.plural())
                }
            };
            if is_wanted && !session.has_table(mapping.table(kind))? {
                self.create(kind, session, mapping, &mut ddl)?;
            }
        }
        Ok(ddl)
    }

    fn id_type(&self, dialect: Dialect, kind: RecordKind) -> &'static str {
        let sorts = self.fields.get(&kind).and_then(|columns| columns.get("id")).cloned().unwrap_or_default();
        match declared(dialect, &sorts) {
            found @ ("INTEGER" | "BIGINT" | "UUID") => found,
            _ => "TEXT",
        }
    }

    fn create(&self, kind: RecordKind, session: &mut dyn Session, mapping: &Mapping, ddl: &mut Ddl) -> Result<()> {
        let dialect = session.dialect();
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
        let most = max_columns(dialect);
        if columns.len() > most {
            return Err(Error::data(format!("the {} have more than {most} fields", kind.plural()))
                .guidance("--init makes a column of each, and a table has no more: create the tables yourself"));
        }
        let id_type = match self.id_type(dialect, kind) {
            // As SQLite does with INTEGER.
            "BIGINT" => "BIGINT GENERATED BY DEFAULT AS IDENTITY",
            other => other,
        };
        let (id, relation) = (quote(&column_name("id")), session.relation(mapping.table(kind)));
        let mut lines = Vec::new();
        match dialect {
            Dialect::Sqlite => lines.push(format!("{id} {id_type} NOT NULL PRIMARY KEY")),
            Dialect::Postgres => {
                lines.push(format!("{id} {id_type} NOT NULL"));
                ddl.rest.push(format!("ALTER TABLE {relation} ADD PRIMARY KEY ({id})"));
            }
        }
        if let Some(parent) = mapping.parent(kind) {
            let index = quote(&format!("ix_{}_{parent}", mapping.table(kind)));
            let (parent, parent_type) = (quote(parent), self.id_type(dialect, RecordKind::Analysis));
            let references = format!(
                "REFERENCES {}({}) ON DELETE CASCADE",
                session.relation(mapping.table(RecordKind::Analysis)),
                quote(mapping.columns(RecordKind::Analysis).columns.get("id").map_or("id", String::as_str)),
            );
            ddl.rest.push(format!("CREATE INDEX {index} ON {relation}({parent})"));
            match dialect {
                Dialect::Sqlite => lines.push(format!("{parent} {parent_type} NOT NULL {references}")),
                Dialect::Postgres => {
                    lines.push(format!("{parent} {parent_type} NOT NULL"));
                    ddl.rest.push(format!("ALTER TABLE {relation} ADD FOREIGN KEY ({parent}) {references}"));
                }
            }
        }
        let documented = kind.documented_fields().iter().filter(|field| columns.contains_key(**field));
        let others = columns.keys().filter(|field| !kind.documented_fields().contains(&field.as_str()));
        for field in documented.map(|field| (*field).to_owned()).chain(others.cloned()) {
            let sorts = columns.get(&field).cloned().unwrap_or_default();
            let is_json_findings = kind == RecordKind::Analysis && field == "findings";
            let declared = match dialect {
                Dialect::Postgres if is_json_findings && !sorts.contains(&Sort::JsonText) => "JSONB",
                _ if is_json_findings => "JSON",
                dialect => declared(dialect, &sorts),
            };
            lines.push(format!("{} {declared}", quote(&column_name(&field))));
        }
        if kind == RecordKind::Chunk && mapping.vectors.table.is_none() {
            lines.push(format!("{} {}", quote(&mapping.vectors.column), session.vector_type()?));
        }
        ddl.tables.push(format!("CREATE TABLE {relation}(\n  {}\n)", lines.join(",\n  ")));
        Ok(())
    }
}

impl Surveyor for Shape {
    fn record(&mut self, kind: RecordKind) {
        self.fields.entry(kind).or_default();
    }

    fn field(&mut self, kind: RecordKind, name: &str, glance: Glance<'_>) {
        let columns = self.fields.entry(kind).or_default();
        match columns.get_mut(name) {
            Some(sorts) => sorts.extend(sort_of(glance)),
            None => drop(columns.insert(name.to_owned(), sort_of(glance).into_iter().collect())),
        }
    }
}
