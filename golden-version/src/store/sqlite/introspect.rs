//! A table as SQLite declares it.

use golden::store::Affinity;
use golden::{Error, Result};
use golden_version::{CellKind, Column, TableSchema};
use rusqlite::{Connection, OptionalExtension};

/// Learns what a table is made of.
pub fn table(connection: &Connection, name: &str, key: &[String]) -> Result<TableSchema> {
    let sql = "SELECT name, type, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
    let found: Option<(String, String, bool)> =
        connection.query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((table, what, is_strict)) = found else {
        return Err(Error::usage(format!("there is no table `{name}`"))
            .guidance("--dataset names a table, or --table the table that the dataset is made of"));
    };
    if what != "table" {
        return Err(Error::usage(format!("`{name}` is a {what}, not a table of its own")).guidance("name a table"));
    }
    let affinity = if is_strict { Affinity::of_strict } else { Affinity::of_declared };
    // Computed columns are hidden ones of kinds 2 and 3.
    let sql = "SELECT name, type, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden < 2 ORDER BY cid";
    let mut statement = connection.prepare(sql)?;
    let columns = statement.query_map([&table], |row| {
        let declared: String = row.get(1)?;
        let column = Column { name: row.get(0)?, kind: kind(affinity(&declared), &declared), declared };
        Ok((column, row.get::<_, u32>(2)?))
    })?;
    let columns: Vec<(Column, u32)> = columns.collect::<rusqlite::Result<_>>()?;
    let mut primary: Vec<_> = columns.iter().filter(|(_, place)| *place > 0).collect();
    primary.sort_by_key(|(_, place)| *place);
    let primary = primary.into_iter().map(|(column, _)| column.name.clone()).collect();
    let columns: Vec<_> = columns.iter().map(|(column, _)| column.clone()).collect();
    super::super::keyed(table, columns, primary, key)
}

/// Whether the key is the primary one, or some of its columns are those of a unique index.
pub fn keeps_unique(connection: &Connection, schema: &TableSchema) -> Result<bool> {
    if !schema.key_named {
        return Ok(true);
    }
    let sql = "SELECT 1 FROM pragma_index_list(?1, 'main') AS i WHERE i.\"unique\" AND NOT i.partial
               AND NOT EXISTS (SELECT 1 FROM pragma_index_info(i.name, 'main') AS c
                               WHERE c.name IS NULL OR c.name NOT IN (SELECT value FROM json_each(?2)))
               UNION ALL
               SELECT 1 FROM pragma_table_info(?1, 'main') WHERE pk = 1 AND name IN (SELECT value FROM json_each(?2))
               AND NOT EXISTS (SELECT 1 FROM pragma_table_info(?1, 'main') WHERE pk > 1)";
    let key = serde_json::to_string(&schema.key).map_err(|error| Error::environment(error.to_string()))?;
    Ok(connection.query_row(sql, [&schema.table, &key], |_| Ok(())).optional()?.is_some())
}

fn kind(affinity: Affinity, declared: &str) -> CellKind {
    match affinity {
        Affinity::Text => CellKind::Text,
        Affinity::Real => CellKind::Real,
        Affinity::Numeric if declared.to_ascii_uppercase().contains("INT") => CellKind::Integer,
        Affinity::None if !declared.is_empty() && !declared.eq_ignore_ascii_case("ANY") => CellKind::Blob,
        Affinity::Numeric | Affinity::None | Affinity::Typed(_) => CellKind::Any,
    }
}
