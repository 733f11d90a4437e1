//! The schema as SQLite declares it, seen through the mapping.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::quote;
use crate::document::{RecordKind, field_of_column};
use crate::store::codec::{Affinity, Codec, TimestampForm, UuidForm};
use crate::store::mapping::Mapping;
use crate::store::schema::{Column, Findings, Schema, Table, VectorColumn, VectorEncoding, VectorPlace};
use crate::{Error, Result};

/// Learns the dataset's tables. A missing table of analyses or chunks is an error; findings and
/// artifacts may be absent unless the mapping names them.
pub fn schema(connection: &Connection, mapping: &Mapping) -> Result<Schema> {
    let default = Mapping::default();
    let required = |kind| table(connection, mapping, kind)?.ok_or_else(|| missing_table(connection, mapping, kind));
    let optional = |kind: RecordKind| match table(connection, mapping, kind)? {
        None if mapping.table(kind) != default.table(kind) => Err(missing_table(connection, mapping, kind)),
        found => Ok(found),
    };
    let analyses = required(RecordKind::Analysis)?;
    let findings = match optional(RecordKind::Finding)? {
        Some(table) => Findings::Table(table),
        None if analyses.column("findings").is_some() => Findings::Column,
        None => Findings::Absent,
    };
    let has_filter = declared_columns(connection, &mapping.analyses.table)?
        .iter()
        .any(|declared| declared.name.eq_ignore_ascii_case(&mapping.analyses.filter.column));
    let mut schema = Schema {
        chunks: required(RecordKind::Chunk)?,
        artifacts: optional(RecordKind::Artifact)?,
        vectors: vectors(connection, mapping)?,
        filter_column: has_filter.then(|| mapping.analyses.filter.column.clone()),
        forms: BTreeMap::new(),
        analyses,
        findings,
    };
    let has_findings_table = matches!(schema.findings, Findings::Table(_));
    escape_structural(&mut schema, has_findings_table);
    schema.forms = schema
        .tables()
        .map(|table| Ok((table.kind.plural(), differing_forms(connection, mapping, table)?)))
        .filter(|forms| !matches!(forms, Ok((_, forms)) if forms.is_empty()))
        .collect::<Result<_>>()?;
    let forms = schema.forms.clone();
    schema.adopt_forms(|kind, field| forms.get(kind.plural())?.get(field).copied().and_then(TimestampForm::from_name));
    Ok(schema)
}

fn missing_table(connection: &Connection, mapping: &Mapping, kind: RecordKind) -> Error {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name LIMIT 20";
    let names: Vec<String> = connection
        .prepare(sql)
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .unwrap_or_default();
    let found = if names.is_empty() { "it has no tables".to_owned() } else { format!("it has {}", names.join(", ")) };
    Error::usage(format!("the database has no table `{}` ({found})", mapping.table(kind))).guidance(format!(
        "name the table of {} in golden.toml: [{}] table = \"…\"; or give another database",
        kind.plural(),
        kind.plural()
    ))
}

/// A column as SQLite declares it.
struct Declared {
    name: String,
    declared: String,
    not_null: bool,
    has_default: bool,
    primary_key: bool,
    generated: bool,
}

fn declared_columns(connection: &Connection, table: &str) -> Result<Vec<Declared>> {
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid",
    )?;
    let columns = statement.query_map([table], |row| {
        Ok(Declared {
            name: row.get(0)?,
            declared: row.get(1)?,
            not_null: row.get(2)?,
            has_default: row.get(3)?,
            primary_key: row.get::<_, i64>(4)? > 0,
            generated: row.get::<_, i64>(5)? > 1,
        })
    })?;
    Ok(columns.collect::<rusqlite::Result<_>>()?)
}

fn table(connection: &Connection, mapping: &Mapping, kind: RecordKind) -> Result<Option<Table>> {
    let name = mapping.table(kind);
    let found = connection
        .query_row("SELECT type, wr FROM pragma_table_list(?1) WHERE schema = 'main' COLLATE NOCASE", [name], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))
        })
        .optional()?;
    let Some((table_type, without_rowid)) = found else { return Ok(None) };
    if table_type != "table" {
        return Err(Error::usage(format!("`{name}` is a {table_type}, not a table"))
            .guidance("name the table behind it in golden.toml"));
    }
    let declared = declared_columns(connection, name)?;
    let parent = mapping.parent(kind).map(str::to_owned);
    if let Some(parent) = &parent
        && !declared.iter().any(|column| column.name.eq_ignore_ascii_case(parent))
    {
        return Err(Error::usage(format!("table `{name}` has no column `{parent}` that refers to the analysis"))
            .guidance(format!("name it in golden.toml: [{}] parent = \"…\"", kind.plural())));
    }
    let rowid = ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|alias| !without_rowid && !declared.iter().any(|column| column.name.eq_ignore_ascii_case(alias)));
    let only_key = declared.iter().filter(|column| column.primary_key).count() == 1;
    let columns = travelling(mapping, kind, &declared)?;
    let id_name = columns.iter().find(|column| column.field == "id").map(|column| column.name.clone());
    let assigns_ids = declared.iter().any(|column| {
        column.primary_key
            && only_key
            && !without_rowid
            && column.declared.eq_ignore_ascii_case("INTEGER")
            && Some(&column.name) == id_name.as_ref()
    });
    let order = mapping.order(kind);
    let order = order.iter().filter_map(|field| columns.iter().position(|column| column.field == *field)).collect();
    let table = Table { kind, name: name.to_owned(), columns, parent, rowid, assigns_ids, order };
    table.id()?;
    Ok(Some(table))
}

/// The columns of a table that travel, under their document names.
fn travelling(mapping: &Mapping, kind: RecordKind, declared: &[Declared]) -> Result<Vec<Column>> {
    let named = mapping.columns(kind);
    for (field, column) in named.columns {
        if !declared.iter().any(|declared| declared.name == *column) {
            return Err(Error::usage(format!("table `{}` has no column `{column}`", mapping.table(kind)))
                .guidance(format!("golden.toml names it for `{field}` in [{}.columns]", kind.plural())));
        }
    }
    let field_names: Vec<&str> = named.columns.keys().map(String::as_str).collect();
    let stays = |column: &&Declared| {
        let is_parent = mapping.parent(kind).is_some_and(|parent| parent.eq_ignore_ascii_case(&column.name));
        let is_vector = kind == RecordKind::Chunk
            && mapping.vectors.table.is_none()
            && mapping.vectors.column.eq_ignore_ascii_case(&column.name);
        !(column.generated || is_parent || is_vector || named.computed.contains(&column.name))
    };
    let mut columns: Vec<Column> = Vec::new();
    for column in declared.iter().filter(stays) {
        let renamed = named.columns.iter().find(|(_, name)| **name == column.name).map(|(field, _)| field.clone());
        // A column whose name the mapping gave to another steps aside.
        let field = renamed.unwrap_or_else(|| field_of_column(&column.name, &field_names));
        let affinity = Affinity::of_declared(&column.declared);
        let codec = match named.types.get(&field) {
            Some(column_type) => Codec::of_mapping(*column_type),
            None if field == "id" && column.declared.eq_ignore_ascii_case("BLOB") => Codec::Uuid(UuidForm::Bytes),
            None if field == "findings" && kind == RecordKind::Analysis => Codec::Json,
            None => Codec::of_declared(&column.declared),
        };
        columns.push(Column {
            name: column.name.clone(),
            field,
            declared: column.declared.clone(),
            codec,
            affinity,
            not_null: column.not_null,
            has_default: column.has_default,
        });
    }
    Ok(columns)
}

/// Renames columns that are called like a structural key of the document.
fn escape_structural(schema: &mut Schema, has_findings_table: bool) {
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

impl Schema {
    /// Takes over the forms in which timestamp columns are kept, by table and field.
    pub fn adopt_forms(&mut self, form: impl Fn(RecordKind, &str) -> Option<TimestampForm>) {
        let findings = match &mut self.findings {
            Findings::Table(table) => Some(table),
            Findings::Column | Findings::Absent => None,
        };
        for table in [&mut self.analyses, &mut self.chunks].into_iter().chain(findings).chain(&mut self.artifacts) {
            for column in &mut table.columns {
                if let (Codec::Timestamp(_), Some(form)) = (column.codec, form(table.kind, &column.field)) {
                    column.codec = Codec::Timestamp(form);
                }
            }
        }
    }
}

/// How many rows are looked at for a timestamp that is not NULL.
const SAMPLED_ROWS: u32 = 100;

/// The timestamp columns whose values are not in the form that their declared type stands for, told
/// from the rows with the least ids: a property of the data, not of its order on disk.
fn differing_forms(
    connection: &Connection,
    mapping: &Mapping,
    table: &Table,
) -> Result<BTreeMap<String, &'static str>> {
    let mut forms = BTreeMap::new();
    for column in &table.columns {
        let is_mapped = mapping.columns(table.kind).types.contains_key(&column.field);
        let Codec::Timestamp(declared) = column.codec else { continue };
        if is_mapped {
            continue;
        }
        let name = quote(&column.name);
        let sql = format!(
            "SELECT {name} FROM (SELECT {name} FROM {} ORDER BY {} LIMIT {SAMPLED_ROWS})
             WHERE typeof({name}) = 'text' LIMIT 1",
            quote(&table.name),
            quote(&table.id()?.name),
        );
        let stored: Option<String> = connection.query_row(&sql, [], |row| row.get(0)).optional()?;
        if let Some(form) = stored.as_deref().and_then(TimestampForm::of_stored).filter(|form| *form != declared) {
            forms.insert(column.field.clone(), form.name());
        }
    }
    Ok(forms)
}

fn vectors(connection: &Connection, mapping: &Mapping) -> Result<Option<VectorColumn>> {
    let vectors = &mapping.vectors;
    let (table, place) = match &vectors.table {
        None => (mapping.chunks.table.as_str(), VectorPlace::ChunkColumn),
        Some(name) => (name.as_str(), VectorPlace::Table { name: name.clone(), chunk: vectors.chunk.clone() }),
    };
    let declared = declared_columns(connection, table)?;
    let Some(column) = declared.iter().find(|column| column.name.eq_ignore_ascii_case(&vectors.column)) else {
        let is_default = vectors.table.is_none() && *vectors == Mapping::default().vectors;
        return if is_default {
            Ok(None)
        } else {
            Err(Error::usage(format!("table `{table}` has no column `{}`", vectors.column))
                .guidance("correct [vectors] in golden.toml"))
        };
    };
    let upper = column.declared.to_ascii_uppercase();
    let is_text = ["JSON", "TEXT", "CHAR", "CLOB"].iter().any(|part| upper.contains(part));
    Ok(Some(VectorColumn {
        place,
        name: column.name.clone(),
        encoding: if is_text { VectorEncoding::JsonText } else { VectorEncoding::Blob },
        not_null: column.not_null,
    }))
}
