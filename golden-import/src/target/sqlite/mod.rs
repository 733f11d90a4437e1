//! SQLite: the staging file is attached to the target's connection.

mod dangling;
mod file;
mod functions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use golden::store::sqlite::schema;
use golden::store::{Connection, Mapping, Schema, Table, VectorColumn, VectorPlace, quote};
use golden::{Context, Error, Kind, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{ErrorCode, OptionalExtension};

use self::dangling::Dangling;
pub use self::file::DatabaseFile;
use super::{Dialect, Fate, Purpose, Session};
use crate::columns::Covered;
use crate::plan::Job;
use crate::references::{Reference, our_tables};
use crate::write::Update;

/// Pages kept in memory, in KiB (SQLite's sorters take as much again). The staging file is only read;
/// without syncing it takes no part in the commit.
const PRAGMAS: &str = "PRAGMA main.cache_size = -8192; PRAGMA staging.cache_size = -2048;
    PRAGMA temp.cache_size = -4096; PRAGMA staging.synchronous = OFF";

/// A connection to a file.
pub struct SqliteSession {
    connection: rusqlite::Connection,
    path: PathBuf,
    dangling: Option<Dangling>,
}

impl SqliteSession {
    fn new(connection: rusqlite::Connection, path: PathBuf) -> Result<Self> {
        functions::register(&connection)?;
        Ok(Self { connection, path, dangling: None })
    }

    /// Brings the staging file within reach.
    fn attach(&self, staging: &Path) -> Result<()> {
        let staging = staging.to_str().ok_or_else(|| Error::usage("the database's path is not UTF-8"))?;
        self.connection.execute("ATTACH ? AS staging", [staging])?;
        Ok(())
    }

    /// Updates rows that exchange unique values: they collide one by one, though not in the end. All are
    /// taken out, changed aside, and put back with the columns that nobody changes.
    fn update_aside(&self, update: &Update<'_>) -> Result<u64> {
        let table = update.table;
        let (main, id) = (&table.relation, quote(&table.id()?.name));
        let columns = self.stored_columns(table)?;
        self.connection.execute_batch(&format!(
            "CREATE TEMP TABLE golden_aside AS SELECT {columns} FROM {main} WHERE {id} IN (
                 SELECT t.{id} FROM {rows} CROSS JOIN {main} t WHERE t.{id} = {staged} AND ({differs}));
             DELETE FROM {main} WHERE {id} IN (SELECT {id} FROM temp.golden_aside);",
            rows = update.rows,
            staged = update.staged_id,
            differs = update.differs,
        ))?;
        self.connection.execute(&update.statement("temp.golden_aside")?, [])?;
        let put_back = format!("INSERT INTO {main}({columns}) SELECT {columns} FROM temp.golden_aside");
        let updated = self.connection.execute(&put_back, [])?;
        self.connection.execute_batch("DROP TABLE temp.golden_aside")?;
        Ok(updated as u64)
    }

    /// Every column that is stored, whether it travels or not, the row number included.
    fn stored_columns(&self, table: &Table) -> Result<String> {
        let sql = "SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0";
        let mut statement = self.connection.prepare(sql)?;
        let names = statement.query_map([&table.name], |row| row.get(0))?;
        let mut names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
        for key in &table.locator {
            if !names.iter().any(|name| name.eq_ignore_ascii_case(&key.name)) {
                names.push(key.name.clone());
            }
        }
        Ok(names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", "))
    }
}

impl Session for SqliteSession {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn connection(&mut self) -> Connection<'_> {
        Connection::Sqlite(&mut self.connection)
    }

    fn begin(&mut self, purpose: Purpose) -> Result<()> {
        let begin = match purpose {
            Purpose::Look => "BEGIN",
            Purpose::Change => "BEGIN IMMEDIATE",
        };
        self.connection.execute_batch(begin).context(|| format!("cannot begin to change {}", self.path.display()))
    }

    fn begin_change(&mut self, job: &Job<'_>, tables: &[String], purpose: Purpose) -> Result<()> {
        self.attach(job.staging)?;
        // What the application's own tables refer to is looked at before; no cascade may reach them.
        self.connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF")?;
        self.connection.execute_batch(PRAGMAS)?;
        self.begin(purpose)?;
        self.create(tables)
    }

    fn begin_vectors(&mut self, _: &Schema, _: &VectorColumn, staging: &Path, purpose: Purpose) -> Result<()> {
        self.attach(staging)?;
        self.connection.execute_batch(PRAGMAS)?;
        self.begin(purpose)
    }

    fn commit(&mut self) -> Fate {
        match self.connection.execute_batch("COMMIT") {
            Ok(()) => Fate::Done,
            Err(error) => Fate::Undone(Error::from(error).context("cannot commit")),
        }
    }

    fn rollback(&mut self) -> Result<()> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        Ok(self.connection.execute_batch(sql)?)
    }

    fn execute(&mut self, sql: &str) -> Result<u64> {
        Ok(self.connection.execute(sql, [])? as u64)
    }

    fn each(&mut self, sql: &str, each: &mut dyn FnMut(Vec<Stored>) -> Result<()>) -> Result<()> {
        let mut statement = self.connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each((0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?)?;
        }
        Ok(())
    }

    fn first(&mut self, sql: &str) -> Result<Option<Vec<Stored>>> {
        let mut statement = self.connection.prepare(sql)?;
        let columns = statement.column_count();
        let row = statement.query_row([], |row| (0..columns).map(|column| row.get(column)).collect());
        Ok(row.optional()?)
    }

    fn create(&mut self, ddl: &[String]) -> Result<()> {
        for statement in ddl {
            self.connection.execute_batch(statement).map_err(|error| {
                let is_refused = error.sqlite_error_code() == Some(ErrorCode::Unknown);
                let error = Error::from(error);
                let kind = if is_refused { Kind::Data } else { error.kind() };
                Error::new(kind, format!("--init cannot create the tables: {}", error.message()))
                    .guidance("leave a column out with --drop-column, or create the tables yourself")
            })?;
        }
        Ok(())
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE";
        Ok(self.connection.query_row(sql, [name], |row| row.get(0))?)
    }

    fn relation(&self, name: &str) -> String {
        quote(name)
    }

    fn vector_type(&mut self) -> Result<&'static str> {
        Ok("BLOB")
    }

    fn schema(&mut self, mapping: &Mapping) -> Result<Schema> {
        schema(&self.connection, mapping).context(|| self.path.display().to_string())
    }

    fn encoding(&mut self) -> Result<String> {
        Ok(self.connection.query_row("PRAGMA encoding", [], |row| row.get(0))?)
    }

    fn has_notes(&mut self, _: &Schema) -> Result<bool> {
        self.holds("SELECT count(*) > 0 FROM main.sqlite_schema WHERE type = 'table' AND name = 'golden_vectors'")
    }

    fn demanding_columns(&mut self, vectors: &VectorColumn) -> Result<Vec<String>> {
        let VectorPlace::Table { name, chunk, .. } = &vectors.place else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare(
            "SELECT name FROM pragma_table_xinfo(?1, 'main')
             WHERE \"notnull\" AND dflt_value IS NULL AND hidden = 0 AND lower(name) NOT IN (lower(?2), lower(?3))
                   AND NOT (pk = 1 AND upper(type) = 'INTEGER')",
        )?;
        let names = statement.query_map([name, chunk, &vectors.name], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    fn references(&mut self, job: &Job<'_>) -> Result<Vec<Reference>> {
        // A key that names no columns refers to the primary key.
        let mut statement = self.connection.prepare(
            "SELECT m.name, f.id, f.\"table\", f.\"from\",
                    coalesce(f.\"to\", (SELECT k.name FROM pragma_table_info(f.\"table\", 'main') k WHERE k.pk = f.seq + 1))
             FROM main.sqlite_schema m, pragma_foreign_key_list(m.name, 'main') f
             WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq",
        )?;
        let ours = our_tables(job);
        let is_ours = |name: &str| ours.iter().any(|(ours, _)| ours.eq_ignore_ascii_case(name));
        let mut references: BTreeMap<(String, i64), Reference> = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (referrer, id, referred): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (column, Some(key)): (String, Option<String>) = (row.get(3)?, row.get(4)?) else { continue };
            if !is_ours(&referrer) && is_ours(&referred) {
                let relation = format!("main.{}", quote(&referrer));
                let reference = Reference { name: referrer.clone(), relation, referred, columns: Vec::new() };
                references.entry((referrer, id)).or_insert(reference).columns.push((column, key));
            }
        }
        Ok(references.into_values().collect())
    }

    fn note_dangling(&mut self, job: &Job<'_>) -> Result<()> {
        let mut tables: Vec<String> = our_tables(job).into_iter().map(|(name, _)| name.to_owned()).collect();
        tables.extend(self.references(job)?.into_iter().map(|reference| reference.name));
        self.dangling = Some(Dangling::note(&self.connection, job, tables.into_iter().collect())?);
        Ok(())
    }

    fn refuse_dangling(&mut self, job: &Job<'_>) -> Result<()> {
        self.dangling.as_ref().map_or(Ok(()), |dangling| dangling.refuse_more(&self.connection, job))
    }

    /// Where the table is AUTOINCREMENT, the largest id there ever was is written down.
    fn next_id(&mut self, table: &Table) -> Result<String> {
        let sql = format!("SELECT coalesce(max({}), 0) FROM {}", quote(&table.id()?.name), table.relation);
        let mut last: i64 = self.connection.query_row(&sql, [], |row| row.get(0))?;
        let has_sequences = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence')";
        if self.connection.query_row(has_sequences, [], |row| row.get(0))? {
            let sql = "SELECT coalesce(max(seq), 0) FROM main.sqlite_sequence WHERE name = ? COLLATE NOCASE";
            last = last.max(self.connection.query_row(sql, [&table.name], |row| row.get(0))?);
        }
        Ok(format!("{last} + row_number() OVER (ORDER BY seq)"))
    }

    /// SQLite keeps them itself.
    fn advance_sequences(&mut self, _: &Job<'_>) -> Result<()> {
        Ok(())
    }

    /// The staging file is attached: no way is shorter than an insertion.
    fn fill_empty(&mut self, _: &Job<'_>, _: &Covered) -> Result<Option<u64>> {
        Ok(None)
    }

    fn holds_what_was_staged(&mut self, _: &Job<'_>) -> Result<bool> {
        Ok(false)
    }

    fn update(&mut self, update: &Update<'_>) -> Result<u64> {
        match self.connection.execute(&update.statement(&update.table.relation)?, []) {
            Err(error) if is_unique_violation(&error) && !self.connection.is_autocommit() => self.update_aside(update),
            outcome => Ok(outcome? as u64),
        }
    }

    fn after_commit(&mut self, _: &Job<'_>) {}
}

fn is_unique_violation(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY))
}
