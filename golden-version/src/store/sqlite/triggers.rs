//! Triggers that note every change of a table.
//!
//! `INSERT OR REPLACE` deletes rows without a word: only the insert's triggers fire, unless the connection asks for
//! recursive triggers. So before an insert the rows that stand in its way are set aside, and after it those of them
//! that are gone count as deleted.

use golden::store::quote;
use golden::{Error, Result};
use rusqlite::Connection;

use crate::tracking::{Tracking, TriggerState};

/// Now, as both SQLAlchemy and we write it.
const NOW: &str = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'";

/// Columns whose values no two rows may share, with the collation by which they are the same.
type Unique = Vec<(String, String)>;

/// Creates the tables and triggers.
pub fn install(connection: &Connection, tracking: &Tracking) -> Result<()> {
    let columns = |side| tracking.columns(side).join(", ");
    connection.execute_batch(&format!(
        "CREATE TABLE {} (seq INTEGER PRIMARY KEY, changed_at DATETIME, job TEXT, was_there BOOLEAN, is_there BOOLEAN,
                          {}, {});
         CREATE TABLE {} ({});",
        quote(&tracking.changes()),
        columns('o'),
        columns('n'),
        quote(&tracking.name("replaced")),
        columns('o'),
    ))?;
    for (_, sql) in triggers(connection, tracking)? {
        connection.execute_batch(&sql)?;
    }
    Ok(())
}

/// Removes them, as far as they are there, whatever an earlier design called them: all write into the same tables.
pub fn remove(connection: &Connection, tracking: &Tracking) -> Result<()> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'golden_*' AND instr(sql, ?1)";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([quote(&tracking.changes())], |row| row.get(0))?;
    let mut names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
    names.extend(SUFFIXES.map(|suffix| tracking.name(suffix)));
    for name in names {
        connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", quote(&name)))?;
    }
    for table in [tracking.changes(), tracking.name("replaced")] {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", quote(&table)))?;
    }
    Ok(())
}

/// What has become of them. Whatever changes the database's schema makes the fingerprint another: a trigger that was
/// dropped for a while looks as it did.
pub fn state(connection: &Connection, tracking: &Tracking) -> Result<TriggerState> {
    let mut complete = true;
    let mut statement = connection.prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1")?;
    for (name, sql) in triggers(connection, tracking)? {
        let mut found = statement.query([&name])?;
        complete &= match found.next()? {
            Some(row) => row.get::<_, String>(0)? == sql,
            None => false,
        };
    }
    let version: i64 = connection.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
    Ok(TriggerState { complete, fingerprint: version.to_string() })
}

/// The kinds of triggers, as their names begin. The name of the dataset follows, so none begins like another.
const SUFFIXES: [&str; 6] =
    ["before_insert", "before_update", "after_insert", "after_update", "after_key_update", "after_delete"];

/// The triggers by name.
fn triggers(connection: &Connection, tracking: &Tracking) -> Result<Vec<(String, String)>> {
    let uniques = uniques(connection, tracking)?;
    let table = quote(&tracking.schema.table);
    let stash = quote(&tracking.name("replaced"));
    let job = format!(
        "(SELECT current_job FROM dataset_tracking WHERE dataset_name = '{}')",
        tracking.dataset.replace('\'', "''")
    );
    let changes = quote(&tracking.changes());
    let values = |row: &str| {
        let names = tracking.schema.columns.iter().map(|column| format!("{row}.{}", quote(&column.name)));
        names.collect::<Vec<_>>().join(", ")
    };
    let (old, new) = (tracking.columns('o').join(", "), tracking.columns('n').join(", "));
    let key: Vec<_> = tracking
        .schema
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| tracking.schema.key.contains(&column.name))
        .map(|(position, column)| (format!("o{position}"), quote(&column.name)))
        .collect();
    let all =
        |condition: &dyn Fn(&(String, String)) -> String| key.iter().map(condition).collect::<Vec<_>>().join(" AND ");
    let is_row =
        |row: &str| all(&|(stashed, column)| format!("s.{stashed} COLLATE BINARY IS {row}.{column} COLLATE BINARY"));
    // Nothing that is noted may make an application's statement fail, so the rows are looked up by every key they
    // could be in the way of.
    let set_aside = |but: &str| {
        let mut statements = format!("DELETE FROM {stash};");
        for unique in &uniques {
            let same: Vec<_> = unique
                .iter()
                .map(|(column, collation)| format!("t.{0} = NEW.{0} COLLATE {1}", quote(column), quote(collation)))
                .collect();
            statements += &format!(
                " INSERT INTO {stash} SELECT {} FROM {table} AS t WHERE {} {but}
                  AND NOT EXISTS (SELECT 1 FROM {stash} AS s WHERE {});",
                values("t"),
                same.join(" AND "),
                is_row("t")
            );
        }
        statements
    };
    let note_replaced = format!(
        "INSERT INTO {changes} (changed_at, job, was_there, is_there, {old})
         SELECT {NOW}, {job}, 1, 0, {old} FROM {stash} AS s
         WHERE ({}) OR NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {} AND {});
         DELETE FROM {stash};",
        is_row("NEW"),
        all(&|(stashed, column)| format!("t.{column} IS s.{stashed}")),
        is_row("t")
    );
    let note_update = format!(
        "INSERT INTO {changes} (changed_at, job, was_there, is_there, {old}, {new})
         VALUES ({NOW}, {job}, 1, 1, {}, {});",
        values("OLD"),
        values("NEW")
    );
    let mut unique_columns: Vec<_> = uniques
        .iter()
        .flatten()
        .map(|(column, _)| quote(column))
        .chain(key.iter().map(|(_, column)| column.clone()))
        .collect();
    unique_columns.sort();
    unique_columns.dedup();
    // By their bytes: a letter's case may matter to one index and not to another.
    let moved: Vec<_> = unique_columns
        .iter()
        .map(|column| format!("OLD.{column} COLLATE BINARY IS NOT NEW.{column} COLLATE BINARY"))
        .collect();
    let moved = moved.join(" OR ");
    let not_itself = format!(
        "AND NOT ({})",
        key.iter()
            .map(|(_, column)| format!("t.{column} COLLATE BINARY IS OLD.{column} COLLATE BINARY"))
            .collect::<Vec<_>>()
            .join(" AND ")
    );
    let bodies = [
        ("INSERT", "BEFORE", String::new(), set_aside("")),
        ("UPDATE", "BEFORE", format!("WHEN {moved}"), set_aside(&not_itself)),
        (
            "INSERT",
            "AFTER",
            String::new(),
            format!(
                "{note_replaced} INSERT INTO {changes} (changed_at, job, was_there, is_there, {new})
                 VALUES ({NOW}, {job}, 0, 1, {});",
                values("NEW")
            ),
        ),
        ("UPDATE", "AFTER", format!("WHEN NOT ({moved})"), note_update.clone()),
        ("UPDATE", "AFTER", format!("WHEN {moved}"), format!("{note_replaced} {note_update}")),
        (
            "DELETE",
            "AFTER",
            String::new(),
            format!(
                "DELETE FROM {stash} WHERE {};
                 INSERT INTO {changes} (changed_at, job, was_there, is_there, {old}) VALUES ({NOW}, {job}, 1, 0, {});",
                all(&|(stashed, column)| format!("{stashed} COLLATE BINARY IS OLD.{column} COLLATE BINARY")),
                values("OLD")
            ),
        ),
    ];
    let made = SUFFIXES.iter().zip(bodies).map(|(suffix, (event, time, when, body))| {
        let name = tracking.name(suffix);
        let sql =
            format!("CREATE TRIGGER {} {time} {event} ON {table} FOR EACH ROW {when} BEGIN {body} END", quote(&name));
        (name, sql)
    });
    Ok(made.collect())
}

/// What keeps rows apart: the primary key and every unique index.
fn uniques(connection: &Connection, tracking: &Tracking) -> Result<Vec<Unique>> {
    let table = &tracking.schema.table;
    let mut uniques: Vec<Unique> = Vec::new();
    let mut indexes =
        connection.prepare("SELECT name FROM pragma_index_list(?1, 'main') WHERE \"unique\" ORDER BY name")?;
    let names: Vec<String> = indexes.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut columns =
        connection.prepare("SELECT name, coll FROM pragma_index_xinfo(?1, 'main') WHERE key ORDER BY seqno")?;
    for index in names {
        let unique: Vec<(Option<String>, String)> =
            columns.query_map([&index], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        let unique: Option<Unique> = unique.into_iter().map(|(name, collation)| Some((name?, collation))).collect();
        uniques.push(unique.ok_or_else(|| {
            Error::usage(format!("table `{table}` has a unique index on an expression: {index}"))
                .guidance("such a table cannot be tracked; create compares it")
        })?);
    }
    // A primary key that is the row number has no index.
    let mut primary = connection.prepare("SELECT name FROM pragma_table_info(?1, 'main') WHERE pk > 0 ORDER BY pk")?;
    let primary = primary.query_map([table], |row| Ok((row.get(0)?, "BINARY".to_owned())))?;
    let primary: Unique = primary.collect::<rusqlite::Result<_>>()?;
    let names = |unique: &Unique| unique.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if !primary.is_empty() && !uniques.iter().any(|unique| names(unique) == names(&primary)) {
        uniques.push(primary);
    }
    Ok(uniques)
}
