//! Changing a table's rows: first those go that the version does not have, then those change that differ, then those
//! come that the table lacks.

use golden::{Context, Result};
use golden_version::{Cell, Row, RowForm};

use super::compare::{Difference, Differences};
use crate::store::Store;

/// Makes the table what the version is.
pub fn apply(store: &mut dyn Store, form: &RowForm, differences: Differences) -> Result<()> {
    let table = &form.schema.table;
    let relation = store.relation(table)?;
    let Differences { deleted, updated, inserted, .. } = differences;
    let key: Vec<_> = form.schema.key.iter().map(String::as_str).collect();
    let mut gone = deleted.finish()?.filter_map(|difference| match difference {
        Ok(difference) => difference.before.map(|before| form.read(&before).map(|row| form.key(&row).0)),
        Err(error) => Some(Err(error)),
    });
    store.delete_all(table, &key, &mut gone).context(|| format!("rows of `{table}` cannot be deleted"))?;
    for difference in updated.finish()? {
        let Difference { before: Some(before), after: Some(after) } = difference? else { continue };
        let (before, after) = (form.read(&before)?, form.read(&after)?);
        let changed =
            before.iter().zip(&after).zip(&form.schema.columns).filter(|((before, after), _)| before != after);
        let (mut set, mut values) = (Vec::new(), Vec::new());
        for ((_, after), column) in changed {
            set.push(format!("{} = {}", quoted(&column.name), place_of(after, &mut values)));
        }
        let (condition, key) = is_row(form, &before);
        values.extend(key);
        let record = || format!("record {} of `{table}` cannot be changed", form.record_id(&form.key(&before)));
        let sql = format!("UPDATE {relation} SET {} WHERE {condition}", set.join(", "));
        store.execute(&sql, &values).context(record)?;
    }
    let columns: Vec<_> = form.schema.columns.iter().map(|column| column.name.as_str()).collect();
    let mut rows = inserted.finish()?.filter_map(|difference| match difference {
        Ok(difference) => difference.after.map(|after| form.read(&after)),
        Err(error) => Some(Err(error)),
    });
    store.insert_all(table, &columns, &mut rows).context(|| format!("rows cannot be added to `{table}`"))?;
    Ok(())
}

/// The condition that only a row with this one's key meets.
fn is_row(form: &RowForm, row: &Row) -> (String, Vec<Cell>) {
    let mut values = Vec::new();
    let key = form.key(row);
    let conditions: Vec<_> = form
        .schema
        .key
        .iter()
        .zip(&key.0)
        .map(|(name, cell)| match cell {
            Cell::Null => format!("{} IS NULL", quoted(name)),
            cell => format!("{} = {}", quoted(name), place_of(cell, &mut values)),
        })
        .collect();
    (conditions.join(" AND "), values)
}

/// What stands for a value in a statement.
fn place_of(cell: &Cell, values: &mut Vec<Cell>) -> &'static str {
    values.push(cell.clone());
    "?"
}

/// A name as both databases quote it.
fn quoted(name: &str) -> String {
    golden::store::sqlite::quote(name)
}
