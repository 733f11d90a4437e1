//! The database and the table that get the rows.

use std::path::Path;

use golden::cli::Reporter;
use golden::store::{Address, Location};
use golden::{Context, Error, Result};
use golden_version::{CellKind, Column, RowForm};

use crate::store::{self, Dialect, Intent, Store};

/// Opens another database. A SQLite file is made where there is none.
pub fn open(into: &str, dry_run: bool, reporter: &Reporter) -> Result<Box<dyn Store>> {
    let location = Location::find(Some(into))?;
    location.warnings().iter().for_each(|warning| reporter.warn(warning));
    match &location.address {
        Address::Sqlite(path) if !dry_run => touch(path)?,
        Address::Sqlite(path) if !path.exists() => return Ok(Box::new(store::File::nothing(path)?)),
        _ => {}
    }
    store::open(&location, if dry_run { Intent::Read } else { Intent::Write })
}

/// An empty file is an empty database.
fn touch(path: &Path) -> Result<()> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).context(|| format!("cannot make {}", path.display()))
}

/// Sees to it that the table can take the rows; true where there is none, or was none.
pub fn prepare(store: &mut dyn Store, form: &RowForm, from: Dialect, dry_run: bool) -> Result<bool> {
    let table = &form.schema.table;
    let there = store.column_names(table)?;
    if there.is_empty() {
        if !dry_run {
            create(store, form, from)?;
        }
        return Ok(true);
    }
    let lacking: Vec<_> = form
        .schema
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(|name| !there.iter().any(|there| there == name))
        .collect();
    if lacking.is_empty() {
        return Ok(false);
    }
    Err(Error::data(format!("table `{table}` has no column {}, which the version has", lacking.join(", ")))
        .guidance("add what is missing, or name a table that is to be made with --table"))
}

/// Makes the table: its columns and their types, and the key.
fn create(store: &mut dyn Store, form: &RowForm, from: Dialect) -> Result<()> {
    let to = store.dialect();
    let quote = golden::store::sqlite::quote;
    let mut parts: Vec<_> = form
        .schema
        .columns
        .iter()
        .map(|column| {
            format!(
                "{} {}",
                quote(&column.name),
                if from == to { column.declared.as_str() } else { carried(column, to) }
            )
        })
        .collect();
    if !form.schema.key_named {
        let key: Vec<_> = form.schema.key.iter().map(|name| quote(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let relation = store.relation(&form.schema.table)?;
    store.batch(&format!("CREATE TABLE {relation} ({})", parts.join(", ")))
}

/// A type of the other database's that carries a column's values.
fn carried(column: &Column, to: Dialect) -> &'static str {
    match (column.kind, to) {
        (CellKind::Boolean, Dialect::Postgres) => "boolean",
        (CellKind::Integer, Dialect::Postgres) => "bigint",
        (CellKind::Real, Dialect::Postgres) => "double precision",
        (CellKind::Blob, Dialect::Postgres) => "bytea",
        (CellKind::Text | CellKind::Any, Dialect::Postgres) => "text",
        (CellKind::Boolean | CellKind::Integer, Dialect::Sqlite) => "INTEGER",
        (CellKind::Real, Dialect::Sqlite) => "REAL",
        (CellKind::Blob, Dialect::Sqlite) => "BLOB",
        (CellKind::Text | CellKind::Any, Dialect::Sqlite) => "TEXT",
    }
}
