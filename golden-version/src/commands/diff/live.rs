//! What differs between a version and the table as it is now.

use golden::Result;
use golden::cli::Reporter;
use golden_version::{Row, RowForm, TableSchema};

use super::difference::Difference;
use crate::chain::Chain;
use crate::cli::TableArgs;
use crate::commands::Place;
use crate::replay::{Rows, Ways};
use crate::version::DatasetVersion;

/// Shows the differences by key; the table as it is.
pub fn compare(
    place: &mut Place,
    chain: &Chain,
    from: usize,
    reporter: &Reporter,
    show: &mut dyn FnMut(Difference) -> Result<()>,
) -> Result<TableSchema> {
    let store = place.store.as_mut();
    let form = RowForm::new(chain.table(store, &TableArgs::default())?)?;
    let base = Ways::to(chain, from).nearest(&place.folder, &mut |warning| reporter.warn(warning))?;
    let rows = Rows::rebuild(store, &place.folder, chain, from, base)?;
    let old_form = rows.form().clone();
    let sealed = chain.versions.get(from).map(DatasetVersion::contents).unwrap_or_default();
    let mut old = rows.proven(sealed).peekable();
    let gone = |row: Row| Difference::of(old_form.record_id(&old_form.key(&row)), Some(old_form.json(&row)), None);
    store.each_row(&form, &mut |row| {
        let key = form.key(row);
        while let Some(before) = old.next_if(|old| old.as_ref().map_or(true, |old| old_form.key(old) < key)) {
            show(gone(before?)?)?;
        }
        let before = old.next_if(|old| old.as_ref().is_ok_and(|old| old_form.key(old) == key)).transpose()?;
        let (before, after) = (before.map(|before| old_form.json(&before)), form.json(row));
        if before.as_ref() != Some(&after) {
            show(Difference::of(form.record_id(&key), before, Some(after))?)?;
        }
        Ok(())
    })?;
    for row in old {
        show(gone(row?)?)?;
    }
    Ok(form.schema)
}
