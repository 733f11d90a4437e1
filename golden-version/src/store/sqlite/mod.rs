//! SQLite files.

mod changed;
mod held;
mod introspect;
mod rows;
mod triggers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use golden::store::quote;
use golden::store::sqlite::{open_for_reading, open_for_writing};
use golden::{Context, Error, Result};
use golden_version::{Cell, CellKind, Row, RowForm, TableSchema};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use self::held::HeldJobs;
use super::{Access, Dialect, Intent, RowChanges, Store, Visit};
use crate::interrupt;
use crate::tracking::{Tracking, TriggerState};

/// How long another process may take with the database.
const PATIENCE: Duration = Duration::from_secs(120);

/// A SQLite file, opened.
pub struct File {
    connection: Connection,
    path: PathBuf,
    held: HeldJobs,
}

impl File {
    /// Opens a file that exists.
    pub fn open(path: &Path, intent: Intent) -> Result<Self> {
        let connection = match intent {
            Intent::Read => open_for_reading(path)?,
            Intent::Write => open_for_writing(path, PATIENCE)?,
        };
        Ok(Self { connection, path: path.to_owned(), held: HeldJobs::beside(path) })
    }

    /// What a file would be that is not there yet.
    pub fn nothing(path: &Path) -> Result<Self> {
        Ok(Self { connection: Connection::open_in_memory()?, path: path.to_owned(), held: HeldJobs::beside(path) })
    }
}

impl Store for File {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn begin(&mut self, access: Access<'_>) -> Result<()> {
        let sql = match access {
            Access::Read => "BEGIN",
            Access::Change(_) => "BEGIN IMMEDIATE",
        };
        self.batch(sql)
    }

    fn commit(&mut self) -> Result<()> {
        self.batch("COMMIT")
    }

    fn rollback(&mut self) -> Result<()> {
        if self.connection.is_autocommit() { Ok(()) } else { self.batch("ROLLBACK") }
    }

    fn hold_job(&mut self, id: &str) -> Result<bool> {
        self.held.hold(id)
    }

    fn release_job(&mut self, id: &str) -> Result<()> {
        self.held.release(id)
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        interrupt::check()?;
        self.connection.execute_batch(sql).context(|| self.path.display())
    }

    fn execute(&mut self, sql: &str, values: &[Cell]) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let changed = statement.execute(params_from_iter(values.iter().map(Bound)))?;
        Ok(changed as u64)
    }

    fn query(&mut self, sql: &str, values: &[Cell], visit: Visit<'_>) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values.iter().map(Bound)))?;
        while let Some(row) = rows.next()? {
            interrupt::check()?;
            let cells = (0..columns).map(|column| {
                rows::cell(row.get_ref(column)?).ok_or_else(|| Error::data("there is text that is not UTF-8"))
            });
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
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", quote(table), names.join(", "));
        let mut statement = self.connection.prepare(&sql)?;
        let mut count = 0;
        for row in rows {
            interrupt::check()?;
            statement.execute(params_from_iter(row?.iter().map(Bound)))?;
            count += 1;
        }
        Ok(count)
    }

    fn change_rows(&mut self, form: &RowForm, changes: RowChanges<'_>) -> Result<()> {
        changed::change(self, form, changes)
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        Ok(!self.column_names(name)?.is_empty())
    }

    fn column_names(&mut self, table: &str) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare("SELECT name FROM pragma_table_xinfo(?1, 'main') ORDER BY cid")?;
        let names = statement.query_map([table], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    fn table(&mut self, name: &str, key: &[String]) -> Result<TableSchema> {
        introspect::table(&self.connection, name, key).context(|| self.path.display())
    }

    fn keeps_unique(&mut self, schema: &TableSchema) -> Result<bool> {
        introspect::keeps_unique(&self.connection, schema)
    }

    fn relation(&mut self, name: &str) -> Result<String> {
        Ok(format!("main.{}", quote(name)))
    }

    fn each_row(&mut self, form: &RowForm, visit: &mut dyn FnMut(&mut Row) -> Result<()>) -> Result<()> {
        rows::each(&self.connection, form, visit)
    }

    fn typed(&self) -> fn(CellKind, Cell) -> Cell {
        |_, cell| cell
    }

    /// Without this a row that is deleted would take along those of other tables. To be asked for before the
    /// transaction begins; what is broken in the end [`Store::references`] finds.
    fn defer_references(&mut self) -> Result<()> {
        self.batch("PRAGMA foreign_keys = OFF")
    }

    fn references(&mut self, _: &str) -> Result<Vec<(String, i64)>> {
        let sql = "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY \"table\" ORDER BY \"table\"";
        let mut statement = self.connection.prepare(sql)?;
        let broken = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(broken.collect::<rusqlite::Result<_>>()?)
    }

    /// SQLite does so by itself.
    fn advance_sequences(&mut self, _: &RowForm) -> Result<()> {
        Ok(())
    }

    /// Whoever changes anything is alone anyway.
    fn freeze(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    fn install_triggers(&mut self, tracking: &Tracking) -> Result<()> {
        triggers::install(&self.connection, tracking)
    }

    fn remove_triggers(&mut self, tracking: &Tracking) -> Result<()> {
        triggers::remove(&self.connection, tracking)
    }

    fn trigger_state(&mut self, tracking: &Tracking) -> Result<TriggerState> {
        triggers::state(&self.connection, tracking)
    }

    fn name_job(&mut self, dataset: &str, job: Option<&str>) -> Result<()> {
        let job = job.map_or(Cell::Null, |job| Cell::Text(job.to_owned()));
        let sql = "UPDATE dataset_tracking SET current_job = ? WHERE dataset_name = ?";
        self.execute(sql, &[job, Cell::Text(dataset.to_owned())]).map(drop)
    }
}

/// A value as SQLite binds it.
struct Bound<'c>(&'c Cell);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Boolean(truth) => ToSqlOutput::Owned(Value::Integer(i64::from(*truth))),
            Cell::Integer(integer) => ToSqlOutput::Owned(Value::Integer(*integer)),
            Cell::Real(double) => ToSqlOutput::Owned(Value::Real(*double)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
