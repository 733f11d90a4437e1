//! Which records are selected, and in which order they are read.
//!
//! The order is worked out by SQLite's own sorter, into temporary tables that hold the places of rows
//! and nothing else (the sorter spills to a temporary file). No step needs an index on a foreign key.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use serde_json::Value;

use crate::document::{RecordKind, id_text, order};
use crate::store::dataset::Selection;
use crate::store::quote;
use crate::store::schema::{Column, KeyColumn, Schema, Table};
use crate::{Error, Result};

/// The temporary table that holds the order of one kind's rows: `sequence`, for children `parent`, the
/// sequence number of their analysis, and the columns that locate the row.
pub(super) fn order_table(kind: RecordKind) -> String {
    format!("temp.golden_order_{}", kind.plural())
}

/// The condition that joins an order table, aliased `o`, with the rows it locates, aliased `t`. What
/// stands left decides how is compared, and so that the table's own key is used.
pub(super) fn located(table: &Table) -> String {
    let terms = locator(table).map(|(place, column)| format!("t.{} = o.{place}", quote(&column.name)));
    terms.collect::<Vec<_>>().join(" AND ")
}

/// The columns of an order table that locate a row, and the row's columns they hold.
fn locator(table: &Table) -> impl Iterator<Item = (String, &KeyColumn)> {
    table.locator.iter().enumerate().map(|(index, column)| (format!("locator{index}"), column))
}

/// Makes the order table of the analyses; how many are selected.
pub(super) fn order_analyses(connection: &Connection, schema: &Schema, selection: &Selection) -> Result<u64> {
    let table = &schema.analyses;
    let (condition, parameters) = match (selection, &schema.filter_column) {
        (Selection::Filter(values), Some(column)) => {
            let marks = vec!["?"; values.len()].join(", ");
            (format!("t.{} IN ({marks})", quote(column)), values.iter().map(filter_parameter).collect())
        }
        (Selection::Ids(ids, column), _) => {
            (format!("t.{} IN (SELECT {column} FROM {ids})", quote(&table.id()?.name)), Vec::new())
        }
        (Selection::All, _) | (Selection::Filter(_), None) => ("1".to_owned(), Vec::new()),
    };
    let from = format!("main.{} t WHERE {condition} ORDER BY {}", quote(&table.name), order_term(table));
    let selected = fill(connection, table, &from, parameters)?;
    let places: Vec<_> = locator(table).map(|(place, _)| place).collect();
    let sql = format!("CREATE INDEX temp.golden_order_places ON golden_order_analyses({})", places.join(", "));
    connection.execute_batch(&sql)?;
    Ok(selected)
}

/// Makes the order table of one kind of children; how many belong to the selected analyses.
pub(super) fn order_children(connection: &Connection, schema: &Schema, table: &Table, selected: u64) -> Result<u64> {
    let analyses = &schema.analyses;
    let [name, parent] = [&table.name, table.parent.as_ref().unwrap_or(&table.name)].map(|name| quote(name));
    let [analysis, id] = [&analyses.name, &analyses.id()?.name].map(|name| quote(name));
    let places = order_table(RecordKind::Analysis);
    // The comparison is the foreign key's own, with its affinities and collations.
    let belongs = format!("p.{id} = t.{parent}");
    let found: Vec<_> =
        locator(analyses).map(|(place, column)| format!("a.{place} = p.{}", quote(&column.name))).collect();
    let is_selected = found.join(" AND ");
    let total: u64 = connection.query_row(&format!("SELECT count(*) FROM main.{analysis}"), [], |row| row.get(0))?;
    // Most of the children are read in the order they stand in, few are looked for.
    let joined = if selected >= total / 4 {
        format!("main.{name} t CROSS JOIN main.{analysis} p ON {belongs} CROSS JOIN {places} a ON {is_selected}")
    } else {
        format!("{places} a CROSS JOIN main.{analysis} p ON {is_selected} CROSS JOIN main.{name} t ON {belongs}")
    };
    fill(connection, table, &format!("{joined} ORDER BY a.sequence, {}", order_term(table)), Vec::new())
}

/// Fills an order table with the rows that `from` gives, aliased `t`.
fn fill(connection: &Connection, table: &Table, from: &str, parameters: Vec<Stored>) -> Result<u64> {
    let ordered = order_table(table.kind);
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    if table.parent.is_some() {
        columns.push("parent INTEGER".to_owned());
        values.push("a.sequence".to_owned());
    }
    for (place, column) in locator(table) {
        columns.push(format!("{place} {}", column.affinity.declared()));
        values.push(format!("t.{}", quote(&column.name)));
    }
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS {ordered};
         CREATE TABLE {ordered}(sequence INTEGER PRIMARY KEY, {})",
        columns.join(", ")
    ))?;
    let sql = format!("INSERT INTO {ordered} SELECT NULL, {} FROM {from}", values.join(", "));
    let count = connection.execute(&sql, params_from_iter(parameters))? as u64;
    if !table.has_unique_ids {
        refuse_duplicates(connection, table)?;
    }
    Ok(count)
}

/// Where the database does not keep ids apart, a document must not take two rows for one record.
fn refuse_duplicates(connection: &Connection, table: &Table) -> Result<()> {
    let id = table.id()?;
    let [name, id_name] = [&table.name, &id.name].map(|name| quote(name));
    let sql = format!(
        "SELECT t.{id_name}, count(*) FROM {} o CROSS JOIN main.{name} t ON {} WHERE t.{id_name} IS NOT NULL
         GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1",
        order_table(table.kind),
        located(table),
    );
    let duplicate = connection.query_row(&sql, [], |row| Ok((row.get::<_, Stored>(0)?, row.get::<_, u64>(1)?)));
    let Some((stored, rows)) = duplicate.optional()? else { return Ok(()) };
    let value = id.decode(stored).unwrap_or_default();
    let shown = id_text(&value).unwrap_or_else(|| value.to_string());
    Err(Error::data(format!("table `{}` has {rows} rows whose `{}` is {shown}", table.name, id.name))
        .guidance("a record is known by its id: correct the rows, or name another column as id in golden.toml"))
}

fn filter_parameter(value: &Value) -> Stored {
    match value {
        Value::Bool(truth) => Stored::Integer(i64::from(*truth)),
        Value::Number(number) => number.as_i64().map_or(Stored::Null, Stored::Integer),
        Value::String(text) => Stored::Text(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => Stored::Null,
    }
}

/// The ORDER BY terms of a table, its rows aliased `t`: the reading order, then the place, which decides
/// only where the columns of the reading order are not compared.
fn order_term(table: &Table) -> String {
    let kind = RecordKind::ALL.iter().position(|kind| *kind == table.kind).unwrap_or_default();
    let columns = table.order.iter().filter_map(|&index| table.columns.get(index));
    let columns: Vec<_> = columns.map(|column| format!("t.{}", quote(&column.name))).collect();
    let key = (!columns.is_empty()).then(|| format!("golden_order({kind}, {})", columns.join(", ")));
    let place = table.locator.iter().map(|column| format!("t.{}", quote(&column.name)));
    key.into_iter().chain(place).collect::<Vec<_>>().join(", ")
}

/// Registers `golden_order(kind, stored…)`: the sort key of a row, from the columns of its reading order.
pub(super) fn register_sort_key(connection: &Connection, schema: &Schema) -> Result<()> {
    let columns: Vec<Vec<Column>> = RecordKind::ALL
        .into_iter()
        .map(|kind| schema.table(kind))
        .map(|table| {
            table.map_or(Vec::new(), |table| table.order.iter().map(|&at| table.columns[at].clone()).collect())
        })
        .collect();
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("golden_order", -1, flags, move |context| {
        let columns = columns.get(context.get::<u32>(0)? as usize).map_or(&[][..], Vec::as_slice);
        let mut key = Vec::with_capacity(64);
        for (index, column) in columns.iter().enumerate() {
            // Text that is not UTF-8 is refused, and its row named, when the row is read.
            let stored = match context.get_raw(index + 1) {
                ValueRef::Text(text) => Stored::Text(String::from_utf8_lossy(text).into_owned()),
                other => Stored::try_from(other)?,
            };
            order::push_key(column.decode(stored).as_ref(), &mut key);
        }
        Ok(key)
    })?;
    Ok(())
}
