//! The first version: a file of all rows.

use std::sync::Arc;

use golden::Result;
use golden_version::RowForm;

use super::tally::Seal;
use crate::snapshots::{FileName, Folder};
use crate::store::Store;

/// Writes the table's rows into a file of that name.
pub fn first(store: &mut dyn Store, folder: &Folder, name: FileName, form: &Arc<RowForm>) -> Result<Seal> {
    let (snapshot, contents) =
        folder.write(name, form, None, |writer| store.each_row(form, &mut |row| writer.write(std::mem::take(row))))?;
    let changes = [contents.rows, 0, 0];
    Ok(Seal { rows: contents.rows, content: contents.digest, changes, snapshot: Some(snapshot) })
}
