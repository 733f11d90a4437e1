//! A table's rows, in the order of their keys.

use golden::store::quote;
use golden::{Error, Result};
use golden_version::{Cell, Row, RowForm};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::interrupt;
use crate::store::order::Ascending;

/// A value; none for text that is not UTF-8.
pub fn cell(value: ValueRef<'_>) -> Option<Cell> {
    Some(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(integer) => Cell::Integer(integer),
        ValueRef::Real(double) => Cell::Real(double),
        ValueRef::Text(text) => Cell::Text(std::str::from_utf8(text).ok()?.to_owned()),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    })
}

/// Replaces a cell by a value, in the room that it has; false for text that is not UTF-8.
fn put(value: ValueRef<'_>, place: &mut Cell) -> bool {
    match (value, place) {
        (ValueRef::Text(text), Cell::Text(room)) => match std::str::from_utf8(text) {
            Ok(text) => {
                room.clear();
                room.push_str(text);
                true
            }
            Err(_) => {
                room.clear();
                false
            }
        },
        (value, place) => {
            let new = cell(value);
            let is_one = new.is_some();
            *place = new.unwrap_or_default();
            is_one
        }
    }
}

/// Hands out the rows. SQLite's own order of values is the one that keys have, if only texts are compared by bytes.
pub fn each(connection: &Connection, form: &RowForm, visit: &mut dyn FnMut(&mut Row) -> Result<()>) -> Result<()> {
    let schema = &form.schema;
    let columns: Vec<_> = schema.columns.iter().map(|column| quote(&column.name)).collect();
    let key: Vec<_> = schema.key.iter().map(|name| format!("{} COLLATE BINARY", quote(name))).collect();
    let sql = format!("SELECT {} FROM main.{} ORDER BY {}", columns.join(", "), quote(&schema.table), key.join(", "));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut ascending = Ascending::new(form);
    let mut row = Row::new();
    while let Some(stored) = rows.next()? {
        interrupt::check()?;
        row.resize(columns.len(), Cell::Null);
        let mut not_utf8 = None;
        for (position, place) in row.iter_mut().enumerate() {
            if !put(stored.get_ref(position)?, place) {
                not_utf8 = Some(position);
            }
        }
        if let Some(column) = not_utf8.and_then(|position| schema.columns.get(position)) {
            let record = form.record_id(&form.key(&row));
            return Err(Error::data(format!(
                "table `{}`, record {record}: column `{}` holds text that is not UTF-8",
                schema.table, column.name
            ))
            .guidance("store it as a BLOB: CAST(… AS BLOB)"));
        }
        ascending.check(&row)?;
        visit(&mut row)?;
    }
    Ok(())
}
