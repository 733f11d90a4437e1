//! A loader's change, made in the table.

use golden::store::quote;
use golden::{Error, Result};
use golden_version::{Cell, Key, Row, RowForm};

use super::line::Line;
use crate::store::{Dialect, Store};
use crate::version::Operation;

/// What a change came to.
pub struct Applied {
    /// The record's key as the table has it: a UUID in capitals is another text, but no other record.
    pub key: Key,
    /// The row before, as canonical JSON.
    pub before: Option<String>,
    /// The row after.
    pub after: Option<String>,
}

/// Makes a change, and says what the record was and is then: defaults and the application's triggers have their say.
pub fn apply(store: &mut dyn Store, form: &RowForm, line: &Line) -> Result<Applied> {
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
            // A key is given, also where the server would give one.
            let given = match store.dialect() {
                Dialect::Sqlite => "",
                Dialect::Postgres => "OVERRIDING SYSTEM VALUE ",
            };
            let sql = format!("INSERT INTO {relation} ({}) {given}VALUES ({marks})", names.join(", "));
            store.execute(&sql, &values)?;
        }
    }
    let after = row(store, form, &relation, &condition, &line.key)?;
    let key = before.as_ref().or(after.as_ref()).map_or_else(|| line.key.clone(), |row| form.key(row));
    let json = |row: Option<Row>| row.map(|row| form.json(&row));
    Ok(Applied { key, before: json(before), after: json(after) })
}

/// The condition that a row has a key.
fn condition(dialect: Dialect, form: &RowForm) -> String {
    let is = match dialect {
        Dialect::Sqlite => "IS",
        Dialect::Postgres => "IS NOT DISTINCT FROM",
    };
    form.schema.key.iter().map(|name| format!("{} {is} ?", quote(name))).collect::<Vec<_>>().join(" AND ")
}

/// The row of a key.
///
/// # Errors
/// Two rows that the database takes for one: it does not tell the letters `a` and `A` apart, say, as keys do.
fn row(store: &mut dyn Store, form: &RowForm, relation: &str, condition: &str, key: &Key) -> Result<Option<Row>> {
    let names: Vec<_> = form.schema.columns.iter().map(|column| quote(&column.name)).collect();
    let typed = store.typed();
    let sql = format!("SELECT {} FROM {relation} WHERE {condition} LIMIT 2", names.join(", "));
    let mut found = Vec::new();
    store.query(&sql, &key.0, &mut |cells| {
        found.push(form.schema.columns.iter().zip(cells).map(|(column, cell)| typed(column.kind, cell)).collect());
        Ok(())
    })?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(Error::data(format!(
            "table `{}` has several rows for record {}",
            form.schema.table,
            form.record_id(key)
        ))
        .guidance("name columns that tell the rows apart with --key")),
    }
}
