//! Changing a table's rows.

use golden::{Context, Result};
use golden_version::RowForm;

use super::compare::{Difference, Differences};
use crate::store::{RowChanges, Store};

/// Makes the table what the version is.
pub fn apply(store: &mut dyn Store, form: &RowForm, differences: Differences) -> Result<()> {
    let Differences { deleted, updated, inserted, .. } = differences;
    let read = |json: Option<String>| form.read(&json.unwrap_or_default());
    let mut updated = updated.finish()?.map(|difference| {
        let Difference { before, after } = difference?;
        Ok((read(before)?, read(after)?))
    });
    let changes = RowChanges {
        deleted: &mut deleted.finish()?.map(|difference| read(difference?.before)),
        updated: &mut updated,
        inserted: &mut inserted.finish()?.map(|difference| read(difference?.after)),
    };
    store.change_rows(form, changes).context(|| format!("table `{}` cannot be changed", form.schema.table))
}
