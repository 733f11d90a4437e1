//! Reads the dataset in normal form's order, in one read transaction.
//!
//! The order is worked out first, by SQLite's own sorter, into temporary tables that hold row numbers
//! and nothing else (the sorter spills to a temporary file). The rows are then fetched once each, in
//! that order. Neither step needs an index on a foreign key.

use std::path::Path;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, Statement, params_from_iter};
use serde_json::Value;

use super::{open_for_reading, quote, schema};
use crate::document::{Fields, RecordKind, id_text, order};
use crate::store::mapping::Mapping;
use crate::store::schema::{Findings, Schema, Table};
use crate::{Context, Error, Result};

/// Which analyses are read.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// Every row.
    All,
    /// Those whose filter column holds one of these values.
    Filter(Vec<Value>),
    /// Those whose id is in a table of the connection: (SQL name of the table, its column).
    Ids(String, String),
}

/// How many records a dataset has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Selected analyses.
    pub analyses: u64,
    /// Their chunks.
    pub chunks: u64,
    /// Their findings, where those have a table.
    pub findings: u64,
    /// Their artifacts.
    pub artifacts: u64,
}

/// One row as stored, columns in the order of its [`Table`].
#[derive(Debug)]
pub enum Row {
    /// An analysis with what belongs to it, but without its chunks, which follow.
    Analysis {
        /// Its own columns.
        columns: Vec<Stored>,
        /// Its findings, where those have a table.
        findings: Vec<Vec<Stored>>,
        /// Its artifacts.
        artifacts: Vec<Vec<Stored>>,
    },
    /// A chunk of the analysis that came last.
    Chunk(Vec<Stored>),
}

impl Row {
    /// Bytes of text and blobs in it: what it takes in memory, about.
    pub fn size(&self) -> usize {
        let of = |columns: &Vec<Stored>| {
            let sizes = columns.iter().map(|stored| match stored {
                Stored::Text(text) => text.len(),
                Stored::Blob(blob) => blob.len(),
                _ => 0,
            });
            sizes.sum::<usize>() + columns.len() * size_of::<Stored>()
        };
        match self {
            Self::Chunk(columns) => of(columns),
            Self::Analysis { columns, findings, artifacts } => {
                of(columns) + findings.iter().chain(artifacts).map(of).sum::<usize>()
            }
        }
    }
}

/// A dataset in an open database, read inside a transaction.
pub struct Dataset<'c> {
    pub(super) connection: &'c mut Connection,
    /// The tables it is read from.
    pub schema: &'c Schema,
    /// How many records it has.
    pub counts: Counts,
}

impl Schema {
    /// Opens a database for reading and learns its schema, with one read transaction begun: everything
    /// read through the connection is one consistent state.
    pub fn open(path: &Path, mapping: &Mapping) -> Result<(Connection, Self)> {
        let connection = open_for_reading(path)?;
        connection.execute_batch("BEGIN")?;
        let schema = schema(&connection, mapping).context(|| path.display().to_string())?;
        Ok((connection, schema))
    }

    /// The fields of an analysis as they stand in the document, without its chunks. One artifact is
    /// `artifact`, several are `artifacts`; findings of a table are left out where there are none.
    pub fn analysis_fields(
        &self,
        columns: Vec<Stored>,
        findings: Vec<Vec<Stored>>,
        artifacts: Vec<Vec<Stored>>,
    ) -> Fields {
        let mut fields = self.analyses.fields(columns);
        let records = |table: &Table, rows: Vec<Vec<Stored>>| -> Vec<Value> {
            rows.into_iter().map(|row| Value::Object(table.fields(row))).collect()
        };
        if let Findings::Table(table) = &self.findings
            && !findings.is_empty()
        {
            fields.insert("findings".into(), Value::Array(records(table, findings)));
        }
        if let Some(table) = &self.artifacts {
            let mut artifacts = records(table, artifacts);
            match artifacts.len() {
                0 => {}
                1 => drop(fields.insert("artifact".into(), artifacts.remove(0))),
                _ => drop(fields.insert("artifacts".into(), Value::Array(artifacts))),
            }
        }
        fields
    }
}

pub(super) const ANALYSES: &str = "temp.golden_order_analyses";

pub(super) fn order_table(kind: RecordKind) -> String {
    format!("temp.golden_order_{}", kind.plural())
}

impl<'c> Dataset<'c> {
    /// Works out which records are selected and their order. The connection must be in a transaction.
    pub fn select(connection: &'c mut Connection, schema: &'c Schema, selection: &Selection) -> Result<Self> {
        register_sort_key(connection, schema)?;
        for kind in RecordKind::ALL {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", order_table(kind)))?;
        }
        let mut counts = Counts { analyses: order_analyses(connection, schema, selection)?, ..Counts::default() };
        for table in schema.tables().filter(|table| table.parent.is_some()) {
            let count = order_children(connection, table)?;
            match table.kind {
                RecordKind::Analysis => {}
                RecordKind::Chunk => counts.chunks = count,
                RecordKind::Finding => counts.findings = count,
                RecordKind::Artifact => counts.artifacts = count,
            }
        }
        Ok(Self { connection, schema, counts })
    }

    /// Hands out every row: each analysis, then its chunks. Stops when `emit` answers false.
    pub fn rows(&mut self, emit: &mut dyn FnMut(Row) -> bool) -> Result<()> {
        let mut statements = Vec::new();
        for table in self.schema.tables() {
            statements.push((table, self.connection.prepare(&ordered_rows(table)?)?));
        }
        let mut cursors = Vec::new();
        for (table, statement) in &mut statements {
            cursors.push(Cursor::open(table, statement)?);
        }
        let (analyses, children) = cursors.split_at_mut(1);
        let Some(analyses) = analyses.first_mut() else { return Ok(()) };
        while let Some((sequence, columns)) = analyses.take()? {
            let (mut findings, mut artifacts) = (Vec::new(), Vec::new());
            let mut chunks = None;
            for cursor in children.iter_mut() {
                let list = match cursor.table.kind {
                    RecordKind::Finding => &mut findings,
                    RecordKind::Artifact => &mut artifacts,
                    RecordKind::Chunk | RecordKind::Analysis => {
                        chunks = Some(cursor);
                        continue;
                    }
                };
                while let Some(row) = cursor.take_of(sequence)? {
                    list.push(row);
                }
            }
            if !emit(Row::Analysis { columns, findings, artifacts }) {
                return Ok(());
            }
            while let Some(cursor) = &mut chunks {
                let Some(row) = cursor.take_of(sequence)? else { break };
                if !emit(Row::Chunk(row)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// `golden_order(table, column, stored)`: the sort key of a stored value, by its column's codec.
fn register_sort_key(connection: &Connection, schema: &Schema) -> Result<()> {
    let columns: Vec<Vec<_>> = RecordKind::ALL
        .into_iter()
        .map(|kind| schema.table(kind).map_or(Vec::new(), |table| table.columns.clone()))
        .collect();
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("golden_order", 3, flags, move |context| {
        let [table, column] = [context.get::<u32>(0)? as usize, context.get::<u32>(1)? as usize];
        let column = columns.get(table).and_then(|table| table.get(column));
        let stored = context.get::<Stored>(2)?;
        let value = column.and_then(|column| column.decode(stored));
        Ok(order::key([value.as_ref()]))
    })?;
    Ok(())
}

/// The ORDER BY terms of a table, its rows aliased `t`.
fn order_terms(table: &Table) -> String {
    let kind = RecordKind::ALL.iter().position(|kind| *kind == table.kind).unwrap_or_default();
    let terms = table.order.iter().filter_map(|&index| {
        let column = table.columns.get(index)?;
        Some(format!("golden_order({kind}, {index}, t.{})", quote(&column.name)))
    });
    terms.collect::<Vec<_>>().join(", ")
}

/// How a row is found again: by its row number, or by its id in a table without row numbers.
pub(super) fn locator(table: &Table) -> Result<String> {
    Ok(match table.rowid {
        Some(rowid) => rowid.to_owned(),
        None => quote(&table.id()?.name),
    })
}

fn order_analyses(connection: &Connection, schema: &Schema, selection: &Selection) -> Result<u64> {
    let table = &schema.analyses;
    let (condition, parameters) = match (selection, &schema.filter_column) {
        (Selection::Filter(values), Some(column)) => {
            let marks = vec!["?"; values.len()].join(", ");
            (format!("t.{} IN ({marks})", quote(column)), values.iter().map(filter_parameter).collect())
        }
        (Selection::Ids(ids, column), _) => {
            (format!("t.{} IN (SELECT {column} FROM {ids})", quote(&table.id()?.name)), Vec::new())
        }
        (Selection::All, _) | (Selection::Filter(_), None) => ("1".to_owned(), Vec::new()),
    };
    connection.execute_batch(&format!("CREATE TABLE {ANALYSES}(sequence INTEGER PRIMARY KEY, locator, id)"))?;
    let sql = format!(
        "INSERT INTO {ANALYSES}(locator, id) SELECT t.{}, t.{} FROM main.{} t WHERE {condition} ORDER BY {}",
        locator(table)?,
        quote(&table.id()?.name),
        quote(&table.name),
        order_terms(table),
    );
    let selected = connection.execute(&sql, params_from_iter(parameters))?;
    connection.execute_batch(&format!("CREATE INDEX temp.golden_order_ids ON golden_order_analyses(id)"))?;
    Ok(selected as u64)
}

fn filter_parameter(value: &Value) -> Stored {
    match value {
        Value::Bool(truth) => Stored::Integer(i64::from(*truth)),
        Value::Number(number) => number.as_i64().map_or(Stored::Null, Stored::Integer),
        Value::String(text) => Stored::Text(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => Stored::Null,
    }
}

fn order_children(connection: &Connection, table: &Table) -> Result<u64> {
    let ordered = order_table(table.kind);
    connection
        .execute_batch(&format!("CREATE TABLE {ordered}(sequence INTEGER PRIMARY KEY, parent INTEGER, locator)"))?;
    let sql = format!(
        "INSERT INTO {ordered}(parent, locator) SELECT a.sequence, t.{} FROM main.{} t JOIN {ANALYSES} a ON a.id = t.{} \
         ORDER BY a.sequence, {}",
        locator(table)?,
        quote(&table.name),
        quote(table.parent.as_deref().unwrap_or_default()),
        order_terms(table),
    );
    Ok(connection.execute(&sql, [])? as u64)
}

/// The statement that fetches a table's selected rows in order, the parent's sequence number first.
fn ordered_rows(table: &Table) -> Result<String> {
    let columns: Vec<_> = table.columns.iter().map(|column| format!("t.{}", quote(&column.name))).collect();
    let sequence = if table.parent.is_some() { "o.parent" } else { "o.sequence" };
    Ok(format!(
        "SELECT {sequence}, {} FROM {} o CROSS JOIN main.{} t ON t.{} = o.locator ORDER BY o.sequence",
        columns.join(", "),
        order_table(table.kind),
        quote(&table.name),
        locator(table)?,
    ))
}

/// Rows of one table in order, one of them looked at ahead.
struct Cursor<'s> {
    table: &'s Table,
    rows: rusqlite::Rows<'s>,
    next: Option<(i64, Vec<Stored>)>,
}

impl<'s> Cursor<'s> {
    fn open(table: &'s Table, statement: &'s mut Statement<'_>) -> Result<Self> {
        let mut cursor = Self { table, rows: statement.query([])?, next: None };
        cursor.fetch()?;
        Ok(cursor)
    }

    fn fetch(&mut self) -> Result<()> {
        self.next = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, stored_row(self.table, row)?)),
            None => None,
        };
        Ok(())
    }

    fn take(&mut self) -> Result<Option<(i64, Vec<Stored>)>> {
        let taken = self.next.take();
        if taken.is_some() {
            self.fetch()?;
        }
        Ok(taken)
    }

    /// The next row, if it belongs to the analysis of that sequence number.
    fn take_of(&mut self, parent: i64) -> Result<Option<Vec<Stored>>> {
        match &self.next {
            Some((of, _)) if *of == parent => Ok(self.take()?.map(|(_, row)| row)),
            _ => Ok(None),
        }
    }
}

/// The columns of a row after the first.
fn stored_row(table: &Table, row: &rusqlite::Row<'_>) -> Result<Vec<Stored>> {
    let mut columns = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        columns.push(match row.get_ref(index + 1)? {
            ValueRef::Null => Stored::Null,
            ValueRef::Integer(integer) => Stored::Integer(integer),
            ValueRef::Real(double) => Stored::Real(double),
            ValueRef::Blob(bytes) => Stored::Blob(bytes.to_vec()),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Stored::Text(text.to_owned()),
                Err(_) => return Err(not_utf8(table, column, &columns)),
            },
        });
    }
    Ok(columns)
}

fn not_utf8(table: &Table, column: &crate::store::Column, before: &[Stored]) -> Error {
    let id = table.columns.iter().zip(before).find(|(column, _)| column.field == "id");
    let id = id.and_then(|(column, stored)| id_text(&column.decode(stored.clone())?)).unwrap_or_default();
    Error::data(format!("table `{}`, row {id}: column `{}` holds text that is not UTF-8", table.name, column.name))
        .guidance("JSON cannot carry it; correct the row, or store it as a BLOB")
}
