//! The database that is imported into, as it is or as `--init` will make it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use golden::document::{Fields, RecordKind};
use golden::store::sqlite::{open_for_reading, open_for_writing, quote, schema};
use golden::store::{Mapping, Schema, TimestampForm, VectorColumn, VectorPlace};
use golden::{Context, Error, Kind, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde_json::Value;

use crate::cli::Cli;
use crate::columns::Requests;
use crate::document::Document;
use crate::init::Shape;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To see what an import would do.
    Look,
    /// To do it.
    Change,
}

/// The target database.
pub struct Target {
    /// Where it is, links followed.
    pub path: PathBuf,
    /// Its tables.
    pub schema: Schema,
    /// The statements that create missing tables.
    pub ddl: Vec<String>,
    /// Kinds whose tables hold rows.
    pub inhabited: BTreeSet<RecordKind>,
    /// Its text encoding, which whatever is attached to it must share.
    pub encoding: String,
    /// Whether the file was there before this import.
    pub exists: bool,
    patience: Duration,
}

impl Target {
    /// Looks at the database. One that a crash left in the middle of a transaction is repaired on the way,
    /// as SQLite does for anybody who may write.
    pub fn learn(cli: &Cli, path: &Path, mapping: &Mapping, document: &Document, requests: &Requests) -> Result<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.to_str().is_none() {
            return Err(Error::usage(format!("the path {} is not UTF-8", path.display())));
        }
        let exists = path.exists() || !cli.init;
        let patience = Duration::from_secs(cli.lock_timeout);
        let purpose = if cli.dry_run { Purpose::Look } else { Purpose::Change };
        let connection = if exists { open(&path, purpose, cli.init, patience)? } else { Connection::open_in_memory()? };
        let mut ddl = Vec::new();
        if cli.init {
            let shape = Shape::of(document.reader()?, document.limits, &document.metadata, &requests.dropped)
                .context(|| document.name())?;
            ddl = shape.missing_tables(&connection, mapping)?;
        }
        if !ddl.is_empty() {
            // What the schema will be is seen by making it, and taking that back.
            connection.execute_batch("BEGIN IMMEDIATE").context(|| format!("cannot change {}", path.display()))?;
            create_tables(&connection, &ddl)?;
        }
        let schema = schema(&connection, mapping).context(|| path.display().to_string())?;
        let inhabited = inhabited(&connection, &schema)?;
        let encoding = connection.query_row("PRAGMA encoding", [], |row| row.get(0))?;
        if !ddl.is_empty() {
            connection.execute_batch("ROLLBACK")?;
        }
        let mut target = Self { path, schema, ddl, inhabited, encoding, exists, patience };
        target.adopt_forms(mapping, &document.metadata);
        target.check_vectors(cli, &connection)?;
        Ok(target)
    }

    /// Takes over the document's forms of timestamps where the target has no rows that show its own.
    fn adopt_forms(&mut self, mapping: &Mapping, metadata: &Fields) {
        let Some(forms) = metadata.get("forms").and_then(Value::as_object) else { return };
        let inhabited = &self.inhabited;
        self.schema.adopt_forms(|kind, field| {
            let is_open = !inhabited.contains(&kind) && !mapping.columns(kind).types.contains_key(field);
            let form = forms.get(kind.plural())?.get(field)?.as_str()?;
            TimestampForm::from_name(form).filter(|_| is_open)
        });
    }

    /// What is certain to fail for the vectors' sake fails before anything is staged or embedded.
    fn check_vectors(&self, cli: &Cli, connection: &Connection) -> Result<()> {
        let Some(vectors) = &self.schema.vectors else {
            if cli.embed.is_none() {
                return Ok(());
            }
            return Err(Error::usage("the database has no column for vectors")
                .guidance("name it in golden.toml: [vectors] column = \"…\"; or import with --no-embed"));
        };
        match &vectors.place {
            VectorPlace::ChunkColumn if vectors.not_null && cli.no_embed => {
                Err(Error::data(format!("--no-embed leaves vectors empty, but column `{}` must not be", vectors.name))
                    .guidance("give --embed CMD"))
            }
            VectorPlace::Table { name, chunk, .. } if cli.embed.is_some() => {
                refuse_demanding_columns(connection, name, chunk, vectors)
            }
            _ => Ok(()),
        }
    }

    /// Opens the database; it is created if `--init` is to do so.
    pub fn open(&self, purpose: Purpose) -> Result<Connection> {
        if self.exists {
            return open(&self.path, purpose, !self.ddl.is_empty(), self.patience);
        }
        match purpose {
            Purpose::Look => Ok(Connection::open_in_memory()?),
            Purpose::Change => Connection::open_with_flags(
                &self.path,
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )
            .context(|| format!("cannot create {}", self.path.display())),
        }
    }

    /// Removes the empty file that a failed `--init` made.
    pub fn remove_if_void(&self) {
        if !self.exists && fs::metadata(&self.path).is_ok_and(|found| found.len() == 0) {
            // If it stays, the next --init fills it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path, purpose: Purpose, creates_tables: bool, patience: Duration) -> Result<Connection> {
    if purpose == Purpose::Look && !creates_tables {
        return open_for_reading(path);
    }
    let connection = open_for_writing(path, patience)?;
    if purpose == Purpose::Look {
        // The write-ahead log is left as it is.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    } else if connection.is_readonly("main")? {
        return Err(Error::environment(format!("{} is write-protected", path.display()))
            .guidance("an import needs write permission for the file and for its folder"));
    }
    Ok(connection)
}

/// Creates the tables that are missing.
pub fn create_tables(connection: &Connection, ddl: &[String]) -> Result<()> {
    for statement in ddl {
        connection.execute_batch(statement).map_err(|error| {
            let is_refused = error.sqlite_error_code() == Some(ErrorCode::Unknown);
            let error = Error::from(error);
            let kind = if is_refused { Kind::Data } else { error.kind() };
            Error::new(kind, format!("--init cannot create the tables: {}", error.message()))
                .guidance("leave a column out with --drop-column, or create the tables yourself")
        })?;
    }
    Ok(())
}

fn inhabited(connection: &Connection, schema: &Schema) -> Result<BTreeSet<RecordKind>> {
    let mut kinds = BTreeSet::new();
    for table in schema.tables() {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM main.{})", quote(&table.name));
        if connection.query_row(&sql, [], |row| row.get(0))? {
            kinds.insert(table.kind);
        }
    }
    Ok(kinds)
}

/// A table of vectors in which a row needs more than a chunk and a vector cannot be filled.
fn refuse_demanding_columns(connection: &Connection, table: &str, chunk: &str, vectors: &VectorColumn) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT name FROM pragma_table_xinfo(?1, 'main')
         WHERE \"notnull\" AND dflt_value IS NULL AND hidden = 0 AND lower(name) NOT IN (lower(?2), lower(?3))
               AND NOT (pk = 1 AND upper(type) = 'INTEGER')",
    )?;
    let names = statement.query_map([table, chunk, &vectors.name], |row| row.get(0))?;
    let names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::data(format!("table `{table}` has columns that must not be empty: {}", names.join(", ")))
        .guidance("give them defaults: an import fills in the chunk and its vector"))
}
