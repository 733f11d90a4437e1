//! Deltas that were moved out of the database: files of rows like any other, of the columns of `dataset_deltas`.

use std::sync::Arc;

use golden::{Context, Error, Result};
use golden_version::{Cell, CellKind, Column, Row, RowForm, TableSchema};

use crate::snapshots::{Condition, FileName, Folder};
use crate::table_file;
use crate::version::{DatasetVersion, Delta, Moment, Operation, StoredFile};

/// The columns, with what they are declared as and what they hold.
const COLUMNS: [(&str, &str, CellKind); 10] = [
    ("id", "BIGINT", CellKind::Integer),
    ("dataset_version_id", "TEXT", CellKind::Text),
    ("operation", "TEXT", CellKind::Text),
    ("record_id", "TEXT", CellKind::Text),
    ("payload", "TEXT", CellKind::Text),
    ("before", "TEXT", CellKind::Text),
    ("changed_at", "DATETIME", CellKind::Any),
    ("changed_by_job", "TEXT", CellKind::Text),
    ("job_named", "BOOLEAN", CellKind::Boolean),
    ("applied", "BOOLEAN", CellKind::Boolean),
];

fn form() -> Result<Arc<RowForm>> {
    let columns = COLUMNS.map(|(name, declared, kind)| Column { name: name.into(), declared: declared.into(), kind });
    let schema = TableSchema {
        table: "dataset_deltas".to_owned(),
        columns: columns.to_vec(),
        key: vec!["id".to_owned()],
        key_named: false,
    };
    RowForm::new(schema).map(Arc::new)
}

/// Writes the deltas of a version into its history file.
pub fn write(
    folder: &Folder,
    version: &DatasetVersion,
    deltas: impl FnOnce(&mut dyn FnMut(Delta) -> Result<()>) -> Result<()>,
) -> Result<StoredFile> {
    let name = FileName::of_history(version);
    let (file, _) =
        folder.write(name, &form()?, None, |writer| deltas(&mut |delta| writer.write(row(&version.id, delta))))?;
    Ok(file)
}

/// Reads the deltas of a history file, in their order.
///
/// # Errors
/// A file that is missing, or is not what was written.
pub fn read(folder: &Folder, file: &StoredFile) -> Result<impl Iterator<Item = Result<Delta>> + use<>> {
    let condition = folder.condition(file)?;
    if condition != Condition::Sound {
        return Err(Error::data(format!("the history file {} {condition}", file.path))
            .guidance("put it back from a backup, or name its folder with --snapshots"));
    }
    let path = file.path.clone();
    let form = form()?;
    let rows = table_file::read(&folder.path(file)?, &form)?;
    Ok(rows.map(move |row| delta(row?).context(|| &path)))
}

fn row(version: &str, delta: Delta) -> Row {
    let text = |text: Option<String>| text.map_or(Cell::Null, Cell::Text);
    vec![
        Cell::Integer(delta.id),
        Cell::Text(version.to_owned()),
        Cell::Text(delta.operation.name().to_owned()),
        Cell::Text(delta.record_id),
        text(delta.after),
        text(delta.before),
        Cell::Text(delta.changed_at.stored()),
        text(delta.job),
        Cell::Boolean(delta.job_named),
        Cell::Boolean(delta.applied),
    ]
}

fn delta(row: Row) -> Result<Delta> {
    let not_ours = || Error::data("it holds a delta that golden-version did not write");
    let Ok::<[Cell; COLUMNS.len()], _>(row) = row.try_into() else { return Err(not_ours()) };
    let [id, _, operation, record_id, after, before, changed_at, job, job_named, applied] = row;
    let text = |cell| match cell {
        Cell::Text(text) => Some(text),
        _ => None,
    };
    let Cell::Integer(id) = id else { return Err(not_ours()) };
    Ok(Delta {
        id,
        operation: text(operation).and_then(|name| Operation::from_name(&name)).ok_or_else(not_ours)?,
        record_id: text(record_id).ok_or_else(not_ours)?,
        before: text(before),
        after: text(after),
        changed_at: text(changed_at).and_then(|moment| Moment::parse(&moment)).ok_or_else(not_ours)?,
        job: text(job),
        job_named: job_named == Cell::Boolean(true),
        applied: applied == Cell::Boolean(true),
    })
}
