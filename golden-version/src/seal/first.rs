//! The first version: a file of all rows.

use golden::Result;
use golden_version::{ContentDigest, RowForm};

use super::tally::Seal;
use crate::snapshots::Folder;
use crate::store::Store;

/// Writes the table's rows into a file of that name.
pub fn first(store: &mut dyn Store, folder: &Folder, name: String, form: &RowForm) -> Result<Seal> {
    let mut content = ContentDigest::default();
    let mut json = Vec::new();
    let (snapshot, written) = folder.write(name, form, |writer| {
        store.each_row(form, &mut |row| {
            form.write_json(&row, &mut json);
            content.add(&json);
            writer.write(&row)
        })
    })?;
    Ok(Seal { rows: written.rows, content, changes: [written.rows, 0, 0], snapshot: Some(snapshot) })
}
