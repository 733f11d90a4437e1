//! Changing rows of a table: first those go that are to go, then those change that differ, then those come that are new.

use golden::store::quote;
use golden::{Context, Result};
use golden_version::{Cell, CellKind, Row, RowForm};
use rusqlite::Connection;

use super::File;
use crate::spool::Spool;
use crate::store::{RowChanges, Store};

/// Changes the rows.
pub fn change(file: &mut File, form: &RowForm, changes: RowChanges<'_>) -> Result<()> {
    let RowChanges { deleted, updated, inserted } = changes;
    let table = &form.schema.table;
    let is_row = is_row(form);
    let delete = format!("DELETE FROM main.{} WHERE {is_row}", quote(table));
    for row in deleted {
        file.execute(&delete, &form.key(&row?).0).context(|| format!("rows of `{table}` cannot be deleted"))?;
    }
    let uniques = uniques(&file.connection, form)?;
    // Rows may take each other's values once all of them have given theirs up.
    let mut moving = Spool::default();
    for rows in updated {
        let (before, after) = rows?;
        let aside: Vec<_> = uniques
            .iter()
            .filter(|unique| before.get(unique.place) != after.get(unique.place))
            .map(|unique| format!("{} = {}", quote(&unique.name), unique.nobodys))
            .collect();
        if aside.is_empty() {
            update(file, form, &is_row, &before, &after)?;
            continue;
        }
        let sql = format!("UPDATE main.{} SET {} WHERE {is_row}", quote(table), aside.join(", "));
        let key = form.key(&before);
        let record = || format!("record {} of `{table}` cannot be changed", form.record_id(&key));
        file.execute(&sql, &key.0).context(record)?;
        moving.push(&(form.json(&before), form.json(&after)))?;
    }
    for rows in moving.finish()? {
        let (before, after): (String, String) = rows?;
        update(file, form, &is_row, &form.read(&before)?, &form.read(&after)?)?;
    }
    let columns: Vec<_> = form.schema.columns.iter().map(|column| column.name.as_str()).collect();
    file.insert_all(table, &columns, inserted).context(|| format!("rows cannot be added to `{table}`"))?;
    Ok(())
}

/// Gives a row the values that differ.
fn update(file: &mut File, form: &RowForm, is_row: &str, before: &Row, after: &Row) -> Result<()> {
    let table = &form.schema.table;
    let differing = before.iter().zip(after).zip(&form.schema.columns).filter(|((before, after), _)| before != after);
    let (set, mut values): (Vec<_>, Vec<Cell>) =
        differing.map(|((_, after), column)| (format!("{} = ?", quote(&column.name)), after.clone())).unzip();
    let key = form.key(before);
    let record = || format!("record {} of `{table}` cannot be changed", form.record_id(&key));
    values.extend(key.0.iter().cloned());
    let sql = format!("UPDATE main.{} SET {} WHERE {is_row}", quote(table), set.join(", "));
    file.execute(&sql, &values).context(record)?;
    Ok(())
}

/// The condition that only the row of a key meets: as keys compare, by bytes, and without looking at what the
/// application's own order makes equal.
fn is_row(form: &RowForm) -> String {
    let names = form.schema.key.iter().map(|name| format!("{} COLLATE BINARY IS ?", quote(name)));
    names.collect::<Vec<_>>().join(" AND ")
}

/// A column whose values no two rows share.
struct Unique {
    place: usize,
    name: String,
    /// A value that no row has.
    nobodys: &'static str,
}

/// The columns of unique indexes, but for those of the key.
fn uniques(connection: &Connection, form: &RowForm) -> Result<Vec<Unique>> {
    let sql = "SELECT DISTINCT c.name, t.\"notnull\" FROM pragma_index_list(?1, 'main') AS i
               JOIN pragma_index_info(i.name, 'main') AS c JOIN pragma_table_info(?1, 'main') AS t ON t.name = c.name
               WHERE i.\"unique\"";
    let mut statement = connection.prepare(sql)?;
    let columns = statement.query_map([&form.schema.table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let columns: Vec<(String, bool)> = columns.collect::<rusqlite::Result<_>>()?;
    let unique = |(name, is_not_null): (String, bool)| {
        let place = form.position(&name)?;
        let kind = form.schema.columns.get(place)?.kind;
        let nobodys = match kind {
            _ if !is_not_null => "NULL",
            CellKind::Text => "hex(randomblob(16))",
            CellKind::Integer | CellKind::Boolean => "random()",
            CellKind::Real => "CAST(random() AS REAL)",
            CellKind::Blob | CellKind::Any => "randomblob(16)",
        };
        (!form.schema.key.contains(&name)).then_some(Unique { place, name, nobodys })
    };
    Ok(columns.into_iter().filter_map(unique).collect())
}
