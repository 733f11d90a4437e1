//! A database's tables as the mapping sees them: which columns travel under which names.

use std::collections::BTreeMap;

use rusqlite::types::Value as Stored;
use serde_json::Value;

use super::affinity::Affinity;
use super::codec::{Codec, UuidForm, is_uuid};
use super::postgres::{Scalar, Type};
use super::quote;
use crate::document::{Fields, RecordKind};
use crate::{Error, Result};

/// A column that travels.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name in the database.
    pub name: String,
    /// Its name in the document.
    pub field: String,
    /// The type it was declared with.
    pub declared: String,
    /// How its values become JSON.
    pub codec: Codec,
    /// What the database does to values on their way in.
    pub affinity: Affinity,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Whether a row that does not name it gets a value all the same.
    pub has_default: bool,
}

impl Column {
    /// The JSON of a stored value; none for NULL.
    pub fn decode(&self, stored: Stored) -> Option<Value> {
        self.codec.decode(self.affinity, stored)
    }

    /// Whether a text is certainly stored as it is and travels as it is, which is so for nearly all there are.
    pub(super) fn keeps(&self, text: &str) -> bool {
        match (self.codec, self.affinity) {
            (Codec::Plain, Affinity::Text) => true,
            (Codec::Plain, Affinity::Typed(Type::One(Scalar::Text(limit)))) => {
                // As many bytes are no more characters.
                limit.is_none_or(|limit| text.len() <= limit as usize) && !text.contains('\0')
            }
            (Codec::Uuid(UuidForm::Hyphenated), Affinity::Typed(Type::One(Scalar::Uuid))) => is_uuid(text),
            _ => false,
        }
    }

    /// The stored value that PostgreSQL spells so.
    pub fn read(&self, spelled: &str) -> Stored {
        match self.affinity {
            Affinity::Typed(column_type) => column_type.read(spelled),
            _ => Stored::Text(spelled.to_owned()),
        }
    }

    /// The stored value of a JSON value, as the column will hold it.
    pub fn encode(&self, value: &Value) -> Result<Stored> {
        self.normalise(value).map(|(stored, _)| stored)
    }

    /// The stored value of a JSON value, and the JSON that the database will give back for it.
    pub fn normalise(&self, value: &Value) -> Result<(Stored, Option<Value>)> {
        self.codec.normalise(self.affinity, value).map_err(|error| error.context(format!("field `{}`", self.field)))
    }
}

/// A table and those of its columns that travel, by field name.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What its rows are.
    pub kind: RecordKind,
    /// Its name, as the mapping says it.
    pub name: String,
    /// How SQL names it: qualified and quoted.
    pub relation: String,
    /// The columns that travel.
    pub columns: Vec<Column>,
    /// The column that refers to the analysis; none for analyses themselves.
    pub parent: Option<String>,
    /// The columns by which a row is found again: the row number or the primary key in SQLite, the place
    /// of the row in PostgreSQL.
    pub locator: Vec<KeyColumn>,
    /// Whether the database sees to it that no id stands twice.
    pub has_unique_ids: bool,
    /// Whether the database gives integers for ids to rows inserted without one.
    pub assigns_ids: bool,
    /// Positions in `columns` of the fields that give the reading order.
    pub order: Vec<usize>,
}

impl Table {
    /// The column that travels as `field`.
    pub fn column(&self, field: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// The column that identifies a row.
    pub fn id(&self) -> Result<&Column> {
        self.column("id").ok_or_else(|| {
            Error::usage(format!("table `{}` has no column for `id`", self.name))
                .guidance(format!("name it in golden.toml: [{}.columns] id = \"…\"", self.kind.plural()))
        })
    }

    /// A row's fields; NULLs are left out.
    ///
    /// # Errors
    /// Text that is not UTF-8 cannot come here: reading a row refuses it.
    pub fn fields(&self, row: Vec<Stored>) -> Fields {
        let decoded = self.columns.iter().zip(row);
        decoded.filter_map(|(column, stored)| Some((column.field.clone(), column.decode(stored)?))).collect()
    }
}

/// A column by which a row is found again.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// How its values are compared.
    pub affinity: Affinity,
}

/// Where findings are.
#[derive(Clone, Debug, PartialEq)]
pub enum Findings {
    /// In a table of their own.
    Table(Table),
    /// In a JSON column of the analyses.
    Column,
    /// Nowhere.
    Absent,
}

/// How vectors are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorEncoding {
    /// Little-endian 32-bit floats, as numpy, FAISS and sqlite-vec read.
    Blob,
    /// A JSON array as text.
    JsonText,
    /// pgvector's `vector` or `halfvec`, which read and write a JSON array of numbers.
    Vector,
    /// A PostgreSQL array of floating-point numbers.
    Array,
}

/// Which table holds the vectors.
#[derive(Clone, Debug, PartialEq)]
pub enum VectorPlace {
    /// A column of the chunks.
    ChunkColumn,
    /// A table of its own, one row a chunk.
    Table {
        /// Its name, as the mapping says it.
        name: String,
        /// How SQL names it: qualified and quoted.
        relation: String,
        /// The column that refers to the chunk.
        chunk: String,
    },
}

/// The column that holds vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorColumn {
    /// Which table it is in.
    pub place: VectorPlace,
    /// Its name.
    pub name: String,
    /// How it stores a vector.
    pub encoding: VectorEncoding,
    /// Numbers in a vector, where the declared type fixes that.
    pub dimension: Option<u64>,
    /// Whether NULL is refused.
    pub not_null: bool,
}

/// The dataset's tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// The analyses.
    pub analyses: Table,
    /// Their chunks.
    pub chunks: Table,
    /// Their findings.
    pub findings: Findings,
    /// Their artifacts, where the database keeps any.
    pub artifacts: Option<Table>,
    /// Where vectors are, if the database has a place for them.
    pub vectors: Option<VectorColumn>,
    /// How SQL names the table, be it there or not, that says what made each vector: `golden_vectors`.
    pub vector_notes: String,
    /// The column that the filter looks at; none where the table has no such column.
    pub filter_column: Option<String>,
    /// Forms of timestamp columns that differ from their declared type's, by table and field.
    pub forms: BTreeMap<&'static str, BTreeMap<String, &'static str>>,
}

impl Schema {
    /// The table of one kind of record, where there is one.
    pub fn table(&self, kind: RecordKind) -> Option<&Table> {
        match kind {
            RecordKind::Analysis => Some(&self.analyses),
            RecordKind::Chunk => Some(&self.chunks),
            RecordKind::Finding => match &self.findings {
                Findings::Table(table) => Some(table),
                Findings::Column | Findings::Absent => None,
            },
            RecordKind::Artifact => self.artifacts.as_ref(),
        }
    }

    /// Every table, parents first.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        RecordKind::ALL.into_iter().filter_map(|kind| self.table(kind))
    }

    /// An SQL condition that holds for chunks (aliased `t`) that have a vector; none where the
    /// database has no place for vectors.
    pub fn has_vector_condition(&self) -> Result<Option<String>> {
        let Some(vectors) = &self.vectors else { return Ok(None) };
        let column = quote(&vectors.name);
        Ok(Some(match &vectors.place {
            VectorPlace::ChunkColumn => format!("t.{column} IS NOT NULL"),
            VectorPlace::Table { relation, chunk, .. } => format!(
                "EXISTS (SELECT 1 FROM {relation} v WHERE v.{} = t.{} AND v.{column} IS NOT NULL)",
                quote(chunk),
                quote(&self.chunks.id()?.name),
            ),
        }))
    }

    /// `metadata.columns`: the fields that travel, by table, sorted.
    pub fn columns(&self) -> Value {
        let names = |table: &Table| {
            let mut fields: Vec<_> = table.columns.iter().map(|column| column.field.clone()).collect();
            fields.sort();
            Value::from(fields)
        };
        self.tables().map(|table| (table.kind.plural().to_owned(), names(table))).collect::<Fields>().into()
    }
}
