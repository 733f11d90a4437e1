//! The database and the table that get the rows.

use std::path::Path;

use golden::cli::Reporter;
use golden::store::{Address, Location, quote};
use golden::{Context, Error, Result};
use golden_version::{CellKind, Column, RowForm};

use crate::store::{self, Dialect, Intent, Store};
use crate::table_file::Classes;

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
pub fn prepare(
    store: &mut dyn Store,
    form: &RowForm,
    from: Dialect,
    classes: &[Classes],
    dry_run: bool,
) -> Result<bool> {
    let table = &form.schema.table;
    let there = store.column_names(table)?;
    if there.is_empty() {
        let types = types(form, from, store.dialect(), classes)?;
        if !dry_run {
            create(store, form, &types)?;
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

/// The form of a version's rows as the table has them: its columns may be of other kinds.
pub fn form(store: &mut dyn Store, form: &RowForm) -> Result<RowForm> {
    let mut schema = form.schema.clone();
    let there = store.table(&schema.table, &schema.key)?.columns;
    for column in &mut schema.columns {
        if let Some(there) = there.iter().find(|there| there.name == column.name) {
            column.kind = there.kind;
        }
    }
    RowForm::new(schema)
}

/// Makes the table: its columns and their types, and the key.
fn create(store: &mut dyn Store, form: &RowForm, types: &[String]) -> Result<()> {
    let columns = form.schema.columns.iter().zip(types);
    let mut parts: Vec<_> = columns.map(|(column, kind)| format!("{} {kind}", quote(&column.name))).collect();
    if !form.schema.key_named {
        let key: Vec<_> = form.schema.key.iter().map(|name| quote(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let relation = store.relation(&form.schema.table)?;
    store.batch(&format!("CREATE TABLE {relation} ({})", parts.join(", ")))
}

/// The types of the columns: as they were declared, or, in the other database, those that carry the values.
fn types(form: &RowForm, from: Dialect, to: Dialect, classes: &[Classes]) -> Result<Vec<String>> {
    let columns = form.schema.columns.iter().zip(classes);
    if from == to {
        return Ok(columns.map(|(column, _)| column.declared.clone()).collect());
    }
    columns.map(|(column, classes)| carrying(column, *classes, to).map(str::to_owned)).collect()
}

/// A type of the other database's that gives a column's values back.
fn carrying(column: &Column, classes: Classes, to: Dialect) -> Result<&'static str> {
    let of_no_values = match column.kind {
        CellKind::Boolean => Classes::BOOLEAN,
        CellKind::Integer => Classes::INTEGER,
        CellKind::Real => Classes::REAL,
        CellKind::Blob => Classes::BLOB,
        CellKind::Text | CellKind::Any => Classes::TEXT,
    };
    let classes = if classes == Classes::default() { of_no_values } else { classes };
    let names = [
        (Classes::BOOLEAN, "boolean", None),
        (Classes::INTEGER, "bigint", Some("INTEGER")),
        (Classes::REAL, "double precision", Some("REAL")),
        (Classes::TEXT, "text", Some("TEXT")),
        (Classes::BLOB, "bytea", Some("BLOB")),
    ];
    let found = names.into_iter().find(|(class, ..)| *class == classes).and_then(|(_, postgres, sqlite)| match to {
        Dialect::Postgres => Some(postgres),
        Dialect::Sqlite => sqlite,
    });
    found.ok_or_else(|| {
        let (name, values, database) = (&column.name, classes.named(), to.name());
        Error::data(format!("column `{name}` holds {values}, which no type of {database}'s gives back as they are"))
            .guidance("seal a version in which the column holds values of one kind, or take the rows as a file: golden-version export")
    })
}
