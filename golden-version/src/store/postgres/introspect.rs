//! A table as PostgreSQL's catalog has it.

use golden::store::postgres::relation;
use golden::{Error, Result};
use golden_version::{Cell, CellKind, Column, TableSchema};

use super::{Server, text};
use crate::store::{Store, first};

/// A table's columns, without those that are generated, and its primary key.
pub fn table(server: &mut Server, name: &str) -> Result<(Vec<Column>, Vec<String>)> {
    let named = [Cell::Text(relation(name))];
    let sql = "SELECT relkind FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(?)";
    let kind = first(server, sql, &named)?.and_then(|row| row.into_iter().next()).and_then(text);
    match kind.as_deref() {
        Some("r" | "p") => {}
        Some(_) => {
            return Err(Error::usage(format!("`{name}` is a view or foreign table, not a table of its own"))
                .guidance("name a table"));
        }
        None => {
            return Err(Error::usage(format!("there is no table `{name}`"))
                .guidance("--dataset names a table, or --table the table that the dataset is made of"));
        }
    }
    // A domain counts as the type it is made of.
    let sql = "WITH RECURSIVE base(attnum, type) AS (
                   SELECT attnum, atttypid FROM pg_catalog.pg_attribute
                   WHERE attrelid = pg_catalog.to_regclass(?) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                   UNION ALL
                   SELECT attnum, typbasetype FROM base JOIN pg_catalog.pg_type t ON t.oid = base.type
                   WHERE t.typtype = 'd'
               )
               SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
                      CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname END,
                      (SELECT k.place FROM pg_catalog.pg_index i,
                              unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
                       WHERE i.indrelid = a.attrelid AND i.indisprimary AND k.attnum = a.attnum
                       AND k.place <= i.indnkeyatts)
               FROM base JOIN pg_catalog.pg_type t ON t.oid = base.type AND t.typtype <> 'd'
                    JOIN pg_catalog.pg_attribute a
                    ON a.attrelid = pg_catalog.to_regclass(?) AND a.attnum = base.attnum
               ORDER BY a.attnum";
    let mut columns = Vec::new();
    let mut primary = Vec::new();
    server.query(sql, &[named.clone(), named].concat(), &mut |row| {
        let mut row = row.into_iter().map(text);
        let mut next = || row.next().flatten();
        let (name, declared, base, place) = (next(), next(), next(), next());
        let column = Column {
            name: name.unwrap_or_default(),
            declared: declared.unwrap_or_default(),
            kind: kind_of(base.as_deref().unwrap_or_default()),
        };
        if let Some(place) = place.and_then(|place| place.parse::<u32>().ok()) {
            primary.push((place, column.name.clone()));
        }
        columns.push(column);
        Ok(())
    })?;
    primary.sort();
    Ok((columns, primary.into_iter().map(|(_, name)| name).collect()))
}

/// Whether some of the key's columns are those of a unique index.
pub fn has_unique_index(server: &mut Server, schema: &TableSchema) -> Result<bool> {
    let sql = "SELECT 1 FROM pg_catalog.pg_index i
               WHERE i.indrelid = pg_catalog.to_regclass(?) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
               AND NOT EXISTS (SELECT 1 FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
                               LEFT JOIN pg_catalog.pg_attribute a
                               ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND a.attname::text = ANY (?::text[])
                               WHERE k.place <= i.indnkeyatts AND a.attname IS NULL)
               LIMIT 1";
    let element = |name: &String| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let names: Vec<_> = schema.key.iter().map(element).collect();
    let values = [Cell::Text(relation(&schema.table)), Cell::Text(format!("{{{}}}", names.join(",")))];
    Ok(first(server, sql, &values)?.is_some())
}

/// What the values of a system type are.
fn kind_of(name: &str) -> CellKind {
    match name {
        "bool" => CellKind::Boolean,
        "int2" | "int4" | "int8" => CellKind::Integer,
        "float4" | "float8" => CellKind::Real,
        "bytea" => CellKind::Blob,
        _ => CellKind::Text,
    }
}
