//! PostgreSQL servers.

mod changed;
mod introspect;
mod spelling;
mod triggers;

use std::io::Write;

use golden::store::postgres::{Copied, SPELLING, connect, relation};
use golden::store::{literal, quote};
use golden::{Context, Error, Result};
use golden_version::{Cell, CellKind, Column, Row, RowForm, TableSchema};
use postgres::{Client, SimpleQueryMessage};

use self::spelling::{copied, expression, read};
use super::first;
use super::order::{Ascending, ByKey};
use super::{Access, Dialect, RowChanges, Store, Visit};
use crate::interrupt;
use crate::tracking::{Tracking, TriggerState};

/// A connection to a server.
pub struct Server {
    client: Client,
    name: String,
}

impl Server {
    /// Connects.
    pub fn connect(server: &golden::store::postgres::Server) -> Result<Self> {
        Ok(Self { client: connect(server)?, name: server.to_string() })
    }
}

impl Store for Server {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn begin(&mut self, access: Access<'_>) -> Result<()> {
        let begin = match access {
            Access::Read => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '30s';".to_owned()
            }
            // Each statement sees what was committed before it: the first of them waits for the others.
            Access::Change(dataset) => format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '120s';
                 SET CONSTRAINTS ALL DEFERRED;
                 SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({}, 0));",
                literal(&format!("golden-version {dataset}"))
            ),
        };
        self.batch(&format!("{begin} {SPELLING}"))
    }

    fn commit(&mut self) -> Result<()> {
        self.batch("COMMIT")
    }

    fn rollback(&mut self) -> Result<()> {
        self.batch("ROLLBACK")
    }

    /// A lock of this session, which ends with the connection.
    fn hold_job(&mut self, id: &str) -> Result<bool> {
        let held = first(self, &format!("SELECT pg_catalog.pg_try_advisory_lock({})", job_key(id)), &[])?;
        Ok(held.and_then(|row| row.into_iter().next()).and_then(text).as_deref() == Some("t"))
    }

    fn release_job(&mut self, id: &str) -> Result<()> {
        self.batch(&format!("SELECT pg_catalog.pg_advisory_unlock({})", job_key(id)))
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        interrupt::check()?;
        self.client.batch_execute(sql).context(|| &self.name)
    }

    fn execute(&mut self, sql: &str, values: &[Cell]) -> Result<u64> {
        let messages = self.client.simple_query(&filled(sql, values))?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::CommandComplete(rows) => Some(rows),
                _ => None,
            })
            .sum())
    }

    fn query(&mut self, sql: &str, values: &[Cell], visit: Visit<'_>) -> Result<()> {
        let mut rows = Copied::query(&mut self.client, &filled(sql, values))?;
        while rows.advance()? {
            interrupt::check()?;
            let cells = (0..rows.columns())
                .map(|column| Ok(rows.get(column)?.map_or(Cell::Null, |text| Cell::Text(text.to_owned()))));
            visit(cells.collect::<Result<_>>()?)?;
        }
        Ok(())
    }

    fn insert_all(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: &mut dyn Iterator<Item = Result<Vec<Cell>>>,
    ) -> Result<u64> {
        let names: Vec<_> = columns.iter().map(|name| quote(name)).collect();
        let sql = format!("COPY {} ({}) FROM STDIN", relation(table), names.join(", "));
        let mut writer = self.client.copy_in(&sql)?;
        let mut line = String::new();
        for row in rows {
            interrupt::check()?;
            copied(&row?, &mut line);
            writer.write_all(line.as_bytes()).map_err(server_error)?;
        }
        Ok(writer.finish()?)
    }

    fn change_rows(&mut self, form: &RowForm, changes: RowChanges<'_>) -> Result<()> {
        changed::change(self, form, changes)
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        Ok(!self.column_names(name)?.is_empty())
    }

    fn column_names(&mut self, table: &str) -> Result<Vec<String>> {
        let sql = "SELECT attname FROM pg_catalog.pg_attribute
                   WHERE attrelid = pg_catalog.to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let mut names = Vec::new();
        self.query(sql, &[Cell::Text(relation(table))], &mut |row| {
            names.extend(row.into_iter().filter_map(text));
            Ok(())
        })?;
        Ok(names)
    }

    fn table(&mut self, name: &str, key: &[String]) -> Result<TableSchema> {
        let (columns, primary) = introspect::table(self, name)?;
        super::keyed(name.to_owned(), columns, primary, key)
    }

    fn keeps_unique(&mut self, schema: &TableSchema) -> Result<bool> {
        Ok(!schema.key_named || introspect::has_unique_index(self, schema)?)
    }

    fn relation(&mut self, name: &str) -> Result<String> {
        Ok(relation(name))
    }

    fn each_row(&mut self, form: &RowForm, visit: &mut dyn FnMut(&mut Row) -> Result<()>) -> Result<()> {
        let schema = &form.schema;
        let names: Vec<_> = schema.columns.iter().map(|column| quote(&column.name)).collect();
        let select = format!("SELECT {} FROM {}", names.join(", "), relation(&schema.table));
        let key = schema.columns.iter().filter(|column| schema.key.contains(&column.name));
        if key.clone().all(is_sorted_as_ours) {
            let order: Vec<_> = schema
                .key
                .iter()
                .filter_map(|name| {
                    let column = schema.columns.iter().find(|column| column.name == *name)?;
                    let is_text = column.kind == CellKind::Text && column.declared != "uuid";
                    let collation = if is_text { " COLLATE \"C\"" } else { "" };
                    // A primary key has no NULLs, and its index is in the other order of them.
                    let nulls = if schema.key_named { " NULLS FIRST" } else { "" };
                    Some(format!("{}{collation}{nulls}", quote(name)))
                })
                .collect();
            let mut ascending = Ascending::new(form);
            return self.scan(form, &format!("{select} ORDER BY {}", order.join(", ")), &mut |row| {
                ascending.check(row)?;
                visit(row)
            });
        }
        let mut sorter = ByKey::new(form);
        self.scan(form, &select, &mut |row| sorter.push(row))?;
        let mut ascending = Ascending::new(form);
        sorter.each(&mut |row| {
            ascending.check(row)?;
            visit(row)
        })
    }

    fn typed(&self) -> fn(CellKind, Cell) -> Cell {
        |kind, cell| match cell {
            Cell::Text(spelled) => read(kind, &spelled),
            other => other,
        }
    }

    /// What can be looked at when a transaction ends is, in those that change something.
    fn defer_references(&mut self) -> Result<()> {
        Ok(())
    }

    fn references(&mut self, table: &str) -> Result<Vec<(String, i64)>> {
        // A table may refer to it by several of its columns.
        let sql = "SELECT other::regclass, string_agg('count(*) FILTER (WHERE ' || filled || ')', ' + ')
                   FROM (SELECT c.conrelid AS other,
                                string_agg(pg_catalog.format('%I IS NOT NULL', a.attname), ' AND ') AS filled
                         FROM pg_catalog.pg_constraint c
                         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
                         WHERE c.contype = 'f' AND c.confrelid = pg_catalog.to_regclass(?) AND c.conrelid <> c.confrelid
                         GROUP BY c.oid, c.conrelid) AS referring
                   GROUP BY other ORDER BY other";
        let mut others = Vec::new();
        self.query(sql, &[Cell::Text(relation(table))], &mut |row| {
            let mut row = row.into_iter().filter_map(text);
            others.extend(row.next().zip(row.next()));
            Ok(())
        })?;
        let mut counts = Vec::new();
        for (other, count) in others {
            let count = first(self, &format!("SELECT {count} FROM {other}"), &[])?
                .and_then(|row| row.into_iter().next())
                .and_then(text);
            let count = count.and_then(|count| count.parse().ok()).unwrap_or(0_i64);
            counts.push((other, -count));
        }
        Ok(counts)
    }

    fn advance_sequences(&mut self, form: &RowForm) -> Result<()> {
        let table = relation(&form.schema.table);
        for column in form.schema.columns.iter().filter(|column| column.kind == CellKind::Integer) {
            let sql = "SELECT pg_catalog.pg_get_serial_sequence(?, ?)";
            let named = [Cell::Text(table.clone()), Cell::Text(column.name.clone())];
            let sequence = first(self, sql, &named)?.and_then(|row| row.into_iter().next()).and_then(text);
            let Some(sequence) = sequence else { continue };
            // It never goes back: what another transaction took stays taken.
            self.batch(&format!(
                "SELECT setval({}::regclass, m.value) FROM (SELECT max({}) AS value FROM {table}) m, {sequence} s
                 WHERE m.value >= s.last_value",
                literal(&sequence),
                quote(&column.name)
            ))?;
        }
        Ok(())
    }

    fn freeze(&mut self, table: &str) -> Result<()> {
        self.batch(&format!("LOCK TABLE {} IN SHARE MODE", relation(table)))
    }

    fn install_triggers(&mut self, tracking: &Tracking) -> Result<()> {
        triggers::install(self, tracking)
    }

    fn remove_triggers(&mut self, tracking: &Tracking) -> Result<()> {
        triggers::remove(self, tracking)
    }

    fn trigger_state(&mut self, tracking: &Tracking) -> Result<TriggerState> {
        triggers::state(self, tracking)
    }

    fn name_job(&mut self, _: &str, job: Option<&str>) -> Result<()> {
        self.batch(&format!("SET LOCAL golden.job = {}", literal(job.unwrap_or_default())))
    }
}

impl Server {
    /// The rows of a query whose columns are a table's.
    fn scan(&mut self, form: &RowForm, sql: &str, visit: &mut dyn FnMut(&mut Row) -> Result<()>) -> Result<()> {
        let mut rows = Copied::query(&mut self.client, sql)?;
        while rows.advance()? {
            interrupt::check()?;
            let mut row = Vec::with_capacity(form.schema.columns.len());
            for (position, column) in form.schema.columns.iter().enumerate() {
                row.push(rows.get(position)?.map_or(Cell::Null, |spelled| read(column.kind, spelled)));
            }
            visit(&mut row)?;
        }
        Ok(())
    }
}

/// The number of the lock that says that a job is at work.
fn job_key(id: &str) -> String {
    format!("pg_catalog.hashtextextended({}, 0)", literal(&format!("golden-version job {id}")))
}

/// Whether the server sorts a column's values as keys are.
fn is_sorted_as_ours(column: &Column) -> bool {
    match column.kind {
        CellKind::Boolean | CellKind::Integer | CellKind::Blob => true,
        CellKind::Text => {
            column.declared == "text" || column.declared == "uuid" || column.declared.starts_with("character varying")
        }
        CellKind::Real | CellKind::Any => false,
    }
}

/// A statement with values in the places of the question marks that stand in no quotes.
fn filled(sql: &str, values: &[Cell]) -> String {
    let mut values = values.iter();
    let mut filled = String::with_capacity(sql.len());
    let mut quotes = None;
    for character in sql.chars() {
        match (character, quotes) {
            ('?', None) => filled.push_str(&values.next().map_or_else(|| "?".to_owned(), expression)),
            ('"' | '\'', None) => {
                quotes = Some(character);
                filled.push(character);
            }
            (_, open) => {
                filled.push(character);
                if open == Some(character) {
                    quotes = None;
                }
            }
        }
    }
    filled
}

fn text(cell: Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(text),
        _ => None,
    }
}

/// What the server said, where it was the server who said something.
fn server_error(error: std::io::Error) -> Error {
    match error.downcast::<postgres::Error>() {
        Ok(error) => Error::from(error),
        Err(error) => Error::from(error),
    }
}
