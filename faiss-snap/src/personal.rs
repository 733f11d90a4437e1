//! Personal data in the text of a database: where it stands, never what.

use std::collections::BTreeMap;
use std::path::Path;

use golden::personal::{Kind, find_in_field, redact};
use golden::settings::{self, PersonalData};
use golden::store::quote;
use golden::{Context, Result};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::manifest::{Finding, Level};
use crate::sqlite::open_unchanging;

const CHECK: &str = "personal-data";

/// How many rows are named for each column and kind.
const SHOWN: usize = 5;

/// Where one kind was found in one column.
#[derive(Default)]
struct Places {
    count: u64,
    rows: Vec<String>,
}

/// Looks at every text of every table.
pub fn check(database: &Path, settings: &PersonalData) -> Result<Vec<Finding>> {
    let connection = open_unchanging(database)?;
    let mut findings = Vec::new();
    for table in tables(&connection)? {
        match look(&connection, &table, settings).context(|| format!("table {table}")) {
            Ok(found) => findings.extend(found),
            Err(error) => {
                findings.push(Finding::new(Level::Warning, CHECK, Some(&table), format!("not looked at: {error}")));
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::new(Level::Ok, CHECK, None, "none found"));
    }
    Ok(findings)
}

fn tables(connection: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
               AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

fn look(connection: &Connection, table: &str, settings: &PersonalData) -> Result<Vec<Finding>> {
    let mut statement = connection.prepare(&format!("SELECT * FROM main.{}", quote(table)))?;
    let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
    let mut places: BTreeMap<(usize, Kind), Places> = BTreeMap::new();
    let mut rows = statement.query([])?;
    let mut number = 0_u64;
    while let Some(row) = rows.next()? {
        number += 1;
        for (index, column) in columns.iter().enumerate() {
            let text = match row.get_ref(index)? {
                ValueRef::Text(text) => String::from_utf8_lossy(text),
                ValueRef::Integer(integer) => integer.unsigned_abs().to_string().into(),
                _ => continue,
            };
            for found in find_in_field(column, &text) {
                let value = text.get(found.range).unwrap_or_default();
                if level(settings, found.kind).is_some() && !settings.allows(found.kind, value) {
                    places.entry((index, found.kind)).or_default().add(number);
                }
            }
        }
    }
    Ok(places.into_iter().filter_map(|(place, found)| finding(table, &columns, place, &found, settings)).collect())
}

impl Places {
    fn add(&mut self, row: u64) {
        self.count += 1;
        let row = row.to_string();
        if self.rows.len() < SHOWN && self.rows.last() != Some(&row) {
            self.rows.push(row);
        }
    }
}

fn finding(
    table: &str,
    columns: &[String],
    (column, kind): (usize, Kind),
    found: &Places,
    settings: &PersonalData,
) -> Option<Finding> {
    let column = columns.get(column).map_or_else(String::new, |name| redact(name).into_owned());
    let more = if found.rows.len() == SHOWN { ", …" } else { "" };
    let message = format!("{}, {} time(s), in row {}{more}", kind.described(), found.count, found.rows.join(", "));
    Some(Finding::new(level(settings, kind)?, CHECK, Some(&format!("{table}.{column}")), message))
}

fn level(settings: &PersonalData, kind: Kind) -> Option<Level> {
    match settings.level(kind) {
        settings::Level::Off => None,
        settings::Level::Warning => Some(Level::Warning),
        settings::Level::Error => Some(Level::Error),
    }
}
