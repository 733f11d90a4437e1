//! A loader's change, made in the table.

use golden::Result;
use golden::store::sqlite::quote;
use golden_version::{Cell, Key, RowForm};

use super::line::Line;
use crate::store::{Dialect, Store, first};
use crate::version::Operation;

/// A row before and after, as canonical JSON.
type Ends = (Option<String>, Option<String>);

/// Makes a change, and says what the record was and is then: defaults and the application's triggers have their say.
pub fn apply(store: &mut dyn Store, form: &RowForm, line: &Line) -> Result<Ends> {
    let relation = store.relation(&form.schema.table)?;
    let condition = condition(store.dialect(), form);
    let before = row(store, form, &relation, &condition, &line.key)?;
    let payload = line.payload.iter().flatten();
    let given = payload.filter(|(name, _)| !form.schema.key.contains(name));
    let given: Vec<_> = given.map(|(name, value)| Ok((quote(name), Cell::of_json(value)?))).collect::<Result<_>>()?;
    match (line.operation, &before) {
        (Operation::Delete, None) => {}
        (Operation::Delete, Some(_)) => {
            store.execute(&format!("DELETE FROM {relation} WHERE {condition}"), &line.key.0)?;
        }
        (Operation::Insert | Operation::Update, Some(_)) if given.is_empty() => {}
        (Operation::Insert | Operation::Update, Some(_)) => {
            let set: Vec<_> = given.iter().map(|(name, _)| format!("{name} = ?")).collect();
            let values = given.into_iter().map(|(_, cell)| cell).chain(line.key.0.iter().cloned());
            let sql = format!("UPDATE {relation} SET {} WHERE {condition}", set.join(", "));
            store.execute(&sql, &values.collect::<Vec<_>>())?;
        }
        (Operation::Insert | Operation::Update, None) => {
            let key = form.schema.key.iter().map(|name| quote(name)).zip(line.key.0.iter().cloned());
            let (names, values): (Vec<_>, Vec<_>) = key.chain(given).unzip();
            let marks = vec!["?"; names.len()].join(", ");
            store.execute(&format!("INSERT INTO {relation} ({}) VALUES ({marks})", names.join(", ")), &values)?;
        }
    }
    let after = row(store, form, &relation, &condition, &line.key)?;
    Ok((before, after))
}

/// The condition that a row has a key.
fn condition(dialect: Dialect, form: &RowForm) -> String {
    let is = match dialect {
        Dialect::Sqlite => "IS",
        Dialect::Postgres => "IS NOT DISTINCT FROM",
    };
    form.schema.key.iter().map(|name| format!("{} {is} ?", quote(name))).collect::<Vec<_>>().join(" AND ")
}

/// The row of a key, as canonical JSON.
fn row(store: &mut dyn Store, form: &RowForm, relation: &str, condition: &str, key: &Key) -> Result<Option<String>> {
    let names: Vec<_> = form.schema.columns.iter().map(|column| quote(&column.name)).collect();
    let typed = store.typed();
    let found = first(store, &format!("SELECT {} FROM {relation} WHERE {condition}", names.join(", ")), &key.0)?;
    Ok(found.map(|cells| {
        let row = form.schema.columns.iter().zip(cells).map(|(column, cell)| typed(column.kind, cell));
        form.json(&row.collect::<Vec<_>>())
    }))
}
