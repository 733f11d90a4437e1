//! The schema as SQLite declares it, seen through the mapping.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use crate::document::RecordKind;
use crate::store::affinity::Affinity;
use crate::store::codec::{Codec, TimestampForm};
use crate::store::declared::{self, Catalog, Columns, Declared};
use crate::store::mapping::Mapping;
use crate::store::quote;
use crate::store::schema::{Findings, KeyColumn, Schema, Table, VectorEncoding};
use crate::{Error, Result};

/// Learns the dataset's tables. A missing table of analyses or chunks is an error; findings and
/// artifacts may be absent unless the mapping names them.
pub fn schema(connection: &Connection, mapping: &Mapping) -> Result<Schema> {
    let mut schema = declared::schema(&mut Declarations(connection), mapping)?;
    schema.forms = schema
        .tables()
        .map(|table| Ok((table.kind.plural(), differing_forms(connection, mapping, table)?)))
        .filter(|forms| !matches!(forms, Ok((_, forms)) if forms.is_empty()))
        .collect::<Result<_>>()?;
    let forms = schema.forms.clone();
    schema.adopt_forms(|kind, field| forms.get(kind.plural())?.get(field).copied().and_then(TimestampForm::from_name));
    Ok(schema)
}

/// What SQLite says of its tables.
struct Declarations<'c>(&'c Connection);

impl Catalog for Declarations<'_> {
    fn table(&mut self, mapping: &Mapping, kind: RecordKind) -> Result<Option<Table>> {
        table(self.0, mapping, kind)
    }

    fn columns(&mut self, table: &str) -> Result<(Columns, String)> {
        let is_strict = find(self.0, table)?.is_some_and(|found| found.strict);
        Ok((columns(self.0, table, is_strict)?, relation(table)))
    }

    fn table_names(&mut self) -> Vec<String> {
        let sql =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name LIMIT 20";
        let names = self.0.prepare(sql).and_then(|mut names| names.query_map([], |row| row.get(0))?.collect());
        names.unwrap_or_default()
    }

    fn notes(&mut self, _: &str) -> Result<String> {
        Ok(relation("golden_vectors"))
    }

    fn vector_encoding(&self, column: &Declared) -> Option<VectorEncoding> {
        let upper = column.declared.to_ascii_uppercase();
        let is_text = ["JSON", "TEXT", "CHAR", "CLOB"].iter().any(|part| upper.contains(part));
        Some(if is_text { VectorEncoding::JsonText } else { VectorEncoding::Blob })
    }
}

/// How SQL names a table.
fn relation(table: &str) -> String {
    format!("main.{}", quote(table))
}

/// What kind of table a name stands for.
struct Found {
    table_type: String,
    without_rowid: bool,
    strict: bool,
}

fn columns(connection: &Connection, table: &str, is_strict: bool) -> Result<Columns> {
    let affinity = if is_strict { Affinity::of_strict } else { Affinity::of_declared };
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1, 'main')
         ORDER BY cid",
    )?;
    let columns = statement.query_map([table], |row| {
        let declared: String = row.get(1)?;
        Ok(Declared {
            name: row.get(0)?,
            codec: Codec::of_declared(&declared),
            affinity: affinity(&declared),
            declared,
            not_null: row.get(2)?,
            has_default: row.get(3)?,
            key_place: row.get(4)?,
            computed: row.get::<_, i64>(5)? > 1,
        })
    })?;
    Ok(Columns(columns.collect::<rusqlite::Result<_>>()?))
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
    let declared = columns(connection, name, found.strict)?;
    let parent = declared.parent(mapping, kind)?;
    let columns = declared.travelling(mapping, kind)?;
    let mut key: Vec<_> = declared.0.iter().filter(|column| column.key_place > 0).collect();
    key.sort_by_key(|column| column.key_place);
    let locator = locator(&declared, &key, &found).ok_or_else(|| {
        Error::usage(format!("the rows of table `{name}` cannot be told apart"))
            .guidance("give it a primary key that is NOT NULL, or rename one of its columns rowid, oid and _rowid_")
    })?;
    let mut table = Table {
        kind,
        name: name.to_owned(),
        relation: relation(name),
        columns,
        parent,
        locator,
        has_unique_ids: false,
        assigns_ids: false,
        order: Vec::new(),
    };
    table.set_order(mapping)?;
    let id = table.id()?.name.clone();
    table.assigns_ids = is_row_number(&key, &found) && key.iter().any(|column| column.name == id);
    table.has_unique_ids = table.assigns_ids || is_unique(connection, name, &id)?;
    Ok(Some(table))
}

/// By which columns a row is found again: a name of the row number that no column has taken, else the
/// primary key.
fn locator(declared: &Columns, key: &[&Declared], found: &Found) -> Option<Vec<KeyColumn>> {
    let is_free = |alias: &&str| declared.named(alias).is_none();
    let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(is_free).filter(|_| !found.without_rowid);
    // Outside these, SQLite lets NULLs into a primary key.
    let is_whole = found.without_rowid || is_row_number(key, found) || key.iter().all(|column| column.not_null);
    match rowid {
        Some(alias) => Some(vec![KeyColumn { name: alias.to_owned(), affinity: Affinity::Numeric }]),
        None if is_whole && !key.is_empty() => {
            Some(key.iter().map(|key| KeyColumn { name: key.name.clone(), affinity: key.affinity }).collect())
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

impl Schema {
    /// Takes over the forms in which timestamp columns are kept, by table and field.
    pub fn adopt_forms(&mut self, form: impl Fn(RecordKind, &str) -> Option<TimestampForm>) {
        let findings = match &mut self.findings {
            Findings::Table(table) => Some(table),
            Findings::Column | Findings::Absent => None,
        };
        for table in [&mut self.analyses, &mut self.chunks].into_iter().chain(findings).chain(&mut self.artifacts) {
            for column in &mut table.columns {
                let form = || form(table.kind, &column.field);
                column.codec = match column.codec {
                    Codec::Timestamp(known) => Codec::Timestamp(form().unwrap_or(known)),
                    Codec::Time(known) => Codec::Time(form().unwrap_or(known)),
                    other => other,
                };
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
        let (Codec::Timestamp(declared) | Codec::Time(declared)) = column.codec else { continue };
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
