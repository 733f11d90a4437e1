//! From the tables a database declares to those that the mapping sees: the part that is the same for
//! every database.

use std::collections::BTreeMap;

use super::affinity::Affinity;
use super::codec::{Codec, UuidForm};
use super::mapping::Mapping;
use super::schema::{Column, Findings, Schema, Table, VectorColumn, VectorEncoding, VectorPlace};
use super::vector::declared_dimension;
use crate::document::{RecordKind, field_of_column};
use crate::{Error, Result};

/// A column as a database declares it.
pub(super) struct Declared {
    pub name: String,
    /// Its type, as the database spells it.
    pub declared: String,
    pub codec: Codec,
    pub affinity: Affinity,
    pub not_null: bool,
    pub has_default: bool,
    /// Its place in the primary key, from 1; 0 outside it.
    pub key_place: i64,
    /// Whether the database computes it: then it does not travel.
    pub computed: bool,
}

/// The columns of a table.
pub(super) struct Columns(pub Vec<Declared>);

impl Columns {
    /// The column of that name; of names that differ in case only the exact one.
    pub(super) fn named(&self, name: &str) -> Option<&Declared> {
        let exact = self.0.iter().find(|column| column.name == name);
        exact.or_else(|| self.0.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// Whether a column is the one of that name.
    pub(super) fn is(&self, column: &Declared, name: &str) -> bool {
        self.named(name).is_some_and(|named| named.name == column.name)
    }

    /// The column that refers to the analysis, by its own name; none for analyses themselves.
    pub(super) fn parent(&self, mapping: &Mapping, kind: RecordKind) -> Result<Option<String>> {
        let Some(parent) = mapping.parent(kind) else { return Ok(None) };
        match self.named(parent) {
            Some(column) => Ok(Some(column.name.clone())),
            None => Err(Error::usage(format!(
                "table `{}` has no column `{parent}` that refers to the analysis",
                mapping.table(kind)
            ))
            .guidance(format!("name it in golden.toml: [{}] parent = \"…\"", kind.plural()))),
        }
    }

    /// Those that travel, under their document names.
    pub(super) fn travelling(&self, mapping: &Mapping, kind: RecordKind) -> Result<Vec<Column>> {
        let named = mapping.columns(kind);
        for column in named.columns.values().chain(named.computed) {
            if self.named(column).is_none() {
                return Err(Error::usage(format!("table `{}` has no column `{column}`", mapping.table(kind)))
                    .guidance(format!("golden.toml names it in [{}]", kind.plural())));
            }
        }
        let field_names: Vec<&str> = named.columns.keys().map(String::as_str).collect();
        let stays = |column: &&Declared| {
            let is_parent = mapping.parent(kind).is_some_and(|parent| self.is(column, parent));
            let is_vector = kind == RecordKind::Chunk
                && mapping.vectors.table.is_none()
                && self.is(column, &mapping.vectors.column);
            let is_computed = named.computed.iter().any(|name| self.is(column, name));
            !(column.computed || is_parent || is_vector || is_computed)
        };
        let mut columns: Vec<Column> = Vec::new();
        for column in self.0.iter().filter(stays) {
            let mut renamed = named.columns.iter().filter(|(_, name)| self.is(column, name)).map(|(field, _)| field);
            let field = match (renamed.next(), renamed.next()) {
                (Some(field), Some(other)) => {
                    return Err(Error::usage(format!("golden.toml names column `{}` for two fields", column.name))
                        .guidance(format!("in [{}.columns], for `{field}` and for `{other}`", kind.plural())));
                }
                (Some(field), None) => field.clone(),
                // A column whose name the mapping gave to another steps aside.
                (None, _) => field_of_column(self.documented_name(kind, &column.name), &field_names),
            };
            let codec = match named.types.get(&field) {
                Some(column_type) => Codec::of_mapping(*column_type),
                None if field == "id" && column.declared.eq_ignore_ascii_case("BLOB") => Codec::Uuid(UuidForm::Bytes),
                None if field == "findings" && kind == RecordKind::Analysis => Codec::Json,
                None => column.codec,
            };
            columns.push(Column {
                name: column.name.clone(),
                field,
                declared: column.declared.clone(),
                codec,
                affinity: column.affinity,
                not_null: column.not_null,
                has_default: column.has_default,
            });
        }
        if let Some(field) = named.types.keys().find(|field| !columns.iter().any(|column| column.field == **field)) {
            return Err(Error::usage(format!("no column of table `{}` travels as `{field}`", mapping.table(kind)))
                .guidance(format!("golden.toml names it in [{}.types]", kind.plural())));
        }
        Ok(columns)
    }

    /// A column's name as the document writes it: SQL does not tell `ID` from `id`, unless both are there.
    fn documented_name<'n>(&self, kind: RecordKind, column: &'n str) -> &'n str {
        let documented = kind.documented_fields().iter().find(|field| field.eq_ignore_ascii_case(column));
        documented.filter(|field| self.named(field).is_some_and(|named| named.name == column)).unwrap_or(&column)
    }
}

impl Table {
    /// Sets the reading order, the id at the end so that no two rows are equal.
    pub(super) fn set_order(&mut self, mapping: &Mapping) -> Result<()> {
        let default = Mapping::default();
        let mut fields = mapping.order(self.kind);
        let is_default = fields == default.order(self.kind);
        if !fields.contains(&"id") {
            fields.push("id");
        }
        self.order.clear();
        for field in fields {
            match self.columns.iter().position(|column| column.field == field) {
                Some(index) => self.order.push(index),
                None if is_default => {}
                None => {
                    return Err(Error::usage(format!("table `{}` has no column for `{field}`", self.name))
                        .guidance(format!("correct `order` in golden.toml, [{}]", self.kind.plural())));
                }
            }
        }
        Ok(())
    }
}

/// What a database says of its tables.
pub(super) trait Catalog {
    /// The table of one kind of record; none where there is no table of the name.
    fn table(&mut self, mapping: &Mapping, kind: RecordKind) -> Result<Option<Table>>;

    /// The columns of the table of that name, and how SQL names it; no columns where there is none.
    fn columns(&mut self, table: &str) -> Result<(Columns, String)>;

    /// The names of the first tables there are.
    fn table_names(&mut self) -> Vec<String>;

    /// How SQL names `golden_vectors`, which belongs beside the chunks.
    fn notes(&mut self, chunks: &str) -> Result<String>;

    /// How a column stores vectors; none where it cannot.
    fn vector_encoding(&self, column: &Declared) -> Option<VectorEncoding>;
}

/// Learns the dataset's tables. A missing table of analyses or chunks is an error; findings and
/// artifacts may be absent unless the mapping names them.
pub(super) fn schema(catalog: &mut impl Catalog, mapping: &Mapping) -> Result<Schema> {
    let analyses = required(catalog, mapping, RecordKind::Analysis)?;
    let findings = match optional(catalog, mapping, RecordKind::Finding)? {
        Some(table) => Findings::Table(table),
        None if analyses.column("findings").is_some() => Findings::Column,
        None => Findings::Absent,
    };
    let filter = catalog.columns(&mapping.analyses.table)?.0;
    let mut schema = Schema {
        chunks: required(catalog, mapping, RecordKind::Chunk)?,
        artifacts: optional(catalog, mapping, RecordKind::Artifact)?,
        vectors: vectors(catalog, mapping)?,
        vector_notes: catalog.notes(&mapping.chunks.table)?,
        filter_column: filter.named(&mapping.analyses.filter.column).map(|column| column.name.clone()),
        forms: BTreeMap::new(),
        analyses,
        findings,
    };
    escape_structural(&mut schema);
    Ok(schema)
}

fn required(catalog: &mut impl Catalog, mapping: &Mapping, kind: RecordKind) -> Result<Table> {
    catalog.table(mapping, kind)?.ok_or_else(|| missing_table(catalog, mapping, kind))
}

fn optional(catalog: &mut impl Catalog, mapping: &Mapping, kind: RecordKind) -> Result<Option<Table>> {
    match catalog.table(mapping, kind)? {
        None if mapping.table(kind) != Mapping::default().table(kind) => Err(missing_table(catalog, mapping, kind)),
        found => Ok(found),
    }
}

fn missing_table(catalog: &mut impl Catalog, mapping: &Mapping, kind: RecordKind) -> Error {
    let names = catalog.table_names();
    let found = if names.is_empty() { "it has no tables".to_owned() } else { format!("it has {}", names.join(", ")) };
    Error::usage(format!("the database has no table `{}` ({found})", mapping.table(kind))).guidance(format!(
        "name the table of {} in golden.toml: [{}] table = \"…\"; or give another database",
        kind.plural(),
        kind.plural()
    ))
}

/// Renames columns that are called like a structural key of the document.
fn escape_structural(schema: &mut Schema) {
    let has_findings_table = matches!(schema.findings, Findings::Table(_));
    let escape = |table: &mut Table| {
        let mut structural = table.kind.structural_keys().to_vec();
        if table.kind == RecordKind::Analysis && has_findings_table {
            structural.push("findings");
        }
        for column in &mut table.columns {
            if structural.contains(&column.field.as_str()) {
                column.field = field_of_column(&column.field, &structural);
            }
        }
    };
    escape(&mut schema.analyses);
    escape(&mut schema.chunks);
    schema.artifacts.iter_mut().for_each(escape);
    if let Findings::Table(table) = &mut schema.findings {
        escape(table);
    }
}

fn vectors(catalog: &mut impl Catalog, mapping: &Mapping) -> Result<Option<VectorColumn>> {
    let vectors = &mapping.vectors;
    let table = vectors.table.as_ref().unwrap_or(&mapping.chunks.table);
    let (columns, relation) = catalog.columns(table)?;
    let wrong = |what: String| Err(Error::usage(what).guidance("correct [vectors] in golden.toml"));
    let Some(column) = columns.named(&vectors.column) else {
        let is_default = *vectors == Mapping::default().vectors;
        return if is_default {
            Ok(None)
        } else {
            wrong(format!("table `{table}` has no column `{}`", vectors.column))
        };
    };
    let Some(encoding) = catalog.vector_encoding(column) else {
        return wrong(format!("column `{}` of table `{table}` is {}, no vector", column.name, column.declared));
    };
    let place = match &vectors.table {
        None => VectorPlace::ChunkColumn,
        Some(name) => VectorPlace::Table { name: name.clone(), relation, chunk: vectors.chunk.clone() },
    };
    let dimension = declared_dimension(&column.declared);
    Ok(Some(VectorColumn { place, name: column.name.clone(), encoding, dimension, not_null: column.not_null }))
}
