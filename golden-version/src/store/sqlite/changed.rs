//! Changing rows of a table: first those go that are to go, then those change that differ, then those come that are new.

use golden::store::quote;
use golden::{Context, Error, Result};
use golden_version::{Cell, CellKind, Row, RowForm};
use rusqlite::{Connection, params_from_iter};

use super::{Bound, File};
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
    // Rows that stand in each other's way give up the values that no two may share, and get theirs when all have.
    let mut moving = Spool::default();
    for rows in updated {
        let (before, after) = rows?;
        if update(file, form, &is_row, &before, &after)? == Updated::Done {
            continue;
        }
        let differing = uniques.iter().filter(|unique| before.get(unique.place) != after.get(unique.place));
        let aside: Vec<_> = differing.map(|unique| format!("{} = {}", quote(&unique.name), unique.nobodys)).collect();
        if !aside.is_empty() {
            let sql = format!("UPDATE OR ABORT main.{} SET {} WHERE {is_row}", quote(table), aside.join(", "));
            let key = form.key(&before);
            file.execute(&sql, &key.0).context(|| cannot_be_changed(form, &before))?;
        }
        moving.push(&(form.json(&before), form.json(&after)))?;
    }
    for rows in moving.finish()? {
        let (before, after): (String, String) = rows?;
        let (before, after) = (form.read(&before)?, form.read(&after)?);
        if update(file, form, &is_row, &before, &after)? == Updated::Blocked {
            let error = Error::data("another row has a value that no two may share");
            return Err(error.context(cannot_be_changed(form, &before)));
        }
    }
    let columns: Vec<_> = form.schema.columns.iter().map(|column| column.name.as_str()).collect();
    file.insert_all(table, &columns, inserted).context(|| format!("rows cannot be added to `{table}`"))?;
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Updated {
    Done,
    /// Another row has a value that no two may share.
    Blocked,
}

/// Gives a row the values that differ.
fn update(file: &mut File, form: &RowForm, is_row: &str, before: &Row, after: &Row) -> Result<Updated> {
    let differing = before.iter().zip(after).zip(&form.schema.columns).filter(|((before, after), _)| before != after);
    let (set, mut values): (Vec<_>, Vec<Cell>) =
        differing.map(|((_, after), column)| (format!("{} = ?", quote(&column.name)), after.clone())).unzip();
    values.extend(form.key(before).0);
    // Whatever the constraints say: none of them may delete a row.
    let sql = format!("UPDATE OR ABORT main.{} SET {} WHERE {is_row}", quote(&form.schema.table), set.join(", "));
    let mut statement = file.connection.prepare_cached(&sql)?;
    match statement.execute(params_from_iter(values.iter().map(Bound))) {
        Ok(_) => Ok(Updated::Done),
        Err(error) if is_of_uniqueness(&error) => Ok(Updated::Blocked),
        Err(error) => Err(Error::from(error).context(cannot_be_changed(form, before))),
    }
}

fn is_of_uniqueness(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_ROWID))
}

fn cannot_be_changed(form: &RowForm, row: &Row) -> String {
    format!("record {} of `{}` cannot be changed", form.record_id(&form.key(row)), form.schema.table)
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

/// The columns of unique indexes and of the primary key, which has no index where it is the row number, but for those
/// of the key that records are known by.
fn uniques(connection: &Connection, form: &RowForm) -> Result<Vec<Unique>> {
    let sql = "SELECT name, \"notnull\" OR pk > 0 FROM pragma_table_info(?1, 'main')
               WHERE pk > 0 OR name IN (SELECT c.name FROM pragma_index_list(?1, 'main') AS i
                                        JOIN pragma_index_info(i.name, 'main') AS c WHERE i.\"unique\")";
    let mut statement = connection.prepare(sql)?;
    let columns = statement.query_map([&form.schema.table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let columns: Vec<(String, bool)> = columns.collect::<rusqlite::Result<_>>()?;
    let unique = |(name, is_not_null): (String, bool)| {
        let place = form.position(&name)?;
        let kind = form.schema.columns.get(place)?.kind;
        let nobodys = match kind {
            _ if !is_not_null => "NULL",
            // What a table demands of values is, most of all, that they are short and not negative.
            CellKind::Text => "hex(randomblob(8))",
            CellKind::Integer | CellKind::Boolean => "random() & 9223372036854775807",
            CellKind::Real => "abs(CAST(random() AS REAL))",
            CellKind::Blob | CellKind::Any => "randomblob(16)",
        };
        (!form.schema.key.contains(&name)).then_some(Unique { place, name, nobodys })
    };
    Ok(columns.into_iter().filter_map(unique).collect())
}
