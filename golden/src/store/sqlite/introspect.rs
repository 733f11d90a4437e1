//! The schema as SQLite declares it, seen through the mapping.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::quote;
use crate::document::{RecordKind, field_of_column};
use crate::store::codec::{Affinity, Codec, TimestampForm, UuidForm};
use crate::store::mapping::Mapping;
use crate::store::schema::{Column, Findings, KeyColumn, Schema, Table, VectorColumn, VectorEncoding, VectorPlace};
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
        .any(|declared| declared.is(&mapping.analyses.filter.column));
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
    /// Its place in the primary key, from 1; 0 outside it.
    key_place: i64,
    generated: bool,
}

impl Declared {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn affinity(&self, table: &Found) -> Affinity {
        if table.strict { Affinity::of_strict(&self.declared) } else { Affinity::of_declared(&self.declared) }
    }
}

/// What kind of table a name stands for.
struct Found {
    table_type: String,
    without_rowid: bool,
    strict: bool,
}

fn declared_columns(connection: &Connection, table: &str) -> Result<Vec<Declared>> {
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1, 'main')
         ORDER BY cid",
    )?;
    let columns = statement.query_map([table], |row| {
        Ok(Declared {
            name: row.get(0)?,
            declared: row.get(1)?,
            not_null: row.get(2)?,
            has_default: row.get(3)?,
            key_place: row.get(4)?,
            generated: row.get::<_, i64>(5)? > 1,
        })
    })?;
    Ok(columns.collect::<rusqlite::Result<_>>()?)
}

fn find(connection: &Connection, name: &str) -> Result<Option<Found>> {
    let sql = "SELECT type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
    let found = connection.query_row(sql, [name], |row| {
        Ok(Found { table_type: row.get(0)?, without_rowid: row.get(1)?, strict: row.get(2)? })
    });
    Ok(found.optional()?)
}

fn table(connection: &Connection, mapping: &Mapping, kind: RecordKind) -> Result<Option<Table>> {
    let name = mapping.table(kind);
    let Some(found) = find(connection, name)? else { return Ok(None) };
    if found.table_type != "table" {
        let what = if found.table_type == "view" { "a view" } else { "a virtual table" };
        return Err(Error::usage(format!("`{name}` is {what}, not a table of its own"))
            .guidance(format!("name the table behind it in golden.toml: [{}] table = \"…\"", kind.plural())));
    }
    let declared = declared_columns(connection, name)?;
    let parent = mapping.parent(kind).map(str::to_owned);
    if let Some(parent) = &parent
        && !declared.iter().any(|column| column.is(parent))
    {
        return Err(Error::usage(format!("table `{name}` has no column `{parent}` that refers to the analysis"))
            .guidance(format!("name it in golden.toml: [{}] parent = \"…\"", kind.plural())));
    }
    let columns = travelling(mapping, kind, &declared, &found)?;
    let mut key: Vec<_> = declared.iter().filter(|column| column.key_place > 0).collect();
    key.sort_by_key(|column| column.key_place);
    let locator = locator(&declared, &key, &found).ok_or_else(|| {
        Error::usage(format!("the rows of table `{name}` cannot be told apart"))
            .guidance("give it a primary key that is NOT NULL, or rename one of its columns rowid, oid and _rowid_")
    })?;
    let mut table = Table {
        kind,
        name: name.to_owned(),
        columns,
        parent,
        locator,
        has_unique_ids: false,
        assigns_ids: false,
        order: Vec::new(),
    };
    table.order = order(mapping, &table)?;
    let id = table.id()?.name.clone();
    table.assigns_ids = is_row_number(&key, &found) && key.iter().any(|column| column.is(&id));
    table.has_unique_ids = table.assigns_ids || is_unique(connection, name, &id)?;
    Ok(Some(table))
}

/// By which columns a row is found again: a name of the row number that no column has taken, else the
/// primary key.
fn locator(declared: &[Declared], key: &[&Declared], found: &Found) -> Option<Vec<KeyColumn>> {
    let is_free = |alias: &&str| !declared.iter().any(|column| column.is(alias));
    let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(is_free).filter(|_| !found.without_rowid);
    // Outside these, SQLite lets NULLs into a primary key.
    let is_whole = found.without_rowid || is_row_number(key, found) || key.iter().all(|column| column.not_null);
    match rowid {
        Some(alias) => Some(vec![KeyColumn { name: alias.to_owned(), affinity: Affinity::Numeric }]),
        None if is_whole && !key.is_empty() => {
            Some(key.iter().map(|key| KeyColumn { name: key.name.clone(), affinity: key.affinity(found) }).collect())
        }
        None => None,
    }
}

/// Whether the primary key is the row number itself.
fn is_row_number(key: &[&Declared], found: &Found) -> bool {
    matches!(key, [key] if key.declared.eq_ignore_ascii_case("INTEGER")) && !found.without_rowid
}

/// Whether an index keeps the values of a column apart.
fn is_unique(connection: &Connection, table: &str, column: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (
        SELECT 1 FROM pragma_index_list(?1, 'main') AS l WHERE l.\"unique\" AND NOT l.partial
        AND (SELECT group_concat(coalesce(name, ''), ',') FROM pragma_index_info(l.name)) = ?2 COLLATE NOCASE)";
    Ok(connection.query_row(sql, [table, column], |row| row.get(0))?)
}

/// Positions of the fields that give the reading order, the id at the end so that no two rows are equal.
fn order(mapping: &Mapping, table: &Table) -> Result<Vec<usize>> {
    let default = Mapping::default();
    let mut fields = mapping.order(table.kind);
    let is_default = fields == default.order(table.kind);
    if !fields.contains(&"id") {
        fields.push("id");
    }
    let mut order = Vec::new();
    for field in fields {
        match table.columns.iter().position(|column| column.field == field) {
            Some(index) => order.push(index),
            None if is_default => {}
            None => {
                return Err(Error::usage(format!("table `{}` has no column for `{field}`", table.name))
                    .guidance(format!("correct `order` in golden.toml, [{}]", table.kind.plural())));
            }
        }
    }
    Ok(order)
}

/// The columns of a table that travel, under their document names.
fn travelling(mapping: &Mapping, kind: RecordKind, declared: &[Declared], found: &Found) -> Result<Vec<Column>> {
    let named = mapping.columns(kind);
    for column in named.columns.values().chain(named.computed) {
        if !declared.iter().any(|declared| declared.is(column)) {
            return Err(Error::usage(format!("table `{}` has no column `{column}`", mapping.table(kind)))
                .guidance(format!("golden.toml names it in [{}]", kind.plural())));
        }
    }
    let field_names: Vec<&str> = named.columns.keys().map(String::as_str).collect();
    let stays = |column: &&Declared| {
        let is_parent = mapping.parent(kind).is_some_and(|parent| column.is(parent));
        let is_vector =
            kind == RecordKind::Chunk && mapping.vectors.table.is_none() && column.is(&mapping.vectors.column);
        let is_computed = named.computed.iter().any(|name| column.is(name));
        !(column.generated || is_parent || is_vector || is_computed)
    };
    let mut columns: Vec<Column> = Vec::new();
    for column in declared.iter().filter(stays) {
        let mut renamed = named.columns.iter().filter(|(_, name)| column.is(name)).map(|(field, _)| field);
        let field = match (renamed.next(), renamed.next()) {
            (Some(field), Some(other)) => {
                return Err(Error::usage(format!("golden.toml names column `{}` for two fields", column.name))
                    .guidance(format!("in [{}.columns], for `{field}` and for `{other}`", kind.plural())));
            }
            (Some(field), None) => field.clone(),
            // A column whose name the mapping gave to another steps aside.
            (None, _) => field_of_column(documented_name(kind, &column.name), &field_names),
        };
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
            affinity: column.affinity(found),
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

/// A column's name as the document writes it: SQL does not tell `ID` from `id`.
fn documented_name(kind: RecordKind, column: &str) -> &str {
    kind.documented_fields().iter().find(|field| field.eq_ignore_ascii_case(column)).unwrap_or(&column)
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

/// The timestamp columns whose values are not in the form that their declared type stands for, told
/// from the row with the least id that has one: a property of the data, not of its order on disk.
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
        let [name, from, id] = [&column.name, &table.name, &table.id()?.name].map(|name| quote(name));
        // Nearly always one of the first rows has one; else one pass over the table is cheaper than
        // going through it by id.
        let first_rows = format!("(SELECT {name}, {id} FROM main.{from} ORDER BY {id} LIMIT 100)");
        let all_rows = format!("main.{from}");
        for rows in [first_rows, all_rows] {
            let sql = format!("SELECT CAST({name} AS BLOB), min({id}) FROM {rows} WHERE typeof({name}) = 'text'");
            let stored: Option<Vec<u8>> = connection.query_row(&sql, [], |row| row.get(0))?;
            let Some(stored) = stored else { continue };
            let form = std::str::from_utf8(&stored).ok().and_then(TimestampForm::of_stored);
            if let Some(form) = form.filter(|form| *form != declared) {
                forms.insert(column.field.clone(), form.name());
            }
            break;
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
    let Some(column) = declared.iter().find(|column| column.is(&vectors.column)) else {
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
